"""The default method: a start, then the landmarks' surroundings matched, all together, coarsely and then finely."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.spatial.distance import cdist

from rprloc.errors import InputError
from rprloc.geometry import WALLS, Affine, FloatArray, Grid, box_of_points
from rprloc.methods.answer import OUTSIDE, Answers, Key, others, placed, present
from rprloc.methods.approach import SPACING_MM, Approach, mind
from rprloc.methods.bend import Bend
from rprloc.methods.carry import Matching
from rprloc.methods.clock import Clock
from rprloc.methods.coupled import FINE, FINER_AROUND_MM, Features, Moves, Room, Surroundings, finer
from rprloc.methods.images import RegistrationError, Window
from rprloc.methods.localize import Work
from rprloc.methods.looks import Looks
from rprloc.methods.refined import FEW, MOST, Nearby, Refined, Refinement, Spread
from rprloc.methods.start import LaidStart, MapStart, Start
from rprloc.networks.patches import apply_window
from rprloc.scans.record import Structure
from rprloc.scans.scan import Scan

METHOD, SETTING = "matched", "extreme"
Spacing = tuple[float, float, float]
"""(x, y, z) in mm."""
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
_RIM = 4
"""Voxels around the compared part of a scan whose features are right only if their neighbours are there."""


@dataclass(frozen=True)
class _Surface:
    """A structure's surface and what carries it."""

    points_mm: FloatArray
    """(n, 3), the six extreme points first."""
    weights: csr_array
    """(n, matched points), each row sums to 1: how much of their moves each point makes."""
    own: slice
    """Which of the matched points are this structure's."""


@dataclass(frozen=True)
class _Support:
    """A support with its landmarks, ready for any query; `reason` says why it is not."""

    subject: str
    half_voxel_mm: Mapping[str, Sequence[float]]
    """By structure, in the order of the surfaces."""
    points_mm: FloatArray
    """(n, 3), those that are matched, of all structures."""
    surfaces: dict[str, _Surface]
    ready: _Ready | None = None
    reason: str = ""


@dataclass(frozen=True)
class _Ready:
    """What is compared of a support: for the start, coarsely, and finely by the spacing (x, y, z)."""

    start: Any
    approach: Approach
    spacing_mm: Spacing
    """Its own."""
    fine: Callable[[Spacing], _Fine]


@dataclass(frozen=True)
class _Fine:
    """What is compared of a support finely."""

    surroundings: Surroundings
    finer: Surroundings | None
    """None where the scan shows no more."""
    nearby: Nearby | None
    """Many more points of surfaces."""


@dataclass(frozen=True)
class _Bent:
    """Where a query has what is around a support's landmarks: the affine transform, after what the bend moves."""

    affine: Affine
    bend: Bend


