"""What kind of file a name or its content says: what people hand over in the place of an image, and what to do."""

from __future__ import annotations

from pathlib import Path

DICOM = (".dcm", ".dicom", ".ima")
"""Endings of files of DICOM, of which many have none."""
_ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz", ".7z", ".rar")
_MARK = slice(128, 132)
"""Where a DICOM file says DICM."""


def of_name(name: str) -> str | None:
    """Return what a file's name says that it is, where that is no image, and what to do; None for other names."""
    folded = name.lower()
    if folded.endswith(DICOM):
        return "a DICOM file"
    return "an archive, which has to be unpacked" if folded.endswith(_ARCHIVES) else None


def may_hold_series(name: str) -> bool:
    """Tell whether a file's name is one of those in which a series of DICOM is read: a slice's or a zip archive's."""
    return name.lower().endswith((*DICOM, ".zip"))


def of_file(path: Path) -> str | None:
    """Return what a file is by its content or else by its name, where that is no image; None for other files.

    Raises OSError where it cannot be read.
    """
    start = _start(path)
    if start[_MARK] == b"DICM":
        return "a DICOM file"
    return "an archive, which has to be unpacked" if start.startswith(b"PK\x03\x04") else of_name(path.name)


def is_dicom(path: Path) -> bool:
    """Tell whether a scan is read as DICOM: a folder, a zip archive, or a file that says so by content or name."""
    if path.is_dir():
        return True
    try:
        start = _start(path)
    except OSError:  # for the reader to say
        return False
    return start[_MARK] == b"DICM" or start.startswith(b"PK\x03\x04") or path.name.lower().endswith(DICOM)


def _start(path: Path) -> bytes:
    """Return a file's beginning, up to where DICOM says what it is."""
    with path.open("rb") as stream:
        return stream.read(_MARK.stop)
