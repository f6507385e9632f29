"""Closed planar contours filled on voxels: a scan's where their planes are its slices, else their own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk
from matplotlib.path import Path as Outline

from rprloc.geometry import FloatArray
from rprloc.scans.body import Mask
from rprloc.scans.frame import Frame
from rprloc.scans.record import Native

_ALONG = 1e-3
"""Sine of the angle up to which the planes of contours are those of a scan's slices."""
_SAME_PLANE = 0.25
"""Contours less than this part of a slice apart, and of the usual distance of their planes, are of one plane."""
_HOLE = 0.9
"""A contour of which this part lies within others of its plane is a hole in them."""
_FINER = 0.55
"""Voxels of contours' own are no shorter than this part of the scan's: half of one would be another scan's label."""
_GAP = 1.5
"""Planes of contours further apart than so many of their usual distances have nothing between them."""


@dataclass(frozen=True)
class Filled:
    """Contours that are filled."""

    image: sitk.Image
    """0 and 1."""
    twice: int
    """Contours that are there once more, and count once."""
    crossed: int
    """Planes of which two contours cross, so that what either surrounds is inside."""


@dataclass(frozen=True)
class _Plane:
    """The voxels within the contours of one plane, which lies across an axis of a grid."""

    at: float
    """Where on that axis, in voxels."""
    inside: Mask
    twice: int
    crossed: bool


def filled(contours_mm: Sequence[FloatArray], native: Native, *, odd: bool) -> Filled:
    """Return the voxels whose centres lie within closed contours (n, 3), each in a plane, near a scan's grid.

    Of contours in one plane those within others are holes, if `odd` also those that cross: inside is what an odd number
    of them surrounds. A slice between two planes takes the nearer one.
    """
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
    planes = _planes([frame.voxel(points) for points in contours_mm], size, axis, odd=odd)
    inside = _stacked(planes, size, axis)
    image = sitk.GetImageFromArray(np.ascontiguousarray(inside.transpose(2, 1, 0)).view(np.uint8))
    frame.lay(image)
    return Filled(image, sum(plane.twice for plane in planes), sum(plane.crossed for plane in planes))


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


def _planes(contours: Sequence[FloatArray], size: Sequence[int], axis: int, *, odd: bool) -> list[_Plane]:
    """Return contours (n, 3), in voxels, by the planes across an axis in which they lie, in their order."""
    across = [other for other in range(3) if other != axis]
    shape = tuple(size[other] for other in across)
    ordered = sorted(contours, key=lambda points: float(points[:, axis].mean()))
    heights = np.array([points[:, axis].mean() for points in ordered])
    near = _SAME_PLANE * min(1.0, _usual(np.diff(heights)))
    groups: list[list[int]] = [[0]]
    for number in range(1, len(ordered)):
        if heights[number] - heights[groups[-1][0]] <= near:
            groups[-1].append(number)
        else:
            groups.append([number])
    found = []
    for group in groups:
        masks = [_polygon(ordered[number][:, across], shape) for number in group]
        found.append(_Plane(float(heights[group[0]]), *_within(masks, odd=odd)))
    return found


def _usual(gaps: FloatArray) -> float:
    """Return the gap in which the middle of the whole way lies: small ones between contours of a plane do not count."""
    if not gaps.sum() > 0:
        return 1.0
    ordered = np.sort(gaps)
    return float(ordered[np.searchsorted(np.cumsum(ordered), ordered.sum() / 2)])


def _within(masks: Sequence[Mask], *, odd: bool) -> tuple[Mask, int, bool]:
    """Return what contours of a plane, each a mask, surround; how many are there once more; and whether any cross."""
    inside = np.zeros_like(masks[0])
    kept: list[Mask] = []
    twice, crossed = 0, False
    for mask in sorted(masks, key=lambda one: -int(one.sum())):
        if odd:
            inside ^= mask
            continue
        if not mask.any():
            continue
        if any(np.array_equal(mask, other) for other in kept):
            twice += 1
            continue
        kept.append(mask)
        part = float(inside[mask].mean())
        crossed |= 0 < part < _HOLE
        inside = inside & ~mask if part >= _HOLE else inside | mask
    return inside, twice, crossed


def _stacked(planes: Sequence[_Plane], size: Sequence[int], axis: int) -> Mask:
    """Return the voxels (i, j, k) within planes across an axis of a grid."""
    inside = np.zeros(size, dtype=np.bool_)
    slices = np.moveaxis(inside, axis, 0)
    heights = np.array([plane.at for plane in planes])
    gaps = np.diff(heights)
    usual = float(np.median(gaps)) if len(gaps) else 1.0
    for number in range(len(slices)):
        nearest = int(np.argmin(np.abs(heights - number)))
        away = abs(float(heights[nearest]) - number)
        between = heights[0] <= number <= heights[-1] and _gap_at(heights, number) <= _GAP * usual
        # Half the planes' distance, and never less than half a slice: a plane is shown by one slice at least.
        if away <= max(usual / 2 if between else 0.0, 0.5) + 1e-6:
            slices[number] = planes[nearest].inside
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