class Matched:
    """Locate a support's structures by an affine start and coupled matching of what surrounds points of their surfaces.

    The whole surface is carried by the points' moves; the landmarks lie on the walls of the box around it.

    The features of a query are computed once for all supports: the coarse ones of all of it, the fine ones where the
    landmarks are by then.
    """

    def __init__(
        self,
        start: Start,
        *,
        window: Window,
        device: torch.device,
        structures: Sequence[str] | None = None,
    ) -> None:
        """Take the way of starting, the cohort's window, what computes, and the structures (None: all that a support
        has).
        """
        self._start = start
        self._window = window
        self._structures = structures
        self._device = device
        self._supports: list[_Support] = []
        self._room = Room()

    def prepare(self, supports: Sequence[Scan]) -> None:
        """Read the supports and the surroundings of their landmarks, once for all queries."""
        self._supports = [self._support(scan) for scan in supports]

    @torch.no_grad()
    def locate(self, query: Scan, clock: Clock) -> Answers:
        """Return the answers for a query from each other support."""
        supports = others(self._supports, query)
        if not supports:
            return {}
        starts = self._starts(query, supports, clock)
        answers: Answers = {}
        groups: dict[Spacing, list[tuple[_Support, _Bent | str]]] = {}
        for support, start in zip(supports, starts, strict=True):
            groups.setdefault(_common_mm(query, support), []).append((support, start))
        with clock.part("transform"):
            features = {spacing_mm: self._features(query, pairs, spacing_mm) for spacing_mm, pairs in groups.items()}
        with clock.part("search"):
            for support, start in zip(supports, starts, strict=True):
                spacing_mm = _common_mm(query, support)
                answers |= _answers(query, support, start, features[spacing_mm], spacing_mm)
        return answers

    @torch.no_grad()
    def _support(self, scan: Scan) -> _Support:
        """Read one support."""
        names = present(scan, self._structures)
        half = {name: scan.structures[name].half_voxel_mm for name in names}
        surfaces = scan.surfaces_mm()
        spread = {name: Spread.over(surfaces[name], MOST) for name, one in scan.structures.items() if one.is_drawn}
        matched = [
            spread[name].points_mm[:FEW] if name in spread else _told_points(scan.structures[name], surfaces[name])
            for name in names
        ]
        points = np.concatenate([np.zeros((0, 3)), *matched])
        ends = np.cumsum([0, *map(len, matched)])
        carried = {
            name: _Surface(surfaces[name], _carrying(surfaces[name], points), slice(first, stop))
            for name, first, stop in zip(names, ends, ends[1:], strict=False)
        }
        if not names:
            return _Support(scan.subject, half, points, carried)
        owners = np.repeat(np.arange(len(names)), list(map(len, matched)))
        try:
            ready = self._ready(scan, points, owners, spread)
        except RegistrationError as error:
            return _Support(scan.subject, half, points, carried, reason=str(error))
        return _Support(scan.subject, half, points, carried, ready)

    def _ready(self, scan: Scan, points: FloatArray, owners: NDArray[np.int64], spread: Mapping[str, Spread]) -> _Ready:
        """Prepare what is compared of a support with landmarks (n, 3), each of the structure of a number (n,), and with
        points that are spread out over what is drawn.
        """
        looks = Looks.of(scan, self._window, SPACING_MM)
        start = self._start.support(looks, points)
        approach = Approach(looks, points, owners, self._device, self._room)

        @cache
        def fine(spacing_mm: Spacing) -> _Fine:
            region = Surroundings.region_mm(box_of_points(points), FINE)
            outside = f"the structures lie outside the support {scan.subject}"
            features = self._read(scan, region, spacing_mm, outside=outside)
            nearby = Nearby.of(features, spread, self._room)
            level = finer(max(features.grid.spacing_mm))
            more = None if level is None else Surroundings(features, points, owners, level, self._room)
            return _Fine(Surroundings(features, points, owners, FINE, self._room), more, nearby)

        own_mm = _matching_mm(scan)
        fine(own_mm)
        return _Ready(start, approach, own_mm, fine)

    def _starts(self, query: Scan, supports: Sequence[_Support], clock: Clock) -> list[_Bent | str]:
        """Return where the query has each support, but for what the fine matching adds, or why it is not known."""
        try:
            with clock.part("network"):
                looks = Looks.of(query, self._window, SPACING_MM)
                seen = self._start.query(looks)
        except RegistrationError as error:
            return [support.reason or str(error) for support in supports]
        ready = [support.ready for support in supports if support.ready is not None]
        with clock.part("start"):
            affines = iter(self._start.affines([one.start for one in ready], seen))
            features = mind(looks, self._device)
            found: list[_Bent | str] = []
            for support in supports:
                affine = RegistrationError(support.reason) if support.ready is None else next(affines)
                if isinstance(affine, RegistrationError) or support.ready is None:
                    found.append(str(affine))
                else:
                    found.append(_Bent(*support.ready.approach.bent(features, affine)))
        return found

    def _features(
        self, query: Scan, pairs: Sequence[tuple[_Support, _Bent | str]], spacing_mm: Spacing
    ) -> Features | str:
        """Return the features, at a spacing, of the part of a query to which the starts of supports take what surrounds
        their landmarks.
        """
        corners = [
            start.affine.carried(_corners(support.ready.fine(support.ready.spacing_mm).surroundings.grid, start.bend))
            for support, start in pairs
            if isinstance(start, _Bent) and support.ready is not None
        ]
        if not corners:
            return "no support could be placed in the query"
        try:
            return self._read(query, box_of_points(np.concatenate(corners)), spacing_mm, outside=OUTSIDE)
        except RegistrationError as error:
            return str(error)

    def _read(self, scan: Scan, box_mm: FloatArray, spacing_mm: Spacing, *, outside: str) -> Features:
        """Return the features of a scan in a box (2, 3) in mm, at a spacing; raises RegistrationError where it has
        none, which says `outside` where the scan does not reach the box.
        """
        try:
            volume = scan.matching(spacing_mm)
        except InputError as error:
            raise RegistrationError(str(error).rstrip(".")) from error
        first = np.floor(volume.grid.voxel(box_mm[0])).astype(int) - _RIM
        stop = np.ceil(volume.grid.voxel(box_mm[1])).astype(int) + 1 + _RIM
        first, stop = np.maximum(first, 0), np.minimum(stop, volume.values.shape)
        if np.any(stop - first < 1):
            raise RegistrationError(outside)
        z, y, x = (slice(int(start), int(end)) for start, end in zip(first, stop, strict=True))
        levels = apply_window(torch.from_numpy(volume.values[z, y, x].copy()).to(self._device), self._window)
        if levels.min() == levels.max():
            raise RegistrationError(f"the scan {scan.subject} shows one grey value only where the structures should be")
        d, h, w = levels.shape
        origin = volume.grid.world(first)
        return Features.of(levels, Grid((w, h, d), volume.grid.spacing_mm, (*origin.tolist(),)))


