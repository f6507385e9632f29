"""Voxel and world coordinates of a grid, and boxes of points."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rprloc.geometry import CORNERS, WALLS, Grid, box_iou, box_of_points, robust_mean, wall_centres, walls_of

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


def test_the_robust_mean_of_values_that_agree_is_their_mean() -> None:
    values = np.array([[0.0, 10.0], [1.0, 11.0], [2.0, 12.0]])
    np.testing.assert_allclose(robust_mean(values), [1, 11])
    np.testing.assert_allclose(robust_mean(values.T, axis=1), [1, 11])
    assert robust_mean([3.0]) == 3


@pytest.mark.parametrize("far", [50.0, 5e4])
def test_one_value_that_is_wrong_has_little_say(far: float) -> None:
    # The others' sum of distances is the 2 mm that count of the one.
    assert robust_mean([0.0, 1.0, far]) == pytest.approx(1.5)
    assert robust_mean([0.0, 1.0, 2.0, 3.0, -far]) == pytest.approx(1.5 - 2 / 4, abs=1e-6)


def test_what_has_more_weight_has_more_say() -> None:
    np.testing.assert_allclose(robust_mean([[0.0, 8.0], [1.0, 9.0]], weights=np.array([[3.0], [1.0]])), [0.25, 8.25])
    # Two that are doubtful do not outvote one that is not, nor is there any where nothing weighs.
    assert robust_mean([0.0, 0.0, 50.0], weights=[0.1, 0.1, 0.9]) > 48
    assert robust_mean([7.0, np.nan, 99.0], weights=[1.0, 1.0, 0.0]) == 7


def test_what_is_not_known_is_left_out() -> None:
    values = np.array([[1.0, np.nan], [3.0, np.nan], [np.nan, np.nan]])
    np.testing.assert_array_equal(robust_mean(values), [2, np.nan])


@given(st.lists(st.tuples(numbers, st.floats(0, 100)), min_size=1, max_size=9), numbers)
def test_the_robust_mean_moves_with_its_values_and_keeps_walls_in_order(
    walls: list[tuple[float, float]], move: float
) -> None:
    low = np.array([start for start, _ in walls])
    high = low + [width for _, width in walls]
    first, last = robust_mean(low), robust_mean(high)
    assert first <= last + 1e-3
    assert low.min() - 1e-6 <= first <= low.max() + 1e-6
    assert robust_mean(low + move) == pytest.approx(first + move, abs=1e-3)


def test_walls_by_direction_and_their_middles() -> None:
    assert walls_of([(0, 0, 1), (-0.9, 0.1, 0.2), (0.1, -1, 0), (-1, 0, 0)]) == ("right", "anterior", "superior")
    centres = wall_centres([[0, 0, 0], [2, 4, 8]])
    np.testing.assert_array_equal(centres[:3], [[0, 2, 4], [2, 2, 4], [1, 0, 4]])
    np.testing.assert_array_equal(box_of_points(centres), [[0, 0, 0], [2, 4, 8]])


def test_boxes_without_volume_share_nothing() -> None:
    flat = [[0, 0, 0], [10, 10, 0]]
    assert box_iou(flat, flat) == 0


def test_many_boxes_at_once_are_each_alone() -> None:
    rng = np.random.default_rng(3)
    first, second = (np.sort(rng.uniform(0, 10, (4, 5, 2, 3)), axis=-2) for _ in range(2))
    together = box_iou(first, second)
    assert together.shape == (4, 5)
    assert together[2, 3] == box_iou(first[2, 3], second[2, 3])
