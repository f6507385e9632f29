"""Whether what a label draws ends at edges of its scan: a moved or flipped one does not, nor does another scan's."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from rprloc.geometry import FloatArray, Grid
from rprloc.scans.body import Mask
from rprloc.scans.boxes import LabelVoxels
from rprloc.scans.record import Native

_AWAY_MM = (9.0, 12.0, 16.0, 20.0, 26.0, 32.0, 40.0)
"""How far away other places are, in 26 directions each."""
_LEAST_PLACES = 20
"""Of other places that lie in the body, and without which nothing is said."""
_IN_BODY = 0.9
"""Part of a structure's surface that lies in the body at another place; no more than at its own."""
_DEPTH_MM = 3.0
"""How far within and beyond a surface the scan is looked at, or half a voxel where that is more."""
_POINTS, _LEAST_POINTS = 300, 30
"""Of a surface that are looked at; what has fewer faces is too small."""
_MOST_STRUCTURES = 16
"""The largest ones: more tell no more."""
_FLOOR = 0.02
"""Part of the range of the body's values that noise may make anywhere."""
_RANGE = (2, 98)
"""Percentiles of the body's values between which they are looked at."""
_TOGETHER, _ALONE = 1.2, 1.4
"""What n structures are told by: a mean below the first less an n-th of the second (docs/results/labels.md)."""
_FLIPPED, _FLIPPED_ALONE = 1.5, 2.0
"""What n structures are told by that are flipped: more by the first and an n-th of the second."""
_FLIPPED_IN_BODY = 0.5
"""Part of a flipped surface that lies in the body, or nothing is said of it."""
_WAYS = ("head and feet", "front and back", "left and right")
"""What is exchanged along an array's axes (z, y, x)."""


@dataclass(frozen=True)
class Flip:
    """How the voxels of a label would lie the other way along some of its axes, in an array's mm (z, y, x)."""

    ways: tuple[str, ...]
    """What is exchanged."""
    matrix: FloatArray
    """(3, 3), symmetric."""
    shift_mm: FloatArray
    """(3,)."""

    def __call__(self, points_mm: FloatArray) -> FloatArray:
        """Return where points (n, 3) would lie."""
        return np.asarray(points_mm @ self.matrix + self.shift_mm)


def flips_of(native: Native, grid: Grid) -> tuple[Flip, ...]:
    """Return all flips of a label on a scan's own voxels, for arrays on a grid."""
    frame = native.frame
    middle = (frame.world((np.array(native.size) - 1) / 2) - grid.origin_mm)[::-1]
    axes = frame.direction[::-1]
    ways = [_WAYS[axis] for axis in np.abs(axes).argmax(axis=0)]
    found = []
    for signs in itertools.product((1, -1), repeat=3):
        if min(signs) < 0:
            matrix = axes @ np.diag(signs) @ axes.T
            named = tuple(way for way, sign in zip(ways, signs, strict=True) if sign < 0)
            found.append(Flip(named, matrix, middle - middle @ matrix))
    return tuple(sorted(found, key=lambda one: len(one.ways)))


def off_edges(
    label: NDArray[np.integer[Any]],
    values: NDArray[np.integer[Any]],
    body: Mask,
    spacing_mm: Sequence[float],
    flips: Sequence[Flip],
) -> tuple[str, ...]:
    """Return what is to be said of a label (z, y, x) that follows edges of its scan clearly better when it is flipped,
    or no better than elsewhere in the body; all arrays are on one grid, of voxels of a size (x, y, z).
    """
    found = followed(label, values, body, spacing_mm, flips)
    if not len(found):
        return ()
    own, *flipped = found.mean(axis=0)
    best = int(np.argmax(flipped))
    if flipped[best] - own > flip_limit(len(found)):
        return (
            f"what is drawn follows edges of the scan far better with {' and '.join(flips[best].ways)} exchanged, as "
            "a flipped label does",
        )
    if own > limit(len(found)):
        return ()
    return (
        "what is drawn follows edges of the scan no better than it would elsewhere, as a moved or flipped label does, "
        "or that of another scan",
    )


def limit(count: int) -> float:
    """Return below what the mean of `followed` over so many structures is a label that does not belong there."""
    return _TOGETHER - _ALONE / count


def flip_limit(count: int) -> float:
    """Return how much more the mean of `followed` over so many structures is of a label that lies flipped."""
    return _FLIPPED + _FLIPPED_ALONE / count


