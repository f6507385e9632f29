"""Surfaces of a support's structures: which places of what is told are matched, what carries the rest, and where the
landmarks of a carried one are.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.sparse import csr_array
from scipy.spatial.distance import cdist

from rprloc.geometry import WALLS, FloatArray
from rprloc.scans.record import Structure

_AROUND_MM = 15.0
"""From a single landmark to the places around it that are matched with it."""
_PARTS = (0.1, 0.5, 0.9)
"""Parts of a box along each axis at which places in it are matched."""
_TIPS, _FINER_TIPS = 0.005, 0.002
"""Part of a surface's points that may lie beyond a wall: the outermost of many, of which each has an error of its own,
lies too far out. Of scans that are matched more finely, whose errors are smaller."""
_CARRYING_MM = 5.0
"""Standard deviation of the weights by which the moves of points around carry the rest of a surface."""
_LEAST_WEIGHT = 1e-6
"""Smaller weights are none: a structure of the head has no say in the pelvis, nor memory."""


@dataclass(frozen=True)
class Surface:
    """A structure's surface and which points carry it."""

    points_mm: FloatArray
    """(n, 3), the six extreme points first."""
    matched_mm: FloatArray
    """(m, 3), of all structures."""
    own: slice
    """Which of the matched points are this structure's."""

    @cached_property
    def weights(self) -> csr_array:
        """How much of the matched points' moves each point makes (n, m); each row sums to 1. Structures that many more
        points carry need none.
        """
        return carrying(self.points_mm, self.matched_mm)


def told_points(structure: Structure, surface_mm: FloatArray) -> FloatArray:
    """Return the points (n, 3) that are matched for a structure that is told and not drawn, of a surface (n, 3).

    Of a single landmark they are itself and places around it, which keep it from going astray alone; of a box places
    all over it, which lie in the structure more often than on its walls.
    """
    if structure.is_point:
        return np.concatenate([surface_mm, surface_mm + _AROUND_MM * np.concatenate([np.eye(3), -np.eye(3)])])
    parts = np.stack(np.meshgrid(*[_PARTS] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    low, high = structure.box_mm
    return np.asarray(low + parts * (high - low))


def carrying(surface_mm: FloatArray, points_mm: FloatArray) -> csr_array:
    """Return Gaussian weights (n, m), each row of which sums to 1, of points (m, 3) for those of a surface (n, 3)."""
    far = cdist(surface_mm, points_mm) ** 2 / (2 * _CARRYING_MM**2)
    # Relative to the nearest: far from all points it decides alone.
    weights = np.exp(far.min(axis=1, keepdims=True) - far)
    weights[weights < _LEAST_WEIGHT] = 0
    return csr_array(weights / weights.sum(axis=1, keepdims=True))


def landmarks_of(surface_mm: FloatArray, *, finer: bool) -> FloatArray:
    """Return the landmarks (6, 3) of a carried surface (n, 3), in the order of the walls, or a point (1, 3) itself;
    `finer` says whether it was matched more finely.

    They are its own extreme points, which come first, moved onto the walls of the box around it but for some of it
    at each wall: on a flat wall the outermost point would be anywhere.
    """
    landmarks = surface_mm[: len(WALLS)].copy()
    if len(landmarks) == 1:
        return landmarks
    first = int((_FINER_TIPS if finer else _TIPS) * len(surface_mm))
    ordered = np.partition(surface_mm, [first, -1 - first], axis=0)
    low, high = ordered[first], ordered[-1 - first]
    for axis in range(3):
        landmarks[[2 * axis, 2 * axis + 1], axis] = low[axis], high[axis]
    return np.clip(landmarks, low, high)
