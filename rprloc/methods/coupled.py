"""Coupled point matching: where a support's landmarks are found again near a start, all of them together.

Each landmark's surroundings are compared with the query's at every displacement; neighbours agree on theirs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.fft import next_fast_len
from scipy.spatial.distance import cdist
from torch import Tensor, nn

from rprloc.geometry import Affine, FloatArray, Grid, box_of_points
from rprloc.methods.levels import Level
from rprloc.methods.mind import fewer, mind_ssc
from rprloc.scans.shapes import Shape

_ROUNDS = 10
_AT_ONCE, _TOGETHER = 1 << 20, 1 << 15
"""Most voxels of a region of which all features are looked up, and about how many are together in one of landmarks."""
_COMPLEX = torch.complex64.itemsize
_BESIDE = 2
"""Steps from a structure within which places belong to it as much as those inside: its walls are seen from there."""
_Part = tuple[slice, slice, slice]
"""(z, y, x), of a region's voxels."""
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
        """Compute the features of windowed grey values (z, y, x)."""
        return cls(mind_ssc(levels), grid)

    @classmethod
    def fewer_of(cls, levels: Tensor, grid: Grid) -> Features:
        """Compute what matching compares of the features of windowed grey values (z, y, x)."""
        return cls(mind_ssc(levels, fewer), grid)

    def fewer(self) -> Features:
        """Return what matching compares of them."""
        return Features(fewer(self.values), self.grid)

    @cached_property
    def _rows(self) -> Tensor:
        """The features (voxels, channels); a view of them where they lie so in memory."""
        return self.values.movedim(0, -1).reshape(-1, len(self.values))

    def at(self, points_mm: Tensor) -> Tensor:
        """Return the features (channels, ...) at points (..., 3) in mm, linearly between voxels, and after them one
        more channel that is 1 where the volume shows the point; beyond its edge all are 0.

        Each point's is the weighted sum of eight rows, which takes half as long as `grid_sample`, channel by channel.
        """
        seen: Tensor | None = None
        index, ends = torch.zeros((), dtype=torch.int32, device=points_mm.device), []
        offsets = torch.zeros(1, dtype=torch.int32, device=points_mm.device)
        axes = zip(self.grid.size, self.grid.origin_mm, self.grid.spacing_mm, strict=True)
        for axis, (size, origin, spacing) in reversed(list(enumerate(axes))):
            voxel = (points_mm[..., axis].reshape(-1) - origin) / spacing
            shown = (voxel >= -0.5) & (voxel <= size - 0.5)
            seen = shown if seen is None else seen & shown
            voxel = voxel.clamp(0, size - 1)
            low = voxel.detach().floor().clamp_(max=max(size - 2, 0))
            index = index * size + low.int()
            offsets = (offsets[:, None] * size + torch.tensor([0, min(1, size - 1)]).to(offsets)).view(-1)
            share = voxel - low
            ends.append((1 - share, share))
        assert seen is not None
        z, y, x = ends
        over = [(one * seen) * other for one in z for other in y]
        weights = torch.stack([one * other for one in over for other in x], dim=1).to(self.values)
        found = nn.functional.embedding_bag(
            index[:, None] + offsets, self._rows, per_sample_weights=weights, mode="sum"
        )
        return torch.cat([found.T, seen[None].to(found)]).view(-1, *points_mm.shape[:-1])


@dataclass(frozen=True)
class Moves:
    """How landmarks move beyond the start."""

    displacements_mm: FloatArray
    """(n, 3), (x, y, z), in the support's space."""
    costs: FloatArray
    """(n,), of the features at the displacements."""
    apart_mm: FloatArray
    """(n,), how far each is from the mean of those around: of what a match leaves, this tells best how good it is."""


class Room:
    """Memory for what need not be computed anew for each query."""

    def __init__(self, size: int) -> None:
        """Take how many bytes there are."""
        self._left = size

    def takes(self, size: int) -> bool:
        """Tell whether so many bytes are left; they are then taken."""
        fits = size <= self._left
        self._left -= size if fits else 0
        return fits


class Rooms:
    """Room for what surrounds the landmarks of supports, and for its transforms: that of four structures of three
    supports, and those of four structures of one.
    """

    def __init__(self, kernels: int = 192 << 20, transforms: int = 336 << 20) -> None:
        """Take how many bytes there are for each."""
        self.kernels, self.transforms = Room(kernels), Room(transforms)


