"""What the header of a DICOM file says of its slices; who the patient is, is never kept."""

from __future__ import annotations

import hashlib
import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, BinaryIO

import numpy as np
from pydicom.dataset import Dataset
from pydicom.filereader import read_partial
from pydicom.tag import BaseTag, Tag
from pydicom.uid import UID

from rprloc.geometry import FloatArray
from rprloc.scans.dicom.quiet import quiet
from rprloc.scans.dicom.who import without_who

_CT = ("1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.2.1", "1.2.840.10008.5.1.4.1.1.2.2")
_MR = ("1.2.840.10008.5.1.4.1.1.4", "1.2.840.10008.5.1.4.1.1.4.1", "1.2.840.10008.5.1.4.1.1.4.4")
MODALITIES = {**dict.fromkeys(_CT, "ct"), **dict.fromkeys(_MR, "mr")}
"""By SOP class: plain, enhanced, and converted to enhanced."""
_DIRECTORY = "1.2.840.10008.1.3.10"
LIST = "list of the files beside it (DICOMDIR)"
"""What a file is that goes with others and is never the scan."""

_WHO = (
    "PatientName", "PatientID", "PatientBirthDate", "OtherPatientIDs", "OtherPatientNames", "AccessionNumber",
    "InstitutionName", "InstitutionAddress", "ReferringPhysicianName", "StudyID",
)  # fmt: skip
"""Read to be struck out where a description repeats them, and for nothing else."""
_READ = (
    "SOPClassUID", "SOPInstanceUID", "ImageType", "SeriesInstanceUID", "SeriesNumber", "SeriesDescription",
    "FrameOfReferenceUID", "ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "Rows", "Columns",
    "NumberOfFrames", "SamplesPerPixel", "RescaleSlope", "RescaleIntercept", "RescaleType", "ModalityLUTSequence",
    "GantryDetectorTilt", "AcquisitionNumber", "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence",
)  # fmt: skip

_LONGEST = 40
"""Letters of a description that are shown."""
_MOST_ELEMENTS = 100_000
"""Of a header, not counting those inside others; of a file of zeros there are millions."""
_META = 144
"""Bytes up to the end of the first element, which says how long those are that describe the file."""
_PIXELS = (0x7FE00008, 0x7FE00009, 0x7FE00010)
_ALONG = 0.01
"""The directions of rows and columns are of length 1 but for this part."""


@dataclass(frozen=True, kw_only=True)
class Slice:
    """One slice, or one frame of a file with many."""

    file: str
    """In `DicomFiles`."""
    frame: int
    instance_uid: str
    position_mm: FloatArray
    """(3,), LPS, of the first voxel's centre."""
    orientation: FloatArray
    """(2, 3), unit directions along a row and along a column."""
    spacing_mm: tuple[float, float]
    """Along a row and along a column."""
    size: tuple[int, int]
    """Voxels of a row and of a column."""
    slope: float | None
    """None where the header has neither slope nor intercept."""
    intercept: float
    unit: str
    """Of the rescaled values, as the header calls it."""
    acquisition: int | None = None
    """Its number in the examination; None where it has none."""


@dataclass(frozen=True, kw_only=True)
class Header:
    """What a file is, and its slices where it is of a series that can be a scan."""

    file: str
    kind: str
    """In words."""
    modality: str | None = None
    """ct or mr; None where it is none, or is to be left out."""
    whole: bool = True
    """Whether the header did not end early."""
    series_uid: str = ""
    number: int | None = None
    description: str = ""
    """Fit to be shown."""
    called: str = ""
    """What `called` makes of the description as it is."""
    reference_uid: str = ""
    """Of the frame of reference."""
    tilt_degrees: float = 0.0
    """Of the gantry, as the header says."""
    slices: tuple[Slice, ...] = ()


