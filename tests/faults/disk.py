"""A small disk of one's own to fill: a tmpfs in a mount namespace, which needs no rights of the machine's owner."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

MOUNT = 'mount -t tmpfs -o "size=$2" none "$1" && echo ready && exec sleep infinity'


@dataclass(frozen=True)
class Disk:
    """A disk that only processes started through `command` see in its folder, and everybody through `path`."""

    folder: Path
    holder: int

    @property
    def path(self) -> Path:
        """The disk as seen from outside, for plain reading and writing."""
        return Path(f"/proc/{self.holder}/root{self.folder}")

    def command(self, *words: object) -> list[str]:
        """Return a command that sees the disk in its folder."""
        return [*self.entering(Path.cwd()), *map(str, words)]

    def entering(self, folder: Path) -> list[str]:
        """Return the words before a command that is to see the disk, started in a folder."""
        enter = ["nsenter", "--target", str(self.holder), "--user", "--mount", "--preserve-credentials"]
        return [*enter, f"--wdns={folder}"]

    def fill(self, *, leave: int = 0) -> Path:
        """Fill the disk but for `leave` bytes; return the file to remove when there is to be room again."""
        filler = self.path / "filler"
        with filler.open("wb", buffering=0) as stream:
            try:
                while stream.write(bytes(1 << 16)):
                    pass
            except OSError:
                pass
            stream.truncate(max(0, stream.tell() - leave))
        return filler


@contextmanager
def small_disk(folder: Path, *, size: int) -> Iterator[Disk]:
    """Mount a disk of `size` bytes at a folder; skips the test where the machine lets nobody mount."""
    folder.mkdir(parents=True, exist_ok=True)
    if not (shutil.which("unshare") and shutil.which("nsenter")):
        pytest.skip("a small disk needs util-linux's unshare and nsenter")
    holder = subprocess.Popen(
        ["unshare", "--map-root-user", "--mount", "sh", "-c", MOUNT, "sh", folder, str(size)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    with holder:
        assert holder.stdout is not None and holder.stderr is not None
        try:
            if holder.stdout.readline() != "ready\n":
                pytest.skip(f"this machine lets nobody mount a small disk: {holder.stderr.read().strip()}")
            yield Disk(folder, holder.pid)
        finally:
            holder.kill()


def names(folder: Path) -> list[str]:
    """Return what lies in a folder, hidden files too."""
    return sorted(os.listdir(folder))  # noqa: PTH208
