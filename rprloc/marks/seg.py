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
from rprloc.scans.dicom.headers import in_groups
from rprloc.scans.frame import Frame
from rprloc.scans.labels import Label
from rprloc.scans.record import Native

_HALF = 0.5
"""A voxel of a fractional segmentation is the structure's from here up."""
_SAME_PLACE = 0.05
"""Voxels by which a slice may lie off its scan's."""


def read_seg(path: Path, native: Native, *, image: Path, structures: Mapping[str, int] | None) -> Label:
    """Return the label of a DICOM SEG, whose segments may overlap and are called as their labels say.

    `native` is the grid of the scan, whose file is `image`. Raises InputError for a damaged file, one of another frame
    of reference, slices that are neither an even stack nor its scan's, and segments none of which is asked for.
    """
    with faults_of(path):
        content = pydicom.dcmread(path)
        _check(content, path.name)
        seg = highdicom.seg.Segmentation.from_dataset(content, copy=False)
        check_frame([str(seg.get("FrameOfReferenceUID", ""))], image, path.name)
        numbers = list(seg.segment_numbers)
        labels = [printable(str(seg.get_segment_description(number).segment_label)) for number in numbers]
        names, findings = structure_names(labels, path.name)
        drawn = [
            Drawn(name, _mask(seg, number, native, path.name)) for number, name in zip(numbers, names, strict=True)
        ]
    if str(seg.SegmentationType) == "FRACTIONAL":
        findings = (*findings, f"{path.name}: a fractional segmentation: voxels of one half or more are taken")
    label = drawn_on(drawn, native, structures=structures, file=path.name, image_name=image.name)
    return replace(label, findings=(*findings, *label.findings))


def _check(content: pydicom.Dataset, name: str) -> None:
    """Refuse what highdicom does not read, in whose errors one would not know it: big endian, pixels that end early,
    and segments of radiographs and of slides, which have no place in the patient.
    """
    syntax = content.file_meta.get("TransferSyntaxUID")
    if syntax is not None and syntax.is_transfer_syntax and not syntax.is_little_endian:
        raise InputError(f"{name}: found the transfer syntax {syntax.name}, expected one of little endian.")
    if len(content.get("PixelData", b"")) * 8 < _bits(content):
        raise InputError(f"{name}: found a file that ends before its pixels do, expected a whole segmentation.")
    groups = [
        *content.get("SharedFunctionalGroupsSequence", ()), *content.get("PerFrameFunctionalGroupsSequence", ())
    ]  # fmt: skip
    if not any("PlanePositionSequence" in group for group in groups):
        raise InputError(f"{name}: found segments without a place in the patient, expected those of slices.")


def _bits(content: pydicom.Dataset) -> int:
    """Return how many bits a file's pixels have, 1 where they are packed otherwise than one after the other."""
    syntax = content.file_meta.get("TransferSyntaxUID")
    if syntax is None or syntax.is_compressed:
        return 1
    return int(content.Rows) * int(content.Columns) * int(content.NumberOfFrames) * int(content.BitsAllocated)


def _mask(seg: highdicom.seg.Segmentation, number: int, native: Native, name: str) -> sitk.Image:
    """Return a segment as a mask on the file's own voxels, or on a scan's where its slices are that scan's; raises
    InputError where they are no even stack either.
    """
    try:
        volume = seg.get_volume(segment_numbers=[number])
    except (ValueError, RuntimeError):
        # Those of a tilted gantry lie aslant over each other, which highdicom does not take for a volume.
        return _on_slices(seg, number, native, name)
    values = np.asarray(volume.array)
    mask = sitk.GetImageFromArray((values.reshape(values.shape[:3]) >= _HALF).astype(np.uint8))
    affine = np.asarray(volume.affine, dtype=np.float64)
    # Its axes are slices, rows and columns; an image's are columns, rows and slices.
    Frame(affine[:3, 2::-1], affine[:3, 3]).lay(mask)
    return mask


def _on_slices(seg: highdicom.seg.Segmentation, number: int, native: Native, name: str) -> sitk.Image:
    """Return a segment whose frames lie on slices of a scan as a mask on its voxels; raises InputError for others."""
    mask = np.zeros(native.size[::-1], dtype=np.uint8)
    extent = np.array([seg.Columns, seg.Rows, 1])
    shared = seg.SharedFunctionalGroupsSequence[0]
    full = float(seg.get("MaximumFractionalValue", 1))
    for frame, about in enumerate(seg.PerFrameFunctionalGroupsSequence, start=1):
        groups = (about, shared)
        place = in_groups(groups, "PlanePositionSequence", "ImagePositionPatient")
        directions = in_groups(groups, "PlaneOrientationSequence", "ImageOrientationPatient")
        spacing = in_groups(groups, "PixelMeasuresSequence", "PixelSpacing")
        segment = in_groups(groups, "SegmentIdentificationSequence", "ReferencedSegmentNumber")
        steps = np.array(directions, dtype=np.float64).reshape(2, 3) * np.array(spacing, dtype=np.float64)[::-1, None]
        corners = np.array(place, dtype=np.float64) + np.stack([np.zeros(3), (extent[:2] - 1) @ steps])
        first, last = native.frame.voxel(corners)
        at = np.rint(first).astype(int)
        if np.abs([first - at, last - at - extent + 1]).max() > _SAME_PLACE:
            raise InputError(f"{name}: found slices that are no even stack, nor its scan's, expected a volume.")
        if segment not in (None, number):
            continue
        values = np.asarray(seg.get_stored_frame(frame))
        # A label map has the numbers of segments in its voxels.
        shown = values == number if segment is None else values >= _HALF * full
        low, high = np.maximum(at, 0), np.minimum(at + extent, native.size)
        if (high > low).all():
            i, j = (slice(start, stop) for start, stop in zip(low[:2], high[:2], strict=True))
            x, y = (slice(start, stop) for start, stop in zip((low - at)[:2], (high - at)[:2], strict=True))
            mask[low[2], j, i] |= shown[y, x].astype(np.uint8)
    return native.image(mask)
