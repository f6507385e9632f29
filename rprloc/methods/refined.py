"""Many points of structures' surfaces, matched from where a few have moved: what boxes and outlines are carried by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial.distance import cdist

from rprloc.geometry import WALLS, Affine, FloatArray, Grid
from rprloc.methods.bend import interpolated
from rprloc.methods.carry import Matching, moves_between
from rprloc.methods.coupled import Features, Rooms, Surroundings
from rprloc.methods.levels import near

_APART, MOST = 2.5, 100
"""No place of a surface is farther from a matched point, in steps, unless there were more of them."""
FEW = 14
"""Points of a structure that are matched first, the extreme ones among them; no more than that say nothing new."""
_ALTOGETHER = 3000
"""Points of a support: what surrounds each takes 40 kB."""
_ROUNDS = 2
_EVERY, _EVERY_MM = 3, 4.5
"""Steps between the places at which the spline is computed, or the mm where those are more."""
_SAME_MM = 0.01


@dataclass(frozen=True)
class Nearby:
    """Points of a support's surfaces and what surrounds them, ready for any query."""

    points_mm: FloatArray
    """(n, 3), of all structures."""
    own: Mapping[str, slice]
    """Which of them are a structure's."""
    surroundings: Surroundings

    @classmethod
    def of(cls, features: Features, spread: Mapping[str, Spread], rooms: Rooms) -> Nearby | None:
        """Take of points that are spread out over surfaces, by structure, as many as are far enough from each other, of
        those that have enough; None where none has, or where there are so many that each would have too few.
        """
        level = near(max(features.grid.spacing_mm))
        most = min(MOST, _ALTOGETHER // max(1, len(spread)))
        far = {name: one.points_mm[one.far_mm > _APART * level.step_mm][:most] for name, one in spread.items()}
        chosen = {name: points for name, points in far.items() if len(points) > FEW}
        if not chosen:
            return None
        ends = np.cumsum([0, *(len(points) for points in chosen.values())]).tolist()
        own = {name: slice(*two) for name, two in zip(chosen, pairwise(ends), strict=True)}
        points = np.concatenate(list(chosen.values()))
        return cls(points, own, Surroundings(features, points, np.zeros(len(points), dtype=np.int64), level, rooms))


@dataclass(frozen=True)
class Refinement:
    """A support's many points in a query."""

    nearby: Nearby
    start: Affine
    moves_mm: FloatArray
    """(n, 3), of the many points, in the support's space before the affine start."""

    @classmethod
    def of(cls, nearby: Nearby, query: Features, first: Matching) -> Refinement:
        """Find the points in a query's features, from where the few points of all structures have moved."""
        points, surroundings = nearby.points_mm, nearby.surroundings
        known, moves = first.points_mm, first.moves_mm
        for _ in range(_ROUNDS):
            before = _spread(known, moves, surroundings.grid)
            own = surroundings.moves(query, first.start, before).displacements_mm
            moves = own + _at(before, surroundings.grid, points + own)
            known = points
        return cls(nearby, first.start, moves)


@dataclass(frozen=True)
class Refined:
    """How one structure of a support came into a query, by its own points."""

    refinement: Refinement
    structure: str

    @cached_property
    def matching(self) -> Matching:
        """What the structure's own points say."""
        all_, own = self.refinement, self.refinement.nearby.own[self.structure]
        return Matching(all_.start, all_.nearby.points_mm[own], all_.moves_mm[own])

    def sources(self, points_mm: FloatArray) -> FloatArray:
        """Return the places (n, 3) of the support that came to points (n, 3) of the query."""
        return self.matching.sources(points_mm)

    def carried(self, points_mm: FloatArray) -> FloatArray:
        """Return the places (n, 3) of the query to which points (n, 3) of the support come."""
        return self.matching.carried(points_mm)


@dataclass(frozen=True)
class Spread:
    """Points that are spread out over a surface: the extreme ones, and then always the one that is farthest from those
    before.
    """

    points_mm: FloatArray
    """(n, 3)."""
    far_mm: FloatArray
    """(n,), how far that is, descending; infinite for the extreme ones."""

    @classmethod
    def over(cls, surface_mm: FloatArray, count: int) -> Spread:
        """Choose `count` points of a surface (n, 3), whose extreme ones come first; fewer where it has no more."""
        chosen = list(range(len(WALLS)))
        far = [np.inf] * len(chosen)
        distance = cdist(surface_mm, surface_mm[chosen]).min(axis=1)
        # A surface of few voxels may hold an extreme point twice, rounded otherwise.
        while len(chosen) < count and (most := distance.max()) > _SAME_MM:
            far.append(most)
            chosen.append(int(distance.argmax()))
            distance = np.minimum(distance, np.linalg.norm(surface_mm - surface_mm[chosen[-1]], axis=1))
        return cls(surface_mm[chosen], np.array(far))


def _spread(points_mm: FloatArray, moves_mm: FloatArray, grid: Grid) -> NDArray[np.float32]:
    """Return the moves (z, y, x, 3) of a grid's voxels, those of points between them."""
    every = max(_EVERY, round(_EVERY_MM / grid.spacing_mm[0]))
    return interpolated(lambda places_mm: moves_between(points_mm, moves_mm, places_mm), grid, (every,) * 3)


def _at(moves_mm: NDArray[np.float32], grid: Grid, points_mm: FloatArray) -> FloatArray:
    """Return the moves (n, 3) of points (n, 3) by those (z, y, x, 3) of a grid's voxels."""
    index = grid.voxel(points_mm).T
    axes = [ndimage.map_coordinates(moves_mm[..., axis], index, order=1, mode="nearest") for axis in range(3)]
    return np.stack(axes, axis=-1)
