"""The default method: a start, then the landmarks' surroundings matched, all together, coarsely and then finely."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from rprloc.errors import InputError
from rprloc.geometry import Affine, FloatArray, Grid, box_of_points
from rprloc.methods.answer import OUTSIDE, Answers, Key, others, placed, present
from rprloc.methods.approach import SPACING_MM, Approach, mind
from rprloc.methods.bend import Bend
from rprloc.methods.carry import Matching
from rprloc.methods.clock import Clock
from rprloc.methods.coupled import Features, Rooms, Surroundings
from rprloc.methods.images import RegistrationError, Window
from rprloc.methods.levels import FINE, FINER_AROUND_MM, finer
from rprloc.methods.localize import Work
from rprloc.methods.looks import Looks
from rprloc.methods.profiles import Profiles, profiles_of
from rprloc.methods.refined import FEW, MOST, Nearby, Refined, Refinement, Spread
from rprloc.methods.start import LaidStart, MapStart, Start
from rprloc.methods.surfaces import Surface, landmarks_of, told_points
from rprloc.methods.vicinity import Reader, Vicinity
from rprloc.scans.scan import Scan

METHOD, SETTING = "matched", "extreme"
Spacing = tuple[float, float, float]
"""(x, y, z) in mm."""
_FINE_MM: Spacing = (FINE.step_mm,) * 3
"""The fine matching sees nothing finer than its steps."""


@dataclass(frozen=True)
class _Support:
    """A support with its landmarks, ready for any query; `reason` says why it is not."""

    subject: str
    half_voxel_mm: Mapping[str, Sequence[float]]
    """By structure, in the order of the surfaces."""
    points_mm: FloatArray
    """(n, 3), those that are matched, of all structures."""
    surfaces: dict[str, Surface]
    ready: _Ready | None = None
    reason: str = ""


@dataclass(frozen=True)
class _Drawn:
    """A support and its points."""

    scan: Scan
    points_mm: FloatArray
    """(n, 3), those that are matched."""
    owners: NDArray[np.int64]
    """(n,), the number of each one's structure."""
    spread: Mapping[str, Spread]
    """Of what is drawn many more."""
    surfaces_mm: Mapping[str, FloatArray]
    """By structure (m, 3), in the order of their numbers."""


@dataclass(frozen=True)
class _Ready:
    """What is compared of a support: for the start, coarsely, finely, and as finely as a query shows it."""

    drawn: _Drawn
    start: Any
    approach: Approach
    surroundings: Surroundings
    near: dict[Spacing, _Near]
    """By the spacing at which it is compared with a query, its own first."""

    @property
    def spacing_mm(self) -> Spacing:
        """Its own."""
        return next(iter(self.near))


@dataclass(frozen=True)
class _Near:
    """What is compared of a support from where the fine matching has its points."""

    finer: Surroundings | None
    """None where scans show no more than that saw."""
    many: Nearby | None
    """Many more points of surfaces."""
    profiles: Mapping[str, Profiles]
    """Of structures that have many: what their surfaces look like."""


@dataclass(frozen=True)
class _Bent:
    """Where a query has what is around a support's landmarks: the affine transform, after what the bend moves."""

    affine: Affine
    bend: Bend


