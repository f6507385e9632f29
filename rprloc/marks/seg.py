"""DICOM segmentations (SEG), read by highdicom."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import highdicom
import numpy as np
import pydicom
import SimpleITK as sitk

from rprloc.errors import InputError
from rprloc.marks.dicom import check_frame, faults_of
from rprloc.marks.drawn import Drawn, drawn_on
from rprloc.marks.names import printable, structure_names
from rprloc.scans.frame import Frame
from rprloc.scans.labels import Label
from rprloc.scans.record import Native

_HALF = 0.5
"""A voxel of a fractional segmentation is the structure's from here up."""


def read_seg(path: Path, native: Native, *, image: Path, structures: Mapping[str, int] | None) -> Label:
    """Return the label of a DICOM SEG, whose segments may overlap and are called as their labels say.

    `native` is the grid of the scan, whose file is `image`. Raises InputError for a damaged file, one of another frame
    of reference, slices that are no even stack, and segments none of which is asked for.
    """
    with faults_of(path):
        content = pydicom.dcmread(path)
        _check(content, path.name)
        seg = highdicom.seg.Segmentation.from_dataset(content, copy=False)
        check_frame([str(seg.get("FrameOfReferenceUID", ""))], image, path.name)
        numbers = list(seg.segment_numbers)
        labels = [printable(str(seg.get_segment_description(number).segment_label)) for number in numbers]
        names, findings = structure_names(labels, path.name)
        drawn = [Drawn(name, _mask(seg, number, path.name)) for number, name in zip(numbers, names, strict=True)]
    if str(seg.SegmentationType) == "FRACTIONAL":
        findings = (*findings, f"{path.name}: a fractional segmentation: voxels of one half or more are taken")
    label = drawn_on(drawn, native, structures=structures, file=path.name, image_name=image.name)
    return replace(label, findings=(*findings, *label.findings))


def _check(content: pydicom.Dataset, name: str) -> None:
    """Refuse what highdicom does not read, in whose errors one would not know it: big endian, and segments of
    radiographs and of slides, which have no place in the patient.
    """
    syntax = content.file_meta.get("TransferSyntaxUID")
    if syntax is not None and syntax.is_transfer_syntax and not syntax.is_little_endian:
        raise InputError(f"{name}: found the transfer syntax {syntax.name}, expected one of little endian.")
    groups = [
        *content.get("SharedFunctionalGroupsSequence", ()), *content.get("PerFrameFunctionalGroupsSequence", ())
    ]  # fmt: skip
    if not any("PlanePositionSequence" in group for group in groups):
        raise InputError(f"{name}: found segments without a place in the patient, expected those of slices.")


def _mask(seg: highdicom.seg.Segmentation, number: int, name: str) -> sitk.Image:
    """Return a segment as a mask on the file's own voxels; raises InputError where its slices are no even stack."""
    try:
        volume = seg.get_volume(segment_numbers=[number])
    except (ValueError, RuntimeError) as error:
        raise InputError(f"{name}: found slices that are no even stack, expected a volume.") from error
    values = np.asarray(volume.array)
    mask = sitk.GetImageFromArray((values.reshape(values.shape[:3]) >= _HALF).astype(np.uint8))
    affine = np.asarray(volume.affine, dtype=np.float64)
    # Its axes are slices, rows and columns; an image's are columns, rows and slices.
    Frame(affine[:3, 2::-1], affine[:3, 3]).lay(mask)
    return mask
