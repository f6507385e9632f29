"""Annotations of made-up scans, as the programs write them that people mark structures with."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import highdicom as hd
import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.dataset import FileMetaDataset
from pydicom.uid import UID, CTImageStorage, ExplicitVRLittleEndian, RTStructureSetStorage, generate_uid

from rprloc.scans.record import Native

SIZE, SPACING_MM, ORIGIN_MM = (22, 18, 14), (2.0, 2.5, 3.0), (-31.0, 17.5, -204.0)
"""Of `tests.scans.images.patient`."""
NATIVE = Native(size=SIZE, spacing_mm=SPACING_MM, direction=(1, 0, 0, 0, 1, 0, 0, 0, 1), origin_mm=ORIGIN_MM)
SCHEMA = (
    "https://raw.githubusercontent.com/slicer/slicer/master/Modules/Loadable/Markups/Resources/Schema/"
    "markups-schema-v1.0.3.json#"
)
SERIES = "1.2.826.0.1.3680043.8.498.1"
FRAME = "1.2.826.0.1.3680043.8.498.2"
"""UID of the series and the frame of reference of the scan in DICOM."""


def tilted(degrees: float = 20.0, native: Native = NATIVE) -> Native:
    """Return the grid of a scan that is turned about z."""
    angle = np.deg2rad(degrees)
    turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    return Native(
        size=native.size, spacing_mm=native.spacing_mm, direction=tuple(turn.ravel().tolist()),
        origin_mm=native.origin_mm,
    )  # fmt: skip


def roi(center: Sequence[float], size: Sequence[float], space: str = "LPS", **more: Any) -> dict[str, Any]:
    """Return a ROI as Slicer 5.6 saves it."""
    identity = [-1.0, 0, 0, 0, -1.0, 0, 0, 0, 1.0] if space == "LPS" else [1.0, 0, 0, 0, 1.0, 0, 0, 0, 1.0]
    return {
        "type": "ROI", "coordinateSystem": space, "coordinateUnits": "mm", "locked": False, "labelFormat": "%N-%d",
        "roiType": "Box", "center": list(center), "orientation": identity, "size": list(size), "insideOut": False,
        "controlPoints": [{"id": "1", "label": "R-1", "position": list(center), "positionStatus": "defined"}],
    } | more  # fmt: skip


def fiducials(points: Mapping[str, Sequence[float]], space: str = "LPS", **more: Any) -> dict[str, Any]:
    """Return a point list as Slicer saves it."""
    control = [
        {"id": str(n), "label": label, "description": "", "position": list(at), "positionStatus": "defined"}
        for n, (label, at) in enumerate(points.items(), start=1)
    ]
    return {"type": "Fiducial", "coordinateSystem": space, "coordinateUnits": "mm", "controlPoints": control} | more


def markups(path: Path, *items: dict[str, Any], schema: Any = SCHEMA) -> Path:
    """Write a markups file."""
    path.write_text(json.dumps({"@schema": schema, "markups": list(items)}))
    return path


def seg_nrrd(
    path: Path, layers: NDArray[Any], segments: Sequence[tuple[str, int, int]], native: Native = NATIVE
) -> Path:
    """Write a `.seg.nrrd` of layers (z, y, x) or (layers, z, y, x), its segments given by name, layer and value."""
    several = layers.ndim == 4
    sizes = [*layers.shape[:1], *layers.shape[:0:-1]] if several else list(layers.shape[::-1])
    columns = (native.axes * np.asarray(native.spacing_mm)).T
    directions = " ".join(f"({','.join(repr(float(mm)) for mm in column)})" for column in columns)
    header = [
        "NRRD0004", "# Complete NRRD file format specification at:", "# http://teem.sourceforge.net/nrrd/format.html",
        "type: unsigned char", f"dimension: {len(sizes)}", "space: left-posterior-superior",
        f"sizes: {' '.join(map(str, sizes))}", f"space directions: {'none ' * several}{directions}",
        f"kinds: {'list ' * several}domain domain domain", "encoding: gzip",
        f"space origin: ({','.join(repr(float(mm)) for mm in native.origin_mm)})",
    ]  # fmt: skip
    for number, (name, layer, value) in enumerate(segments):
        about = {"ID": f"Segment_{number + 1}", "LabelValue": value, "Layer": layer, "Name": name, "Tags": "a:b|"}
        header += [f"Segment{number}_{key}:={text}" for key, text in about.items()]
    header += ["Segmentation_ConversionParameters:=" + "Collapse labelmaps|1|Merge the labelmaps|" * 40]
    voxels = np.moveaxis(layers, 0, -1) if several else layers
    path.write_bytes("\n".join(header).encode() + b"\n\n" + gzip.compress(voxels.astype(np.uint8).tobytes()))
    return path


def ct_series(native: Native = NATIVE, *, frame: str = FRAME) -> list[pydicom.Dataset]:
    """Return the slices of a CT whose columns, rows and slices are a grid's axes."""
    found = []
    for number in range(native.size[2]):
        one = pydicom.Dataset()
        one.file_meta = FileMetaDataset()
        one.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        one.SOPClassUID, one.SOPInstanceUID = CTImageStorage, f"{SERIES}.{number + 1}"
        one.PatientName, one.PatientID, one.PatientBirthDate, one.PatientSex = "Nobody^Here", "N0B0DY", "", "O"
        one.AccessionNumber, one.StudyDate, one.StudyTime, one.StudyID = "ACC", "", "", "1"
        one.StudyInstanceUID, one.SeriesInstanceUID, one.FrameOfReferenceUID = f"{SERIES}.9", SERIES, frame
        one.Modality, one.SeriesNumber, one.InstanceNumber, one.ReferringPhysicianName = "CT", 1, number + 1, ""
        one.Rows, one.Columns, one.PixelSpacing = (
            native.size[1],
            native.size[0],
            [native.spacing_mm[1], native.spacing_mm[0]],
        )
        one.ImageOrientationPatient = [*native.axes[:, 0].tolist(), *native.axes[:, 1].tolist()]
        one.ImagePositionPatient = native.frame.world(np.array([0.0, 0.0, number])).tolist()
        one.SliceThickness, one.PositionReferenceIndicator = native.spacing_mm[2], ""
        one.SamplesPerPixel, one.PhotometricInterpretation, one.BitsAllocated, one.BitsStored = 1, "MONOCHROME2", 16, 16
        one.HighBit, one.PixelRepresentation = 15, 0
        one.PixelData = np.zeros((one.Rows, one.Columns), dtype=np.uint16).tobytes()
        found.append(one)
    return found


