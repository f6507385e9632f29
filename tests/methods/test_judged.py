"""Answers with how likely they are lost, found again in a query that lies otherwise than its header says."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from rprloc.methods.answer import OUTSIDE, Answers, Found, Key
from rprloc.methods.clock import Clock
from rprloc.methods.judged import Court, Judged, _tells
from rprloc.methods.lost import _WEIGHTS
from rprloc.scans.scan import Scan
from rprloc.scans.turned import UNTURNED, Turn, turned
from tests.methods.patients import ORGANS, SHIFT_MM, WINDOW, patient

SUPPORT, QUERY = patient("s"), patient("q", shift_mm=SHIFT_MM)
HALF = (1.0, 2.0, 3.0)
TURN = Turn((1, 2, 0), (1, -1, 1))


class Knows:
    """Finds the organs in a query that lies as it should and says something else of any other."""

    def __init__(self, otherwise: str | None = None) -> None:
        self.otherwise = otherwise
        self.asked: list[Scan] = []

    def prepare(self, supports: Sequence[Scan]) -> None:
        """Know them already."""

    def locate(self, query: Scan, clock: Clock) -> Answers:
        """Answer."""
        self.asked.append(query)
        right = query.values.shape == QUERY.values.shape and (query.values == QUERY.values).all()
        move = query.grid.box_mm[0] - SUPPORT.grid.box_mm[0] + (0 if right else 50)
        return {
            Key("m", "extreme", "s", name): self.otherwise
            if self.otherwise and not right
            else Found(points_mm=SUPPORT.structures[name].extreme_mm + move, half_voxel_mm=HALF)
            for name in ORGANS
        }


def court() -> Court:
    return Court([SUPPORT], WINDOW, seed=1)


def test_of_a_query_that_lies_as_it_says_nothing_else_is_asked() -> None:
    finder, clock = Knows(), Clock()
    judged = court().answered(finder, QUERY, clock)
    assert len(finder.asked) == 1 and judged.turned is None
    assert set(judged.lost) == set(judged.answers) and max(judged.lost.values()) < 0.2
    assert judged.kept == judged.answers
    assert {part.name for part in clock.seconds} == {"judge"}


@pytest.mark.parametrize("otherwise", [None, "the position map does not know the scan"])
def test_a_query_that_lies_otherwise_is_searched_again_and_answered_where_it_lies(otherwise: str | None) -> None:
    lying = turned(QUERY, TURN.inverse)
    clock = Clock()
    judged = court().answered(Knows(otherwise), lying, clock)
    assert judged.turned is not None and judged.turned.turn == TURN and judged.turned.sided
    for key, answer in judged.answers.items():
        assert isinstance(answer, Found) and judged.lost[key] < 0.5
        true = QUERY.structures[key.structure].extreme_mm @ TURN.matrix
        box = np.stack([true.min(axis=0), true.max(axis=0)])
        # Walls are those of the file: each point lies on its own.
        for wall, point in enumerate(answer.points_mm):
            assert point[wall // 2] == pytest.approx(box[wall % 2, wall // 2])
        np.testing.assert_allclose(np.sort(answer.points_mm, axis=0), np.sort(true, axis=0))
        assert answer.half_voxel_mm == [3.0, 1.0, 2.0]
    assert "turn" in {part.name for part in clock.seconds}


def test_of_three_supports_the_one_that_disagrees_is_the_likeliest_lost() -> None:
    answers = {
        Key("m", "extreme", support, name): Found(
            points_mm=SUPPORT.structures[name].extreme_mm + SHIFT_MM + (0, 0, off), half_voxel_mm=HALF
        )
        for support, off in (("s", 0), ("t", 1), ("u", 40))
        for name in ORGANS
    }
    judge = Court([patient(name) for name in "stu"], WINDOW, seed=1)
    signs = judge.signs(QUERY, {key: one for key, one in answers.items() if key.support == "s"})
    same = {key: signs[key._replace(support="s")] for key in answers}
    judged = Judged(answers, same)
    for name in ORGANS:
        lost = {key.support: one for key, one in judged.lost.items() if key.structure == name}
        alone = {key.support: one for key, one in judged.alone.items() if key.structure == name}
        assert alone["s"] == alone["t"] == alone["u"] < lost["u"]
        assert max(lost["s"], lost["t"]) < lost["u"]


EVEN, EVEN_QUERY = patient("s", even=True), patient("q", even=True)
FEET_UP = Turn((0, 1, 2), (1, 1, -1))


class KnowsSides:
    """Finds the organs where the query has what the support has; those of one that lies otherwise than `right` are off
    by so much.
    """

    def __init__(self, right: Scan, off_mm: float) -> None:
        self._right, self._off_mm = right, off_mm

    def prepare(self, supports: Sequence[Scan]) -> None:
        """Know them already."""

    def locate(self, query: Scan, clock: Clock) -> Answers:
        """Answer."""
        right = query.values.shape == self._right.values.shape and (query.values == self._right.values).all()
        move = query.grid.box_mm[0] - EVEN.grid.box_mm[0] + (0 if right else self._off_mm)
        return {
            Key("m", "extreme", "s", name): Found(points_mm=EVEN.structures[name].extreme_mm + move, half_voxel_mm=HALF)
            for name in ORGANS
        }


@pytest.mark.parametrize("wrong", [FEET_UP, Turn((0, 1, 2), (-1, 1, -1))])
def test_left_and_right_that_look_alike_are_told_by_the_answers(wrong: Turn) -> None:
    """As of an abdomen: laid over each other both ways fit as well, but organs are found in one of them only."""
    judged = Court([EVEN], WINDOW, seed=1).answered(KnowsSides(EVEN_QUERY, 40), turned(EVEN_QUERY, wrong), Clock())
    assert judged.turned is not None and judged.turned.turn == wrong.inverse and judged.turned.sided


def test_left_and_right_that_are_exchanged_alone_are_told_by_the_answers() -> None:
    pair = [EVEN_QUERY, turned(EVEN_QUERY, UNTURNED.mirrored)]
    taken = []
    for query, right in (pair, pair[::-1]):
        assert query is not None and right is not None
        judged = Court([EVEN], WINDOW, seed=1).answered(KnowsSides(right, 40), query, Clock())
        taken.append(None if judged.turned is None else (judged.turned.turn, judged.turned.sided))
    assert taken == [(UNTURNED.mirrored, True)] * 2


@pytest.mark.parametrize(("wrong", "taken"), [(UNTURNED.mirrored, None), (FEET_UP, FEET_UP), (UNTURNED, None)])
def test_left_and_right_that_answers_cannot_tell_are_left_and_said(wrong: Turn, taken: Turn | None) -> None:
    judged = Court([EVEN], WINDOW, seed=1).answered(KnowsSides(EVEN_QUERY, 0), turned(EVEN_QUERY, wrong), Clock())
    assert (judged.turned is None) == (taken is None)
    if judged.turned is not None:
        assert judged.turned.turn == taken and not judged.turned.sided


@pytest.mark.parametrize(
    ("supports", "times", "told"), [(1, 3.0, False), (1, 5.0, True), (3, 3.0, True), (3, 1.4, False)]
)
def test_one_support_has_to_tell_sides_more_clearly_than_three(supports: int, times: float, told: bool) -> None:
    def found(odds: float) -> Judged:
        # Of the signs of an answer only its likeness differs.
        likeness = np.log(odds) / _WEIGHTS[0]
        keys = [Key("m", "extreme", f"s{number}", name) for number in range(supports) for name in ORGANS]
        answer = Found(points_mm=SUPPORT.structures["organ"].extreme_mm, half_voxel_mm=HALF)
        return Judged(dict.fromkeys(keys, answer), dict.fromkeys(keys, np.array([likeness + 0.5, 0.1, 1.0, np.nan])))

    assert _tells(found(0.5), found(0.5 * times)) == told
    assert not _tells(found(0.5 * times), found(0.5))
    assert not _tells(found(0.5), Judged({}))


def test_in_another_body_nothing_is_repaired_and_the_answers_are_lost() -> None:
    judged = court().answered(Knows(), patient("o", seed=7), Clock())
    assert judged.turned is None and min(judged.lost.values()) > 0.5


def test_a_query_that_does_not_show_the_structures_is_answered_as_it_is() -> None:
    judged = court().answered(Knows(OUTSIDE), turned(QUERY, TURN), Clock())
    assert judged.turned is not None or set(judged.answers.values()) == {OUTSIDE}


def test_without_a_support_nothing_is_judged() -> None:
    judged = Court([], WINDOW, seed=1).answered(Knows(), QUERY, Clock())
    assert judged.lost == {} and judged.turned is None and len(judged.answers) == len(ORGANS)


def test_the_turn_of_a_copy_is_not_looked_for_in_itself() -> None:
    assert court().answered(Knows("nothing"), turned(SUPPORT, UNTURNED.mirrored), Clock()).turned is None
