"""Scans in another order of axes or turned round: exact, undone, and in words."""

from __future__ import annotations

import numpy as np
import pytest

from rprloc.scans.turned import TURNS, UNTURNED, Turn, turned
from tests.methods.patients import patient

FEET_UP = Turn((0, 1, 2), (1, 1, -1))
ROUND = Turn((1, 2, 0), (1, -1, 1))
SCAN = patient("p")


def test_there_are_48_turns_and_each_is_undone_by_its_inverse() -> None:
    assert len(set(TURNS)) == 48 and TURNS[0] == UNTURNED
    for turn in TURNS:
        np.testing.assert_array_equal(turn.inverse.matrix @ turn.matrix, np.eye(3))
        assert turn.mirrors == (np.linalg.det(turn.matrix) < 0)
        np.testing.assert_array_equal(turn.mirrored.matrix, np.diag([-1, 1, 1]) @ turn.matrix)


@pytest.mark.parametrize("turn", [FEET_UP, ROUND, *TURNS[1::9]], ids=str)
def test_a_voxel_goes_where_the_turn_takes_its_place_and_nothing_is_lost(turn: Turn) -> None:
    lying = turned(SCAN, turn)
    index = np.array([5, 20, 11])
    place = turn.matrix @ SCAN.grid.world(index)
    there = tuple(lying.grid.nearest_voxel(place).tolist())
    assert lying.values[there] == SCAN.values[tuple(index)] and lying.body[there] == SCAN.body[tuple(index)]
    np.testing.assert_allclose(turn.back(place), SCAN.grid.world(index))
    np.testing.assert_array_equal(np.sort(lying.values, axis=None), np.sort(SCAN.values, axis=None))
    again = turned(lying, turn.inverse)
    np.testing.assert_array_equal(again.values, SCAN.values)
    np.testing.assert_allclose(again.grid.box_mm, SCAN.grid.box_mm)
    assert not lying.structures and lying.subject == "p"


def test_a_turn_in_words() -> None:
    assert str(FEET_UP) == "head and feet are exchanged"
    assert str(Turn((0, 1, 2), (-1, -1, 1))) == "left and right as well as back and front are exchanged"
    said = str(Turn((1, 0, 2), (1, -1, 1)))
    assert said == "its axes are exchanged: left where its header says back, front where its header says left"
