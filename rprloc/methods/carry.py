"""How a support's mask comes into a query: where each place of the query lies in the support, and what is drawn there.

An outline is carried as a signed distance: linear between voxels, it keeps a surface between them where a mask has
steps, and those that several supports carry have a mean (Rohlfing & Maurer, IEEE Transactions on Image Processing,
2007).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from scipy import ndimage
from scipy.interpolate import RBFInterpolator

from rprloc.geometry import Affine, FloatArray
from rprloc.methods.answer import Beyond, Carry
from rprloc.scans.outlines import Outline
from rprloc.scans.record import Native
from rprloc.scans.shapes import Shape
from rprloc.scans.turned import Turn

_Float = TypeVar("_Float", np.float32, np.float64)
_SMOOTHING = 1000.0
"""Of the moves between matched points; ten times more or less changes little."""
_SAME_MM = 0.1
"""Points that are nearer to each other are one."""
_LATTICE_MM = 3.0
"""Between the places at which is looked up where they come from."""
_BEYOND_MM = 15.0
"""Around the structure in the support."""
_ROUNDS = 12
"""Of the fixed point iteration that inverts a registration."""
_STEP_MM = 1.5
"""Between the places of the query that are carried; finer voxels lie between them."""
_MARGIN_MM = 10.0
"""Around the answer's box, beyond which nothing is drawn."""
FARTHEST_MM = 20.0
"""A distance counts at most so much in a mean of several."""


@dataclass(frozen=True)
class Matching:
    """An affine start, and between points that moved beyond it a thin plate spline (Bookstein, PAMI 1989)."""

    start: Affine
    points_mm: FloatArray
    """(n, 3), in the support."""
    moves_mm: FloatArray
    """(n, 3), in the support's space: the points come to start(points + moves)."""

    def sources(self, points_mm: FloatArray) -> FloatArray:
        """Return the places (n, 3) of the support that came to points (n, 3) of the query."""
        before = (points_mm - self.start.shift) @ np.linalg.inv(self.start.matrix).T
        return before + moves_between(self.points_mm + self.moves_mm, -self.moves_mm, before)

    def carried(self, points_mm: FloatArray) -> FloatArray:
        """Return the places (n, 3) of the query to which points (n, 3) of the support come."""
        return self.start.carried(points_mm + moves_between(self.points_mm, self.moves_mm, points_mm))


def moves_between(points_mm: FloatArray, moves_mm: FloatArray, places_mm: FloatArray) -> FloatArray:
    """Return how places (m, 3) move between points (n, 3) that move (n, 3), by a thin plate spline that is smoothed.

    Too few points for one, or points of one plane, move all places alike.
    """
    _, one_each = np.unique(np.round(points_mm / _SAME_MM), axis=0, return_index=True)
    points, moves = points_mm[one_each], moves_mm[one_each]
    if len(points) < 4 or np.linalg.matrix_rank(points - points.mean(axis=0), tol=1e-3) < 3:
        return np.broadcast_to(moves.mean(axis=0), places_mm.shape)
    spline = RBFInterpolator(points, moves, kernel="thin_plate_spline", smoothing=_SMOOTHING, degree=1)
    return np.asarray(spline(places_mm))


@dataclass(frozen=True)
class Registered:
    """A registration's transform of the support's space, near a structure's box (2, 3) there."""

    transform: sitk.Transform
    box_mm: FloatArray

    def sources(self, points_mm: FloatArray) -> FloatArray:
        """Return the places (n, 3) of the support that came to points (n, 3) of the query.

        The transform is an affine one and what is left of it, r: p = affine^-1(q - r(p)) is iterated.
        """
        low, high = self.box_mm + np.array([[-_BEYOND_MM], [_BEYOND_MM]])
        size = np.maximum(np.ceil((high - low) / _LATTICE_MM).astype(int) + 1, 2)
        field = sitk.TransformToDisplacementField(
            self.transform, sitk.sitkVectorFloat64, size.tolist(), low.tolist(), [_LATTICE_MM] * 3
        )
        moves = sitk.GetArrayFromImage(field)
        index = np.stack(np.meshgrid(*[np.arange(n) for n in moves.shape[:3]], indexing="ij"), axis=-1)
        places = low + index[..., ::-1] * _LATTICE_MM
        design = np.concatenate([places, np.ones((*moves.shape[:3], 1))], axis=-1).reshape(-1, 4)
        moved = (places + moves).reshape(-1, 3)
        affine = np.linalg.lstsq(design, moved, rcond=None)[0]
        rest = (moved - design @ affine).reshape(moves.shape)
        back = np.linalg.inv(affine[:3])
        plain = (points_mm - affine[3]) @ back
        found = plain
        for _ in range(_ROUNDS):
            voxel = ((found - low) / _LATTICE_MM).T[::-1]
            own = [ndimage.map_coordinates(rest[..., axis], voxel, order=1, mode="nearest") for axis in range(3)]
            found = plain - np.stack(own, axis=-1) @ back
        return np.asarray(found)