def read_header(file: str, stream: BinaryIO) -> Header | None:
    """Return what a file's header says; None for a file that is no DICOM.

    Raises OSError where the file cannot be read.
    """
    try:
        with quiet():
            return _header(file, _fields(stream))
    except OSError:
        raise
    except Exception:  # a damaged header makes pydicom raise ValueError, KeyError, EOFError, NotImplementedError, ...
        # which have no base in common: none of them may end the reading of the other files.
        return Header(file=file, kind="file that is damaged", whole=False)


def _fields(stream: BinaryIO) -> Dataset:
    """Return what is read of a file; raises ValueError for one of zeros or of endless elements, and whatever pydicom
    raises.
    """
    first = _first_element(stream)
    if first and not any(first):
        raise ValueError("no header of a file")
    seen = itertools.count(1)

    def ends(tag: BaseTag, _: str | None, __: int) -> bool:
        """Tell whether what is read ends before an element."""
        if next(seen) > _MOST_ELEMENTS:
            raise ValueError("no header of a file")
        return tag in _PIXELS

    return read_partial(stream, ends, force=True, specific_tags=[Tag(name) for name in (*_READ, *_WHO)])


def _first_element(stream: BinaryIO) -> bytes:
    """Return with what a file's data set begins, after its mark and what it says of itself. pydicom takes zeros there
    for the commands of a message, of which a large file has millions.
    """
    start = stream.read(_META)
    # Files of old begin without a mark.
    at = 132 if start[128:132] == b"DICM" else 0
    if start[at : at + 8] == b"\x02\x00\x00\x00UL\x04\x00":
        at = _META + int.from_bytes(start[140:144], "little")
    stream.seek(at)
    found = stream.read(8)
    stream.seek(0)
    return found


def called(description: str) -> str:
    """Return by what a description is known again, which does not tell what it is: it may hold the patient's name."""
    return hashlib.sha256(plain(description).casefold().encode()).hexdigest()


def _header(file: str, fields: Dataset) -> Header:
    """Return the record of a header's fields."""
    sop = str(fields.get("SOPClassUID") or fields.file_meta.get("MediaStorageSOPClassUID", ""))
    if sop == _DIRECTORY:
        return Header(file=file, kind=LIST)
    header = Header(
        file=file,
        kind="file that ends early or does not say what it shows",
        series_uid=_uid(fields.get("SeriesInstanceUID")),
        number=_integer(fields.get("SeriesNumber")),
        description=_description(fields),
        called=called(str(fields.get("SeriesDescription") or "")),
    )
    cut = "SOPClassUID" not in fields and UID(sop).name == sop
    if cut or (sop in MODALITIES and "Columns" not in fields):
        return replace(header, whole=False)
    kind = UID(sop).name.removesuffix(" Storage") if UID(sop).name != sop else "object of an unknown class"
    types = [str(one).upper() for one in _listed(fields.get("ImageType"))]
    if sop not in MODALITIES:
        return replace(header, kind=kind)
    if "LOCALIZER" in types:
        return replace(header, kind="localizer")
    if fields.get("SamplesPerPixel", 1) != 1:
        return replace(header, kind="image in colours")
    slices = _slices(file, fields)
    if isinstance(slices, str):
        return replace(header, kind=slices)
    return replace(
        header,
        kind=kind,
        modality=MODALITIES[sop],
        reference_uid=_uid(fields.get("FrameOfReferenceUID")),
        tilt_degrees=(_numbers(fields.get("GantryDetectorTilt"), 1) or (0.0,))[0],
        slices=slices,
    )


def _slices(file: str, fields: Dataset) -> tuple[Slice, ...] | str:
    """Return a file's slices, or what kind of image it is where one of them has no place."""
    shared = next(iter(fields.get("SharedFunctionalGroupsSequence") or []), Dataset())
    frames = list(fields.get("PerFrameFunctionalGroupsSequence") or [Dataset()])
    if len(frames) != (_integer(fields.get("NumberOfFrames")) or 1):
        return "image whose frames are not as many as it says"
    found = [_slice(file, number, fields, [frame, shared]) for number, frame in enumerate(frames)]
    wrong = next((one for one in found if isinstance(one, str)), None)
    return wrong or tuple(one for one in found if isinstance(one, Slice))


