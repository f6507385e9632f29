"""Series of DICOM made from images, in the ways in which scanners and archives write them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import gdcm
import numpy as np
import pydicom
import SimpleITK as sitk
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.sequence import Sequence as Items
from pydicom.uid import UID, CTImageStorage, EnhancedCTImageStorage, ExplicitVRLittleEndian, generate_uid

from rprloc.scans.frame import Frame

FOREIGN = Path(pydicom.__file__).parent / "data" / "test_files"
"""DICOM that nobody here wrote."""
CT = str(CTImageStorage)
MR = "1.2.840.10008.5.1.4.1.1.4"
PET = "1.2.840.10008.5.1.4.1.1.128"
CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
REPORT = "1.2.840.10008.5.1.4.1.1.88.11"
IMPLICIT = UID("1.2.840.10008.1.2")
DEFLATED = UID("1.2.840.10008.1.2.1.99")
RLE = UID("1.2.840.10008.1.2.5")
JPEG_2000 = UID("1.2.840.10008.1.2.4.90")
JPEG_LS = UID("1.2.840.10008.1.2.4.80")
JPEG_LOSSLESS = UID("1.2.840.10008.1.2.4.70")
_GDCM = {
    JPEG_2000: gdcm.TransferSyntax.JPEG2000Lossless,
    JPEG_LS: gdcm.TransferSyntax.JPEGLSLossless,
    JPEG_LOSSLESS: gdcm.TransferSyntax.JPEGLosslessProcess14_1,
}

SECRETS = {
    "PatientName": "Zweistein^Albertine", "PatientID": "MRN7654321", "PatientBirthDate": "19430228",
    "AccessionNumber": "ACC998877", "InstitutionName": "Klinikum Hinterland", "ReferringPhysicianName": "Quacksalber^Q",
    "OtherPatientIDs": "OLD1122334", "StudyID": "STU445566",
}  # fmt: skip
"""What must not leave a file."""


def uid_of(*words: object) -> str:
    """Return an identifier that follows from words."""
    return str(generate_uid(entropy_srcs=[" ".join(map(str, words))]))


def write_series(folder: Path, image: sitk.Image, *, names: Sequence[str] = (), **how: Any) -> list[Path]:
    """Write an image as a file a slice, the lowest k first; return the paths.

    `how` are those of `slice_of`; a name a slice takes the place of IM0000, IM0001, ...
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for number in range(image.GetSize()[2]):
        path = folder / (names[number] if names else f"IM{number:04d}")
        save(slice_of(image, number, **how), path, how.get("syntax"))
        paths.append(path)
    return paths


def slice_of(
    image: sitk.Image,
    number: int,
    *,
    slope: float | None = 1.0,
    intercept: float = -1024.0,
    signed: bool = False,
    bits: int = 12,
    sop_class: str = CT,
    series: str = "one",
    fields: dict[str, Any] | None = None,
    **_: Any,
) -> FileDataset:
    """Return a slice of an image whose values are those after rescaling; `fields` are set at last, None deletes one."""
    frame = Frame.of(image)
    made = dataset(sop_class, uid_of("instance", series, number), series)
    made.update(_pixels(stored(sitk.GetArrayViewFromImage(image)[number], slope, intercept), bits, signed))
    made.Rows, made.Columns = image.GetSize()[1], image.GetSize()[0]
    made.InstanceNumber, made.AcquisitionNumber = number + 1, 1
    made.ImagePositionPatient = texts(frame.world(np.array([0, 0, number])))
    made.ImageOrientationPatient = texts([*frame.direction[:, 0], *frame.direction[:, 1]])
    made.PixelSpacing = texts(frame.spacing_mm[[1, 0]])
    made.SliceThickness = texts([frame.spacing_mm[2]])[0]
    if slope is not None:
        made.RescaleSlope, made.RescaleIntercept, made.RescaleType = str(slope), str(intercept), "HU"
    _set(made, fields)
    return made


