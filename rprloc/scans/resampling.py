"""From a scan's own voxels to a grid along the LPS axes."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from rprloc.geometry import FloatArray, Grid

_SLAB = 1 << 22
"""Voxels resampled at once: a copy of a few MB in place of one of the whole scan."""

_OWN_MM = (1.0, 1.5, 2.0, 3.0)
"""Spacings of volumes that go by the scan's own voxels: few, so that scans of a cohort have the same."""
_ABOUT = 1.1
"""A voxel may be so much smaller than the spacing that it has."""
_OWN_VOXELS = 1 << 23
"""Of such a volume, at most, unless it has the largest spacing: 16 MB of values, and half a GB of features."""


def voxel_extent_mm(image: sitk.Image) -> FloatArray:
    """Return the extent (3,) in mm of one voxel along the LPS axes x, y, z, for any direction of the image."""
    return np.asarray(np.abs(_direction(image)) @ np.asarray(image.GetSpacing()), dtype=np.float64)


def field_of_view_mm(image: sitk.Image) -> tuple[FloatArray, FloatArray]:
    """Return the lowest and the highest edge (3,) in mm of an image's voxels along the LPS axes x, y, z."""
    last = np.asarray(image.GetSize()) - 1
    corners = np.array(np.meshgrid(*[(0, n) for n in last], indexing="ij")).reshape(3, -1).T
    centres = np.array([image.TransformContinuousIndexToPhysicalPoint(c.tolist()) for c in corners])
    half = voxel_extent_mm(image) / 2
    return centres.min(axis=0) - half, centres.max(axis=0) + half


def covering_grid(image: sitk.Image, spacing_mm: FloatArray) -> Grid:
    """Return the grid of `spacing_mm` (x, y, z) along the LPS axes that covers every voxel of an image.

    The grid starts at the image's lowest edges, so that an image whose axes and spacing fit already keeps its values.
    """
    low, high = field_of_view_mm(image)
    # The tolerance keeps rounding errors of the header from adding a plane of air.
    size = np.maximum(np.ceil((high - low) / spacing_mm - 1e-3), 1).astype(int)
    # A field of less than a voxel, as a single slice's, lies about its middle.
    origin = np.where(size > 1, low + spacing_mm / 2, np.minimum(low + spacing_mm / 2, (low + high) / 2))
    return Grid(tuple(size.tolist()), tuple(spacing_mm.tolist()), tuple(origin.tolist()))


def own_spacing_mm(image: sitk.Image, grid: Grid) -> FloatArray:
    """Return the spacing (3,) at which a scan shows what it has in the field of a grid: that of its longest voxel
    edge, or the next larger one of which a whole field does not have too many voxels.
    """
    longest, field = max(image.GetSpacing()), float(np.prod(grid.size) * np.prod(grid.spacing_mm))
    shown = max((mm for mm in _OWN_MM if mm <= longest * _ABOUT), default=_OWN_MM[0])
    fitting = (mm for mm in _OWN_MM if mm >= shown and field / mm**3 <= _OWN_VOXELS)
    return np.full(3, next(fitting, _OWN_MM[-1]))


def grid_within(grid: Grid, spacing_mm: FloatArray) -> Grid:
    """Return the grid of `spacing_mm` (x, y, z) from the lowest edges of another that covers all of it."""
    extent = np.asarray(grid.size) * np.asarray(grid.spacing_mm)
    size = np.maximum(np.ceil(extent / spacing_mm - 1e-3), 1).astype(int)
    origin = np.asarray(grid.origin_mm) - np.asarray(grid.spacing_mm) / 2 + spacing_mm / 2
    return Grid(tuple(size.tolist()), tuple(spacing_mm.tolist()), tuple(origin.tolist()))


