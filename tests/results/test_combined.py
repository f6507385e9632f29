"""Answers of all supports together, worked out by hand, and that no number of single answers changes with them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest

from rprloc.cohort.faults import NAME
from rprloc.cohort.methods import ALL_SUPPORTS
from rprloc.methods.prediction import OUTSIDE
from rprloc.results import boxes, comparison, metrics, seconds, table3, tables
from rprloc.results.combined import alone, combine, combined_rows, together
from tests.results import cohorts

MAIN = "extreme.k15.c1f1"
STARTS = {"demo": 15}


def answer(support: str, shift: Any, **more: Any) -> dict[str, Any]:
    """Return an answer for q0 whose box is a cube of 20 mm at a place along the diagonal."""
    low = np.zeros(3) + shift
    return cohorts.answer("demo", "q0", "heart", MAIN, support, support == "s0", (low, low + 20)) | more


def failed(support: str, reason: str) -> dict[str, Any]:
    """Return an answer that was not found."""
    nothing = {"points_mm": None, "box_mm": None, "half_voxel_mm": None, "spread_mm": None}
    return answer(support, 0) | nothing | {"failed": True, "reason": reason}


def test_the_robust_mean_of_three() -> None:
    rows = [answer("s0", 1), answer("s1", 2, half_voxel_mm=[0.5, 0.5, 2]), answer("s2", 9, half_voxel_mm=[2, 2, 3])]
    row = combine(rows)
    # 9 is as far from 4 as may count, and 4 is the mean of 1, 2 and 9.
    np.testing.assert_allclose(row["box_mm"], [[4, 4, 4], [24, 24, 24]])
    for name, point in rows[1]["points_mm"].items():
        np.testing.assert_allclose(row["points_mm"][name], np.add(point, 2))
    assert row["half_voxel_mm"] == [1, 1, 2]
    # Places 1, 2 and 9 lie 3, 2 and 5 from their mean, along each of three axes.
    assert row["spread_mm"] == pytest.approx(math.sqrt(9 + 4 + 25))
    assert row["confidence"] == pytest.approx(10 / (10 + math.sqrt(38)))
    assert (row["support"], row["n_supports"], row["drawn"], row["failed"], row["reason"]) == (
        "*",
        3,
        False,
        False,
        None,
    )
    assert row["seconds"] == pytest.approx({"load": 0.75, "coarse": 1.5})
    assert set(row) == set(rows[0])
    assert rows[0] == answer("s0", 1)


def test_each_wall_and_coordinate_has_a_mean_of_its_own() -> None:
    row = combine([answer("s0", [1, 9, 2]), answer("s1", [2, 1, 9]), answer("s2", [9, 2, 1])])
    np.testing.assert_allclose(row["box_mm"], [[4, 4, 4], [24, 24, 24]])
    np.testing.assert_allclose(row["points_mm"]["right"], [4, 14, 14])


def test_a_failure_is_left_out() -> None:
    row = combine([failed("s0", "lost"), answer("s1", 2), answer("s2", 9)])
    assert row["box_mm"] == [[5.5] * 3, [25.5] * 3]
    assert (row["n_supports"], row["failed"], row["reason"]) == (2, False, None)


@pytest.mark.parametrize(("outside", "missed"), [(1, False), (2, True)])
def test_what_most_supports_do_not_see_is_not_there(outside: int, missed: bool) -> None:
    rows = [failed(f"s{number}", OUTSIDE) for number in range(outside)]
    row = combine([answer("s9", 1), *rows])
    assert (row["failed"], row["reason"]) == ((True, OUTSIDE) if missed else (False, None))
    assert (row["box_mm"] is None, row["n_supports"]) == (missed, int(not missed))


def test_one_answer_alone_says_nothing_of_its_spread() -> None:
    row = combine([failed("s0", "lost"), answer("s1", 2)])
    assert row["box_mm"] == answer("s1", 2)["box_mm"]
    assert (row["n_supports"], row["spread_mm"], row["confidence"]) == (1, None, None)


def test_without_any_answer_it_fails_with_the_first_reason() -> None:
    row = combine([failed("s0", "lost"), failed("s1", "cut")])
    assert (row["failed"], row["reason"], row["n_supports"], row["box_mm"]) == (True, "lost", 0, None)
    assert row["support"] == "*" and not row["drawn"]


def test_stages_that_only_some_answers_have_are_added_up() -> None:
    row = combine([answer("s0", 1, seconds={"read": 0.1, "search": 1.0}), answer("s1", 2, seconds={"search": 2.0})])
    assert row["seconds"] == {"read": 0.1, "search": 3.0}


def test_who_has_an_answer_of_several() -> None:
    rows = [answer("s0", 1), answer("s1", 2)]
    others = [row | {"setting": "extreme.k15.c1f0"} for row in rows]
    alone_there = [answer("s0", 1, subject="q1"), answer("-", 1, method="retina_unet", n_supports=0)]
    found = combined_rows([*rows, *others, *alone_there], {"s0", "s1"}, 15)
    assert [(row["subject"], row["setting"], row["method"]) for row in found] == [("q0", MAIN, "regression")]
    # A support that was set aside does not count, and other methods' settings all do.
    assert combined_rows(rows, {"s0"}, 15) == []
    grey = [row | {"method": "grey_ncc", "setting": name} for row in rows for name in ("extreme.s1", "extreme.s2")]
    assert len(combined_rows(grey, {"s0", "s1"}, 15)) == 2
    assert combined_rows([], set(), 15) == []


def test_no_subject_has_the_name() -> None:
    assert not NAME.fullmatch(ALL_SUPPORTS)


@pytest.fixture(scope="module")
def evaluated() -> tuple[list[dict[str, Any]], pd.DataFrame]:
    """Rows and metrics of four queries, three supports and four methods."""
    check, scans, answers = cohorts.many_methods(supports=3)
    return metrics.evaluate(check, "demo", scans, answers, seed=0, tables=False)[:2]


def test_the_answers_are_measured_like_the_others(evaluated: Any) -> None:
    rows, table = evaluated
    assert [row["support"] for row in rows] == table["support"].tolist()
    every = together(table)
    assert every.groupby("method").size().to_dict() == {"affine": 16, "grey_ncc": 16, "regression": 16}
    assert every.groupby("method")["n_supports"].unique().map(list).to_dict() == {
        "affine": [2], "grey_ncc": [3], "regression": [3],
    }  # fmt: skip
    # Each box of grey_ncc is 3 mm off along x, whatever the support.
    grey = every[every["method"] == "grey_ncc"]
    assert grey["awd_mm"].to_numpy() == pytest.approx(1) and grey["mre_mm"].to_numpy() == pytest.approx(3)
    assert grey["spread_mm"].to_numpy() == pytest.approx(0) and grey["seconds"].to_numpy() == pytest.approx(1.5)
    own = every[every["method"] == "regression"]
    assert own["iou"].mean() > alone(table[table["method"] == "regression"])["iou"].mean()


def test_a_query_that_is_one_of_two_supports_has_the_other_alone() -> None:
    check, scans, answers = cohorts.cohort(queries=1, supports=2, tables=False)
    for row in check["rows"]:
        row["query"] = row["query"] or row["support"]
    rows, *_ = metrics.evaluate(check, "demo", scans, answers, seed=0, tables=False)
    assert {row["subject"] for row in rows if row["support"] == "*"} == {"q0"}
    shown = boxes.shown_answers(rows, "demo", 15)
    assert {name: {row["support"] for row in found} for name, found in shown.items()} == {
        "q0": {"*"}, "s0": {"s1"}, "s1": {"s0"},
    }  # fmt: skip


def test_numbers_of_single_answers_stay_the_same(evaluated: Any) -> None:
    rows, table = evaluated
    single, without = alone(table), [row for row in rows if row["support"] != "*"]
    assert len(single) < len(table)
    for number in (1, 2):
        pd.testing.assert_frame_equal(
            tables.tidy_table(number, table, STARTS), tables.tidy_table(number, single, STARTS)
        )
    for tidy in (table3.tidy_table3, comparison.tidy_comparison):
        pd.testing.assert_frame_equal(tidy(table, STARTS), tidy(single, STARTS))
    pd.testing.assert_frame_equal(seconds.tidy_seconds(rows, STARTS), seconds.tidy_seconds(without, STARTS))
