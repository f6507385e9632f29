"""DICOM structure sets (RTSTRUCT): closed planar contours filled on a scan's voxels, and points."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import SimpleITK as sitk
from matplotlib.path import Path as Outline

from rprloc.errors import InputError
from rprloc.geometry import FloatArray
from rprloc.marks.dicom import check_frame, faults_of
from rprloc.marks.drawn import Drawn, drawn_on
from rprloc.marks.mark import Mark, Marks
from rprloc.marks.names import asked_names, check_asked, printable, structure_names
from rprloc.marks.on_scan import laid_on, together
from rprloc.scans.body import Mask
from rprloc.scans.frame import Frame
from rprloc.scans.labels import Label
from rprloc.scans.record import Native

_CLOSED, _POINT = ("CLOSED_PLANAR", "CLOSEDPLANAR_XOR"), "POINT"
_SAME_PLANE_MM = 0.01
_ALONG = 1e-3
"""Sine of the angle up to which the planes of contours are those of a scan's slices."""
_FINER = 0.55
"""Voxels of contours' own are no shorter than this part of the scan's: half of one would be another scan's label."""
_GAP = 1.5
"""Planes of contours further apart than so many of their usual distances have nothing between them."""


@dataclass(frozen=True)
class _Roi:
    """A region of interest of a structure set."""

    text: str
    contours_mm: tuple[FloatArray, ...]
    """(n, 3) each, LPS, closed and in a plane."""
    points_mm: tuple[FloatArray, ...]
    """(3,) each."""
    others: int
    """Contours of another kind."""


def read_rtstruct(path: Path, native: Native, *, image: Path, structures: Mapping[str, int] | None) -> Label:
    """Return the label of a structure set: its regions filled on the voxels of a scan whose grid is `native` and whose
    file is `image`, and its points.

    A voxel whose centre lies within a contour is the structure's; of contours in one plane those within others are
    holes. A slice between two planes takes the nearer one. Raises InputError for a damaged file, one of another frame
    of reference or place, and regions none of which is asked for.
    """
    with faults_of(path):
        content = pydicom.dcmread(path, force=True)
        rois = list(_rois(content))
        frames = [
            str(one.get("FrameOfReferenceUID", "")) for one in content.get("ReferencedFrameOfReferenceSequence", [])
        ]
    check_frame(frames, image, path.name)
    names, findings = structure_names([roi.text for roi in rois], path.name)
    wanted = asked_names(names.values(), structures)
    check_asked(wanted, names.values(), structures, path.name)
    shown = [replace(roi, text=names[roi.text]) for roi in rois if names[roi.text] in wanted]
    _check_place([roi for roi in shown if roi.contours_mm], native, image_name=image.name, name=path.name)
    said = [f"{path.name}: {roi.text}: {roi.others} open contours: passed over" for roi in shown if roi.others]
    said += [f"{path.name}: {roi.text} is empty: left out" for roi in shown if not (roi.contours_mm or roi.points_mm)]
    labels = []
    if drawn := [Drawn(roi.text, _filled(roi.contours_mm, native)) for roi in shown if roi.contours_mm]:
        labels.append(drawn_on(drawn, native, structures=structures, file=path.name, image_name=image.name))
    points = [Mark(roi.text, roi.points_mm[0][None]) for roi in shown if roi.points_mm and not roi.contours_mm]
    if several := [roi.text for roi in shown if len(roi.points_mm) > 1 and not roi.contours_mm]:
        raise InputError(f"{path.name}: found several points in {several[0]}, expected one a region.")
    if points:
        labels.append(
            laid_on(Marks(tuple(points)), native, structures=structures, file=path.name, image_name=image.name)
        )
    label = together(labels, image.name)
    return replace(label, findings=(*findings, *said, *label.findings))


def _rois(content: pydicom.Dataset) -> Iterator[_Roi]:
    """Yield the regions of a structure set."""
    contours: dict[int, Sequence[Any]] = {
        int(one.ReferencedROINumber): one.get("ContourSequence") or () for one in content.get("ROIContourSequence", [])
    }
    for about in content.StructureSetROISequence:
        closed, points, others = [], [], 0
        for contour in contours.get(int(about.ROINumber), ()):
            places = np.reshape(np.asarray(contour.ContourData, dtype=np.float64), (-1, 3))
            kind = str(contour.ContourGeometricType)
            if kind in _CLOSED and len(places) > 2:
                closed.append(places)
            elif kind == _POINT or (kind in _CLOSED and len(places) == 1):
                points.append(places[0])
            else:
                others += 1
        yield _Roi(printable(str(about.get("ROIName", ""))), tuple(closed), tuple(points), others)


def _check_place(rois: Sequence[_Roi], native: Native, *, image_name: str, name: str) -> None:
    """Refuse contours all of which lie outside a scan; raises InputError."""
    if not rois:
        return
    every = np.concatenate([points for roi in rois for points in roi.contours_mm])
    if not np.isfinite(every).all():
        raise InputError(f"{name}: found contours of no finite numbers, expected places in mm.")
    low, high = native.field_mm
    apart = np.maximum(np.maximum(low - every.max(axis=0), every.min(axis=0) - high), 0)
    if apart.any():
        far = float(np.linalg.norm(apart))
        raise InputError(
            f"{name}: its contours lie {far:.1f} mm outside {image_name}, expected those of the same series."
        )


