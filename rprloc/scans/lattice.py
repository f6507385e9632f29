"""A label on its scan's voxels: the same lattice in another order or part exactly, another grid by nearest voxel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from rprloc.errors import InputError
from rprloc.geometry import FloatArray
from rprloc.scans.frame import SAME_VOXELS, Frame, corners_of
from rprloc.scans.nifti import listed
from rprloc.scans.record import Native

_SIZES = 2.0
"""Voxels of a label that are less than so many times as long as its scan's, or as short, may be resampled."""
_FACES = 6
_FLAT = 0.5
"""Part of a structure's largest cross-section that lies at the end of its label where that cuts it."""
_NAMED = 8
"""Values that a sentence lists."""
_SHARED = 0.5
"""Least part of the smaller field of view that label and scan have in common to be of one place."""


def placed_on(
    native: Native, label: sitk.Image, *, image_name: str, name: str, whole: bool = False
) -> tuple[sitk.Image, tuple[str, ...]]:
    """Return a label of whole numbers on its scan's voxels, 0 where it says nothing, and what is to be said of it.

    The whole maps from voxels to places are compared: the same lattice that is stored in another order, flipped, or in
    part is taken voxel by voxel; another grid over the same place, with voxels of less than twice the size, is
    resampled by nearest neighbour. `whole` says what its own edge cuts within the scan; formats that keep no more than
    what is drawn end so. Raises InputError for any other, naming the difference.
    """
    scan, frame = native.frame, Frame.of(label)
    # A label's voxel (i, j, k) is the scan's matrix @ (i, j, k) + shift.
    inverse = np.linalg.inv(scan.axes_mm)
    matrix, shift = inverse @ frame.axes_mm, inverse @ (frame.origin_mm - scan.origin_mm)
    order = np.rint(matrix)
    corners = corners_of(label.GetSize())
    found, turned = corners @ matrix.T + shift, corners @ order.T
    offset = np.rint((found - turned).mean(axis=0))
    # Whole numbers whose rows are of length 1 and at right angles exchange and turn axes, and do nothing else.
    on_lattice = np.array_equal(order @ order.T, np.eye(3)) and np.abs(found - turned - offset).max() <= SAME_VOXELS
    first = (turned + offset).min(axis=0).astype(int)
    moved = on_lattice and first.any() and np.array_equal(np.abs(order) @ label.GetSize(), native.size)
    if on_lattice and not moved:
        return _in_order(native, label, order, first, name, whole=whole)
    _check_place(native, label, image_name=image_name, name=name, moved=moved)
    said = (
        f"another grid, {_words(label.GetSize(), frame)}, than that of {image_name}, {_words(native.size, scan)}: "
        "resampled by nearest neighbour"
    )
    return _resampled(native, label), (said,)


def some_of(values: Sequence[int]) -> str:
    """Return the first values of a label in a sentence."""
    return ", ".join(map(str, values[:_NAMED])) + (", ..." if len(values) > _NAMED else "")


def _words(size: tuple[int, ...], frame: Frame) -> str:
    """Return a grid in words."""
    return f"{listed(size)} voxels of {listed(frame.spacing_mm)} mm"


def _in_order(
    native: Native, label: sitk.Image, order: FloatArray, first: NDArray[np.int64], name: str, *, whole: bool
) -> tuple[sitk.Image, tuple[str, ...]]:
    """Return a label of the scan's lattice, which begins at the scan's voxel `first`, in the scan's order and size."""
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
    said = [f"{lost:,} drawn voxels lie outside the scan: cut off"] if lost else []
    if whole and (cut := _cut_flat(turned, first, native)):
        said.append(
            f"what is drawn as {some_of(cut)} ends flat at the edge of the label's own field, which lies in the scan"
        )
    return native.image(np.ascontiguousarray(into.transpose(2, 1, 0))), tuple(said)


def _cut_flat(label: NDArray[Any], first: NDArray[np.int64], native: Native) -> list[int]:
    """Return the values of a label (i, j, k), which begins at a scan's voxel `first`, that the label's own edge cuts
    within the scan: much of their largest cross-section lies there. One that was cropped to what is drawn cuts nothing.
    """
    found: set[int] = set()
    touched = 0
    most = int(label.max()) + 1
    for axis in range(3):
        planes = np.moveaxis(label, axis, 0)
        inner = (first[axis] > 0, first[axis] + len(planes) < native.size[axis])
        ends = [planes[end] for end, inside in zip((0, -1), inner, strict=True) if inside and planes[end].any()]
        touched += len(ends)
        if ends:
            largest = np.max([np.bincount(plane.ravel(), minlength=most) for plane in planes], axis=0)
        for end in ends:
            there = np.bincount(end.ravel(), minlength=most)
            found |= set((np.flatnonzero(there[1:] > _FLAT * largest[1:]) + 1).tolist())
    return sorted(found) if touched < _FACES else []


def _check_place(native: Native, label: sitk.Image, *, image_name: str, name: str, moved: bool) -> None:
    """Refuse a label of another grid that is not of the scan's place or much coarser or finer; raises InputError."""
    scan, frame = native.frame, Frame.of(label)
    fields = [native.field_mm, frame.field_mm(label.GetSize())]
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
            f"{name}: found a grid of {_words(label.GetSize(), frame)}, expected "
            f"{listed(native.size)} of {listed(scan.spacing_mm)} mm as {image_name} has, or voxels less than twice "
            "as large or small."
        )


def _resampled(native: Native, label: sitk.Image) -> sitk.Image:
    """Return a label on a scan's voxels, the nearest voxel's value; 0 beyond its field."""
    return sitk.Resample(
        label, native.size, sitk.Transform(), sitk.sitkNearestNeighbor, native.origin_mm, native.spacing_mm,
        native.direction, 0, label.GetPixelID(),
    )  # fmt: skip
