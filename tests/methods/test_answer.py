"""What is found or not, as a prediction; settings by name; the spread of several answers."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest

from rprloc.errors import InputError
from rprloc.geometry import CORNERS, WALLS, Grid
from rprloc.methods.answer import (
    LOST,
    NO_SUPPORT,
    OUTSIDE,
    UNSURE,
    Found,
    Key,
    Prediction,
    Setting,
    judged_prediction,
    others,
    placed,
    prediction_of,
    present,
    spread_of,
    with_open_walls,
)
from rprloc.scans.record import Native
from tests.methods.fakes import ORGAN, altered, points_of, scan

HALF = (0.5, 0.5, 1.0)
KEY = Key("m", "extreme", "s", "organ")
WALL_POINTS = np.array([[0.0, 2, 2], [10, 2, 2], [5, 0, 2], [5, 4, 2], [5, 2, 0], [5, 2, 4]])


def test_a_setting_is_its_name() -> None:
    assert str(Setting("extreme", 15, 1, 1)) == "extreme.k15.c1f1"
    for name in ("extreme.k15.c1f1", "diagonal.k1.c3f0"):
        assert str(Setting.of(name)) == name
    for wrong in ("", "extreme.k15", "corner.k1.c1f1", "extreme.k1.c1f1 "):
        with pytest.raises(ValueError, match="is no setting"):
            Setting.of(wrong)


def test_the_spread_is_the_root_mean_square_distance_to_the_mean() -> None:
    positions = np.array([[[0.0, 0, 0], [6, 0, 0]], [[1, 1, 1], [1, 1, 1]]])
    np.testing.assert_allclose(spread_of(positions), [3, 0])


def test_a_support_shows_what_is_asked_for_in_that_order_or_all_by_name() -> None:
    support = scan("s", {"b": ORGAN, "a": ORGAN, "c": ORGAN})
    assert present(support, ["c", "liver", "a"]) == ["c", "a"]
    assert present(support, None) == ["a", "b", "c"]
    assert [one.subject for one in others([support, scan("t")], scan("s"))] == ["t"]


def found(points_mm: Any, **more: Any) -> Prediction:
    """Return the prediction of points that were found."""
    return prediction_of(scan("q"), KEY, Found(points_mm=np.asarray(points_mm), half_voxel_mm=HALF, **more), drawn="s")


def test_six_points_are_named_by_their_walls_and_two_by_their_corners() -> None:
    for points, names in ((WALL_POINTS, WALLS), ([[0.0, 0, 0], [10, 4, 4]], CORNERS)):
        row = found(points)
        assert list(row.points_mm or {}) == list(names) and row.box_mm == [[0, 0, 0], [10, 4, 4]]
        np.testing.assert_array_equal(points_of(row), points)
        assert (row.half_voxel_mm, row.failed, row.reason) == (list(HALF), False, None)


@pytest.mark.parametrize(
    ("lost", "sure", "expected"),
    [(0.1, True, 0.9), (0.1, False, UNSURE), (0.7, False, 0.3), (None, True, 0.8), (None, False, UNSURE)],
)
def test_confidence_is_that_an_answer_is_not_lost_and_never_certain_of_a_patient_who_may_lie_otherwise(
    lost: float | None, sure: bool, expected: float
) -> None:
    """Without it a network's own score stands for it."""
    row = judged_prediction(found(WALL_POINTS, confidence=0.8, spread_mm=3.0), lost, at=0.9, sure=sure)
    assert (row.confidence, row.lost) == (pytest.approx(expected), lost) and not row.failed
    assert row.box_mm == found(WALL_POINTS).box_mm and row.spread_mm == 3


def test_a_lost_answer_says_so_and_nothing_else() -> None:
    row = judged_prediction(found(WALL_POINTS, confidence=0.8, spread_mm=3.0), 0.9, at=0.9, sure=True)
    assert (row.failed, row.reason, row.lost) == (True, LOST, 0.9)
    assert (row.points_mm, row.box_mm, row.half_voxel_mm, row.spread_mm, row.confidence) == (None,) * 5


