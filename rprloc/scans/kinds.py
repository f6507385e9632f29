"""What kind of file a name or its content says: what people hand over in the place of an image, and what to do."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path

CONVERT = "DICOM has to be converted first, as by dcm2niix"

DICOM = (".dcm", ".dicom", ".ima")
"""Endings of files of DICOM, of which many have none."""
_ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz", ".7z", ".rar")
_MARK = slice(128, 132)
"""Where a DICOM file says DICM."""


def of_name(name: str) -> str | None:
    """Return what a file's name says that it is, where that is no image, and what to do; None for other names."""
    folded = name.lower()
    if folded.endswith(DICOM):
        return f"a DICOM file; {CONVERT}"
    if folded.endswith(_ARCHIVES):
        return f"an archive, which has to be unpacked; {CONVERT}"
    return None


def may_hold_series(name: str) -> bool:
    """Tell whether a file's name is one of those in which a series of DICOM is read: a slice's or a zip archive's."""
    return name.lower().endswith((*DICOM, ".zip"))


def of_file(path: Path) -> str | None:
    """Return what a file is by its content or else by its name, where that is no image; None for other files.

    Raises OSError where it cannot be read.
    """
    with path.open("rb") as stream:
        start = stream.read(_MARK.stop)
    if start[_MARK] == b"DICM":
        return f"a DICOM file; {CONVERT}"
    if start.startswith(b"PK\x03\x04") and _holds_dicom(path):
        return f"DICOM in a zip archive, which has to be unpacked; {CONVERT}"
    return "an archive, which has to be unpacked" if start.startswith(b"PK\x03\x04") else of_name(path.name)


def is_dicom(path: Path) -> bool:
    """Tell whether a scan is read as DICOM: a folder, a zip archive, or a file that says so by content or name."""
    if path.is_dir():
        return True
    try:
        with path.open("rb") as stream:
            start = stream.read(_MARK.stop)
    except OSError:  # for the reader to say
        return False
    return start[_MARK] == b"DICM" or start.startswith(b"PK\x03\x04") or path.name.lower().endswith(DICOM)


def _holds_dicom(path: Path) -> bool:
    """Tell whether the first file in a zip archive is DICOM; an archive that is damaged or locked tells nothing."""
    try:
        with zipfile.ZipFile(path) as archive:
            files = [one for one in archive.infolist() if not one.is_dir() and not one.filename.startswith("__MACOSX")]
            if not files or files[0].filename.lower().endswith(DICOM):
                return bool(files)
            with archive.open(files[0]) as stream:
                return stream.read(_MARK.stop)[_MARK] == b"DICM"
    # RuntimeError and NotImplementedError: a password, or a packing that is not known.
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, RuntimeError):
        return False
