"""The files in which a series may lie: those below a folder, in a zip archive, or one by itself."""

from __future__ import annotations

import io
import os
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from rprloc.errors import InputError

MOST_FILES = 50_000
"""Below a folder or in an archive: the largest examinations have some ten thousand."""
MOST_BYTES = 1 << 32
"""Of one file in an archive when it is unpacked."""

_DIRECTORY = 1 << 25
"""Most bytes of an archive's list of files that are looked at: that of MOST_FILES with long names is smaller."""
_END = b"PK\x05\x06"
_LONG_END = b"PK\x06\x06"
_END_SIZE, _END_TEXT = 22 + 56 + 20, 1 << 16
"""Bytes of what ends an archive, in its short and its 64-bit form, and most of the text behind it."""


@dataclass(frozen=True)
class DicomFiles:
    """Files in the order of their names, which may be a patient's: they are counted in messages and never named."""

    name: str
    """What messages call all together."""
    names: Sequence[str]
    open: Callable[[str], BinaryIO]
    """Open one of them; raises InputError where it cannot be unpacked."""
    paths: Sequence[Path]
    """What lies on the disk: the files themselves, or the one archive."""

    def place(self, name: str) -> str:
        """Return which file one of them is, in words."""
        return f"file {self.names.index(name) + 1} of {len(self.names)} by name"


@contextmanager
def opened_files(path: Path) -> Iterator[DicomFiles]:
    """Yield the files below a folder, in a zip archive, or the file itself.

    Raises InputError for more than MOST_FILES, for an archive that is damaged or locked, and for one with a path that
    leads out of it.
    """
    if path.is_dir():
        names = _below(path)
        yield DicomFiles(path.name, names, lambda name: (path / name).open("rb"), [path / name for name in names])
    elif is_archive(path):
        with _archive(path) as archive:
            yield DicomFiles(path.name, _inside(archive, path.name), partial(_unpacked, archive, path.name), [path])
    else:
        yield DicomFiles(path.name, [path.name], lambda _: path.open("rb"), [path])


def is_archive(path: Path) -> bool:
    """Tell whether a file begins as a zip archive does; raises OSError where it cannot be read."""
    with path.open("rb") as stream:
        return stream.read(2) == b"PK"


def _below(folder: Path) -> list[str]:
    """Return the relative paths of a folder's files, also deeper ones; links to folders are not followed."""
    found: list[str] = []
    for here, _, names in os.walk(folder, onerror=_raise):
        found += [str((Path(here) / name).relative_to(folder)) for name in names]
        if len(found) > MOST_FILES:
            raise InputError(f"{folder.name}: found more than {MOST_FILES:,} files, expected one examination.")
    # A link to nowhere is no file, and a pipe would never end.
    return sorted(name for name in found if not _of_a_mac(name) and (folder / name).is_file())


def _raise(error: OSError) -> None:
    """Raise the error of a folder that may not be read, which os.walk passes over."""
    raise error


@contextmanager
def _archive(path: Path) -> Iterator[zipfile.ZipFile]:
    """Yield an archive whose list of files is of a size that can be read; raises InputError."""
    with path.open("rb") as stream:
        stream.seek(max(0, path.stat().st_size - _END_SIZE - _END_TEXT))
        end = stream.read()
    at, long = end.rfind(_END), end.rfind(_LONG_END)
    listed = int.from_bytes(end[at + 12 : at + 16], "little") if at >= 0 else 0
    if listed == 0xFFFFFFFF and long >= 0:
        listed = int.from_bytes(end[long + 40 : long + 48], "little")
    if listed > _DIRECTORY:
        raise InputError(f"{path.name}: found an archive of more than {MOST_FILES:,} files, expected one examination.")
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        raise InputError(f"{path.name}: found a damaged zip archive, expected a whole one.") from error
    with archive:
        yield archive


def _inside(archive: zipfile.ZipFile, name: str) -> list[str]:
    """Return the names of an archive's files; raises InputError for too many and for a path that leads out of it."""
    found = [one.filename for one in archive.infolist() if not one.is_dir()]
    if len(found) > MOST_FILES:
        raise InputError(f"{name}: found an archive of {len(found):,} files, expected at most {MOST_FILES:,}.")
    if any(".." in PurePosixPath(one).parts or one.startswith("/") or "\\" in one or ":" in one[:2] for one in found):
        raise InputError(f"{name}: found a path that leads out of the archive, expected a zip archive of a folder.")
    return sorted({one for one in found if not _of_a_mac(one)})


def _of_a_mac(name: str) -> bool:
    """Tell whether a file is what a Mac puts beside each one on other disks and in archives, called as it is."""
    parts = PurePosixPath(name).parts
    return "__MACOSX" in parts or parts[-1].startswith("._")


def _unpacked(archive: zipfile.ZipFile, name: str, file: str) -> BinaryIO:
    """Return a file of an archive, unpacked; only its beginning where it is no DICOM."""
    try:
        if archive.getinfo(file).file_size > MOST_BYTES:
            raise InputError(f"{name}: found a file of more than {MOST_BYTES:,} bytes in it, expected slices.")
        with archive.open(file) as stream:
            start = stream.read(_DICM_END)
            return io.BytesIO(start + stream.read() if may_be_dicom(start) else start)
    # RuntimeError and NotImplementedError: a password, or a packing that is not known.
    except (zipfile.BadZipFile, zlib.error, EOFError, ValueError, RuntimeError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{name}: found a zip archive that is damaged or locked, expected a whole one.") from error


_DICM_END = 132


def may_be_dicom(start: bytes) -> bool:
    """Tell whether a file may be DICOM by its first bytes: by its mark, or as files of old without a preamble begin."""
    return start[128:132] == b"DICM" or (start[:2] == b"\x08\x00" and start[2:4] in _FIRST)


_FIRST = (b"\x00\x00", b"\x01\x00", b"\x05\x00", b"\x08\x00", b"\x12\x00", b"\x16\x00", b"\x18\x00")
"""Elements of group 8 with which a data set without a preamble begins."""
