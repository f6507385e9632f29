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
from rprloc.methods.orientation import Turnable, Turned, turn_of
from rprloc.scans.scan import Scan
from rprloc.scans.turned import Turn, turned


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
            key: float(agreed(np.array(lost), np.array(apart[key]))) if key in apart else lost
            for key, lost in self.alone.items()
        }

    @property
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
        these are taken.
        """
        answers = finder.locate(query, clock)
        with clock.part("judge"):
            first = Judged(answers, self.signs(query, answers))
        if _doubt(first) < DOUBTFUL:
            return first
        with clock.part("turn"):
            found = self._turn(query)
            lying = None if found is None else turned(query, found.turn)
        if found is None or lying is None:
            return first
        again = finder.locate(lying, clock)
        with clock.part("judge"):
            second = Judged(again, self.signs(lying, again))
        if _doubt(second) >= min(_doubt(first), LOST_AT):
            return first
        carried = {
            key: answer if isinstance(answer, str) else _back(answer, found.turn) for key, answer in again.items()
        }
        return Judged(carried, second.signs, found)

    def signs(self, query: Scan, answers: Answers) -> dict[Key, FloatArray]:
        """Return what answers for a query are judged by."""
        return self._judge.signs(query, answers)

    def _turn(self, query: Scan) -> Turned | None:
        """Return how a query lies by the first support that is another scan and has a structure."""
        support = next((scan for scan in others(self._supports, query) if scan.structures), None)
        if support is None:
            return None
        if support.subject not in self._turnable:
            self._turnable[support.subject] = Turnable.of(support, self._window)
        return turn_of(query, self._turnable[support.subject], seed=self._seed)


def _doubt(judged: Judged) -> float:
    """Return the median probability that answers are lost; one that was not found counts as certainly lost, unless the
    query may not show the structure. Of a scan that lies otherwise all supports may say the same: each is asked alone.
    """
    lost = judged.alone
    doubts = [
        lost.get(key, 0.0) if isinstance(answer, Found) else 1.0
        for key, answer in judged.answers.items()
        if answer != OUTSIDE
    ]
    return float(np.median(doubts)) if doubts else 1.0


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
