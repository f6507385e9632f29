"""Box metrics with answers worked out by hand, and through the table."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rprloc.geometry import CORNERS, WALLS, box_iou
from rprloc.results.frame import COLUMNS, Main, alone
from rprloc.results.measure import metrics
from tests.results import cohorts

CUBE = [[0, 0, 0], [10, 10, 10]]

corner = st.tuples(*[st.floats(-100, 100, allow_nan=False) for _ in range(3)])
extent = st.tuples(*[st.floats(0.5, 60) for _ in range(3)])


@st.composite
def boxes(draw: Any) -> np.ndarray[Any, Any]:
    """Any box with a volume."""
    low = np.array(draw(corner))
    return np.stack([low, low + np.array(draw(extent))])


@pytest.mark.parametrize(
    ("found", "iou", "awd"),
    [
        (CUBE, 1.0, 0.0),
        ([[5, 0, 0], [15, 10, 10]], 500 / 1500, 10 / 6),
        ([[0, 0, 0], [10, 10, 5]], 0.5, 5 / 6),
        ([[5, 5, 5], [15, 15, 15]], 125 / 1875, 5.0),
        ([[10, 0, 0], [20, 10, 10]], 0.0, 20 / 6),
        ([[2, 2, 2], [8, 8, 8]], 0.216, 2.0),
    ],
)
def test_known_boxes(found: Any, iou: float, awd: float) -> None:
    assert box_iou(CUBE, found) == pytest.approx(iou)
    assert metrics.wall_distance(CUBE, found) == pytest.approx(awd)


@settings(max_examples=30)
@given(boxes(), boxes())
def test_iou_is_symmetric_and_a_fraction(first: Any, second: Any) -> None:
    iou = box_iou(first, second)
    assert 0 <= iou <= 1
    assert iou == pytest.approx(float(box_iou(second, first)))
    assert box_iou(first, first) == pytest.approx(1)


@settings(max_examples=30)
@given(boxes(), corner)
def test_a_shifted_box_has_the_mean_shift_as_wall_distance(box: Any, shift: Any) -> None:
    assert metrics.wall_distance(box, box + np.array(shift)) == pytest.approx(float(np.abs(shift).mean()), abs=1e-9)


@settings(max_examples=30)
@given(boxes(), boxes(), corner)
def test_the_place_in_the_world_does_not_matter(first: Any, second: Any, shift: Any) -> None:
    moved = box_iou(first + np.array(shift), second + np.array(shift))
    assert moved == pytest.approx(float(box_iou(first, second)), abs=1e-6)


def test_voxel_centre_convention_is_a_voxel_smaller() -> None:
    # Ten voxels of 1 mm from edge 0 to 10 have their outermost centres at 0.5 and 9.5.
    half = [0.5, 0.5, 0.5]
    assert metrics.shrink(CUBE, half).tolist() == [[0.5] * 3, [9.5] * 3]
    found = [[1, 0, 0], [11, 10, 10]]
    assert metrics.reference_iou(CUBE, half, found, half) == pytest.approx(8 / 10)
    assert box_iou(CUBE, found) == pytest.approx(9 / 11)


def test_one_voxel_has_a_volume_on_edges_and_none_on_centres() -> None:
    voxel, half = [[0, 0, 0], [1, 1, 3]], [0.5, 0.5, 1.5]
    assert box_iou(voxel, voxel) == 1
    assert metrics.reference_iou(voxel, half, voxel, half) == 0
    # A found box thinner than the support's voxel does not turn inside out.
    assert metrics.shrink([[0, 0, 0], [1, 1, 1]], half)[:, 2].tolist() == [0.5, 0.5]


def test_each_half_voxel_belongs_to_its_own_box() -> None:
    found = [[0, 0, 0], [12, 10, 10]]
    value = metrics.reference_iou(CUBE, [0, 0, 0], found, [1, 0, 0])
    # The support's half voxel of 1 mm leaves 1 to 11 of the found box.
    assert value == pytest.approx(9 / 11)


def test_a_shifted_box_through_the_table() -> None:
    shift = np.array([3.0, -2.0, 1.0])
    made = cohorts.of_shifts({"q0": {"s0": 0.0}})
    moved = cohorts.prediction("q0", "heart", "s0", np.add(cohorts.CUBE, shift))
    line = metrics.metrics_of([moved], made.scans).iloc[0]
    assert (line["awd_mm"], line["mre_mm"]) == pytest.approx((2, np.sqrt(14)))
    assert line["iou"] == pytest.approx(7 * 8 * 9 / (2000 - 7 * 8 * 9)) and not line["main"]
    assert metrics.metrics_of([moved], made.scans, main={Main("regression", cohorts.MAIN)})["main"].all()


def test_corners_and_extreme_points_are_each_measured_at_their_own() -> None:
    made = cohorts.of_shifts({"q0": {"s0": 0.0}})
    corners = cohorts.prediction("q0", "heart", "s0", [[-3, -4, 0], [10, 10, 10]], setting="diagonal.k5.c1f0")
    points = cohorts.prediction("q0", "heart", "s1", cohorts.CUBE)
    assert set(corners.points_mm or ()) == set(CORNERS) and set(points.points_mm or ()) == set(WALLS)
    table = metrics.metrics_of([corners, points, corners], made.scans)
    assert table["mre_mm"].tolist() == pytest.approx([2.5, 0, 2.5])


def test_misses_unknown_truth_and_the_columns() -> None:
    made = cohorts.cohort(queries=3, supports=1, tables=False)
    made.hide("q2", "mandible")
    made.set_aside("q1", "broken")
    rows = [cohorts.lost(one) if one.subject == "q0" else one for one in made.predictions]
    rows = [cohorts.lost(one, "scan set aside: broken") if one.subject == "q1" else one for one in rows]
    table = metrics.metrics_of(rows, made.scans, labelled={"q0", "q1", "q2"}).set_index(["subject", "structure"])
    assert [*table.index.names, *table.columns] == ["subject", "structure"] + [
        name for name in COLUMNS if name not in ("subject", "structure")
    ]
    missed = table.loc[["q0", "q1"]]
    assert (missed[["iou", "iou_reference"]] == 0).all(axis=None)
    assert missed[["awd_mm", "mre_mm", "spread_mm", "confidence"]].isna().all(axis=None)
    # A structure without truth has no metrics and is no failure.
    bare = table.loc[("q2", "mandible")]
    assert not bare["failed"] and bare[["iou", "iou_reference", "awd_mm", "mre_mm"]].isna().all()
    # What the label of a scan that was set aside holds is not known; without one there is nothing to miss.
    blank = metrics.metrics_of(rows, made.scans, labelled={"q0", "q2"}).set_index("subject")
    assert blank.loc["q1", "iou"].isna().all() and blank.loc["q1", "failed"].all()
    assert (alone(table)["seconds"] == 0.75).all()


def test_no_prediction_gives_an_empty_table_of_the_same_types() -> None:
    some = metrics.metrics_of(cohorts.cohort(queries=1, tables=False).predictions, {})
    none = metrics.metrics_of([], {})
    assert list(none.columns) == list(COLUMNS) and none.empty
    assert (none.dtypes[["drawn", "main", "iou"]] == some.dtypes[["drawn", "main", "iou"]]).all()
