"""From a start to within reach of the fine matching: organs that slide on each other are followed at a coarse step."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from rprloc.geometry import Affine, FloatArray
from rprloc.methods.bend import Bend
from rprloc.methods.coupled import Features, Rooms, Surroundings, mean_side_mm
from rprloc.methods.levels import AGAIN, BENDING, COARSE
from rprloc.methods.looks import Looks, affine_of
from rprloc.scans.shapes import Shape

SPACING_MM = 6.0
"""Of the features."""
_POINTS = 8
"""Landmarks of a structure that are matched coarsely."""
_LARGE_MM = 2 * BENDING.neighbourhood_mm
"""Mean side of a structure that bends by itself; smaller ones hold together as one piece."""


class Approach:
    """A support's landmarks, matched coarsely with any query."""

    def __init__(
        self,
        looks: Looks,
        points_mm: FloatArray,
        owners: NDArray[np.int64],
        shapes: Sequence[Shape | None],
        device: torch.device,
        rooms: Rooms,
    ) -> None:
        """Take a support's looks, its landmarks (n, 3) in mm, the number of each one's structure (n,), the structures
        (None: without a mask), what computes, and room for what may be kept.
        """
        some = _first_of_each(owners)
        self._all_mm, self._points_mm, self._owners = points_mm, points_mm[some], owners[some]
        features = mind(looks, device)
        self._first, self._again = (
            Surroundings(features, self._points_mm, self._owners, level, rooms, shapes) for level in (COARSE, AGAIN)
        )
        sizes = {owner: mean_side_mm(points_mm[owners == owner]) for owner in np.unique(owners)}
        self._large = np.array([sizes[owner] > _LARGE_MM for owner in owners])
        large_mm, large_owners = points_mm[self._large], owners[self._large]
        self._bending = (
            Surroundings(features, large_mm, large_owners, BENDING, rooms, shapes) if len(large_mm) else None
        )

    def bent(self, query: Features, start: Affine) -> tuple[Affine, Bend]:
        """Return a better affine transform and how the landmarks move beyond it.

        Each structure's move as one piece, twice, as the first moves bring more of what surrounds it to where it
        belongs; then each landmark of a large one by itself.
        """
        points = self._points_mm
        moved = points + self._first.moves(query, start).displacements_mm
        all_ = affine_of(points, moved)
        better = Affine(start.matrix @ all_.matrix, start.carried(all_.shift))
        back = np.linalg.solve(all_.matrix, (moved - all_.shift).T).T
        bend = self._settled(back - points)
        again = self._again.moves(query, better, bend.on(self._again.grid))
        settled = self._settled(bend.at(points) + again.displacements_mm)
        moves = settled.at(self._all_mm)
        if self._bending is not None:
            moves[self._large] += self._bending.moves(query, better, settled.on(self._bending.grid)).displacements_mm
        return better, Bend(self._all_mm, moves)

    def _settled(self, moves_mm: FloatArray) -> Bend:
        """Return moves (n, 3) of which each structure's are those of one affine transform, drawn to a translation."""
        points = self._points_mm
        settled = np.empty_like(points)
        for owner in np.unique(self._owners):
            own = self._owners == owner
            settled[own] = affine_of(points[own], points[own] + moves_mm[own]).carried(points[own]) - points[own]
        return Bend(points, settled)


def _first_of_each(owners: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the numbers of the first landmarks of each structure, which are farthest from each other."""
    return np.concatenate([np.flatnonzero(owners == owner)[:_POINTS] for owner in np.unique(owners)])


def mind(looks: Looks, device: torch.device) -> Features:
    """Return a scan's features for matching: its looks but for the grey values."""
    return Features(looks.mind.to(device), looks.features.grid).fewer()
