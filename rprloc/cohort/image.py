"""Whether the package that runs in an image is the checkout's."""

from __future__ import annotations

import hashlib
from pathlib import Path

import rprloc
from rprloc.errors import InputError

PACKAGE = Path(rprloc.__file__).parent
SUFFIXES = (".py", ".json", ".csv", ".j2", ".js", ".css")
"""Of the files that count: as `packageHash` of modules/support/main.nf has them."""


def package_hash(package: Path = PACKAGE) -> str:
    """Return the hash of the whole package, by its files' names and texts: the same as Nextflow's of the checkout."""
    paths = sorted((path for path in package.rglob("*") if path.suffix in SUFFIXES), key=str)
    text = "\n".join(f"{path.name}\n{path.read_text(encoding='utf-8')}" for path in paths)
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def check_same_code(expected: str, image: str, *, package: Path = PACKAGE) -> None:
    """Raise InputError where the running package is not the one with the hash that is expected, the checkout's; `image`
    is the container's, empty without one.
    """
    found = package_hash(package)
    if found == expected:
        return
    where = f"image {image}" if image else str(package)
    told = f"found rprloc {rprloc.__version__} with code {found[:8]}, expected the checkout's code {expected[:8]}"
    raise InputError(f"{where}: {told}; {_remedy(image)}.")


def _remedy(image: str) -> str:
    """Return what to do about an image, as a command in the checkout's folder."""
    if not image:
        return "start the pipeline with the package that lies beside main.nf"
    if image.endswith(".sif"):
        return f"make it anew: apptainer build --force {image} containers/Singularity.def"
    return f"make it anew: docker build -f containers/Dockerfile -t {image} ."
