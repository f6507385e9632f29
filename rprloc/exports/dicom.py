"""Outlines as a DICOM structure set (RTSTRUCT) and segmentation (SEG), which refer to the instances of the scan.

What they take from the scan's files is where it lies and its identifiers: no name, number or date of a patient.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import contourpy
import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.sequence import Sequence as Items
from pydicom.uid import UID, ExplicitVRLittleEndian, RTStructureSetStorage, generate_uid
from pydicom.valuerep import format_number_as_ds

import rprloc
from rprloc.exports.masks import colour_of
from rprloc.exports.query import Query, about
from rprloc.files import whole_file
from rprloc.scans import kinds
from rprloc.scans.dicom.files import opened_files
from rprloc.scans.dicom.headers import Slice
from rprloc.scans.dicom.quiet import quiet
from rprloc.scans.dicom.read import read_stack
from rprloc.scans.outlines import Outline

KINDS = ("rtstruct", "dicomseg")
_PLACE = (
    "SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID", "Modality", "Rows",
    "Columns", "NumberOfFrames", "ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SliceThickness",
    "SpacingBetweenSlices", "PixelMeasuresSequence", "PlaneOrientationSequence", "PlanePositionSequence",
)  # fmt: skip
"""What is taken of a header: identifiers and where the voxels lie."""
_IDENTIFIERS = ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID")
"""Without which nothing can refer to a scan; files that were made anonymous may lack some."""
_GROUPS = ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence")
_MAKER = "rprloc"


def write_dicom(parent: Path, query: Query, wanted: Sequence[str]) -> list[str]:
    """Write <kind>/<cohort>/<subject>.dcm for each kind that is `wanted`, rtstruct and dicomseg; return what is to
    be said. Raises InputError where the scan is a DICOM that cannot be read.
    """
    subject, said = query.record.subject, " or ".join(wanted)
    if not kinds.is_dicom(query.image):
        return [f"{subject}: its scan is no DICOM, so there is no {said}; masks have the same outlines."]
    if not query.outlines:
        return [query.undrawn(said)]
    _, stack = read_stack(query.image, series=query.series, modality=query.modality)
    if not stack.even:
        return [f"{subject}: its slices lie at uneven distances and were resampled, so there is no {said}."]
    slices = [place[0] for place in stack.places]
    headers = _headers(query, slices)
    if lacking := [name for name in _IDENTIFIERS if not all(one.get(name) for one in headers.values())]:
        return [f"{subject}: its files have no {', '.join(lacking)} to refer to, so there is no {said}."]
    if "rtstruct" in wanted:
        _write(query.folder(parent, "rtstruct") / f"{query.name}.dcm", _structures(query, slices, headers))
    if "dicomseg" in wanted:
        _write(query.folder(parent, "dicomseg") / f"{query.name}.dcm", _segmentation(query, slices, headers))
    return []


def _write(path: Path, made: Dataset) -> None:
    """Write a file, whole."""
    with whole_file(path) as temporary:
        made.save_as(temporary, enforce_file_format=True)


def _headers(query: Query, slices: Sequence[Slice]) -> dict[str, Dataset]:
    """Return what is taken of the header of each file of a scan."""
    found = {}
    with opened_files(query.image) as files, quiet():
        for name in dict.fromkeys(one.file for one in slices):
            with files.open(name) as stream:
                found[name] = _bare(pydicom.dcmread(stream, stop_before_pixels=True, force=True), query)
    return found


def _bare(read: Dataset, query: Query) -> Dataset:
    """Return a header's place and identifiers, the patient called as the subject; a slice whose header does not say how
    thick it is reaches to the next.
    """
    bare = _only(read, _PLACE)
    for name in _GROUPS:
        if name in read:
            setattr(bare, name, Items([_only(item, _PLACE) for item in read[name].value]))
    bare.SpecificCharacterSet = "ISO_IR 192"
    bare.PatientName = bare.PatientID = query.record.subject
    groups = [group for name in _GROUPS for group in bare.get(name) or ()]
    measures = [one for group in groups for one in group.get("PixelMeasuresSequence") or ()]
    for one in measures or [bare]:
        if not one.get("SliceThickness"):
            one.SliceThickness = format_number_as_ds(float(query.native.spacing_mm[2]))
    for name in (
        "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime", "StudyID", "AccessionNumber",
        "ReferringPhysicianName",
    ):  # fmt: skip
        setattr(bare, name, "")
    return bare


def _only(read: Dataset, names: Sequence[str]) -> Dataset:
    """Return some elements of a data set."""
    found = Dataset()
    for name in names:
        if name in read:
            setattr(found, name, read[name].value)
    return found


def _planes(outline: Outline, count: int, size: tuple[int, int]) -> NDArray[np.bool_]:
    """Return the voxels (k, j, i) of an outline on all slices of a scan."""
    return outline.within((0, 0, 0), (*size, count))


def _uid(query: Query, header: Dataset, kind: str) -> str:
    """Return an identifier that follows from the scan's and what it is for."""
    return str(generate_uid(entropy_srcs=[header.SeriesInstanceUID, query.record.cohort, query.record.subject, kind]))