def seg_dicom(
    path: Path,
    masks: Mapping[str, NDArray[Any]],
    native: Native = NATIVE,
    *,
    frame: str = FRAME,
    kind: str = "BINARY",
) -> Path:
    """Write a DICOM SEG of masks (z, y, x) by highdicom; empty slices are left out."""
    descriptions = [
        hd.seg.SegmentDescription(
            segment_number=number, segment_label=name,
            segmented_property_category=hd.sr.CodedConcept("123037004", "SCT", "Anatomical Structure"),
            segmented_property_type=hd.sr.CodedConcept("10200004", "SCT", "Liver"),
            algorithm_type="MANUAL",
        )
        for number, name in enumerate(masks, start=1)
    ]  # fmt: skip
    pixels = np.stack(list(masks.values()), axis=-1).astype(float if kind == "FRACTIONAL" else np.uint8)
    seg = hd.seg.Segmentation(
        source_images=ct_series(native, frame=frame), pixel_array=pixels, segmentation_type=kind,
        segment_descriptions=descriptions, series_instance_uid=generate_uid(), series_number=2,
        sop_instance_uid=generate_uid(), instance_number=1, manufacturer="m", manufacturer_model_name="m",
        software_versions="1", device_serial_number="1", omit_empty_frames=True,
    )  # fmt: skip
    seg.save_as(path)
    return path


Contours = Sequence[tuple[str, NDArray[np.float64]]]
"""The type and the points (n, 3) in LPS mm of each."""


def rtstruct(path: Path, rois: Mapping[str, Contours], *, frame: str = FRAME) -> Path:
    """Write a structure set of regions by their names."""
    return rtstruct_of(path, list(rois.items()), frame=frame)


def rtstruct_of(path: Path, rois: Sequence[tuple[str, Contours]], *, frame: str = FRAME) -> Path:
    """Write a structure set of named regions."""
    content = pydicom.Dataset()
    content.SOPClassUID, content.SOPInstanceUID, content.Modality = RTStructureSetStorage, generate_uid(), "RTSTRUCT"
    content.PatientName, content.PatientID, content.StructureSetLabel = "Nobody^Here", "N0B0DY", "RS"
    reference = pydicom.Dataset()
    reference.FrameOfReferenceUID = frame
    content.ReferencedFrameOfReferenceSequence = [reference]
    content.StructureSetROISequence, content.ROIContourSequence = [], []
    for number, (name, contours) in enumerate(rois, start=1):
        about, drawn = pydicom.Dataset(), pydicom.Dataset()
        about.ROINumber, about.ROIName, about.ReferencedFrameOfReferenceUID = number, name, frame
        drawn.ReferencedROINumber, drawn.ContourSequence = number, []
        for kind, points in contours:
            one = pydicom.Dataset()
            one.ContourGeometricType, one.NumberOfContourPoints = kind, len(points)
            one.ContourData = [f"{mm:.4f}" for mm in points.ravel().tolist()]
            drawn.ContourSequence.append(one)
        content.StructureSetROISequence.append(about)
        content.ROIContourSequence.append(drawn)
    content.file_meta = FileMetaDataset()
    content.file_meta.MediaStorageSOPClassUID = RTStructureSetStorage
    content.file_meta.MediaStorageSOPInstanceUID = content.SOPInstanceUID
    content.file_meta.TransferSyntaxUID = UID(ExplicitVRLittleEndian)
    content.save_as(path, enforce_file_format=True)
    return path


def outline(mask: NDArray[np.bool_], native: Native = NATIVE, *, axis: int = 2) -> Contours:
    """Return the rectangle around the voxels of a mask (z, y, x) that is a block, in each slice across an axis."""
    k, j, i = (np.flatnonzero(mask.any(axis=tuple({0, 1, 2} - {number}))) for number in range(3))
    ends = [(float(n[0]) - 0.5, float(n[-1]) + 0.5) for n in (i, j, k)]
    across = [number for number in range(3) if number != axis]
    found = []
    for at in (i, j, k)[axis]:
        corners = np.full((4, 3), float(at))
        for corner, (first, second) in enumerate(((0, 0), (1, 0), (1, 1), (0, 1))):
            corners[corner, across[0]], corners[corner, across[1]] = ends[across[0]][first], ends[across[1]][second]
        found.append(("CLOSED_PLANAR", native.frame.world(corners)))
    return found