def _filled(contours_mm: Sequence[FloatArray], native: Native) -> sitk.Image:
    """Return closed planar contours filled, on a scan's voxels where their planes are its slices, else on their own."""
    normal = _normal(contours_mm)
    frame = native.frame
    # Across the planes of two axes, which by a tilted gantry is not along the third.
    across = np.linalg.inv(frame.axes_mm)
    cosines = np.abs(across @ normal) / np.linalg.norm(across, axis=1)
    axis = int(np.argmax(cosines))
    if cosines[axis] < np.cos(np.arcsin(_ALONG)):
        frame, size = _own_frame(contours_mm, normal, native)
        axis = 2
    else:
        size = tuple(native.size)
    inside = _filled_along(contours_mm, frame, size, axis)
    image = sitk.GetImageFromArray(np.ascontiguousarray(inside.transpose(2, 1, 0)).view(np.uint8))
    frame.lay(image)
    return image


def _normal(contours_mm: Sequence[FloatArray]) -> FloatArray:
    """Return the direction (3,) across the planes of contours: that of the largest one's vector area."""
    areas = [
        np.cross(points - points[0], np.roll(points, -1, axis=0) - points[0]).sum(axis=0) for points in contours_mm
    ]
    largest = max(areas, key=lambda area: float(np.linalg.norm(area)))
    length = float(np.linalg.norm(largest))
    return np.array([0.0, 0.0, 1.0]) if length == 0 else np.asarray(largest / length)


def _own_frame(contours_mm: Sequence[FloatArray], normal: FloatArray, native: Native) -> tuple[Frame, tuple[int, ...]]:
    """Return a grid (frame and size along its axes) around contours whose last axis lies across their planes; it is as
    fine as a label of a scan may be.
    """
    first = np.cross(normal, np.eye(3)[int(np.argmin(np.abs(normal)))])
    first /= np.linalg.norm(first)
    axes = np.stack([first, np.cross(normal, first), normal], axis=1)
    spacing = np.asarray(native.spacing_mm)
    nearest = np.abs(np.linalg.inv(native.frame.direction) @ axes).argmax(axis=0)
    spacing_mm = np.maximum(spacing.min(), _FINER * spacing[nearest])
    places = np.concatenate(contours_mm) @ axes
    low, high = places.min(axis=0) - 2 * spacing_mm, places.max(axis=0) + 2 * spacing_mm
    size = tuple(int(n) for n in np.ceil((high - low) / spacing_mm) + 1)
    return Frame(axes * spacing_mm, axes @ low), size


def _filled_along(contours_mm: Sequence[FloatArray], frame: Frame, size: Sequence[int], axis: int) -> Mask:
    """Return the voxels (i, j, k) within contours whose planes lie across an axis of a grid."""
    inside = np.zeros(size, dtype=np.bool_)
    slices = np.moveaxis(inside, axis, 0)
    across = [other for other in range(3) if other != axis]
    step_mm = float(frame.spacing_mm[axis])
    planes: list[tuple[float, Mask]] = []
    for points in sorted(
        (frame.voxel(points) for points in contours_mm), key=lambda found: float(found[:, axis].mean())
    ):
        at, mask = float(points[:, axis].mean()), _polygon(points[:, across], slices.shape[1:])
        if planes and (at - planes[-1][0]) * step_mm <= _SAME_PLANE_MM:
            # What lies within another contour of its plane is a hole.
            planes[-1] = (planes[-1][0], planes[-1][1] ^ mask)
        else:
            planes.append((at, mask))
    heights = np.array([at for at, _ in planes])
    gaps = np.diff(heights)
    usual = float(np.median(gaps)) if len(gaps) else 1.0
    for number in range(len(slices)):
        nearest = int(np.argmin(np.abs(heights - number)))
        away = abs(float(heights[nearest]) - number)
        between = heights[0] <= number <= heights[-1] and _gap_at(heights, number) <= _GAP * usual
        # Half the planes' distance, and never less than half a slice: a plane is shown by one slice at least.
        if away <= max(usual / 2 if between else 0.0, 0.5) + 1e-6:
            slices[number] = planes[nearest][1]
    return inside


def _gap_at(heights: FloatArray, at: float) -> float:
    """Return how far the planes on both sides of a height are apart."""
    upper = int(np.searchsorted(heights, at))
    return float(heights[min(upper, len(heights) - 1)] - heights[max(upper - 1, 0)])


def _polygon(points: FloatArray, shape: tuple[int, ...]) -> Mask:
    """Return which voxels of a slice have their centre within a polygon (n, 2), in voxels."""
    mask = np.zeros(shape, dtype=np.bool_)
    first = np.clip(np.ceil(points.min(axis=0)), 0, shape).astype(int)
    stop = np.clip(np.floor(points.max(axis=0)) + 1, first, shape).astype(int)
    u, v = (np.arange(low, high) for low, high in zip(first, stop, strict=True))
    if u.size and v.size:
        centres = np.stack(np.meshgrid(u, v, indexing="ij"), axis=-1).reshape(-1, 2)
        found = Outline(np.concatenate([points, points[:1]])).contains_points(centres)
        mask[first[0] : stop[0], first[1] : stop[1]] = found.reshape(len(u), len(v))
    return mask
