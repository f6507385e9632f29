"""A real Docker on this machine, with its own socket and data, and an image that holds enough for the first tasks.

It needs root and Debian's packages docker.io and debootstrap. No registry is asked: the image is made of Debian's own
packages, of those of this environment that CHECK imports, and of rprloc. Nothing in it can find anything.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import subprocess
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rprloc.cohort.provenance import LIBRARIES
from tests.cluster.servers import lacking, wait_for
from tests.runs import ROOT

IMPORTED = (
    "attr", "attrs", "click", "idna", "jsonschema", "jsonschema_specifications", "msgspec", "numpy",
    "referencing", "rpds", "typing_extensions", "yaml",
)  # fmt: skip
BASE = "RPRLOC_TEST_BASE"
"""The environment variable that names a folder with Debian's python3 and procps, as debootstrap makes it."""


@dataclass(frozen=True)
class Docker:
    """A running Docker: the environment of its commands."""

    environment: dict[str, str]

    def ask(self, *words: str | Path) -> str:
        """Return what one of its commands prints."""
        done = subprocess.run(["docker", *words], env=self.environment, text=True, capture_output=True, check=True)
        return done.stdout

    def make(self, image: str, base: Path, folder: Path, *, edited: bool) -> None:
        """Make an image of this environment; `edited` gives it another rprloc than the checkout's."""
        root = folder / "lib"
        root.mkdir(parents=True)
        shutil.copytree(ROOT / "rprloc", root / "rprloc", ignore=shutil.ignore_patterns("__pycache__"))
        if edited:
            with (root / "rprloc" / "errors.py").open("a", encoding="utf-8") as stream:
                stream.write("\n# of another commit\n")
        for name in IMPORTED:
            _copy(name, root)
        # What says which versions are installed.
        for name in LIBRARIES:
            about = next(ROOT.glob(f".venv/lib/python3*/site-packages/{name.lower()}-*.dist-info"))
            shutil.copytree(about, root / about.name)
        with tarfile.open(folder / "image.tar", "w") as tar:
            for part in sorted(base.iterdir()):
                if part.name not in ("dev", "proc", "sys"):
                    tar.add(part, arcname=part.name)
            tar.add(root, arcname="opt/lib")
        self.ask("import", "--change", "ENV PYTHONPATH=/opt/lib", folder / "image.tar", image)
        (folder / "image.tar").unlink()


def _copy(name: str, folder: Path) -> None:
    """Copy an installed package or module."""
    found = importlib.util.find_spec(name)
    assert found is not None and found.origin is not None, name
    origin = Path(found.origin)
    if origin.name == "__init__.py":
        ignored = shutil.ignore_patterns("__pycache__", "tests")
        shutil.copytree(origin.parent, folder / name, ignore=ignored)
        beside = origin.parent.with_name(f"{name}.libs")
        if beside.is_dir():
            shutil.copytree(beside, folder / beside.name)
    else:
        shutil.copy(origin, folder)


def missing() -> str:
    """Return what is missing to start it, empty where nothing is."""
    return lacking(("dockerd", "docker", "debootstrap"), "docker.io and debootstrap", "start Docker")


def base_of(folder: Path) -> Path:
    """Return a folder with Debian, made there where the environment names none."""
    given = os.environ.get(BASE)
    if given:
        return Path(given)
    command = ["debootstrap", "--variant=minbase", "--include=python3,procps", "bookworm", str(folder)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return folder


@contextmanager
def docker(folder: Path) -> Iterator[Docker]:
    """Start a Docker without a network whose files lie in a folder, and stop it at the end."""
    for name in ("data", "exec"):
        (folder / name).mkdir(parents=True)
    socket = f"unix://{folder}/docker.sock"
    options = ["--host", socket, "--data-root", folder / "data", "--exec-root", folder / "exec"]
    options += ["--pidfile", folder / "dockerd.pid", "--bridge=none", "--iptables=false", "--ip6tables=false"]
    options += ["--ip-forward=false", "--ip-masq=false", "--userland-proxy=false"]
    with (folder / "dockerd.log").open("wb") as log:
        process = subprocess.Popen(["dockerd", *map(str, options)], stdout=log, stderr=log, start_new_session=True)
    found = Docker(os.environ | {"DOCKER_HOST": socket})
    try:
        wait_for(lambda: _answers(found), "Docker")
        yield found
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=300)


def _answers(started: Docker) -> bool:
    """Tell whether it answers."""
    done = subprocess.run(["docker", "version"], env=started.environment, capture_output=True, check=False)
    return done.returncode == 0
