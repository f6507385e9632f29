"""What a user with one annotated scan does today: register it to every other scan and carry its landmarks over."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import SimpleITK as sitk

from rprloc.cohort.methods import family_of
from rprloc.errors import InputError
from rprloc.geometry import FloatArray
from rprloc.methods.affine import affine
from rprloc.methods.bspline import bspline
from rprloc.methods.clock import Clock
from rprloc.methods.picture import (
    Picture,
    RegistrationError,
    Window,
    carried,
    faults_of_a_pair,
    one_thread_each,
    region_around,
)
from rprloc.methods.prediction import Prediction, Scan, absent_row, found_row, row_key, timed, wanted_structures

METHODS = family_of("affine").methods
SETTING = "extreme"


@dataclass(frozen=True)
class _Support:
    """A support with its landmarks."""

    subject: str
    picture: Picture | None
    reason: str
    """Why it has no picture."""
    points_mm: dict[str, FloatArray]
    """Structure -> (6, 3), in the order of the walls."""
    half_voxel_mm: dict[str, list[float]]

    @property
    def region_mm(self) -> FloatArray:
        """The box (2, 3) around all landmarks that is compared."""
        return region_around(np.concatenate(list(self.points_mm.values())))


@dataclass(frozen=True)
class _Outcome:
    """What registering a pair by one method gave: a transform, or the reason why not, and the seconds."""

    transform: sitk.Transform | None
    reason: str
    seconds: float


class Registration:
    """Locate landmarks by carrying a support's six extreme points through a registration of its scan to the query.

    One affine a pair is the start of the other two. A registration by SimpleITK keeps to one thread, so that answers
    depend on no number of threads; several supports go at once. Each method's seconds hold the affine that it needs,
    as the method would take alone, and are those of one support.
    """

    def __init__(
        self,
        names: Sequence[str],
        *,
        window: Window,
        structures: Sequence[str] | None,
        drawn: str | None,
        seed: int,
        n_supports: int = 3,
        threads: int | None = None,
    ) -> None:
        """Take the methods (of affine, bspline, convex), the cohort's window (value, grey), the structures (None: those
        of the supports), the drawn support, the seed of the metric's samples, how many supports to use, the first
        ones, and how many to register at once (None: a core each). Raises ValueError for an unknown name.
        """
        if unknown := sorted(set(names) - set(METHODS)):
            raise ValueError(f"found {', '.join(unknown)}, expected some of {', '.join(METHODS)}")
        self._names = [name for name in METHODS if name in names]
        self._window = window
        self._structures = structures
        self._drawn = drawn
        self._seed = seed
        self._n_supports = n_supports
        self._wanted: list[str] = []
        self._supports: list[_Support] = []
        self._threads = threads or os.cpu_count() or 1

    def prepare(self, supports: Sequence[Scan]) -> None:
        """Read the volumes of the first supports, once for all queries."""
        self._wanted = wanted_structures(self._structures, supports)
        self._supports = [self._support(scan) for scan in supports[: self._n_supports]]

    def locate(self, query: Scan) -> list[Prediction]:
        """Return the answers for a query: a row for each method, structure and support other than the query."""
        supports = [support for support in self._supports if support.subject != query.subject]
        if not supports:
            return []
        clock = Clock()
        with clock.stage("prepare"):
            picture, reason = _read(query, self._window)
        prepared = clock.seconds["prepare"] / len(supports)
        rows: list[Prediction] = []
        # SimpleITK lets other threads go on while it works.
        with one_thread_each(), ThreadPoolExecutor(self._threads) as pool:
            found = list(pool.map(lambda support: self._by_simpleitk(support, picture, reason), supports))
        for support, outcomes in zip(supports, found, strict=True):
            if "convex" in self._names:
                outcomes["convex"] = self._by_convex(support, picture, outcomes["affine"])
            for name in self._names:
                rows += self._answers(query, support, name, outcomes[name], prepared)
        return rows

    def _support(self, scan: Scan) -> _Support:
        """Read one support."""
        picture, reason = _read(scan, self._window)
        present = [name for name in self._wanted if name in scan.structures]
        points = {name: scan.extreme_points_mm(name) for name in present}
        half = {name: scan.structures[name]["half_voxel_mm"] for name in present}
        return _Support(scan.subject, picture, reason, points, half)

    def _by_simpleitk(self, support: _Support, query: Picture | None, reason: str) -> dict[str, _Outcome]:
        """Register a support to a query by the affine and, where it is asked, the B-spline."""
        if support.picture is None or query is None or not support.points_mm:
            nothing = _Outcome(None, support.reason or reason, 0.0)
            return {"affine": nothing, "bspline": nothing}
        picture, region, seed = support.picture, support.region_mm, self._seed
        first = _attempt(lambda: affine(picture, query, region, seed=seed))
        start = first.transform
        if start is None or "bspline" not in self._names:
            return {"affine": first, "bspline": first}
        second = _attempt(lambda: bspline(picture, query, start, region, seed=seed), before=first.seconds)
        return {"affine": first, "bspline": second}

    @staticmethod
    def _by_convex(support: _Support, query: Picture | None, first: _Outcome) -> _Outcome:
        """Register a support to a query by ConvexAdam, whose threads are torch's, after the affine."""
        picture, start = support.picture, first.transform
        if picture is None or query is None or start is None:
            return first
        from rprloc.methods.convex import convex  # torch takes seconds to import

        return _attempt(lambda: convex(picture, query, start, support.region_mm), before=first.seconds)

    def _answers(
        self, query: Scan, support: _Support, name: str, outcome: _Outcome, prepared: float
    ) -> list[Prediction]:
        """Return the rows of one method and support; `prepared` is their share of reading the query's volume."""
        clock = Clock()
        rows = []
        for structure in self._wanted:
            common = self._key(query, support, name, structure)
            points = support.points_mm.get(structure)
            if points is None:
                rows.append(absent_row(common))
            elif outcome.transform is None:
                rows.append(Prediction(**common, failed=True, reason=outcome.reason))
            else:
                with clock.stage("search"):
                    found = carried(outcome.transform, points)
                rows.append(self._answer(common, found, support.half_voxel_mm[structure]))
        return timed(rows, {"prepare": prepared, "transform": outcome.seconds} | clock.seconds)

    @staticmethod
    def _answer(common: dict[str, Any], points_mm: FloatArray, half_voxel_mm: list[float]) -> Prediction:
        """Return the row of a structure whose points (6, 3) a registration carried over."""
        if not np.isfinite(points_mm).all():
            return Prediction(**common, failed=True, reason="the registration's answer is not a number")
        return found_row(common, points_mm, half_voxel_mm)

    def _key(self, query: Scan, support: _Support, name: str, structure: str) -> dict[str, Any]:
        """Return the columns that name a row."""
        return row_key(query, structure, method=name, setting=SETTING, support=support.subject, drawn=self._drawn)


def _read(scan: Scan, window: Window) -> tuple[Picture | None, str]:
    """Return a scan's picture, or None and the reason why it has none."""
    try:
        return Picture.of(scan, window), ""
    except InputError as error:
        return None, str(error).rstrip(".")


def _attempt(register: Callable[[], sitk.Transform], *, before: float = 0.0) -> _Outcome:
    """Run a registration and keep what comes of it, after `before` seconds of work that it needs."""
    clock = Clock()
    reason = ""
    transform = None
    with clock.stage("transform"):
        try:
            with faults_of_a_pair():
                transform = register()
        except RegistrationError as error:
            reason = str(error)
    return _Outcome(transform, reason, before + clock.seconds["transform"])
