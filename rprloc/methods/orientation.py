"""Whether a query lies as its header says: a support is laid on it in all 48 ways in which axes may be wrong."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from rprloc.geometry import FloatArray
from rprloc.methods.coupled import Features
from rprloc.methods.images import Window
from rprloc.methods.looks import Looks, points_in_body, region_of
from rprloc.scans.scan import Scan
from rprloc.scans.turned import TURNS, UNTURNED, Turn, turned
from rprloc.seeds import generator_of

_COARSE_MM, _FINE_MM = 10.0, 6.0
"""Spacing of the features that all translations are tried by, and of those that the best are moved by."""
_TRIED = 4
"""The best turns, which are moved to their best place; the scan as it is and their mirror images are as well."""
_PLACES = 400
_LEAST_SEEN = 0.35
"""Least part of the support's region that the query must show."""
_CLEARLY = 0.92
"""A turned scan has to cost less than this part of what the scan as it is costs."""
_SIDES = 0.85
"""Left and right are told where one way costs less than this part of its mirror image."""
_STEPS, _STEP_MM = 40, 2.5
"""Of the descent to the best affine transform."""


@dataclass(frozen=True)
class Turned:
    """How a query lies in truth."""

    turn: Turn
    sided: bool
    """Whether its looks tell left from right."""

    def __str__(self) -> str:
        """Return what is to be said of it: "what: what was done"."""
        doubt = "" if self.sided else "; left and right cannot be told apart and may be exchanged"
        return f"{self.turn}, by its looks: answered as if it were turned back, where it lies in the file{doubt}"


@dataclass(frozen=True)
class Turnable:
    """A support in all 48 ways, ready to be laid on any query."""

    scan: Scan
    window: Window
    parts: Mapping[Turn, tuple[Tensor, FloatArray]]
    """By turn: what is correlated (channels, z, y, x), and where its first voxel lies (3,) in mm."""

    @classmethod
    def of(cls, scan: Scan, window: Window) -> Turnable:
        """Take a support that has a structure."""
        return cls(scan, window, {turn: _part(scan, turn, window) for turn in TURNS})


def turn_of(query: Scan, support: Turnable, *, seed: int) -> Turned | None:
    """Return how a query lies in truth, None where it lies as its header says or nothing else is clearly better.

    Costs are mean squared differences of MIND-SSC features (Heinrich et al., MICCAI 2013), in the region around the
    support's structures: at the best of all translations at 10 mm, then at the best affine transform nearby at 6 mm.
    """
    shifts = _placed(query, support)
    best = sorted(shifts, key=lambda turn: shifts[turn][0])[:_TRIED]
    tried = dict.fromkeys([UNTURNED, *best, *(turn.mirrored for turn in best)])
    costs = _costs(query, support, {turn: shifts[turn][1] for turn in tried if turn in shifts}, seed=seed)
    if not costs or UNTURNED not in costs:
        return None
    turn = min(costs, key=lambda one: costs[one])
    other = turn.mirrored
    sided = other not in costs or costs[turn] < _SIDES * costs[other]
    if not sided:
        turn = min((turn, other), key=_changes)
    if turn == UNTURNED or costs[turn] > _CLEARLY * costs[UNTURNED]:
        return None
    return Turned(turn, sided)


def _changes(turn: Turn) -> tuple[int, bool]:
    """Return how much a turn changes: of two that look alike the simpler one is likelier."""
    return sum(one != (axis, 1) for axis, one in enumerate(zip(turn.axes, turn.signs, strict=True))), turn.mirrors