def _slice(file: str, number: int, fields: Dataset, groups: Sequence[Dataset]) -> Slice | str:
    """Return a frame's record, or what kind of image it is of where its place is not said; what all frames share stands
    behind what it has.
    """

    def value(group: str, name: str) -> Any:
        return in_groups(groups, group, name, fields)

    position = _numbers(value("PlanePositionSequence", "ImagePositionPatient"), 3)
    directions = _numbers(value("PlaneOrientationSequence", "ImageOrientationPatient"), 6)
    spacing = _numbers(value("PixelMeasuresSequence", "PixelSpacing"), 2)
    if position is None or directions is None:
        return "image without a place"
    if spacing is None or not min(spacing) > 0:
        return "image without the size of its pixels"
    orientation = np.reshape(directions, (2, 3)).astype(np.float64)
    lengths = np.linalg.norm(orientation, axis=1)
    if np.abs(lengths - 1).max() > _ALONG:
        return "image without a place"
    scale = "PixelValueTransformationSequence"
    slope, intercept = (_numbers(value(scale, name), 1) for name in ("RescaleSlope", "RescaleIntercept"))
    return Slice(
        file=file,
        frame=number,
        instance_uid=_uid(fields.get("SOPInstanceUID")),
        position_mm=np.array(position, dtype=np.float64),
        orientation=orientation / lengths[:, np.newaxis],
        # DICOM says first how far rows lie apart.
        spacing_mm=(spacing[1], spacing[0]),
        size=(int(fields.Columns), int(fields.Rows)),
        slope=None if slope is None and intercept is None else (slope or (1.0,))[0],
        intercept=(intercept or (0.0,))[0],
        unit="LUT" if "ModalityLUTSequence" in fields else plain(value(scale, "RescaleType")),
        acquisition=_integer(
            value("FrameContentSequence", "FrameAcquisitionNumber") or fields.get("AcquisitionNumber")
        ),
    )


def in_groups(groups: Sequence[Dataset], group: str, name: str, *behind: Dataset) -> Any:
    """Return a value that the first of some functional groups has, or else what stands behind them; None where none
    has it.
    """
    inner = [one for each in groups for one in each.get(group) or []]
    return next((one[name].value for one in (*inner, *behind) if name in one), None)


def _numbers(value: Any, count: int) -> tuple[float, ...] | None:
    """Return as many finite numbers as are wanted, None where there are others."""
    try:
        found = tuple(float(one) for one in _listed(value))
    except (TypeError, ValueError):
        return None
    return found if len(found) == count and np.isfinite(found).all() else None


def _listed(value: Any) -> list[Any]:
    """Return a value of one or several as a list."""
    if value is None or value == "":
        return []
    return [value] if isinstance(value, str | int | float) else list(value)


def _integer(value: Any) -> int | None:
    """Return a whole number, None where there is none."""
    try:
        return int(value)
    except (TypeError, ValueError):
        return None


def _uid(value: Any) -> str:
    """Return an identifier of digits and dots, nothing for any other text."""
    return str(value) if re.fullmatch(r"[0-9.]{1,64}", str(value)) else ""


def plain(text: Any) -> str:
    """Return a stranger's text on one line, printable, without quotes and marks of pages, and not too long."""
    found = "".join(one if one.isprintable() and one not in "'\"<>&`|;" else " " for one in str(text or ""))
    found = " ".join(found.encode("utf-8", "replace").decode("utf-8").split())
    return found if len(found) <= _LONGEST else f"{found[: _LONGEST - 3]}..."


def _description(fields: Dataset) -> str:
    """Return a series' description without what it repeats of who the patient is."""
    text = str(fields.get("SeriesDescription") or "")
    said = [str(fields.get(name) or "") for name in _WHO]
    return plain(without_who(text, said, str(fields.get("PatientBirthDate") or "")))
