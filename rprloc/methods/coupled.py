"""Coupled point matching: where a support's landmarks are found again near a start, all of them together.

Each landmark's surroundings are compared with the query's at every displacement; neighbours agree on theirs.
"""

from __future__ import annotations

import contextlib
import io
import warnings
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial.distance import cdist
from torch import Tensor, nn

from rprloc.geometry import Affine, FloatArray, Grid, box_of_points

STEP_MM = 3.0
"""Between compared voxels and between displacements."""
REACH = 10
"""Steps of the largest displacement along each axis: 30 mm."""
_NARROW, _WIDE = 4, 8
"""Steps from a landmark to the edges of the two cubes around it that are compared, each counting half."""
_NEAR = 0.9e-5
"""Cost of a displacement, per mm squared."""
_TOGETHER, _NEIGHBOURHOOD_MM = 3e-3, 25.0
"""Cost of moving otherwise than the landmarks around, per mm squared; standard deviation of their weights."""
_ROUNDS = 10
_SEEN = 0.3
"""Least part of what surrounds a landmark that a query must show at a displacement for it to be compared."""
_SEEN_AT_START = 0.15
"""The same at the start, for any displacement to be compared: 12 mm outside the query, less than a start may be off."""


@dataclass(frozen=True)
class Features:
    """MIND-SSC features of a scan or of part of it."""

    values: Tensor
    """(channels, z, y, x)."""
    grid: Grid

    @classmethod
    def of(cls, levels: Tensor, grid: Grid) -> Features:
        """Compute the features of windowed grey values (z, y, x), as Heinrich et al., MICCAI 2013; by convexadam."""
        # The package ignores all warnings of the process from its import on, and prints.
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            from convexAdam.convex_adam_utils import MINDSSC

            return cls(MINDSSC(levels[None, None], 1, 2, device=levels.device)[0], grid)

    def at(self, points_mm: Tensor) -> Tensor:
        """Return the features (channels, d, h, w) at points (d, h, w, 3) in mm, and after them one more channel that
        is 1 where the volume shows the point; beyond its edge all are 0.
        """
        device = self.values.device
        origin, spacing = (torch.tensor(v, device=device) for v in (self.grid.origin_mm, self.grid.spacing_mm))
        size = torch.tensor(self.grid.size, device=device)
        grid = (((points_mm - origin) / spacing + 0.5) / size * 2 - 1).to(self.values)
        seen = (grid.abs() <= 1).all(dim=-1)
        found = nn.functional.grid_sample(self.values[None], grid[None], align_corners=False, padding_mode="border")[0]
        return torch.cat([found * seen, seen[None]])


@dataclass(frozen=True)
class Moves:
    """How landmarks move beyond the start."""

    displacements_mm: FloatArray
    """(n, 3), (x, y, z), in the support's space."""
    costs: FloatArray
    """(n,), of the features at the displacements."""
    apart_mm: FloatArray
    """(n,), how far each is from the mean of those around: of what a match leaves, this tells best how good it is."""