@dataclass(frozen=True)
class _Found:
    """Where a query has a support's points by the fine matching."""

    matching: Matching
    apart_mm: FloatArray
    """(n,), how far each is from those around."""
    support_mm: Spacing
    """The support's own spacing."""


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
        rooms: Rooms | None = None,
    ) -> None:
        """Take the way of starting, the cohort's window, what computes, the structures (None: all that a support has),
        and room for what is kept of supports.
        """
        self._start = start
        self._window = window
        self._reader = Reader(window, device)
        self._structures = structures
        self._device = device
        self._supports: list[_Support] = []
        self._rooms = rooms or Rooms()

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
        with clock.part("transform"):
            shown = self._shown(query, supports, starts)
        with clock.part("search"):
            places = [_found(support, start, shown) for support, start in zip(supports, starts, strict=True)]
        with clock.part("transform"):
            finer = self._finer(query, places, shown)
        with clock.part("search"):
            answers: Answers = {}
            for support, found in zip(supports, places, strict=True):
                answers |= self._answers(query, support, found, finer)
        return answers

    @torch.no_grad()
    def _support(self, scan: Scan) -> _Support:
        """Read one support."""
        names = present(scan, self._structures)
        half = {name: scan.structures[name].half_voxel_mm for name in names}
        drawn = scan.surfaces_mm()
        surfaces = {name: drawn[name] for name in names}
        spread = {name: Spread.over(surfaces[name], MOST) for name in names if scan.structures[name].is_drawn}
        matched = [
            spread[name].points_mm[:FEW] if name in spread else told_points(scan.structures[name], surfaces[name])
            for name in names
        ]
        points = np.concatenate([np.zeros((0, 3)), *matched])
        ends = np.cumsum([0, *map(len, matched)])
        carried = {
            name: Surface(surfaces[name], points, slice(first, stop))
            for name, first, stop in zip(names, ends, ends[1:], strict=False)
        }
        if not names:
            return _Support(scan.subject, half, points, carried)
        owners = np.repeat(np.arange(len(names)), list(map(len, matched)))
        try:
            ready = self._ready(_Drawn(scan, points, owners, spread, surfaces))
        except RegistrationError as error:
            return _Support(scan.subject, half, points, carried, reason=str(error))
        return _Support(scan.subject, half, points, carried, ready)

    def _ready(self, drawn: _Drawn) -> _Ready:
        """Prepare what is compared of a support."""
        scan, points, owners = drawn.scan, drawn.points_mm, drawn.owners
        looks, own_mm = Looks.of(scan, self._window, SPACING_MM), _matching_mm(scan)
        start = self._start.support(looks, points)
        region = Surroundings.region_mm(box_of_points(points), FINE)
        shown = self._reader.shown(scan, region, _coarser(own_mm, _FINE_MM), outside=_beyond(scan))
        shapes = [scan.shape(name) for name in drawn.surfaces_mm]
        approach = Approach(looks, points, owners, shapes, self._device, self._rooms)
        near = self._near(drawn, own_mm, shown)
        fine = Surroundings(shown.features, points, owners, FINE, self._rooms)
        return _Ready(drawn, start, approach, fine, {own_mm: near})

    def _near(self, drawn: _Drawn, spacing_mm: Spacing, shown: Vicinity | None = None) -> _Near:
        """Prepare what is compared of a support at a spacing; `shown` is what the fine matching sees."""
        level, box = finer(max(spacing_mm)), box_of_points(drawn.points_mm)
        if shown is None or level is not None:
            region = Surroundings.region_mm(box, level or FINE)
            at_mm = _coarser(spacing_mm, _FINE_MM) if level is None else spacing_mm
            shown = self._reader.shown(drawn.scan, region, at_mm, outside=_beyond(drawn.scan))
        many = Nearby.of(shown.features, drawn.spread, self._rooms)
        surfaces = {} if many is None else {name: drawn.surfaces_mm[name] for name in many.own}
        profiles = profiles_of(drawn.scan, surfaces, shown)
        if level is None:
            return _Near(None, many, profiles)
        around = Surroundings(shown.features, drawn.points_mm, drawn.owners, level, self._rooms)
        return _Near(around, many, profiles)

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

    def _shown(self, query: Scan, supports: Sequence[_Support], starts: Sequence[_Bent | str]) -> Vicinity | str:
        """Return what is shown of the part of a query to which the starts take what surrounds the landmarks."""
        corners = [
            start.affine.carried(_corners(support.ready.surroundings.grid, start.bend))
            for support, start in zip(supports, starts, strict=True)
            if isinstance(start, _Bent) and support.ready is not None
        ]
        if not corners:
            return "no support could be placed in the query"
        try:
            at_mm = _coarser(_matching_mm(query), _FINE_MM)
            return self._reader.shown(query, box_of_points(np.concatenate(corners)), at_mm, outside=OUTSIDE)
        except RegistrationError as error:
            return str(error)

    def _finer(
        self, query: Scan, places: Sequence[_Found | str], fine: Vicinity | str
    ) -> dict[Spacing, Vicinity | str]:
        """Return what is shown of a query near where the supports' points were found, by the spacings at which it is
        compared with them: what the fine matching saw where it shows no more.
        """
        regions: dict[Spacing, list[FloatArray]] = {}
        shown: dict[Spacing, Vicinity | str] = {}
        for found in places:
            if isinstance(found, _Found):
                spacing_mm = _coarser(found.support_mm, query.matching_mm)
                shown[spacing_mm] = fine
                if (level := finer(max(spacing_mm))) is not None:
                    moved = found.matching.points_mm + found.matching.moves_mm
                    region = Surroundings.region_mm(box_of_points(moved), level)
                    regions.setdefault(spacing_mm, []).append(found.matching.start.carried(_ends(region)))
        for spacing_mm, corners in regions.items():
            try:
                box = box_of_points(np.concatenate(corners))
                shown[spacing_mm] = self._reader.shown(query, box, spacing_mm, outside=OUTSIDE)
            except RegistrationError as error:
                shown[spacing_mm] = str(error)
        return shown

    def _answers(
        self, query: Scan, support: _Support, found: _Found | str, finer: Mapping[Spacing, Vicinity | str]
    ) -> Answers:
        """Return the answers of one support, with what carries their outlines."""
        keys = {name: Key(METHOD, SETTING, support.subject, name) for name in support.surfaces}
        if isinstance(found, str) or support.ready is None:
            return dict.fromkeys(keys.values(), str(found))
        spacing_mm = _coarser(found.support_mm, query.matching_mm)
        shown, known = finer[spacing_mm], support.ready.near
        if isinstance(shown, str):
            return dict.fromkeys(keys.values(), shown)
        if spacing_mm not in known:
            try:
                known[spacing_mm] = self._near(support.ready.drawn, spacing_mm)
            except RegistrationError as error:
                return dict.fromkeys(keys.values(), str(error))
        near = known[spacing_mm]
        first = _found_finer(near, found.matching, shown.features)
        refinement = None if near.many is None else Refinement.of(near.many, shown.features, first)
        answers: Answers = {}
        for name, surface in support.surfaces.items():
            carry, carried = _carried(name, surface, first, refinement)
            beyond = None
            if isinstance(carry, Refined) and name in near.profiles:
                carried, beyond = near.profiles[name].found(carry.matching, carried, shown)
            spread = float(found.apart_mm[surface.own].mean())
            landmarks = landmarks_of(carried, finer=near.finer is not None)
            answer = placed(landmarks, support.half_voxel_mm[name], query, spread_mm=spread)
            answers[keys[name]] = answer if isinstance(answer, str) else replace(answer, carry=carry, beyond=beyond)
        return answers


