"""A label on its scan's voxels: the same lattice in another order or part exactly, another grid by nearest voxel."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from rprloc.errors import InputError
from rprloc.geometry import FloatArray
from rprloc.scans.frame import SAME_VOXELS, Frame, corners_of
from rprloc.scans.nifti import listed
from rprloc.scans.scan import Native

_SIZES = 2.0
"""Voxels of a label that are less than so many times as long as its scan's, or as short, may be resampled."""
_SHARED = 0.5
"""Least part of the smaller field of view that label and scan have in common to be of one place."""


def placed_on(native: Native, label: sitk.Image, *, image_name: str, name: str) -> tuple[sitk.Image, tuple[str, ...]]:
    """Return a label of whole numbers on its scan's voxels, 0 where it says nothing, and what is to be said of it.

    The whole maps from voxels to places are compared: the same lattice that is stored in another order, flipped, or in
    part is taken voxel by voxel; another grid over the same place, with voxels of less than twice the size, is
    resampled by nearest neighbour. Raises InputError for any other, naming the difference.
    """
    scan, frame = frame_of(native), Frame.of(label)
    # A label's voxel (i, j, k) is the scan's matrix @ (i, j, k) + shift.
    inverse = np.linalg.inv(scan.axes_mm)
    matrix, shift = inverse @ frame.axes_mm, inverse @ (frame.origin_mm - scan.origin_mm)
    order = np.rint(matrix)
    corners = corners_of(label.GetSize())
    found = corners @ matrix.T + shift
    offset = np.rint((found - corners @ order.T).mean(axis=0))
    on_lattice = _permutes(order) and np.abs(found - corners @ order.T - offset).max() <= SAME_VOXELS
    if on_lattice:
        moved = np.array_equal(np.abs(order) @ label.GetSize(), native.size) and _first(order, offset, label).any()
        if not moved:
            return _in_order(native, label, order, offset, name)
    _check_place(native, label, image_name=image_name, name=name, moved=on_lattice)
    grids = [
        f"{listed(one.GetSize() if isinstance(one, sitk.Image) else one.size)} voxels of {listed(where.spacing_mm)} mm"
        for one, where in ((label, frame), (native, scan))
    ]
    said = f"another grid, {grids[0]}, than that of {image_name}, {grids[1]}: resampled by nearest neighbour"
    return _resampled(native, label), (said,)


def frame_of(native: Native) -> Frame:
    """Return where a scan's voxels lie."""
    return Frame(native.axes * np.asarray(native.spacing_mm), np.asarray(native.origin_mm))


def _permutes(order: FloatArray) -> bool:
    """Tell whether a matrix (3, 3) of whole numbers only exchanges and turns axes."""
    ones = np.ones(3)
    return np.array_equal(np.abs(order).sum(axis=0), ones) and np.array_equal(np.abs(order).sum(axis=1), ones)


def _first(order: FloatArray, offset: FloatArray, label: sitk.Image) -> FloatArray:
    """Return the scan's voxel (3,), (i, j, k), at which a label on its lattice begins."""
    corners = corners_of(label.GetSize()) @ order.T + offset
    return np.asarray(corners.min(axis=0))


def _in_order(
    native: Native, label: sitk.Image, order: FloatArray, offset: FloatArray, name: str
) -> tuple[sitk.Image, tuple[str, ...]]:
    """Return a label of the scan's lattice in the scan's order and size."""
    first = _first(order, offset, label).astype(int)
    if np.array_equal(order, np.eye(3)) and not first.any() and label.GetSize() == tuple(native.size):
        return label, ()
    values = sitk.GetArrayViewFromImage(label).transpose(2, 1, 0)
    axes = np.abs(order).argmax(axis=1)
    turned = values.transpose(axes)
    turned = turned[tuple(slice(None, None, -1 if order[i, axes[i]] < 0 else 1) for i in range(3))]
    into = np.zeros(native.size, dtype=turned.dtype)
    low, high = np.clip(first, 0, native.size), np.clip(first + turned.shape, 0, native.size)
    part = turned[tuple(slice(a, b) for a, b in zip(low - first, high - first, strict=True))]
    into[tuple(slice(a, b) for a, b in zip(low, high, strict=True))] = part
    lost = int(np.count_nonzero(turned)) - int(np.count_nonzero(part))
    if lost and not part.any():
        raise InputError(f"{name}: all that is drawn lies outside the scan, expected a label of the same place.")
    said = (f"{lost:,} drawn voxels lie outside the scan: cut off",) if lost else ()
    return _laid(np.ascontiguousarray(into.transpose(2, 1, 0)), native), said


def _laid(values: NDArray[np.generic], native: Native) -> sitk.Image:
    """Return an array (z, y, x) as an image on a scan's voxels."""
    image = sitk.GetImageFromArray(values)
    image.SetSpacing(native.spacing_mm)
    image.SetOrigin(native.origin_mm)
    image.SetDirection(native.direction)
    return image


def _check_place(native: Native, label: sitk.Image, *, image_name: str, name: str, moved: bool) -> None:
    """Refuse a label of another grid that is not of the scan's place or much coarser or finer; raises InputError."""
    scan, frame = frame_of(native), Frame.of(label)
    fields = [_field_mm(scan, native.size), _field_mm(frame, label.GetSize())]
    same_grid = label.GetSize() == tuple(native.size) and np.allclose(frame.axes_mm, scan.axes_mm, atol=1e-3)
    away = float(np.abs(fields[1] - fields[0]).max())
    if moved or same_grid:
        raise InputError(
            f"{name}: its voxels lie {away:.1f} mm away from those of {image_name}, "
            "expected the same origin, spacing and direction."
        )
    low, high = (np.array([field[end] for field in fields]) for end in (0, 1))
    shared = np.prod(np.maximum(high.min(axis=0) - low.max(axis=0), 0))
    if shared < _SHARED * min(np.prod(field[1] - field[0]) for field in fields):
        raise InputError(
            f"{name}: its field lies up to {away:.1f} mm away from that of {image_name}, expected a label of the same "
            "place."
        )
    nearest = np.abs(np.linalg.inv(scan.direction) @ frame.direction).argmax(axis=0)
    ratios = frame.spacing_mm / scan.spacing_mm[nearest]
    if np.maximum(ratios, 1 / ratios).max() >= _SIZES:
        raise InputError(
            f"{name}: found a grid of {listed(label.GetSize())} voxels of {listed(frame.spacing_mm)} mm, expected "
            f"{listed(native.size)} of {listed(scan.spacing_mm)} mm as {image_name} has, or voxels less than twice "
            "as large or small."
        )


def _field_mm(frame: Frame, size: tuple[int, ...]) -> FloatArray:
    """Return the box (2, 3) in mm around all voxels of an image."""
    corners = frame.world(corners_of([n + 1 for n in size]) - 0.5)
    return np.stack([corners.min(axis=0), corners.max(axis=0)])


def _resampled(native: Native, label: sitk.Image) -> sitk.Image:
    """Return a label on a scan's voxels, the nearest voxel's value; 0 beyond its field."""
    return sitk.Resample(
        label, native.size, sitk.Transform(), sitk.sitkNearestNeighbor, native.origin_mm, native.spacing_mm,
        native.direction, 0, label.GetPixelID(),
    )  # fmt: skip
