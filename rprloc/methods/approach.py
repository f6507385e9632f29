"""From a start to within reach of the fine matching: organs that slide on each other are followed at a coarse step."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from rprloc.geometry import Affine, FloatArray
from rprloc.methods.bend import Bend
from rprloc.methods.coupled import AGAIN, COARSE, Features, Rooms, Surroundings
from rprloc.methods.looks import Looks, affine_of

SPACING_MM = 6.0
"""Of the features."""
_POINTS = 8
"""Landmarks of a structure that are matched coarsely."""


class Approach:
    """A support's landmarks, matched coarsely with any query."""

    def __init__(
        self, looks: Looks, points_mm: FloatArray, owners: NDArray[np.int64], device: torch.device, rooms: Rooms
    ) -> None:
        """Take a support's looks, its landmarks (n, 3) in mm, the number of each one's structure (n,), what computes,
        and room for what may be kept.
        """
        some = _first_of_each(owners)
        self._points_mm, self._owners = points_mm[some], owners[some]
        features = mind(looks, device)
        self._first, self._again = (
            Surroundings(features, self._points_mm, self._owners, level, rooms) for level in (COARSE, AGAIN)
        )

    def bent(self, query: Features, start: Affine) -> tuple[Affine, Bend]:
        """Return a better affine transform and how the landmarks move beyond it: each structure's as one piece.

        The moves are found twice, as the first ones bring more of what surrounds each structure to where it belongs.
        """
        points = self._points_mm
        moved = points + self._first.moves(query, start).displacements_mm
        all_ = affine_of(points, moved)
        better = Affine(start.matrix @ all_.matrix, start.carried(all_.shift))
        back = np.linalg.solve(all_.matrix, (moved - all_.shift).T).T
        bend = self._settled(back - points)
        again = self._again.moves(query, better, bend.on(self._again.grid))
        return better, self._settled(bend.at(points) + again.displacements_mm)

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
