"""What makes the same result again, beside parameters, sheet and scans: code, versions and weights."""

from __future__ import annotations

import hashlib
import json
import platform
import subprocess
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

import msgspec
import yaml

import rprloc
from rprloc.cohort.image import package_hash
from rprloc.errors import InputError

LIBRARIES = ("torch", "SimpleITK", "numpy", "scipy", "pandas", "matplotlib", "safetensors", "statsmodels")
"""Those that results depend on."""


class Provenance(msgspec.Struct, frozen=True, kw_only=True):
    """What a run is made of."""

    commit: str = ""
    """Of the checkout; ends with `, changed` where files differ from it. Empty for what is no checkout of Git."""
    code: str = ""
    """The hash of the package's files."""
    versions: Mapping[str, str] = {}
    weights: Mapping[str, str] = {}
    """A given model's id -> the hash of its tensors."""


def provenance(*, commit: str, models: Mapping[str, Path]) -> Provenance:
    """Return what a run with given models, by id, is made of; raises InputError for a model that is none."""
    weights = {name: tensors_sha256(path) for name, path in sorted(models.items())}
    return Provenance(commit=commit, code=package_hash(), versions=versions(), weights=weights)


def versions() -> dict[str, str]:
    """Return the versions of this package, Python and the libraries whose results depend on them."""
    return {
        "rprloc": rprloc.__version__,
        "python": platform.python_version(),
        **{name: version(name) for name in LIBRARIES},
    }


def versions_text(process: str) -> str:
    """Return the versions as MultiQC reads them of files *_mqc_versions.yml: YAML, below the name of a process."""
    return yaml.safe_dump({process: versions()}, sort_keys=False)


def commit_of(folder: Path) -> str:
    """Return the commit of a checkout, with `, changed` where its files are not the commit's; empty for any other."""
    try:
        asked = [
            subprocess.run(["git", "-C", folder, *words], capture_output=True, text=True, check=True).stdout
            for words in (["rev-parse", "HEAD"], ["status", "--porcelain", "--untracked-files=no"])
        ]
    except (OSError, subprocess.CalledProcessError):
        return ""
    return asked[0].strip() + (", changed" if asked[1].strip() else "")


def tensors_sha256(path: Path) -> str:
    """Return the SHA-256 of a safetensors file's tensors, by name: equal weights have equal hashes, whatever the header
    says of their training. It is that of `rprloc.networks.checkpoint.Model.fingerprint`; raises InputError for any
    other file.
    """
    content = path.read_bytes()
    length = int.from_bytes(content[:8], "little")
    try:
        header = json.loads(content[8 : 8 + length])
        places = {name: tensor["data_offsets"] for name, tensor in header.items() if name != "__metadata__"}
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise InputError(f"{path.name}: found no header of tensors, expected a model file (safetensors).") from error
    digest = hashlib.sha256()
    for name, (start, end) in sorted(places.items()):
        digest.update(name.encode())
        digest.update(content[8 + length + start : 8 + length + end])
    return digest.hexdigest()