class Surroundings:
    """What the landmarks of one support are surrounded by, ready to be compared with any query."""

    def __init__(
        self,
        features: Features,
        points_mm: FloatArray,
        owners: NDArray[np.int64],
        level: Level,
        rooms: Rooms,
        shapes: Sequence[Shape | None] = (),
    ) -> None:
        """Take a support's features, its landmarks (n, 3) in mm, the number of each one's structure (n,), the
        resolution, room for what may be kept, and, for a level that tells what lies elsewhere, the structures.
        """
        self._level = level
        low, high = self.region_mm(box_of_points(points_mm), level)
        step = level.step_mm
        size = np.ceil((high - low) / step).astype(int) + 1
        self._points_mm = points_mm
        self.grid = Grid((*size.tolist(),), (step,) * 3, (*low.tolist(),))
        """The voxels around all landmarks that are compared."""
        self._voxels: NDArray[np.int64] = self.grid.nearest_voxel(points_mm)
        self._device = features.values.device
        self._weights = _coupling(points_mm, owners, level).to(self._device)
        self._counted = self._beside([shapes[owner] for owner in owners] if shapes else [])
        self._window = 2 * (level.wide + level.reach) + 1
        fast = next_fast_len(self._window, real=True)
        self._fft = (fast,) * 3
        self._features: Features | None = features
        side, channels = 2 * level.wide + 1, len(features.values) + 2
        self._keeps = rooms.transforms.takes(len(points_mm) * channels * fast**2 * (fast // 2 + 1) * _COMPLEX)
        self._known: Tensor | None = None
        if rooms.kernels.takes(len(points_mm) * channels * side**3 * features.values.element_size()):
            # One after the other: all at once would take several times the memory.
            all_ = torch.empty(len(points_mm), channels, *(side,) * 3, device=self._device)
            for known, kernel in zip(all_, self._kernels(), strict=True):
                known.copy_(kernel)
            self._known, self._features = all_, None
        self._kept: dict[int, Tensor] = {}

    def _kernels(self) -> Iterator[Tensor]:
        """Yield what is compared of what surrounds each landmark (channels + 2, d, d, d), as `_costs` has it."""
        if self._known is not None:
            yield from self._known
            return
        assert self._features is not None
        cubes = _weights(self._level, self._features.values.device)
        for number, cube in enumerate(self._cubes(self._features.at, None, self._level.wide)):
            templates, weights = cube[:-1], self._counted.get(number, cubes) * cube[-1]
            squares = (templates.square() * weights).sum(dim=0, keepdim=True)
            yield torch.cat([-2 * templates * weights, weights[None], squares])

    def _beside(self, shapes: Sequence[Shape | None]) -> dict[int, Tensor]:
        """Return the weights (d, d, d) of its cubes, which sum to 1, for each landmark whose structure, one for each,
        has a mask: what surrounds an organ that has moved has not moved with it.
        """
        near_mm, elsewhere = _BESIDE * self._level.step_mm, self._level.elsewhere
        cubes = _weights(self._level, self._device)
        found = {}
        for number, shape in enumerate(shapes):
            if shape is not None:
                places = self._places_mm(_around(self._voxels[number], self._level.wide)).flatten(1).T
                beside = shape.at(places.double().cpu().numpy()) > -near_mm
                counted = cubes * torch.from_numpy(np.where(beside, 1.0, elsewhere)).to(cubes).view(cubes.shape)
                found[number] = counted / counted.sum()
        return found

    @staticmethod
    def region_mm(box_mm: FloatArray, level: Level) -> FloatArray:
        """Return the box (2, 3) in mm that is compared for landmarks in a box (2, 3)."""
        reach = (level.wide + level.reach + 1) * level.step_mm
        return box_mm + np.array([[-reach], [reach]])

    def moves(self, query: Features, start: Affine, before_mm: NDArray[np.float32] | None = None) -> Moves:
        """Return how the landmarks move beyond the start to where the query is like their surroundings.

        Before the start the compared voxels may have moved already, by `before_mm` (z, y, x, 3) in mm.
        """
        level = self._level
        before = None if before_mm is None else torch.from_numpy(before_mm).to(self._device)
        costs = self._costs(query, start, before)
        steps = torch.arange(-level.reach, level.reach + 1, device=costs.device) * level.step_mm
        z, y, x = torch.meshgrid(steps, steps, steps, indexing="ij")
        moves_mm = torch.stack([x, y, z], dim=-1).view(-1, 3)
        total = _agreed(costs + level.far * moves_mm.square().sum(dim=1), moves_mm, self._weights, level.together)
        best = total.argmin(dim=1)
        refined = moves_mm[best] + level.step_mm * _vertex(total.view(-1, *(level.side,) * 3), best)
        moved = refined.double().cpu().numpy()
        least = costs.gather(1, best[:, None])[:, 0].double().cpu().numpy()
        return Moves(moved, least, _apart_mm(moved, self._weights))

    def _costs(self, query: Features, start: Affine, before_mm: Tensor | None) -> Tensor:
        """Return the mean squared difference (n, displacements in the order z, y, x) of all landmarks' surroundings,
        whose voxels have moved already (z, y, x, 3).

        With S, Q the features, w the weights and m what the query shows (1 or 0) it is the sum of w m (S - Q)^2, so of
        (w S^2) m - 2 (w S) (m Q) + w (m Q^2), over that of w m: correlations, by FFT. Displacements that show too
        little have the worst cost of the landmark, and one whose start shows too little has none, 0.
        """
        matrix, shift = (torch.tensor(v, device=self._device).float() for v in (start.matrix, start.shift))
        count, reach = self._level.side, self._level.wide + self._level.reach

        def found(places_mm: Tensor) -> Tensor:
            moved = torch.tensordot(matrix, places_mm.movedim(-1, 0), dims=1).movedim(0, -1) + shift
            *values, shown = query.at(moved).split([len(query.values), 1])
            return torch.cat([*values, values[0].square().sum(dim=0, keepdim=True), shown])

        def each(products: Tensor) -> Tensor:
            sums = torch.fft.irfftn(products, s=self._fft)
            return sums[:count, :count, :count].reshape(-1)

        costs = torch.empty(len(self._voxels), count**3, device=self._device)
        pairs = zip(self._cubes(found, before_mm, reach), self._kernels(), strict=True)
        for number, (around, kernel) in enumerate(pairs):
            compared = self._transformed(number, kernel)
            if bool(around[-1].all()):
                # What is shown whole is the same at all displacements.
                seen = torch.fft.rfftn(around[:-1], s=self._fft)
                sums = each((seen * compared[:-1]).sum(dim=0)) + kernel[-1].sum()
                costs[number] = _mean(sums, kernel[-2].sum().expand_as(sums))
            else:
                seen = torch.fft.rfftn(around, s=self._fft)
                costs[number] = _mean(each((seen * compared).sum(dim=0)), each(seen[-1] * compared[-2]))
        return costs

    def _cubes(self, found: Callable[[Tensor], Tensor], before_mm: Tensor | None, reach: int) -> Iterator[Tensor]:
        """Yield what is found (channels, d, d, d) around each landmark, of places (n, d, d, d, 3) in mm, where the
        region's voxels have moved already (z, y, x, 3): that of all of it once, unless so much is more than landmarks
        need or than there should be room for.
        """

        def at(parts: Sequence[_Part]) -> Tensor:
            places = torch.stack([self._places_mm(part) for part in parts], dim=1)
            if before_mm is not None:
                places += torch.stack([before_mm[part].movedim(-1, 0) for part in parts], dim=1)
            return found(places.movedim(0, -1)).movedim(1, 0)

        voxels = math.prod(self.grid.size)
        if voxels <= min(_AT_ONCE, len(self._voxels) * (2 * reach + 1) ** 3):
            x, y, z = (slice(0, n) for n in self.grid.size)
            (everywhere,) = at([(z, y, x)])
            yield from (everywhere[(slice(None), *_around(voxel, reach))] for voxel in self._voxels)
            return
        some = max(1, _TOGETHER // (2 * reach + 1) ** 3)
        for first in range(0, len(self._voxels), some):
            yield from at([_around(voxel, reach) for voxel in self._voxels[first : first + some]])

    def _places_mm(self, part: _Part) -> Tensor:
        """Return where the voxels of a part of the region are (3, d, h, w) in mm."""
        axes = zip(part, self.grid.origin_mm[::-1], self.grid.spacing_mm[::-1], strict=True)
        along = [torch.arange(one.start, one.stop, device=self._device) * step + low for one, low, step in axes]
        z, y, x = torch.meshgrid(*along, indexing="ij")
        return torch.stack([x, y, z])

    def _transformed(self, number: int, kernel: Tensor) -> Tensor:
        """Return the conjugate of the transform of what surrounds a landmark, many times as large: kept where there is
        room for those of all.
        """
        known = self._kept.get(number)
        if known is None:
            known = torch.fft.rfftn(kernel, s=self._fft).conj_physical()
            if self._keeps:
                self._kept[number] = known
        return known


def _around(voxel: NDArray[np.int64], reach: int) -> _Part:
    """Return the cube around a voxel."""
    z, y, x = (slice(int(n) - reach, int(n) + reach + 1) for n in voxel)
    return z, y, x


def _mean(sums: Tensor, weights: Tensor) -> Tensor:
    """Return weighted means (displacements,), the worst of them where the weights (of at most 1) are too small; 0
    where all are or that of no displacement, in the middle, is: what the query does not show is not drawn into it.
    """
    enough = weights >= _SEEN
    if weights[len(weights) // 2] < _SEEN_AT_START or not bool(enough.any()):
        return torch.zeros_like(sums)
    means = sums / weights.clamp(min=_SEEN)
    return torch.where(enough, means, means[enough].max())


def _weights(level: Level, device: torch.device) -> Tensor:
    """Return the weights (d, d, d) of the two cubes around a landmark; they sum to 1."""
    side = 2 * level.wide + 1
    weights = torch.full((side,) * 3, 0.5 / side**3, device=device)
    inner = slice(level.wide - level.narrow, level.wide + level.narrow + 1)
    weights[inner, inner, inner] += 0.5 / (2 * level.narrow + 1) ** 3
    return weights


def mean_side_mm(points_mm: FloatArray) -> float:
    """Return the mean side (root of the mean square) of the box around points (n, 3)."""
    return float(np.linalg.norm(np.ptp(points_mm, axis=0)) / np.sqrt(3))


def _coupling(points_mm: FloatArray, owners: NDArray[np.int64], level: Level) -> Tensor:
    """Return the weights (n, n), each row of which sums to 1, that landmarks (n, 3) have in what one of them does."""
    widths = np.empty(len(points_mm))
    for owner in np.unique(owners):
        own = owners == owner
        widths[own] = max(level.neighbourhood_mm, level.of_size * mean_side_mm(points_mm[own]))
    weights = cdist(points_mm, points_mm, "sqeuclidean")
    # In place: thousands of landmarks have tens of MB of them.
    weights /= -2 * widths[:, np.newaxis] ** 2
    np.exp(weights, out=weights)
    weights[owners[:, np.newaxis] != owners] *= level.between
    weights /= weights.sum(axis=1, keepdims=True)
    return torch.from_numpy(weights).float()


def _agreed(costs: Tensor, moves_mm: Tensor, coupling: Tensor, together: float) -> Tensor:
    """Return the costs (n, displacements), which are written over, with that of moving otherwise than what weights
    (n, n) say of the others, `together` per mm squared, but for what is the same at all displacements of a landmark.

    Starting from each landmark's own best, all move at once to what is best with the weighted mean around them, as in
    the coupled convex optimisation of Heinrich et al. (WBIR 2014).
    """
    best = costs.argmin(dim=1)
    costs += together * moves_mm.square().sum(dim=1)
    total = torch.empty_like(costs)
    for _ in range(_ROUNDS):
        mean = coupling @ moves_mm[best]
        torch.addmm(costs, mean, moves_mm.T, alpha=-2 * together, out=total)
        best = total.argmin(dim=1)
    return total


def _apart_mm(moves_mm: FloatArray, coupling: Tensor) -> FloatArray:
    """Return how far the moves (n, 3) of points are from the mean of the others' by their weights (n, n)."""
    weights = coupling.cpu().numpy().copy()
    np.fill_diagonal(weights, 0)
    weights /= np.maximum(weights.sum(axis=1, keepdims=True), 1e-12)
    return np.asarray(np.linalg.norm(moves_mm - weights @ moves_mm.astype(np.float32), axis=1))


def _vertex(total: Tensor, best: Tensor) -> Tensor:
    """Return the steps (n, 3), (x, y, z), from the least of costs (n, z, y, x) to the vertices of their parabolas."""
    side = total.shape[-1]
    # Not torch's own unravel_index, which imports sympy: more than a second of a process.
    places = torch.stack([best // side**2, best // side % side, best % side], dim=1)
    rows = torch.arange(len(total), device=total.device)
    found = torch.zeros(len(total), 3, dtype=total.dtype, device=total.device)
    for axis in range(3):
        step = torch.zeros(3, dtype=places.dtype, device=places.device)
        step[axis] = 1
        before, here, after = (total[(rows, *(places + k * step).clamp(0, side - 1).T)] for k in (-1, 0, 1))
        bend = before - 2 * here + after
        inside = (places[:, axis] > 0) & (places[:, axis] < side - 1) & (bend > 0)
        found[:, 2 - axis] = torch.where(inside, (before - after) / (2 * bend), 0)
    return found
