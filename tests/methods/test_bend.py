"""What lies around moved points moves with them."""

from __future__ import annotations

import numpy as np
import pytest

from rprloc.geometry import Grid
from rprloc.methods import bend
from rprloc.methods.bend import Bend

BEND = Bend(np.array([[0.0, 0, 0], [120.0, 0, 0]]), np.array([[6.0, 0, -3], [0.0, 9, 0]]))


def test_points_move_as_the_nearest_does_and_what_is_far_stays() -> None:
    moves = BEND.at(np.array([[0.0, 0, 0], [3.0, 1, 0], [120.0, 2, 0], [0.0, 400, 0]]))
    np.testing.assert_allclose(moves, [[6, 0, -3], [6, 0, -3], [0, 9, 0], [0, 0, 0]], atol=0.5)


def test_many_points_are_moved_some_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    points = np.random.default_rng(0).uniform(-20, 140, (50, 3))
    at_once = BEND.at(points)
    monkeypatch.setattr(bend, "_AT_ONCE", 7)
    np.testing.assert_allclose(BEND.at(points), at_once)
    assert BEND.at(points[:0]).shape == (0, 3)


@pytest.mark.parametrize("spacing", [(3.0, 3.0, 3.0), (6.0, 6.0, 6.0), (2.0, 20.0, 5.0)])
def test_a_grid_s_moves_are_those_of_its_voxels(spacing: tuple[float, float, float]) -> None:
    grid = Grid((13, 5, 8), spacing, (-10.0, -20.0, -15.0))
    points = grid.world(np.stack(np.indices(grid.size[::-1]), axis=-1))
    moves = BEND.on(grid)
    assert moves.shape == (8, 5, 13, 3)
    np.testing.assert_allclose(moves, BEND.at(points.reshape(-1, 3)).reshape(moves.shape), atol=0.4)


def test_one_voxel_is_a_grid() -> None:
    assert BEND.on(Grid((1, 1, 1), (3.0, 3.0, 3.0), (0.0, 0.0, 0.0))).shape == (1, 1, 1, 3)