@dataclass(frozen=True)
class TurnedBack:
    """How a support's space became that of a query that lies otherwise than its file says, in the file's frame."""

    carry: Carry
    turn: Turn

    def sources(self, points_mm: FloatArray) -> FloatArray:
        """Return the places (n, 3) of the support that came to points (n, 3) of the query's file."""
        return self.carry.sources(points_mm @ self.turn.matrix.T)


@dataclass(frozen=True)
class Chained:
    """How a support's space became a query's by way of other scans: one carry after another, the query's first."""

    carries: Sequence[Carry]

    def sources(self, points_mm: FloatArray) -> FloatArray:
        """Return the places (n, 3) of the support that came to points (n, 3) of the query."""
        for carry in self.carries:
            points_mm = carry.sources(points_mm)
        return points_mm


@dataclass(frozen=True)
class QueryRegion:
    """A part of a query's own grid, and places in it that lie some voxels apart."""

    native: Native
    first: tuple[int, ...]
    """(i, j, k) of its first voxel."""
    stop: tuple[int, ...]
    """The voxel after its last one."""

    @classmethod
    def around(cls, native: Native, boxes_mm: Sequence[FloatArray]) -> QueryRegion | None:
        """Return what a query shows around boxes (2, 3) in mm; None where that is nothing."""
        ends = np.array(boxes_mm) + np.array([[-_MARGIN_MM], [_MARGIN_MM]])
        low, high = ends[:, 0].min(axis=0), ends[:, 1].max(axis=0)
        corners = np.array(np.meshgrid(*zip(low, high, strict=True), indexing="ij")).reshape(3, -1).T
        voxel = native.frame.voxel(corners)
        first = np.clip(np.floor(voxel.min(axis=0)), 0, native.size).astype(int)
        stop = np.clip(np.ceil(voxel.max(axis=0)) + 1, 0, native.size).astype(int)
        return cls(native, tuple(first.tolist()), tuple(stop.tolist())) if (stop > first).all() else None

    def _axes(self, apart_mm: float = _STEP_MM) -> list[NDArray[np.float64]]:
        """Return where places so far apart lie along i, j, k: the first and the last voxel among them."""
        axes = []
        for first, stop, spacing in zip(self.first, self.stop, self.native.spacing_mm, strict=True):
            count = max(2, int(np.ceil((stop - 1 - first) * min(1.0, spacing / apart_mm))) + 1)
            axes.append(np.linspace(first, stop - 1, count) if stop - first > 1 else np.array([float(first)]))
        return axes

    def _sources(self, carry: Carry) -> FloatArray:
        """Return the places (k, j, i, 3) of the support that came to the places, linearly between some of them."""
        axes = self._axes(_LATTICE_MM)
        lattice = np.stack(np.meshgrid(*axes[::-1], indexing="ij")[::-1], axis=-1)
        found = carry.sources(self.native.frame.world(lattice.reshape(-1, 3))).reshape(lattice.shape)
        for axis, (known, wanted) in enumerate(zip(axes[::-1], self._axes()[::-1], strict=True)):
            if len(known) != len(wanted):
                found = _between(found, known, wanted, axis)
        return found

    def distances(self, shape: Shape, carry: Carry, beyond: Beyond | None = None) -> NDArray[np.float32]:
        """Return a carried shape's distances (k, j, i) at the places, with how far its surface lies beyond."""
        places = self._sources(carry)
        sources = places.reshape(-1, 3)
        found = shape.at(sources)
        if beyond is not None:
            found = beyond.added(found, sources)
        return found.reshape(places.shape[:3])

    def outline(self, distances: NDArray[np.float32]) -> Outline | None:
        """Return the voxels whose distance is positive, between the places linearly; None without any."""
        for axis, places in enumerate(self._axes()[::-1]):
            first, stop = self.first[2 - axis], self.stop[2 - axis]
            if len(places) not in (1, stop - first):
                distances = _between(distances, places, np.arange(first, stop), axis)
        return Outline.of(distances > 0, self.first)


def _between(values: NDArray[_Float], places: FloatArray, wanted: NDArray[Any], axis: int) -> NDArray[_Float]:
    """Return values at places of an axis at wanted ones between them, linearly."""
    at = np.clip(np.searchsorted(places, wanted, side="right") - 1, 0, len(places) - 2)
    share = ((wanted - places[at]) / (places[at + 1] - places[at])).astype(values.dtype)
    share = share.reshape([-1 if own == axis else 1 for own in range(values.ndim)])
    return np.asarray(np.take(values, at, axis) * (1 - share) + np.take(values, at + 1, axis) * share)
