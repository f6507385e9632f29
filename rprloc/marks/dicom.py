"""Annotations in DICOM: what kind of object a file holds, and whether it is of its scan's frame of reference."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pydicom
from pydicom.errors import InvalidDicomError

from rprloc.errors import InputError

SEG, RTSTRUCT = "SEG", "RTSTRUCT"
_MARK = slice(128, 132)
_MOST_TRIED = 50
"""Files of a folder that are looked at for one that is DICOM."""
_TAGS = ["FrameOfReferenceUID", "Modality"]


def is_dicom(path: Path) -> bool:
    """Tell whether a file says that it is DICOM; raises OSError where it cannot be read."""
    with path.open("rb") as stream:
        return stream.read(_MARK.stop)[_MARK] == b"DICM"


@contextmanager
def faults_of(path: Path) -> Iterator[None]:
    """Raise InputError in the place of what the libraries raise of a damaged or strange DICOM file, whose warnings, on
    what is not asked of it, are passed over. What they say may name a patient and is not repeated.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield
        except InputError:
            raise
        except (
            InvalidDicomError, AttributeError, KeyError, TypeError, ValueError, IndexError, RuntimeError, EOFError,
            NotImplementedError, OverflowError, AssertionError,
        ) as error:  # fmt: skip
            raise InputError(
                f"{path.name}: found a DICOM file that is damaged or lacks what its kind must have "
                f"({type(error).__name__}), expected a segmentation or a structure set."
            ) from error
        except OSError as error:
            raise InputError(f"{path.name}: found '{error.strerror or error}', expected a DICOM file.") from error


def modality_of(path: Path) -> str:
    """Return the modality of a DICOM file, such as SEG; raises InputError for one that cannot be read."""
    with faults_of(path):
        return str(pydicom.dcmread(path, specific_tags=_TAGS, stop_before_pixels=True).get("Modality", ""))


def frame_of_reference(image: Path) -> str | None:
    """Return the UID of the frame of reference of a DICOM scan, a file or a folder; None where it is no DICOM."""
    files = sorted(one for one in image.rglob("*") if one.is_file()) if image.is_dir() else [image]
    found = (_frame_of(path) for path in files[:_MOST_TRIED])
    return next((uid for uid in found if uid), None)


def _frame_of(path: Path) -> str:
    """Return the UID of the frame of reference in a DICOM file, empty where it has none or is no DICOM."""
    try:
        if not is_dicom(path):
            return ""
        with faults_of(path):
            content = pydicom.dcmread(path, specific_tags=_TAGS, stop_before_pixels=True)
            return str(content.get("FrameOfReferenceUID", ""))
    except (OSError, InputError):
        return ""


def check_frame(own: Iterable[str], image: Path, name: str) -> None:
    """Refuse an annotation none of whose frames of reference is its DICOM scan's; raises InputError.

    Of other scans nothing is known, and places alone tell.
    """
    uids, scan = {uid for uid in own if uid}, frame_of_reference(image)
    if scan is not None and uids and scan not in uids:
        raise InputError(
            f"{name}: its frame of reference is not that of {image.name}, expected an annotation of the same series."
        )
