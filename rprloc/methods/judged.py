"""A query's answers and how likely each is lost; if the query lies otherwise than its header says, how it lies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from rprloc.geometry import WALLS, FloatArray
from rprloc.methods.answer import DOUBTFUL, OUTSIDE, Answers, Finder, Found, Key, others
from rprloc.methods.carry import TurnedBack
from rprloc.methods.clock import Clock
from rprloc.methods.images import Window
from rprloc.methods.lost import LOST_AT, Judge, agreed, apart_mm, lost_of
from rprloc.methods.orientation import Turnable, Turned, turns_of
from rprloc.scans.scan import Scan
from rprloc.scans.turned import Turn, turned

_TELLS, _TELLS_ALONE, _SEVERAL = 1.5, 4.0, 3
"""Left and right are told where the odds of being lost are so many times as large one way as the other, in the
geometric mean of all answers: by several supports, and by fewer. Abdomens have 2.2 to 4.0 by three and 0.9 to
6.8 by one, heads 0.8 to 1.1 and 0.7 to 1.3.
"""
_LAID = 3
"""Supports that are laid on a query in other ways than its header says."""
_SURE = 0.01
"""No probability counts as less, and none as more than the rest."""


@dataclass(frozen=True)
class Judged:
    """The answers for a query."""

    answers: Answers
    signs: Mapping[Key, FloatArray] = field(default_factory=dict)
    """Of those that were found and could be judged, what says whether they are lost."""
    turned: Turned | None = None
    """How the query lies, where it is not as its header says."""

    @property
    def alone(self) -> dict[Key, float]:
        """The probability that each answer is lost, of those that could be judged, by its own support alone."""
        return {key: float(lost_of(signs)) for key, signs in self.signs.items()}

    @cached_property
    def lost(self) -> dict[Key, float]:
        """The same, with what the other supports say."""
        apart = apart_mm(self.answers)
        return {
            key: lost
            if key not in apart or np.isnan(self.signs[key]).any()
            else float(agreed(self.signs[key], np.array(apart[key])))
            for key, lost in self.alone.items()
        }

    @cached_property
    def kept(self) -> dict[Key, Found]:
        """The answers that were found and are not lost."""
        return {
            key: answer
            for key, answer in self.answers.items()
            if isinstance(answer, Found) and self.lost.get(key, 0.0) < LOST_AT
        }


class Court:
    """Judges the answers of one family of methods, and has them found again in a query that lies otherwise."""

    def __init__(self, supports: Sequence[Scan], window: Window, *, seed: int) -> None:
        """Take the supports, the cohort's window and the seed of what is drawn."""
        self._judge = Judge(supports, window, seed=seed)
        self._supports, self._window, self._seed = supports, window, seed
        self._turnable: dict[str, Turnable] = {}

    def answered(self, finder: Finder, query: Scan, clock: Clock) -> Judged:
        """Return a method's answers for a query, in the frame of its file.

        Where they are doubtful or there are none, a support is laid on the query in all ways in which axes may be
        wrong. If another one is clearly better, and so are the answers that are found in the scan as it lies then,
        these are taken. Ways that differ in left and right alone are told by the answers, where they tell.
        """
        answers = finder.locate(query, clock)
        with clock.part("judge"):
            first = Judged(answers, self.signs(query, answers))
        if doubt_of(first) < DOUBTFUL:
            return first
        with clock.part("turn"):
            ways = [(way, lying) for way in self._turns(query) if (lying := turned(query, way.turn)) is not None]
        found = _better([self._found(finder, lying, way, clock) for way, lying in ways], first)
        return first if found is None else _in_file(found)

    def _found(self, finder: Finder, lying: Scan, way: Turned, clock: Clock) -> Judged:
        """Return what a method finds in a scan as it may lie, in that frame."""
        answers = finder.locate(lying, clock)
        with clock.part("judge"):
            return Judged(answers, self.signs(lying, answers), way)

    def signs(self, query: Scan, answers: Answers) -> dict[Key, FloatArray]:
        """Return what answers for a query are judged by."""
        return self._judge.signs(query, answers)

    def _turns(self, query: Scan) -> tuple[Turned, ...]:
        """Return how a query may lie by the first supports that are other scans and have a structure."""
        able = [support for support in others(self._supports, query) if support.structures][:_LAID]
        for support in able:
            if support.subject not in self._turnable:
                self._turnable[support.subject] = Turnable.of(support, self._window)
        return turns_of(query, [self._turnable[one.subject] for one in able], seed=self._seed) if able else ()


