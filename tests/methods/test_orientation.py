"""How a query lies in truth, by its looks alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from rprloc.methods.orientation import Turnable, turns_of
from rprloc.scans.turned import UNTURNED, Turn, turned
from tests.methods.patients import SHIFT_MM, WINDOW, patient

SUPPORT = Turnable.of(patient("s"), WINDOW)
QUERY = patient("q", shift_mm=SHIFT_MM)
WRONG = {
    "feet up": Turn((0, 1, 2), (1, 1, -1)), "left to right": Turn((0, 1, 2), (-1, 1, 1)),
    "half round y": Turn((0, 1, 2), (-1, 1, -1)), "x and z": Turn((2, 1, 0), (1, 1, 1)),
    "all three": Turn((1, 2, 0), (1, -1, 1)),
}  # fmt: skip


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
def test_a_query_that_lies_otherwise_is_turned_back(wrong: Turn) -> None:
    (found,) = turns_of(turned(QUERY, wrong), [SUPPORT], seed=1)
    assert found.turn == wrong.inverse and found.sided
    assert str(found) == f"{wrong.inverse}, by its looks: answered as if it were turned back, where it lies in the file"


def test_a_query_that_lies_as_it_says_is_left_and_so_is_another_body() -> None:
    assert turns_of(QUERY, [SUPPORT], seed=1) == ()
    assert {one.turn for one in turns_of(patient("o", seed=7), [SUPPORT], seed=1)} <= {UNTURNED.mirrored}


def test_of_a_patient_whose_sides_are_alike_both_ways_are_said_the_simpler_one_first() -> None:
    support, query = Turnable.of(patient("s", even=True), WINDOW), patient("q", even=True)
    for wrong in (Turn((0, 1, 2), (1, 1, -1)), Turn((0, 1, 2), (-1, 1, -1))):
        found = turns_of(turned(query, wrong), [support], seed=1)
        assert [one.turn for one in found] == [Turn((0, 1, 2), (1, 1, -1)), Turn((0, 1, 2), (-1, 1, -1))]
        assert not any(one.sided for one in found)
        assert str(found[0]).endswith("; left and right cannot be told apart and may be exchanged")


def test_of_sides_that_look_alike_it_is_asked_whether_they_are_exchanged_alone() -> None:
    support, query = Turnable.of(patient("s", even=True), WINDOW), patient("q", even=True)
    found = [turns_of(turned(query, wrong), [support], seed=1) for wrong in (UNTURNED, UNTURNED.mirrored)]
    assert [[(one.turn, one.sided) for one in ways] for ways in found] == [[(UNTURNED.mirrored, False)]] * 2


def test_several_supports_say_together_how_a_query_lies() -> None:
    lying = Turnable.of(replace(patient("t"), values=patient("t").values[::-1].copy()), WINDOW)
    assert [one.turn.signs[2] for one in turns_of(QUERY, [lying], seed=1)] == [-1]
    assert turns_of(QUERY, [lying, SUPPORT, Turnable.of(patient("u"), WINDOW)], seed=1) == ()


def test_a_support_that_shows_one_grey_value_tells_nothing() -> None:
    flat = patient("s")
    flat.values[:] = -1000
    assert turns_of(QUERY, [Turnable.of(flat, WINDOW)], seed=1) == ()
    assert np.isfinite(flat.values).all()
