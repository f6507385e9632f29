"""How points of a support move beyond an affine transform, and what lies around them with them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial.distance import cdist
from torch import nn

from rprloc.geometry import FloatArray, Grid

_STILL = 0.05
"""Weight of not moving at all: what is far from all points stays."""
_LATTICE = 0.6
"""Between places of a grid at which the moves are computed, as a part of `around_mm`; those between are
interpolated."""

_AT_ONCE = 1 << 20
"""Weights that are computed together."""


@dataclass(frozen=True)
class Bend:
    """Moves of points of a support, in the support's space."""

    points_mm: FloatArray
    """(n, 3)."""
    moves_mm: FloatArray
    """(n, 3)."""
    around_mm: float = 20.0
    """Standard deviation of the Gaussian weights by which points carry what lies around them."""

    def at(self, points_mm: FloatArray) -> FloatArray:
        """Return the moves (m, 3) of points (m, 3)."""
        count = max(1, _AT_ONCE // max(1, len(self.points_mm)))
        parts = [self._at(points_mm[first : first + count]) for first in range(0, len(points_mm), count)]
        return np.concatenate([np.zeros((0, 3)), *parts])

    def _at(self, points_mm: FloatArray) -> FloatArray:
        """Return the moves of some points."""
        weights = np.exp(-(cdist(points_mm, self.points_mm) ** 2) / (2 * self.around_mm**2))
        return np.asarray(weights @ self.moves_mm / (weights.sum(axis=1, keepdims=True) + _STILL))

    def on(self, grid: Grid) -> NDArray[np.float32]:
        """Return the moves (z, y, x, 3), (x, y, z), of a grid's voxels."""
        steps = [max(1, int(_LATTICE * self.around_mm // mm)) for mm in grid.spacing_mm[::-1]]
        return interpolated(self.at, grid, steps)


def interpolated(at: Callable[[FloatArray], FloatArray], grid: Grid, steps: Sequence[int]) -> NDArray[np.float32]:
    """Return the moves (z, y, x, 3), (x, y, z), of a grid's voxels, linearly between those so many steps (z, y, x)
    apart, of which `at` says how points (m, 3) move.
    """
    counts = [-(-(n - 1) // step) + 1 for n, step in zip(grid.size[::-1], steps, strict=True)]
    axes = [np.arange(count) * step for count, step in zip(counts, steps, strict=True)]
    coarse = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)
    moves = at(grid.world(coarse).reshape(-1, 3)).reshape(*counts, 3)
    values = torch.from_numpy(moves).float().permute(3, 0, 1, 2)[None]
    size = [(count - 1) * step + 1 for count, step in zip(counts, steps, strict=True)]
    fine = nn.functional.interpolate(values, size=size, mode="trilinear", align_corners=True)[0]
    z, y, x = grid.size[::-1]
    return fine[:, :z, :y, :x].permute(1, 2, 3, 0).numpy()
