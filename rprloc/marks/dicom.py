"""Annotations in DICOM: what kind of object a file holds, and whether it is of its scan's frame of reference."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rprloc.errors import InputError
from rprloc.scans import kinds
from rprloc.scans.dicom.files import DicomFiles, may_be_dicom, opened_files
from rprloc.scans.dicom.quiet import quiet

SEG, RTSTRUCT = "SEG", "RTSTRUCT"
_START = 132
"""Bytes by which DICOM is told."""
_MOST_TRIED = 50
"""Files of a folder that are looked at."""
_TAGS = ["FrameOfReferenceUID", "Modality"]


def is_dicom(path: Path) -> bool:
    """Tell whether a file begins as DICOM does, of old without its mark; raises OSError where it cannot be read."""
    with path.open("rb") as stream:
        return may_be_dicom(stream.read(_START))


@contextmanager
def faults_of(path: Path) -> Iterator[None]:
    """Raise InputError in the place of whatever the libraries raise of a damaged or strange DICOM file; nothing is
    repeated of what they say and log, which may name a patient.
    """
    try:
        with quiet():
            yield
    except (InputError, MemoryError):
        raise
    except OSError as error:
        raise InputError(f"{path.name}: found '{error.strerror or 'no end'}', expected a DICOM file.") from error
    # The libraries have no exception in common for it.
    except Exception as error:
        raise InputError(
            f"{path.name}: found a DICOM file that is damaged or lacks what its kind must have "
            f"({type(error).__name__}), expected a segmentation or a structure set."
        ) from None


def modality_of(path: Path) -> str:
    """Return the modality of a DICOM file, such as SEG; raises InputError for one that cannot be read."""
    import pydicom  # scans without DICOM pay nothing for it

    with faults_of(path):
        return str(pydicom.dcmread(path, specific_tags=_TAGS, stop_before_pixels=True, force=True).get("Modality", ""))


def frames_of_reference(image: Path) -> set[str]:
    """Return the UIDs of the frames of reference of a DICOM scan, a file, an archive or a folder of one or several
    series; none where it is no DICOM.
    """
    if not kinds.is_dicom(image):
        return set()
    try:
        with opened_files(image) as files:
            # All over them: series lie one after the other.
            found = {_frame_of(files, name) for name in files.names[:: -(-len(files.names) // _MOST_TRIED) or 1]}
    except (OSError, InputError):  # for the reader of the scan to say
        return set()
    return found - {""}


def _frame_of(files: DicomFiles, name: str) -> str:
    """Return the UID of the frame of reference in a file, empty where it has none or is no DICOM."""
    import pydicom

    with files.open(name) as stream:
        start = stream.read(_START)
        stream.seek(0)
        if not may_be_dicom(start):
            return ""
        try:
            with faults_of(Path(name)):
                content = pydicom.dcmread(stream, specific_tags=_TAGS, stop_before_pixels=True, force=True)
                return str(content.get("FrameOfReferenceUID", ""))
        except InputError:
            return ""


def check_frame(own: Iterable[str], image: Path, name: str) -> None:
    """Refuse an annotation none of whose frames of reference is its DICOM scan's; raises InputError.

    Of other scans nothing is known, and places alone tell.
    """
    uids, scan = {uid for uid in own if uid}, frames_of_reference(image)
    if scan and uids and not scan & uids:
        raise InputError(
            f"{name}: its frame of reference is not that of {image.name}, expected an annotation of the same series."
        )