def _structures(query: Query, slices: Sequence[Slice], headers: dict[str, Dataset]) -> Dataset:
    """Return a structure set: closed contours in the slices, midway between voxels inside and outside."""
    first = headers[slices[0].file]
    made = _structure_set(query, first)
    made.ReferencedFrameOfReferenceSequence = Items([_frame_of_reference(slices, headers)])
    made.StructureSetROISequence, made.ROIContourSequence, made.RTROIObservationsSequence = Items(), Items(), Items()
    answers = {one.structure: one for one in query.found}
    for number, (structure, outline) in enumerate(query.outlines.items(), start=1):
        name = structure.replace("\\", "_")[:64]
        said = about(answers[structure]) if structure in answers else ""
        made.StructureSetROISequence.append(
            _of(
                ROINumber=number, ReferencedFrameOfReferenceUID=first.FrameOfReferenceUID, ROIName=name,
                ROIDescription=said, ROIGenerationAlgorithm="AUTOMATIC",
            )
        )  # fmt: skip
        contours = Items(_contours(query, outline, slices, headers))
        colour = list(colour_of(query.labels.get(structure, number)))
        made.ROIContourSequence.append(
            _of(ReferencedROINumber=number, ROIDisplayColor=colour, ContourSequence=contours)
        )
        made.RTROIObservationsSequence.append(
            _of(ObservationNumber=number, ReferencedROINumber=number, RTROIInterpretedType="", ROIInterpreter="")
        )
    return made


def _structure_set(query: Query, first: Dataset) -> FileDataset:
    """Return a structure set without a structure."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.TransferSyntaxUID = RTStructureSetStorage, ExplicitVRLittleEndian
    meta.MediaStorageSOPInstanceUID = UID(_uid(query, first, "rtstruct"))
    made = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    for name in ("SpecificCharacterSet", "PatientName", "PatientID", "StudyInstanceUID", "FrameOfReferenceUID"):
        setattr(made, name, first[name].value)
    for name in (
        "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime", "StudyID", "AccessionNumber",
        "ReferringPhysicianName", "OperatorsName", "StructureSetDate", "StructureSetTime", "PositionReferenceIndicator",
    ):  # fmt: skip
        setattr(made, name, "")
    made.SOPClassUID, made.SOPInstanceUID = RTStructureSetStorage, meta.MediaStorageSOPInstanceUID
    made.SeriesInstanceUID, made.Modality = _uid(query, first, "rtstruct series"), "RTSTRUCT"
    made.SeriesNumber, made.InstanceNumber, made.StructureSetLabel = "1", "1", _MAKER
    made.Manufacturer, made.ManufacturerModelName, made.SoftwareVersions = _MAKER, _MAKER, rprloc.__version__
    made.SeriesDescription, made.ApprovalStatus = "Outlines found by rprloc", "UNAPPROVED"
    return made


def _frame_of_reference(slices: Sequence[Slice], headers: dict[str, Dataset]) -> Dataset:
    """Return the item that refers to a scan's study, series and instances."""
    first = headers[slices[0].file]
    images = Items([_reference(headers[one.file], one) for one in slices])
    series = _of(SeriesInstanceUID=first.SeriesInstanceUID, ContourImageSequence=images)
    # The detached study management class, retired and still what is written here.
    study = _of(
        ReferencedSOPClassUID="1.2.840.10008.3.1.2.3.1", ReferencedSOPInstanceUID=first.StudyInstanceUID,
        RTReferencedSeriesSequence=Items([series]),
    )  # fmt: skip
    return _of(FrameOfReferenceUID=first.FrameOfReferenceUID, RTReferencedStudySequence=Items([study]))