def _matching_mm(scan: Scan) -> Spacing:
    """Return the spacing of a scan's finer volume; raises RegistrationError where it was preprocessed without one."""
    if scan.record.matching is not None:
        return scan.record.matching.spacing_mm
    try:
        return scan.matching().grid.spacing_mm
    except InputError as error:
        raise RegistrationError(str(error).rstrip(".")) from error


def _common_mm(query: Scan, support: _Support) -> Spacing:
    """Return the coarser of a query's and a support's spacing along each axis: features are of the voxels around."""
    own = support.ready.spacing_mm if support.ready is not None else (0.0, 0.0, 0.0)
    grid = query.record.matching
    x, y, z = own if grid is None else map(max, own, grid.spacing_mm)
    return x, y, z


def _answers(
    query: Scan, support: _Support, start: _Bent | str, features: Features | str, spacing_mm: Spacing
) -> Answers:
    """Return the answers of one support, with what carries their outlines."""
    keys = {name: Key(METHOD, SETTING, support.subject, name) for name in support.surfaces}
    if isinstance(start, str):
        return dict.fromkeys(keys.values(), start)
    if isinstance(features, str):
        return dict.fromkeys(keys.values(), features)
    assert support.ready is not None
    try:
        ready, points = support.ready.fine(spacing_mm), support.points_mm
    except RegistrationError as error:
        return dict.fromkeys(keys.values(), str(error))
    all_moves, moves = _moved(ready, points, start, features)
    first = Matching(start.affine, points, all_moves)
    refinement = None if ready.nearby is None else Refinement(ready.nearby, features, first)
    tips = _TIPS if ready.finer is None else _FINER_TIPS
    answers: Answers = {}
    for name, surface in support.surfaces.items():
        carry: Matching | Refined
        if refinement is not None and name in refinement.nearby.own:
            carry = Refined(refinement, name)
            found = carry.carried(surface.points_mm)
        else:
            carry = Matching(start.affine, points[surface.own], all_moves[surface.own])
            found = start.affine.carried(surface.points_mm + surface.weights @ all_moves)
        spread = float(moves.apart_mm[surface.own].mean())
        answer = placed(_landmarks(found, tips), support.half_voxel_mm[name], query, spread_mm=spread)
        answers[keys[name]] = answer if isinstance(answer, str) else replace(answer, carry=carry)
    return answers