def _matching_mm(scan: Scan) -> Spacing:
    """Return the spacing of a scan's finer volume; raises RegistrationError where it was preprocessed without one."""
    try:
        return scan.matching_mm
    except InputError as error:
        raise RegistrationError(str(error).rstrip(".")) from error


def _coarser(one_mm: Spacing, other_mm: Spacing) -> Spacing:
    """Return the coarser of two spacings along each axis."""
    x, y, z = map(max, one_mm, other_mm)
    return x, y, z


def _beyond(scan: Scan) -> str:
    return f"the structures lie outside the support {scan.subject}"


def _found(support: _Support, start: _Bent | str, shown: Vicinity | str) -> _Found | str:
    """Return where the fine matching finds a support's points, or why it does not."""
    if isinstance(start, str) or support.ready is None:
        return str(start)
    if isinstance(shown, str):
        return shown
    points, fine, own_mm = support.points_mm, support.ready.surroundings, support.ready.spacing_mm
    moves = fine.moves(shown.features, start.affine, start.bend.on(fine.grid))
    return _Found(
        Matching(start.affine, points, start.bend.at(points) + moves.displacements_mm), moves.apart_mm, own_mm
    )


def _found_finer(near: _Near, found: Matching, features: Features) -> Matching:
    """Return where points are that were found finely, by what scans show beyond that."""
    if near.finer is None:
        return found
    bend = Bend(found.points_mm, found.moves_mm, FINER_AROUND_MM)
    more = near.finer.moves(features, found.start, bend.on(near.finer.grid))
    return replace(found, moves_mm=bend.at(found.points_mm) + more.displacements_mm)


def _carried(
    name: str, surface: Surface, first: Matching, refinement: Refinement | None
) -> tuple[Matching | Refined, FloatArray]:
    """Return what carries a structure into the query, and its surface (n, 3) there."""
    if refinement is not None and name in refinement.nearby.own:
        refined = Refined(refinement, name)
        return refined, refined.carried(surface.points_mm)
    own = Matching(first.start, first.points_mm[surface.own], first.moves_mm[surface.own])
    return own, first.start.carried(surface.points_mm + surface.weights @ first.moves_mm)


def _corners(grid: Grid, bend: Bend) -> FloatArray:
    """Return the corners (8, 3) of the box to which a bend may move a grid's voxels."""
    far = np.abs(bend.moves_mm).max(axis=0)
    ends = grid.world(np.stack([np.zeros(3), np.array(grid.size[::-1]) - 1]))
    return _ends(ends + np.stack([-far, far]))


def _ends(box_mm: FloatArray) -> FloatArray:
    """Return the corners (8, 3) of a box (2, 3)."""
    return np.array(list(itertools.product(*box_mm.T)))


def make(work: Work) -> Matched:
    """Return matching from the position map or, without one, from laying the support over the query."""
    window, seed = work.search.seen.window, work.search.seed
    start: Start = (
        MapStart(work.models["position_map"], seed=seed)
        if "position_map" in work.models
        else LaidStart(window, seed=seed)
    )
    return Matched(start, window=window, structures=work.structures, device=work.device, rooms=work.rooms)