class Surroundings:
    """What the landmarks of one support are surrounded by, ready to be compared with any query."""

    def __init__(self, features: Features, points_mm: FloatArray) -> None:
        """Take a support's features and its landmarks (n, 3) in mm."""
        low, high = self.region_mm(box_of_points(points_mm))
        size = np.ceil((high - low) / STEP_MM).astype(int) + 1
        self._points_mm = points_mm
        self.grid = Grid((*size.tolist(),), (STEP_MM,) * 3, (*low.tolist(),))
        """The voxels around all landmarks that are compared."""
        self._voxels: NDArray[np.int64] = self.grid.nearest_voxel(points_mm)
        device = features.values.device
        axes = [torch.arange(n, device=device) * STEP_MM + start for n, start in zip(size, low, strict=True)]
        z, y, x = torch.meshgrid(*axes[::-1], indexing="ij")
        self._places_mm = torch.stack([x, y, z], dim=-1).float()
        self._window = 2 * (_WIDE + REACH) + 1
        self._fft = (-(-self._window // 8) * 8,) * 3
        around = features.at(self._places_mm)
        cubes = torch.stack([_cube(around, voxel, _WIDE) for voxel in self._voxels])
        templates, seen = cubes[:, :-1], cubes[:, -1:]
        weights = _weights(device) * seen
        squares = (templates.square() * weights).sum(dim=1, keepdim=True)
        # Their transforms are 14 times as large: too much to keep of many supports and structures.
        self._kernels = torch.cat([-2 * templates * weights, squares, weights], dim=1)

    @staticmethod
    def region_mm(box_mm: FloatArray) -> FloatArray:
        """Return the box (2, 3) in mm that is compared for landmarks in a box (2, 3)."""
        reach = (_WIDE + REACH + 1) * STEP_MM
        return box_mm + np.array([[-reach], [reach]])

    def moves(self, query: Features, start: Affine) -> Moves:
        """Return how the landmarks move beyond the start to where the query is like their surroundings."""
        costs = self._costs(query, start)
        steps = torch.arange(-REACH, REACH + 1, device=costs.device) * STEP_MM
        z, y, x = torch.meshgrid(steps, steps, steps, indexing="ij")
        moves_mm = torch.stack([x, y, z], dim=-1).view(-1, 3)
        total = _agreed(costs, moves_mm, torch.from_numpy(self._points_mm).to(costs))
        best = total.argmin(dim=1)
        refined = moves_mm[best] + _vertex(total.view(-1, *(2 * REACH + 1,) * 3), best)
        moved = refined.double().cpu().numpy()
        least = costs.gather(1, best[:, None])[:, 0].double().cpu().numpy()
        return Moves(moved, least, _apart_mm(moved, self._points_mm))

    def _costs(self, query: Features, start: Affine) -> Tensor:
        """Return the mean squared difference (n, displacements in the order z, y, x) of all landmarks' surroundings.

        With S, Q the features, w the weights and m what the query shows (1 or 0) it is the sum of w m (S - Q)^2, so of
        (w S^2) m - 2 (w S) (m Q) + w (m Q^2), over that of w m: correlations, by FFT. Displacements that show too
        little have the worst cost of the landmark, and one whose start shows too little has none, 0.
        """
        matrix, shift = (torch.tensor(v, device=self._places_mm.device).float() for v in (start.matrix, start.shift))
        found = query.at(self._places_mm @ matrix.T + shift)
        found = torch.cat([found, found[:-1].square().sum(dim=0, keepdim=True)])
        count = 2 * REACH + 1
        parts = []
        for kernel, voxel in zip(self._kernels, self._voxels, strict=True):
            window = _cube(found, voxel, _WIDE + REACH)
            seen, compared = (torch.fft.rfftn(part, s=self._fft) for part in (window, kernel))
            compared = compared.conj()
            both = torch.stack([(seen * compared).sum(dim=0), seen[-2] * compared[-1]])
            sums = torch.fft.irfftn(both, s=self._fft)[:, :count, :count, :count].reshape(2, -1)
            parts.append(_mean(*sums))
        return torch.stack(parts)


def _cube(values: Tensor, voxel: NDArray[np.int64], reach: int) -> Tensor:
    """Return the cube (channels, d, d, d) of values (channels, z, y, x) around a voxel."""
    z, y, x = (slice(int(n) - reach, int(n) + reach + 1) for n in voxel)
    return values[:, z, y, x]


def _mean(sums: Tensor, weights: Tensor) -> Tensor:
    """Return weighted means (displacements,), the worst of them where the weights (of at most 1) are too small; 0
    where all are or that of no displacement, in the middle, is: what the query does not show is not drawn into it.
    """
    enough = weights >= _SEEN
    if weights[len(weights) // 2] < _SEEN_AT_START or not bool(enough.any()):
        return torch.zeros_like(sums)
    means = sums / weights.clamp(min=_SEEN)
    return torch.where(enough, means, means[enough].max())


def _weights(device: torch.device) -> Tensor:
    """Return the weights (d, d, d) of the two cubes around a landmark; they sum to 1."""
    side = 2 * _WIDE + 1
    weights = torch.full((side,) * 3, 0.5 / side**3, device=device)
    inner = slice(_WIDE - _NARROW, _WIDE + _NARROW + 1)
    weights[inner, inner, inner] += 0.5 / (2 * _NARROW + 1) ** 3
    return weights


def _agreed(costs: Tensor, moves_mm: Tensor, points_mm: Tensor) -> Tensor:
    """Return the costs (n, displacements) with those of being far from the start and from what the others do.

    Starting from each landmark's own best, all move at once to what is best with the weighted mean around them, as in
    the coupled convex optimisation of Heinrich et al. (WBIR 2014).
    """
    far = moves_mm.square().sum(dim=1)
    weights = torch.exp(-torch.cdist(points_mm, points_mm).square() / (2 * _NEIGHBOURHOOD_MM**2))
    weights = weights / weights.sum(dim=1, keepdim=True)
    total = costs + _NEAR * far
    for _ in range(_ROUNDS):
        mean = weights @ moves_mm[total.argmin(dim=1)]
        apart = far - 2 * mean @ moves_mm.T + mean.square().sum(dim=1, keepdim=True)
        total = costs + _NEAR * far + _TOGETHER * apart
    return total


def _apart_mm(moves_mm: FloatArray, points_mm: FloatArray) -> FloatArray:
    """Return how far the moves (n, 3) of points (n, 3) are from the weighted mean of the other points' moves."""
    weights = np.exp(-(cdist(points_mm, points_mm) ** 2) / (2 * _NEIGHBOURHOOD_MM**2))
    np.fill_diagonal(weights, 0)
    weights /= np.maximum(weights.sum(axis=1, keepdims=True), 1e-12)
    return np.asarray(np.linalg.norm(moves_mm - weights @ moves_mm, axis=1))


def _vertex(total: Tensor, best: Tensor) -> Tensor:
    """Return the way in mm (n, 3), (x, y, z), from the best step of costs (n, z, y, x) to their parabolas' vertices."""
    side = total.shape[-1]
    places = torch.stack(torch.unravel_index(best, (side,) * 3), dim=1)
    rows = torch.arange(len(total), device=total.device)
    found = torch.zeros(len(total), 3, dtype=total.dtype, device=total.device)
    for axis in range(3):
        step = torch.zeros(3, dtype=places.dtype, device=places.device)
        step[axis] = 1
        before, here, after = (total[(rows, *(places + k * step).clamp(0, side - 1).T)] for k in (-1, 0, 1))
        bend = before - 2 * here + after
        inside = (places[:, axis] > 0) & (places[:, axis] < side - 1) & (bend > 0)
        found[:, 2 - axis] = torch.where(inside, (before - after) / (2 * bend), 0) * STEP_MM
    return found