@pytest.mark.parametrize(("support", "drawn", "count"), [("s", True, 1), ("t", False, 1), (NO_SUPPORT, True, 0)])
def test_the_drawn_support_s_rows_and_those_of_none_are_drawn(support: str, drawn: bool, count: int) -> None:
    row = prediction_of(scan("q"), KEY._replace(support=support), "there is no body", drawn="s")
    assert (row.support, row.drawn, row.n_supports) == (support, drawn, count)
    assert (row.failed, row.reason, row.points_mm, row.box_mm) == (True, "there is no body", None, None)
    assert row.key == KEY._replace(support=support) and (row.cohort, row.subject) == ("c", "q")


def test_a_row_of_the_file_is_the_prediction() -> None:
    row = msgspec.structs.replace(found(WALL_POINTS, spread_mm=2.0), seconds={"search": 0.5}, device="CPU")
    assert Prediction.from_json(row.to_json()) == row
    for wrong in (row.to_json() | {"n_supports": "two"}, {"subject": "q"}):
        with pytest.raises(InputError, match="predictions: expected rows as LOCALIZE writes them, found: "):
            Prediction.from_json(wrong)


def placed_in(high_mm: Any, points_mm: Any = WALL_POINTS) -> Found | str:
    """Return what points are in a field that reaches from -9 mm to its highest corner."""
    spacing = (np.asarray(high_mm, dtype=float) + 9) / 2
    grid = Grid((2, 2, 2), tuple(spacing.tolist()), tuple((spacing / 2 - 9).tolist()))
    return placed(np.asarray(points_mm, dtype=float), HALF, scan("q", grid=grid), spread_mm=10.0)


def test_a_structure_within_the_field_is_placed_as_it_is() -> None:
    answer = placed_in([10, 9, 9])
    assert isinstance(answer, Found) and (answer.spread_mm, answer.half_voxel_mm) == (10, HALF)
    np.testing.assert_allclose(answer.points_mm, WALL_POINTS)


@pytest.mark.parametrize(
    ("high", "shown"),
    [
        ((5.01, 9, 9), True),
        ((4.99, 9, 9), False),
        ((-3.0, 9, 9), False),
        ((5.1, 2.1, 9), False),  # A quarter, as half of it is missing along two axes.
        ((7.2, 2.9, 9), True),
    ],
)
def test_half_of_a_box_is_enough_and_what_sticks_out_is_cut_off(high: Any, shown: bool) -> None:
    answer = placed_in(high)
    if shown:
        assert isinstance(answer, Found)
        np.testing.assert_allclose(answer.points_mm, np.minimum(WALL_POINTS, high))
    else:
        assert answer == OUTSIDE


def test_a_flat_structure_is_shown_where_the_field_holds_it() -> None:
    flat = WALL_POINTS * [1, 1, 0]
    assert isinstance(placed_in([10, 9, 9], flat), Found)
    assert placed_in([10, 9, -1], flat) == OUTSIDE


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_points_that_are_no_numbers_fail(wrong: float) -> None:
    points = WALL_POINTS.copy()
    points[3, 1] = wrong
    assert placed_in([10, 9, 9], points) == "the answer is not a number"


def test_a_single_landmark_has_a_place_and_no_box() -> None:
    row = found([[1.0, 2.0, 3.0]])
    assert (row.point, row.points_mm, row.box_mm, row.half_voxel_mm) == (True, {"point": [1, 2, 3]}, None, None)
    assert Prediction.from_json(row.to_json()) == row and with_open_walls(row, scan("q"), ("left",)) == row
    low, high = scan("q").grid.box_mm
    assert isinstance(placed(low[None], (0, 0, 0), scan("q"), spread_mm=0), Found)
    assert placed(high[None] + 1, (0, 0, 0), scan("q"), spread_mm=0) == OUTSIDE


def test_walls_are_open_where_the_support_s_are_and_at_the_border_of_the_query() -> None:
    native = Native(size=(20, 20, 20), spacing_mm=(1, 1, 1), direction=(1, 0, 0, 0, 1, 0, 0, 0, 1), origin_mm=(0, 0, 0))
    query = altered(scan("q"), native=native)
    row = found([[-0.5, 2, 2], [10, 2, 2], [5, 0, 2], [5, 4, 2], [5, 2, 1], [5, 2, 19.0]])
    assert with_open_walls(row, query, ("posterior",)).open_walls == ("right", "anterior", "posterior", "superior")
    assert with_open_walls(row, scan("q"), ()).open_walls == ()