def multiframe_of(image: sitk.Image, *, intercept: float = -1024.0, order: Iterable[int] | None = None) -> FileDataset:
    """Return an image as one enhanced CT, its frames in an order of its slices."""
    frame = Frame.of(image)
    made = dataset(str(EnhancedCTImageStorage), uid_of("enhanced"), "enhanced")
    numbers = list(range(image.GetSize()[2])) if order is None else list(order)
    values = sitk.GetArrayViewFromImage(image)[numbers]
    made.update(_pixels(stored(values, 1.0, intercept), 16, False))
    made.Rows, made.Columns, made.NumberOfFrames = image.GetSize()[1], image.GetSize()[0], len(numbers)
    shared = Dataset()
    thick = texts(frame.spacing_mm[[2]])[0]
    shared.PixelMeasuresSequence = _item(
        PixelSpacing=texts(frame.spacing_mm[[1, 0]]), SliceThickness=thick, SpacingBetweenSlices=thick
    )
    shared.PlaneOrientationSequence = _item(
        ImageOrientationPatient=texts([*frame.direction[:, 0], *frame.direction[:, 1]])
    )
    shared.PixelValueTransformationSequence = _item(RescaleSlope="1", RescaleIntercept=str(intercept), RescaleType="HU")
    made.SharedFunctionalGroupsSequence = Items([shared])
    made.InstanceNumber = 1
    indices = (0x00209056, 0x00209057)
    made.DimensionIndexSequence = Items(
        [_of(DimensionIndexPointer=index, FunctionalGroupPointer=0x00209111) for index in indices]
    )
    frames = []
    for number in numbers:
        one = Dataset()
        one.FrameContentSequence = _item(
            StackID="1", InStackPositionNumber=number + 1, DimensionIndexValues=[1, number + 1]
        )
        one.PlanePositionSequence = _item(ImagePositionPatient=texts(frame.world(np.array([0, 0, number]))))
        frames.append(one)
    made.PerFrameFunctionalGroupsSequence = Items(frames)
    return made


def dataset(sop_class: str, instance: str, series: str) -> FileDataset:
    """Return what files of every kind have, with what must not leave them."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = UID(sop_class), UID(instance)
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    made.SOPClassUID, made.SOPInstanceUID = sop_class, instance
    made.Modality = "MR" if sop_class == MR else "CT"
    made.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    made.StudyInstanceUID, made.SeriesInstanceUID = uid_of("study"), uid_of("series", series)
    made.FrameOfReferenceUID = uid_of("frame")
    made.Manufacturer, made.PatientPosition = "Nobody", "HFS"
    for name in ("Study", "Series", "Acquisition", "Content", "InstanceCreation"):
        setattr(made, f"{name}Date", "20200102")
        setattr(made, f"{name}Time", "101112")
    made.SeriesNumber, made.SeriesDescription = "1", f"Body {series}"
    for name, value in SECRETS.items():
        setattr(made, name, value)
    return made


def save(made: FileDataset, path: Path, syntax: UID | None = None) -> Path:
    """Write a data set to a file, its pixels in a transfer syntax."""
    if syntax == RLE:
        made.compress(RLE, generate_instance_uid=False)
    if syntax in (IMPLICIT, DEFLATED):
        made.file_meta.TransferSyntaxUID = syntax
    path.parent.mkdir(parents=True, exist_ok=True)
    made.save_as(path, enforce_file_format=True)
    if syntax in _GDCM:
        reader = gdcm.ImageReader()
        reader.SetFileName(str(path))
        assert reader.Read()
        change = gdcm.ImageChangeTransferSyntax()
        change.SetTransferSyntax(gdcm.TransferSyntax(_GDCM[syntax]))
        change.SetInput(reader.GetImage())
        assert change.Change()
        writer = gdcm.ImageWriter()
        writer.SetFile(reader.GetFile())
        writer.SetImage(change.GetOutput())
        writer.SetFileName(str(path))
        assert writer.Write()
    return path


def stored(values: NDArray[Any], slope: float | None, intercept: float) -> NDArray[np.int64]:
    """Return what is stored of values."""
    return np.rint((values - intercept) / slope if slope is not None else values).astype(np.int64)


def texts(numbers: Iterable[float]) -> list[str]:
    """Return numbers in at most sixteen characters, as DICOM has them."""
    return [f"{number:.10f}"[:16] for number in numbers]


def _pixels(values: NDArray[np.int64], bits: int, signed: bool) -> Dataset:
    """Return the pixels of stored values; what stands above the stored bits is not theirs."""
    made = Dataset()
    made.SamplesPerPixel, made.PhotometricInterpretation = 1, "MONOCHROME2"
    made.BitsAllocated, made.BitsStored, made.HighBit = 16, bits, bits - 1
    made.PixelRepresentation = int(signed)
    low, high = (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if signed else (0, (1 << bits) - 1)
    assert low <= values.min() and values.max() <= high
    made.PixelData = (values & ((1 << bits) - 1)).astype("<u2").tobytes()
    made["PixelData"].VR = "OW"
    return made


def _item(**fields: Any) -> Items:
    """Return a sequence of one item."""
    return Items([_of(**fields)])


def _of(**fields: Any) -> Dataset:
    """Return a data set of fields."""
    made = Dataset()
    _set(made, fields)
    return made


def _set(made: Dataset, fields: dict[str, Any] | None) -> None:
    """Set fields by keyword; None deletes one."""
    for name, value in (fields or {}).items():
        if value is None:
            delattr(made, name)
        else:
            setattr(made, name, value)