def _doubts(judged: Judged) -> dict[Key, float]:
    """Return the probability that each answer is lost; one that was not found counts as certainly lost, unless the
    query may not show the structure. Of a scan that lies otherwise all supports may say the same: each is asked alone.
    """
    lost = judged.alone
    return {
        key: lost.get(key, 0.0) if isinstance(answer, Found) else 1.0
        for key, answer in judged.answers.items()
        if answer != OUTSIDE
    }


def doubt_of(judged: Judged) -> float:
    """Return the median probability that answers are lost; without any they are."""
    doubts = _doubts(judged)
    return float(np.median(list(doubts.values()))) if doubts else 1.0


def _better(found: Sequence[Judged], first: Judged) -> Judged | None:
    """Return the best of what was found in a query as it may lie in truth, the simpler way first; None where the first
    answers, as its header says, are as good.
    """
    doubts, limit = [doubt_of(one) for one in found], min(doubt_of(first), LOST_AT)
    if not found or min(doubts) >= limit:
        return None
    best = int(np.argmin(doubts))
    way = found[best].turned
    assert way is not None
    # Of two that differ in left and right alone, the other may be what the header says.
    other = first if len(found) == 1 else found[1 - best]
    if way.sided or _tells(found[best], other):
        return replace(found[best], turned=replace(way, sided=True))
    return found[0] if len(found) > 1 and doubts[0] < limit else None


def _tells(better: Judged, other: Judged) -> bool:
    """Tell whether answers are clearly less doubtful than those for the same query with left and right exchanged."""
    doubts, others = _doubts(better), _doubts(other)
    both = doubts.keys() & others.keys()
    if not both:
        return False
    apart = [_log_odds(others[key]) - _log_odds(doubts[key]) for key in both]
    least = _TELLS if len({key.support for key in both}) >= _SEVERAL else _TELLS_ALONE
    return float(np.mean(apart)) > np.log(least)


def _log_odds(probability: float) -> float:
    """Return the logarithm of the odds of a probability."""
    sure = min(max(probability, _SURE), 1 - _SURE)
    return float(np.log(sure / (1 - sure)))


def _in_file(judged: Judged) -> Judged:
    """Return answers for a query as it lies in the frame of its file."""
    way = judged.turned
    assert way is not None
    answers = {
        key: answer if isinstance(answer, str) else _back(answer, way.turn) for key, answer in judged.answers.items()
    }
    return replace(judged, answers=answers)


def _back(answer: Found, turn: Turn) -> Found:
    """Return an answer for a turned query in the frame of its file."""
    points, half = turn.back(answer.points_mm), answer.half_voxel_mm
    own: FloatArray = np.sort(points, axis=0)
    if len(points) == len(WALLS):
        own = np.empty_like(points)
        for axis, (of, sign) in enumerate(zip(turn.axes, turn.signs, strict=True)):
            # What is the patient's left wall may be the file's right, or its head.
            ends = points[2 * axis : 2 * axis + 2]
            own[2 * of : 2 * of + 2] = ends if sign > 0 else ends[::-1]
    if half is not None:
        half = [half[turn.axes.index(axis)] for axis in range(3)]
    carry = None if answer.carry is None else TurnedBack(answer.carry, turn)
    return replace(answer, points_mm=own, half_voxel_mm=half, carry=carry)
