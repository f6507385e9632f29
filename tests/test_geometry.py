"""Voxel and world coordinates of a grid, and boxes of points."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from rprloc.geometry import CORNERS, WALLS, Grid, box_of_points

GRID = Grid((4, 5, 6), (1.0, 2.0, 3.0), (10.0, 20.0, 30.0))
numbers = st.floats(-500, 500)
grids = st.builds(
    Grid,
    st.tuples(*[st.integers(1, 400)] * 3),
    st.tuples(*[st.floats(0.3, 8)] * 3),
    st.tuples(*[numbers] * 3),
)


def test_voxels_are_z_y_x_and_world_points_x_y_z() -> None:
    np.testing.assert_array_equal(GRID.world([0, 0, 0]), [10, 20, 30])
    np.testing.assert_array_equal(GRID.world([1, 0, 0]), [10, 20, 33])
    np.testing.assert_array_equal(GRID.world([0, 1, 0]), [10, 22, 30])
    np.testing.assert_array_equal(GRID.world([0, 0, 1]), [11, 20, 30])
    np.testing.assert_array_equal(GRID.voxel([11, 24, 39]), [3, 2, 1])


@given(grids, st.tuples(numbers, numbers, numbers))
def test_a_world_point_survives_the_way_to_voxels_and_back(grid: Grid, point: Any) -> None:
    np.testing.assert_allclose(grid.world(grid.voxel(point)), point, atol=1e-9)
    np.testing.assert_allclose(grid.voxel(grid.world(point)), point, atol=1e-7)


@given(grids, st.tuples(numbers, numbers, numbers))
def test_the_nearest_voxel_is_in_the_grid_and_none_is_nearer(grid: Grid, point: Any) -> None:
    voxel = grid.nearest_voxel(point)
    assert voxel.dtype == np.int64
    assert np.all((voxel >= 0) & (voxel < grid.size[::-1]))
    inside = np.clip(grid.voxel(point), 0, np.array(grid.size[::-1]) - 1)
    assert np.all(np.abs(voxel - inside) <= 0.5 + 1e-9)


def test_points_outside_go_to_the_edge() -> None:
    np.testing.assert_array_equal(GRID.nearest_voxel([[-1e4, 1e4, 30], [1e4, -1e4, 1e4]]), [[0, 4, 0], [5, 0, 3]])


def test_a_fraction_of_a_voxel_is_never_lost() -> None:
    np.testing.assert_allclose(GRID.voxel(GRID.world([0.123456789, 1.5, 2.75])), [0.123456789, 1.5, 2.75], atol=1e-12)
    assert GRID.world([0, 0, 0]).dtype == np.float64


@given(grids)
def test_json_keeps_a_grid(grid: Grid) -> None:
    assert Grid.from_json(grid.to_json()) == grid


def test_the_walls_are_minimum_then_maximum_of_x_y_z() -> None:
    assert WALLS == ("right", "left", "anterior", "posterior", "inferior", "superior")
    assert CORNERS == ("minimum", "maximum")


def test_a_box_is_the_least_and_the_greatest_of_its_points() -> None:
    points = [[[1.0, 5.0, 3.0], [2.0, 4.0, 9.0]], [[0.0, 0.0, 0.0], [-1.0, 1.0, 0.5]]]
    np.testing.assert_array_equal(
        box_of_points(points), [[[1, 4, 3], [2, 5, 9]], [[-1, 0, 0], [0, 1, 0.5]]]
    )  # fmt: skip


@given(st.lists(st.tuples(numbers, numbers, numbers), min_size=1, max_size=6))
def test_a_box_holds_its_points_in_any_order(points: Any) -> None:
    low, high = box_of_points(points)
    assert np.all(low <= points) and np.all(points <= high)
    np.testing.assert_array_equal(box_of_points(points[::-1]), [low, high])