def followed(
    label: NDArray[np.integer[Any]],
    values: NDArray[np.integer[Any]],
    body: Mask,
    spacing_mm: Sequence[float],
    flips: Sequence[Flip],
) -> FloatArray:
    """Return of each structure that can be judged (n, 1 + flips) how much better than elsewhere it follows edges at its
    place, and where flips bring it, in standard deviations of the other places; arrays as for `off_edges`.

    A surface follows edges where values change across it by more than they do along it, just within it. Where a flip
    brings it out of the body it follows none: minus infinity.
    """
    spacing = np.asarray(spacing_mm, dtype=np.float64)[::-1]
    none = np.zeros((0, 1 + len(flips)))
    if not body.any():
        return none
    low, high = (float(value) for value in np.percentile(values[body], _RANGE))
    if low == high:
        return none
    seen = _Seen(np.clip((values - low) / (high - low), 0, 1).astype(np.float32), body, spacing)
    drawn = LabelVoxels(label)
    largest = sorted(drawn.boxes, key=lambda value: -math.prod(one.stop - one.start for one in drawn.boxes[value]))
    found = []
    for value in largest[:_MOST_STRUCTURES]:
        points, normals = _surface(drawn, value, spacing)
        if len(points) >= _LEAST_POINTS and (own := _better(points, normals, seen, flips)) is not None:
            found.append(own)
    return np.array(found) if found else none


def _places_mm() -> FloatArray:
    """Return the displacements (n, 3) at which a surface is compared, none first."""
    directions = np.array([one for one in itertools.product((-1, 0, 1), repeat=3) if any(one)], dtype=np.float64)
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    return np.concatenate([np.zeros((1, 3)), *(away * directions for away in _AWAY_MM)])


@dataclass(frozen=True)
class _Seen:
    """A scan."""

    levels: NDArray[np.float32]
    """(z, y, x), as the body."""
    body: Mask
    spacing_mm: FloatArray
    """(z, y, x)."""

    def in_body(self, points_mm: FloatArray) -> FloatArray:
        """Return the part of points (..., n, 3) that lies in the body."""
        return np.asarray(_at(self.body, points_mm, self.spacing_mm).mean(axis=-1))

    def clear(self, points_mm: FloatArray, normals: FloatArray) -> FloatArray:
        """Return how much values change across surfaces (..., n, 3) against along them, as a logarithm."""
        depth = max(_DEPTH_MM, float(self.spacing_mm.max()) / 2) * normals
        within = _at(self.levels, points_mm - depth, self.spacing_mm)
        across = np.abs(within - _at(self.levels, points_mm + depth, self.spacing_mm)).mean(axis=-1)
        return np.asarray(np.log(across + _FLOOR) - np.log(within.std(axis=-1) + _FLOOR))


def _better(points_mm: FloatArray, normals: FloatArray, seen: _Seen, flips: Sequence[Flip]) -> list[float] | None:
    """Return how much better a surface follows edges where it is, and where flips bring it; None where it has too few
    other places in the body.

    Points (n, 3) are (z, y, x) from the first voxel's centre, normals point outwards.
    """
    places = points_mm + _places_mm()[:, np.newaxis]
    shown = seen.in_body(places)
    others = np.flatnonzero(shown >= min(_IN_BODY, shown[0]))
    others = others[others > 0]
    if len(others) < _LEAST_PLACES:
        return None
    clear = seen.clear(places, normals)
    flipped = [
        float(seen.clear(flip(points_mm), normals @ flip.matrix))
        if seen.in_body(flip(points_mm)) >= _FLIPPED_IN_BODY
        else -math.inf
        for flip in flips
    ]
    scale = clear[others].std() + 1e-3
    return [float((one - clear[others].mean()) / scale) for one in (clear[0], *flipped)]


def _at(array: NDArray[Any], points_mm: FloatArray, spacing_mm: FloatArray) -> NDArray[Any]:
    """Return the values of the voxels nearest to points (..., 3), (z, y, x), of the field's border beyond it."""
    index = np.rint(points_mm / spacing_mm).astype(np.intp)
    z, y, x = (np.clip(index[..., axis], 0, count - 1) for axis, count in enumerate(array.shape))
    return np.asarray(array[z, y, x])


def _surface(label: LabelVoxels, value: int, spacing_mm: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return points (n, 3) of the surface of a structure in mm, evenly drawn, and the normals (n, 3) there."""
    around = np.ceil(3 * _DEPTH_MM / spacing_mm).astype(int)
    mask = np.pad(label.inside(value), [(count, count) for count in around])
    smooth = ndimage.gaussian_filter(mask.astype(np.float32), _DEPTH_MM / spacing_mm)
    faces = []
    for axis in range(3):
        place = np.argwhere(np.diff(mask.view(np.int8), axis=axis)).astype(np.float64)
        place[:, axis] += 0.5
        faces.append(place)
    points = np.concatenate(faces)
    points = points[:: max(1, len(points) // _POINTS)]
    slopes = [np.gradient(smooth, step, axis=axis) for axis, step in enumerate(spacing_mm)]
    inwards = np.stack([ndimage.map_coordinates(slope, points.T, order=1) for slope in slopes], axis=1)
    normals = -inwards / np.maximum(np.linalg.norm(inwards, axis=1, keepdims=True), 1e-9)
    return (points + [one.start for one in label.boxes[value]] - around) * spacing_mm, normals