def resample(image: sitk.Image, grid: Grid, *, outside: float) -> NDArray[np.float32]:
    """Return an image's values (z, y, x) on a grid, `outside` beyond it: linear, smoothed where the grid is coarser.

    A Gaussian whose full width at half maximum grows from the image's spacing to the grid's goes before, along each
    coarsened axis, so that fine texture does not alias.
    """
    image = _reduced(image, grid) if _is_aligned(image) else _smoothed(image, grid)
    values = np.empty(grid.size[::-1], dtype=np.float32)
    x, y, z = grid.size
    step = max(1, _SLAB // (x * y))
    for start in range(0, z, step):
        slab = Grid((x, y, min(step, z - start)), grid.spacing_mm, tuple(grid.world([start, 0, 0]).tolist()))
        moved = _on(image, slab, sitk.sitkLinear, outside, sitk.sitkFloat32)
        values[start : start + step] = sitk.GetArrayViewFromImage(moved)
    return values


def resample_label(label: sitk.Image, grid: Grid) -> NDArray[np.generic]:
    """Return a label's values (z, y, x), of its own type, on a grid: the nearest voxel's, 0 outside."""
    return sitk.GetArrayFromImage(_on(label, grid, sitk.sitkNearestNeighbor, 0, label.GetPixelID()))


def _on(image: sitk.Image, grid: Grid, interpolator: int, outside: float, kind: int) -> sitk.Image:
    """Return an image on a grid along the LPS axes, in voxels of the type `kind`."""
    identity = np.eye(3).ravel().tolist()
    return sitk.Resample(
        image, grid.size, sitk.Transform(), interpolator, grid.origin_mm, grid.spacing_mm, identity, outside, kind
    )


def _direction(image: sitk.Image) -> FloatArray:
    """Return the direction (3, 3) of an image; its columns are the axes."""
    return np.asarray(image.GetDirection(), dtype=np.float64).reshape(3, 3)


def _is_aligned(image: sitk.Image) -> bool:
    """Tell whether every axis of an image lies along an LPS axis, to a small part of a voxel at its far end."""
    direction, spacing = _direction(image), np.asarray(image.GetSpacing())
    astray = np.abs(direction - np.rint(direction)) * spacing * image.GetSize()
    return bool(astray.max() < 2e-4 * spacing.min())


def _full_width_mm(image: sitk.Image, grid: Grid, axis: int) -> float:
    """Return the full width at half maximum of the smoothing along a native axis, 0 for none."""
    spacing = image.GetSpacing()[axis]
    coarse = grid.spacing_mm[int(np.argmax(np.abs(_direction(image)[:, axis])))]
    # The recursive filter needs four voxels; a shorter axis has no texture to alias.
    if coarse <= spacing * 1.01 or image.GetSize()[axis] < 4:
        return 0.0
    return float(np.sqrt(coarse**2 - spacing**2))


def smoothed_along(image: sitk.Image, axis: int, full_width_mm: float) -> sitk.Image:
    """Return an image smoothed along a native axis by a Gaussian of a full width at half maximum."""
    gaussian = sitk.RecursiveGaussianImageFilter()
    gaussian.SetSigma(full_width_mm / 2.3548)
    gaussian.SetDirection(axis)
    return gaussian.Execute(image)


def _smoothed(image: sitk.Image, grid: Grid) -> sitk.Image:
    """Smooth along each native axis whose spacing is finer than the grid's along the nearest LPS axis."""
    for axis in range(3):
        if full_width := _full_width_mm(image, grid, axis):
            image = smoothed_along(image, axis, full_width)
    return image


def _reduced(image: sitk.Image, grid: Grid) -> sitk.Image:
    """Return an image along the LPS axes as `_smoothed` does, but only where the grid's planes cut coarsened axes.

    Smoothing and linear interpolation along an axis are one matrix: ten times faster than to smooth every voxel, with
    no copy of the scan, and the same but for rounding.
    """
    spacing, origin, direction = np.array(image.GetSpacing()), np.array(image.GetOrigin()), _direction(image)
    weights: list[NDArray[np.float32] | None] = [None, None, None]
    for axis in range(3):
        full_width = _full_width_mm(image, grid, axis)
        places = _places(image, grid, axis) if full_width else np.empty(0)
        if places.size:
            weights[axis] = _weights(image, axis, full_width, places)
            origin += direction[:, axis] * places[0] * image.GetSpacing()[axis]
            spacing[axis] = grid.spacing_mm[int(np.argmax(np.abs(direction[:, axis])))]
    if not any(matrix is not None for matrix in weights):
        return image
    reduced = sitk.GetImageFromArray(_multiplied(sitk.GetArrayViewFromImage(image), weights))
    reduced.SetSpacing(spacing.tolist())
    reduced.SetOrigin(origin.tolist())
    reduced.SetDirection(image.GetDirection())
    return reduced


def _places(image: sitk.Image, grid: Grid, axis: int) -> FloatArray:
    """Return the fractional voxels, ascending, at which a grid's planes cut a native axis inside the image."""
    world = int(np.argmax(np.abs(_direction(image)[:, axis])))
    planes_mm = grid.origin_mm[world] + np.arange(grid.size[world]) * grid.spacing_mm[world]
    step = np.rint(_direction(image)[world, axis]) * image.GetSpacing()[axis]
    places = np.sort((planes_mm - image.GetOrigin()[world]) / step)
    return places[(places >= -0.5) & (places < image.GetSize()[axis] - 0.5)]


def _weights(image: sitk.Image, axis: int, full_width_mm: float, places: FloatArray) -> NDArray[np.float32]:
    """Return the matrix (places, voxels) that smooths along an axis and interpolates between its voxels."""
    count = image.GetSize()[axis]
    impulses = sitk.GetImageFromArray(np.eye(count))
    impulses.SetSpacing([image.GetSpacing()[axis]] * 2)
    responses = sitk.GetArrayFromImage(smoothed_along(impulses, 0, full_width_mm)).T.astype(np.float64)
    inside = np.clip(places, 0, count - 1)
    lower = np.floor(inside).astype(int)
    share = (inside - lower)[:, np.newaxis]
    upper = np.minimum(lower + 1, count - 1)
    return ((1 - share) * responses[lower] + share * responses[upper]).astype(np.float32)


def _multiplied(values: NDArray[np.generic], weights: list[NDArray[np.float32] | None]) -> NDArray[np.float32]:
    """Return an array (z, y, x) multiplied along x, y and z by matrices (new, old), or left as it is for None."""
    x, y, z = weights
    planes = []
    for plane in values:
        reduced = plane.astype(np.float32)
        if y is not None:
            reduced = y @ reduced
        if x is not None:
            reduced = reduced @ x.T
        planes.append(reduced)
    stacked = np.stack(planes)
    return stacked if z is None else np.tensordot(z, stacked, axes=1)