def _reference(header: Dataset, one: Slice) -> Dataset:
    """Return an item that refers to a slice."""
    made = _of(ReferencedSOPClassUID=header.SOPClassUID, ReferencedSOPInstanceUID=header.SOPInstanceUID)
    if "NumberOfFrames" in header:
        made.ReferencedFrameNumber = str(one.frame + 1)
    return made


def _contours(query: Query, outline: Outline, slices: Sequence[Slice], headers: dict[str, Dataset]) -> list[Dataset]:
    """Return the contours of an outline: a hole is a contour in another one."""
    frame, found = query.native.frame, []
    for k in range(outline.first[2], outline.stop[2]):
        plane = np.pad(outline.inside[k - outline.first[2]], 1).astype(np.float64)
        for line in contourpy.contour_generator(z=plane).lines(0.5):
            # The last point is the first one again.
            ij = np.asarray(line)[:-1] - 1 + outline.first[:2]
            places = frame.world(np.column_stack([ij, np.full(len(ij), float(k))]))
            found.append(
                _of(
                    ContourImageSequence=Items([_reference(headers[slices[k].file], slices[k])]),
                    ContourGeometricType="CLOSED_PLANAR", NumberOfContourPoints=len(places),
                    ContourData=[format_number_as_ds(float(mm)) for mm in places.ravel().round(4)],
                )
            )  # fmt: skip
    return found


def _segmentation(query: Query, slices: Sequence[Slice], headers: dict[str, Dataset]) -> Dataset:
    """Return a binary segmentation, a segment a structure."""
    import highdicom
    from pydicom.sr.codedict import codes  # which takes longer to load than a structure set to write

    first = headers[slices[0].file]
    size = slices[0].size
    masks = np.stack([_planes(one, len(slices), size) for one in query.outlines.values()], axis=-1).astype(np.uint8)
    if "NumberOfFrames" in first:
        sources, planes = [first], np.zeros((int(first.NumberOfFrames), *masks.shape[1:]), dtype=np.uint8)
        planes[[one.frame for one in slices]] = masks
    else:
        sources, planes = [headers[one.file] for one in slices], masks
    algorithm = highdicom.AlgorithmIdentificationSequence(
        name=_MAKER, version=rprloc.__version__, family=codes.cid7162.ArtificialIntelligence
    )
    segments = [
        highdicom.seg.SegmentDescription(
            number, structure.replace("\\", "_")[:64], codes.SCT.AnatomicalStructure, codes.SCT.AnatomicalStructure,
            "AUTOMATIC", algorithm,
        )
        for number, structure in enumerate(query.outlines, start=1)
    ]  # fmt: skip
    with quiet():
        return highdicom.seg.Segmentation(
            sources, planes, "BINARY", segments,
            series_instance_uid=_uid(query, first, "dicomseg series"), series_number=1,
            sop_instance_uid=_uid(query, first, "dicomseg"), instance_number=1, manufacturer=_MAKER,
            manufacturer_model_name=_MAKER, software_versions=rprloc.__version__, device_serial_number="1",
            content_label="OUTLINES", content_description="Outlines found by rprloc",
        )  # fmt: skip


def _of(**fields: Any) -> Dataset:
    """Return a data set of fields."""
    made = Dataset()
    for name, value in fields.items():
        setattr(made, name, value)
    return made