def _moved(ready: _Fine, points_mm: FloatArray, start: _Bent, features: Features) -> tuple[FloatArray, Moves]:
    """Return how a support's points (n, 3) move beyond an affine start, and what the fine matching says of them."""
    moves = ready.surroundings.moves(features, start.affine, start.bend.on(ready.surroundings.grid))
    all_moves = start.bend.at(points_mm) + moves.displacements_mm
    if ready.finer is None:
        return all_moves, moves
    bend = Bend(points_mm, all_moves, FINER_AROUND_MM)
    more = ready.finer.moves(features, start.affine, bend.on(ready.finer.grid))
    return bend.at(points_mm) + more.displacements_mm, moves


def _told_points(structure: Structure, surface_mm: FloatArray) -> FloatArray:
    """Return the points (n, 3) that are matched for a structure that is told and not drawn, of a surface (n, 3).

    Of a single landmark they are itself and places around it, which keep it from going astray alone; of a box places
    all over it, which lie in the structure more often than on its walls.
    """
    if structure.is_point:
        return np.concatenate([surface_mm, surface_mm + _AROUND_MM * np.concatenate([np.eye(3), -np.eye(3)])])
    parts = np.stack(np.meshgrid(*[_PARTS] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    low, high = structure.box_mm
    return np.asarray(low + parts * (high - low))


def _carrying(surface_mm: FloatArray, points_mm: FloatArray) -> csr_array:
    """Return Gaussian weights (n, m), each row of which sums to 1, of points (m, 3) for those of a surface (n, 3)."""
    far = cdist(surface_mm, points_mm) ** 2 / (2 * _CARRYING_MM**2)
    # Relative to the nearest: far from all points it decides alone.
    weights = np.exp(far.min(axis=1, keepdims=True) - far)
    weights[weights < _LEAST_WEIGHT] = 0
    return csr_array(weights / weights.sum(axis=1, keepdims=True))


def _landmarks(surface_mm: FloatArray, tips: float) -> FloatArray:
    """Return the landmarks (6, 3) of a carried surface (n, 3), in the order of the walls, or a point (1, 3) itself.

    They are its own extreme points, which come first, moved onto the walls of the box around it but for a part `tips`
    of it at each wall: on a flat wall the outermost point would be anywhere.
    """
    landmarks = surface_mm[: len(WALLS)].copy()
    if len(landmarks) == 1:
        return landmarks
    first = int(tips * len(surface_mm))
    ordered = np.partition(surface_mm, [first, -1 - first], axis=0)
    low, high = ordered[first], ordered[-1 - first]
    for axis in range(3):
        landmarks[[2 * axis, 2 * axis + 1], axis] = low[axis], high[axis]
    return np.clip(landmarks, low, high)


def _corners(grid: Grid, bend: Bend) -> FloatArray:
    """Return the corners (8, 3) of the box to which a bend may move a grid's voxels."""
    low, high = grid.world(np.zeros(3)), grid.world(np.array(grid.size[::-1]) - 1)
    far = np.abs(bend.moves_mm).max(axis=0)
    return np.array(list(itertools.product(*zip(low - far, high + far, strict=True))))


def make(work: Work) -> Matched:
    """Return matching from the position map or, without one, from laying the support over the query."""
    window, seed = work.search.seen.window, work.search.seed
    start: Start = (
        MapStart(work.models["position_map"], seed=seed)
        if "position_map" in work.models
        else LaidStart(window, seed=seed)
    )
    return Matched(start, window=window, structures=work.structures, device=work.device)
