"""What a user with one annotated scan does today: register it to every other scan and carry its landmarks over."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk

from rprloc.errors import InputError
from rprloc.geometry import FloatArray, box_of_points
from rprloc.methods.affine import affine
from rprloc.methods.answer import Answers, Found, Key, others, present
from rprloc.methods.bspline import bspline
from rprloc.methods.carry import Registered
from rprloc.methods.clock import Clock
from rprloc.methods.images import (
    MaskedImage,
    RegistrationError,
    Window,
    carried,
    faults_of_a_pair,
    one_thread_each,
    region_around,
)
from rprloc.methods.localize import Work
from rprloc.scans.scan import Scan

METHODS = ("affine", "bspline", "convex", "syn")


@dataclass(frozen=True)
class _Support:
    """A support with its landmarks."""

    subject: str
    image: MaskedImage | None
    reason: str
    """Why it has no image."""
    points_mm: dict[str, FloatArray]
    """Structure -> (6, 3), in the order of the walls, or (1, 3)."""
    half_voxel_mm: Mapping[str, Sequence[float]]

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

    One affine a pair is the start of the others but syn, which has its own. A registration by SimpleITK keeps to one
    thread, so that answers depend on no number of threads; several supports go at once. Each method's seconds hold the
    affine that it needs, as the method would take alone, and are those of one support.
    """

    def __init__(
        self,
        settings: Mapping[str, str],
        *,
        window: Window,
        structures: Sequence[str] | None = None,
        seed: int,
        threads: int | None = None,
    ) -> None:
        """Take the methods (some of METHODS), each with its setting, the cohort's window (value, grey), the structures
        (None: all that a support has), the seed of the metric's samples, and how many supports to register at once
        (None: a core each). Raises ValueError for an unknown name.
        """
        if unknown := sorted(set(settings) - set(METHODS)):
            raise ValueError(f"found {', '.join(unknown)}, expected some of {', '.join(METHODS)}")
        self._settings = settings
        self._window = window
        self._structures = structures
        self._seed = seed
        self._supports: list[_Support] = []
        self._threads = threads or os.cpu_count() or 1

    def prepare(self, supports: Sequence[Scan]) -> None:
        """Read the supports' volumes, once for all queries."""
        self._supports = [self._support(scan) for scan in supports]

    def locate(self, query: Scan, clock: Clock) -> Answers:
        """Return the answers for a query from each other support."""
        supports = others(self._supports, query)
        if not supports:
            return {}
        with clock.part("prepare"):
            image, reason = _read(query, self._window)
        # SimpleITK lets other threads go on while it works.
        with one_thread_each(), ThreadPoolExecutor(self._threads) as pool:
            found = list(pool.map(lambda support: self._by_simpleitk(support, image, reason), supports))
        answers: Answers = {}
        for support, outcomes in zip(supports, found, strict=True):
            if "syn" in self._settings:
                outcomes["syn"] = self._by_syn(support, image, reason)
            if "convex" in self._settings:
                outcomes["convex"] = self._by_convex(support, image, outcomes["affine"])
            for name, setting in self._settings.items():
                outcome = outcomes[name]
                clock.add("transform", outcome.seconds, method=name, support=support.subject)
                with clock.part("search", method=name, support=support.subject):
                    answers |= {
                        Key(name, setting, support.subject, structure): _answer(support, structure, outcome)
                        for structure in support.points_mm
                    }
        return answers

    def _support(self, scan: Scan) -> _Support:
        """Read one support."""
        image, reason = _read(scan, self._window)
        names = present(scan, self._structures)
        points = {name: scan.structures[name].extreme_mm for name in names}
        half = {name: scan.structures[name].half_voxel_mm for name in names}
        return _Support(scan.subject, image, reason, points, half)

    def _by_simpleitk(self, support: _Support, query: MaskedImage | None, reason: str) -> dict[str, _Outcome]:
        """Register a support to a query by the affine and, where it is asked, the B-spline."""
        if support.image is None or query is None or not support.points_mm:
            nothing = _Outcome(None, support.reason or reason, 0.0)
            return {"affine": nothing, "bspline": nothing}
        if self._settings.keys() == {"syn"}:
            return {}
        image, region, seed = support.image, support.region_mm, self._seed
        first = _attempt(lambda: affine(image, query, region, seed=seed))
        start = first.transform
        if start is None or "bspline" not in self._settings:
            return {"affine": first, "bspline": first}
        second = _attempt(lambda: bspline(image, query, start, region, seed=seed), before=first.seconds)
        return {"affine": first, "bspline": second}

    def _by_syn(self, support: _Support, query: MaskedImage | None, reason: str) -> _Outcome:
        """Register a support to a query by ANTs, from nothing."""
        image = support.image
        if image is None or query is None or not support.points_mm:
            return _Outcome(None, support.reason or reason, 0.0)
        from rprloc.methods.syn import syn  # its package takes a second to import

        return _attempt(lambda: syn(image, query, seed=self._seed))

    @staticmethod
    def _by_convex(support: _Support, query: MaskedImage | None, first: _Outcome) -> _Outcome:
        """Register a support to a query by ConvexAdam, whose threads are torch's, after the affine."""
        image, start = support.image, first.transform
        if image is None or query is None or start is None:
            return first
        from rprloc.methods.convex import convex  # its package ignores all warnings from then on

        return _attempt(lambda: convex(image, query, start, support.region_mm), before=first.seconds)


def _answer(support: _Support, structure: str, outcome: _Outcome) -> Found | str:
    """Return a structure's answer, whose points (n, 3) a registration carries over."""
    if outcome.transform is None:
        return outcome.reason
    points_mm = carried(outcome.transform, support.points_mm[structure])
    if not np.isfinite(points_mm).all():
        return "the registration's answer is not a number"
    carry = Registered(outcome.transform, box_of_points(support.points_mm[structure]))
    return Found(points_mm=points_mm, half_voxel_mm=support.half_voxel_mm[structure], carry=carry)


def _read(scan: Scan, window: Window) -> tuple[MaskedImage | None, str]:
    """Return a scan's image, or None and the reason why it has none."""
    try:
        return MaskedImage.of(scan, window), ""
    except InputError as error:
        return None, str(error).rstrip(".")


def _attempt(register: Callable[[], sitk.Transform], *, before: float = 0.0) -> _Outcome:
    """Run a registration and keep what comes of it, after `before` seconds of work that it needs."""
    clock = Clock()
    reason = ""
    transform = None
    with clock.part("transform"):
        try:
            with faults_of_a_pair():
                transform = register()
        except RegistrationError as error:
            reason = str(error)
    return _Outcome(transform, reason, before + sum(clock.seconds.values()))


def make(work: Work) -> Registration:
    """Return the registrations."""
    search = work.search
    return Registration(
        work.main_settings,
        window=search.seen.window,
        structures=work.structures,
        seed=search.seed,
        threads=work.threads,
    )