@torch.inference_mode()
def _placed(query: Scan, support: Turnable) -> dict[Turn, tuple[float, FloatArray]]:
    """Return by turn the least cost over all translations, and the translation (3,) in mm from the support turned as
    the query would show it.
    """
    looks = Looks.of(query, support.window, _COARSE_MM)
    parts = support.parts
    values = looks.features.values[:-1]
    longest = max(max(kernel.shape) for kernel, _ in parts.values())
    size = [-(-(n + longest) // 8) * 8 for n in values.shape[1:]]
    seen = torch.cat([values, torch.ones_like(values[:1]), values.square().sum(dim=0, keepdim=True)])
    spectrum = torch.fft.rfftn(seen, s=size)
    found = {}
    for turn, (kernel, origin_mm) in parts.items():
        compared = torch.fft.rfftn(kernel, s=size).conj()
        channels = len(values)
        both = torch.stack([(spectrum * compared).sum(dim=0), spectrum[channels] * compared[channels + 1]])
        cost, weight = torch.fft.irfftn(both, s=size)
        whole = kernel[channels + 1].sum()
        mean = torch.where(weight >= _LEAST_SEEN * whole, cost / channels / weight.clamp(min=1), torch.inf)
        at = int(mean.argmin())
        if torch.isfinite(mean.flatten()[at]):
            index = np.array(np.unravel_index(at, mean.shape))
            index = np.where(index >= np.array(values.shape[1:]), index - np.array(size), index)
            found[turn] = (float(mean.flatten()[at]), looks.features.grid.world(index) - origin_mm)
    return found


@torch.inference_mode()
def _part(support: Scan, turn: Turn, window: Window) -> tuple[Tensor, FloatArray]:
    """Return what is correlated of a support as the query would show it (channels, z, y, x), and where its first voxel
    lies (3,) in mm.

    With S its features and w the region's body it is -2 w S, for those of the query; w S^2, for what it shows; and w,
    for the squares of its features.
    """
    to_query = turn.inverse
    looks = Looks.of(turned(support, to_query), window, _COARSE_MM)
    grid = looks.features.grid
    box = np.sort(region_of(support, list(support.structures)) @ to_query.matrix.T, axis=0)
    places = grid.world(np.moveaxis(np.indices(grid.size[::-1]), 0, -1))
    body = looks.scan.body[tuple(np.moveaxis(looks.scan.grid.nearest_voxel(places), -1, 0))]
    inside = np.all((places >= box[0]) & (places <= box[1]), axis=-1)
    both = inside & body
    chosen = both if both.any() else inside
    ends = [np.flatnonzero(chosen.any(axis=tuple({0, 1, 2} - {axis}))) for axis in range(3)]
    part = tuple(slice(int(end[0]), int(end[-1]) + 1) for end in ends)
    weights = torch.from_numpy(chosen[part]).float()
    values = looks.features.values[:-1][(slice(None), *part)]
    kernel = [-2 * values * weights, (values.square().sum(dim=0) * weights)[None], weights[None]]
    return torch.cat(kernel), grid.world([one.start for one in part])


def _costs(query: Scan, support: Turnable, shifts: Mapping[Turn, FloatArray], *, seed: int) -> dict[Turn, float]:
    """Return the cost of each turn after a descent to the best affine transform near its translation (3,) in mm."""
    there = Looks.of(query, support.window, _FINE_MM).features
    scan = support.scan
    generator = generator_of(seed, query.subject, scan.subject, "turn")
    places = points_in_body(scan, region_of(scan, list(scan.structures)), _PLACES, generator)
    found = {}
    for turn, shift in shifts.items():
        to_query = turn.inverse
        here = Looks.of(turned(scan, to_query), support.window, _FINE_MM).features
        found[turn] = _descended(here, there, torch.from_numpy(places @ to_query.matrix.T), shift)
    return found


def _descended(here: Features, there: Features, places: Tensor, shift: FloatArray) -> float:
    """Return the cost of places (n, 3) of a turned support at the best affine transform near a translation."""
    with torch.inference_mode():
        own = here.at(places[None, None])[:, 0, 0]
    own = own.clone()
    middle = places.mean(dim=0)
    apart = (places - middle).float()
    length = float(apart.norm(dim=1).mean())
    matrix = torch.eye(3, requires_grad=True)
    centre = (middle + torch.from_numpy(shift)).float().requires_grad_()
    optimiser = torch.optim.Adam([{"params": [centre], "lr": _STEP_MM}, {"params": [matrix], "lr": _STEP_MM / length}])
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, _STEPS)
    cost = torch.tensor(0.0)
    for _ in range(_STEPS):
        optimiser.zero_grad()
        found = there.at((apart @ matrix.T + centre)[None, None])[:, 0, 0]
        weights = own[-1] * found[-1]
        cost = ((found[:-2] - own[:-2]).square().mean(dim=0) * weights).sum() / weights.sum().clamp(min=1)
        # A patient is not half or twice as long as another.
        stretch = torch.linalg.svdvals(matrix).clamp(min=0.05).log().square().mean()
        (cost + 0.5 * stretch + 0.5 * (0.5 - weights.mean().detach()).clamp(min=0)).backward()
        optimiser.step()
        schedule.step()
    return float(cost.detach())
