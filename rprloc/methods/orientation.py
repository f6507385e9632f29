"""Whether a query lies as its header says: supports are laid on it in all 48 ways in which axes may be wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from rprloc.geometry import Affine, FloatArray
from rprloc.methods.coupled import Features
from rprloc.methods.images import Window
from rprloc.methods.laid import Places, Searched, Template, descended
from rprloc.methods.looks import Looks, points_in_body, region_of
from rprloc.methods.turning import turned_array, turned_channels
from rprloc.scans.scan import Scan
from rprloc.scans.turned import TURNS, UNTURNED, Turn
from rprloc.seeds import generator_of

_COARSE_MM, _FINE_MM = 10.0, 6.0
"""Spacing of the features that all translations are tried by, and of those that the best are moved by."""
_TRIED = 4
"""The best turns, which are moved to their best place; the scan as it is and their mirror images are as well."""
_PLACES = 400
_CLEARLY = 0.92
"""A turned scan has to cost less than this part of what the scan as it is costs."""
_SIDES = 0.9
"""Left and right are told where one way costs less than this part of its mirror image."""
_ASKED = 1.03
"""Whether left and right are exchanged alone is asked where that costs at most so many times as much: in mirrored
abdomens 0.85 to 1.02 times by three supports, in abdomens as they are 0.97 and, but for one of eleven, 1.04 to 1.19.
"""

Shifts = dict[Turn, tuple[float, FloatArray]]
"""By turn its cost, and the translation (3,) in mm."""


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
    parts: Mapping[Turn, Template]
    """By turn, what is correlated."""
    fine: Features
    """What the best are moved by."""

    @classmethod
    def of(cls, scan: Scan, window: Window) -> Turnable:
        """Take a support that has a structure."""
        looks = Looks.of(scan, window, _COARSE_MM)
        upright = Template.of(looks, region_of(scan, list(scan.structures)))
        spacing = looks.features.grid.spacing_mm
        parts = {turn: _lying(upright, turn.inverse, spacing) for turn in TURNS}
        return cls(scan, window, parts, Looks.of(scan, window, _FINE_MM).features)


def turns_of(query: Scan, supports: Sequence[Turnable], *, seed: int) -> tuple[Turned, ...]:
    """Return how a query may lie in truth, the simpler way first; nothing where it lies as its header says or nothing
    else is clearly better. Where left and right look alike there are two, or one that exchanges them alone.

    Costs are mean squared differences of MIND-SSC features (Heinrich et al., MICCAI 2013), in the region around the
    structures: at the best of all translations at 10 mm, then at the best affine transform nearby at 6 mm. The first
    support says which ways are tried; of these what they cost is the mean over all supports.
    """
    shifts = _placed(query, supports[0], TURNS)
    best = sorted(shifts, key=lambda turn: shifts[turn][0])[:_TRIED]
    tried = list(dict.fromkeys([UNTURNED, *best, *(turn.mirrored for turn in (UNTURNED, *best))]))
    placed = [shifts, *(_placed(query, support, tried) for support in supports[1:])]
    costs = _mean_costs(query, list(zip(supports, placed, strict=True)), tried, seed=seed)
    if UNTURNED not in costs:
        return ()
    turn = min(costs, key=lambda one: costs[one])
    if turn == UNTURNED:
        # To ask takes another search.
        alone = costs.get(turn.mirrored, np.inf) < _ASKED * costs[turn]
        return (Turned(turn.mirrored, sided=False),) if alone else ()
    sided = turn.mirrored not in costs or costs[turn] < _SIDES * costs[turn.mirrored]
    alike = [turn] if sided else sorted((turn, turn.mirrored), key=_changes)
    if UNTURNED not in alike and costs[turn] > _CLEARLY * costs[UNTURNED]:
        return ()
    return tuple(Turned(one, sided) for one in alike if one != UNTURNED)


def _changes(turn: Turn) -> tuple[int, bool]:
    """Return how much a turn changes: of two that look alike the simpler one is likelier."""
    return sum(one != (axis, 1) for axis, one in enumerate(zip(turn.axes, turn.signs, strict=True))), turn.mirrors


def _mean_costs(
    query: Scan, placed: Sequence[tuple[Turnable, Shifts]], tried: Sequence[Turn], *, seed: int
) -> dict[Turn, float]:
    """Return the cost of each turn, the mean over the supports; those that one cannot be laid in are left out."""
    found = [
        _costs(query, support, {turn: shifts[turn][1] for turn in tried if turn in shifts}, seed=seed)
        for support, shifts in placed
    ]
    return {turn: float(np.mean([one[turn] for one in found])) for turn in tried if all(turn in one for one in found)}


@torch.no_grad()
def _placed(query: Scan, support: Turnable, turns: Sequence[Turn]) -> Shifts:
    """Return by turn the least cost over all translations, and the translation (3,) in mm from the support turned as
    the query would show it.
    """
    longest = max(max(support.parts[turn].kernel.shape[1:]) for turn in turns)
    searched = Searched(Looks.of(query, support.window, _COARSE_MM), longest)
    found: Shifts = {}
    for turn in turns:
        part = support.parts[turn]
        means = searched.costs(part).means
        index = np.unravel_index(int(means.argmin()), means.shape)
        if torch.isfinite(means[index]):
            found[turn] = (float(means[index]), searched.shift_mm([int(at) for at in index], part))
    return found


def _lying(part: Template, turn: Turn, spacing_mm: Sequence[float]) -> Template:
    """Return what is correlated of a support as a scan shows it whose axes lie as a turn says."""
    kernel = turned_array(part.kernel[turned_channels(turn, len(part.kernel))], turn)
    ends = part.origin_mm + np.outer([0, 1], (np.array(part.kernel.shape[:0:-1]) - 1) * spacing_mm)
    return Template(kernel, (ends @ turn.matrix.T).min(axis=0))


@torch.no_grad()
def _costs(query: Scan, support: Turnable, shifts: Mapping[Turn, FloatArray], *, seed: int) -> dict[Turn, float]:
    """Return the cost of each turn after a descent to the best affine transform near its translation (3,) in mm."""
    there = Looks.of(query, support.window, _FINE_MM).features
    scan = support.scan
    generator = generator_of(seed, query.subject, scan.subject, "turn")
    points = points_in_body(scan, region_of(scan, list(scan.structures)), _PLACES, generator)
    values = Places.of(support.fine, points).values
    found = {}
    for turn, shift in shifts.items():
        to_query = turn.inverse
        places = Places(points @ to_query.matrix.T, values[turned_channels(to_query, len(values))])
        (laid,) = descended(places, there, [Affine(np.eye(3), shift)])
        found[turn] = laid.cost
    return found
