"""Several supports with predictions worked out by hand, and recomputed another way."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest

from rprloc.cohort.tasks import Asked
from rprloc.geometry import box_iou, robust_mean
from rprloc.methods.answer import OUTSIDE
from rprloc.results.frame import alone, together
from rprloc.results.measure import supports
from rprloc.results.measure.by_support import by_support
from rprloc.results.statistics import describe
from tests.results import cohorts
from tests.results.cohorts import Cohort, of_shifts, replace


def tidy_of(made: Cohort, seed: int = 0) -> pd.DataFrame:
    """Return table 4 of a cohort."""
    found = made.evaluate()
    return supports.tidy_supports(by_support(found.predictions, found.metrics, made.scans), seed)


def line(tidy: pd.DataFrame, count: int, method: str = "regression", structure: str = "mean") -> pd.Series:
    """Return one line of table 4."""
    chosen = (tidy["supports"] == count) & (tidy["method"] == method) & (tidy["structure"] == structure)
    (found,) = tidy[chosen].index
    return tidy.loc[found]


def test_walls_at_one_two_and_nine_are_at_two_and_a_half() -> None:
    tidy = tidy_of(of_shifts({"q0": {"s0": 1, "s1": 2, "s2": 9}}))
    assert list(tidy.columns) == list(supports.COLUMNS)
    every = line(tidy, 3)
    assert (every["awd_mm"], every["iou"]) == pytest.approx((2.5 * 2 / 6, 7.5 / 12.5))
    # Two of six walls are 2.5 mm off: the fifth of six values, and half way between them, are 0 and 2.5.
    assert (every["wall_median_mm"], every["wall_p90_mm"]) == pytest.approx((0, 2.5))
    assert (every["answers"], every["failures"], every["n"], every["draws"]) == (1, 0, 1, 1)
    one = line(tidy, 1)
    assert (one["awd_mm"], one["iou"]) == pytest.approx(((1 + 2 + 9) / 9, (9 / 11 + 8 / 12 + 1 / 19) / 3))
    assert (one["answers"], one["n"], one["draws"]) == (3, 1, 3)
    assert one["wall_p90_mm"] == pytest.approx(np.percentile([0] * 12 + [1, 1, 2, 2, 9, 9], 90))
    assert math.isnan(one["iou_low"])
    # The only structure is the mean.
    assert line(tidy, 3, structure="heart").drop("structure").equals(every.drop("structure"))


def test_the_query_itself_is_left_out() -> None:
    tidy = tidy_of(of_shifts({"s0": {"s1": 2, "s2": 8}, "q0": {"s0": 1, "s1": 1, "s2": 1}}))
    assert line(tidy, 3)["awd_mm"] == pytest.approx((5 + 1) / 2 / 3)
    one = line(tidy, 1)
    assert (one["answers"], one["failures"], one["n"]) == (5, 0, 2)
    # Each image counts once, however many supports it has.
    assert one["awd_mm"] == pytest.approx((5 + 1) / 2 / 3)


def test_a_failed_support_is_left_out_and_none_left_is_a_miss() -> None:
    tidy = tidy_of(of_shifts({"q0": {"s0": 1, "s1": None, "s2": 9}, "q1": {"s0": None, "s1": None, "s2": None}}))
    every = line(tidy, 3)
    assert (every["answers"], every["failures"], every["n"]) == (2, 1, 2)
    assert every["awd_mm"] == pytest.approx(5 / 3) and every["iou"] == pytest.approx((5 / 15 + 0) / 2)
    one = line(tidy, 1)
    assert (one["answers"], one["failures"]) == (6, 4)
    assert one["iou"] == pytest.approx((9 / 11 + 1 / 19) / 6)
    nothing = line(tidy_of(of_shifts({"q0": {"s0": None, "s1": None}})), 2)
    assert (nothing["iou"], nothing["failures"]) == (0, 1)
    assert math.isnan(nothing["awd_mm"]) and math.isnan(nothing["wall_median_mm"])


@pytest.mark.parametrize(("found", "missed"), [(1, True), (2, False)])
def test_what_more_supports_do_not_see_than_find_is_a_miss_as_of_all_together(found: int, missed: bool) -> None:
    made = of_shifts({"q0": {f"s{i}": i if i < found else None for i in range(found + 2)}})
    made.predictions = [replace(one, reason=OUTSIDE) if one.failed else one for one in made.predictions]
    (every,) = [one for one in made.evaluate().predictions if one.support == "*"]
    assert every.failed == missed
    assert line(tidy_of(made), found + 2)["failures"] == int(missed)


def test_draws_are_those_of_the_seed() -> None:
    draws = supports.draws_of(1, "demo", 9, 3)
    assert len(draws) == 20 and all(len(set(draw)) == 3 and max(draw) < 9 for draw in draws)
    assert draws == supports.draws_of(1, "demo", 9, 3)
    assert draws != supports.draws_of(2, "demo", 9, 3) and draws != supports.draws_of(1, "other", 9, 3)
    assert supports.draws_of(1, "demo", 3, 1) == [[0], [1], [2]] and supports.draws_of(1, "demo", 3, 3) == [[0, 1, 2]]


@pytest.mark.parametrize(("count", "sizes"), [(1, [1]), (2, [1, 2]), (4, [1, 3, 4]), (9, [1, 3, 5, 9]),
                                              (12, [1, 3, 5, 9, 12])])  # fmt: skip
def test_rows_go_up_to_all_supports(count: int, sizes: list[int]) -> None:
    tidy = tidy_of(of_shifts({"q0": {f"s{i:02}": i for i in range(count)}}))
    assert tidy["supports"].unique().tolist() == sizes
    assert (tidy["of_supports"] == count).all()


def test_methods_with_the_same_supports_have_the_same_draws() -> None:
    made = cohorts.cohort(queries=3, supports=5, tables=False)
    single = list(made.predictions)
    made.ask(*made.measure.methods, Asked(name="convex", settings=("extreme",)))
    twins = [replace(one, method="convex", setting="extreme") for one in single]
    made.predictions = [*single, *twins]
    tidy = tidy_of(made)
    names = ["row", "method", "setting"]
    own, other = (tidy[tidy["method"] == name].drop(columns=names) for name in ("regression", "convex"))
    assert set(own["supports"]) == {1, 3, 5}
    pd.testing.assert_frame_equal(own.reset_index(drop=True), other.reset_index(drop=True))
    assert line(tidy_of(made, seed=1), 3)["iou"] != line(tidy, 3)["iou"]
    # Nor does the order in which they come matter.
    made.predictions = [*reversed(single), *twins]
    pd.testing.assert_frame_equal(tidy_of(made), tidy)


def test_draws_recomputed_one_by_one() -> None:
    made = cohorts.cohort(queries=3, supports=5, tables=False)
    made.predictions = [replace(one, lost=0.15 * int(one.support[1:])) for one in made.predictions]
    found = line(tidy_of(made), 3)
    ious, errors = [], []
    for query in ("q0", "q1", "q2"):
        for organ in cohorts.ORGANS:
            own = [one for one in made.predictions if (one.subject, one.structure) == (query, organ)]
            box = {one.support: np.array(one.box_mm) for one in own}
            true = made.scans[query].structures[organ].box_mm
            for draw in supports.draws_of(0, "demo", 5, 3):
                weights = 1 - 0.15 * np.array(draw)
                middle = robust_mean([box[f"s{i}"] for i in draw], weights=weights[:, np.newaxis, np.newaxis])
                ious.append(box_iou(true, middle))
                errors.append(np.abs(true - middle).ravel())
    assert found["answers"] == len(ious) == 3 * 4 * 20
    assert found["iou"] == pytest.approx(np.mean(ious)) and found["awd_mm"] == pytest.approx(np.mean(errors))
    assert found["wall_median_mm"] == pytest.approx(np.median(errors))
    assert found["wall_p90_mm"] == pytest.approx(np.percentile(errors, 90))


@pytest.fixture(scope="module")
def parts() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Metrics and table 4 of four queries, three supports and four methods; one prediction of `affine` failed."""
    made = cohorts.many_methods(supports=3)
    place = next(i for i, one in enumerate(made.predictions) if one.method == "affine")
    made.predictions[place] = cohorts.lost(made.predictions[place], "the registration diverged")
    return made.evaluate().metrics, tidy_of(made)


SHARED = ["n", "answers", "failures", "iou", "iou_low", "iou_high", "awd_mm", "awd_low_mm", "awd_high_mm"]


@pytest.mark.parametrize("method", ["regression", "grey_ncc", "affine", "retina_unet"])
@pytest.mark.parametrize("structure", ["mandible", "mean"])
def test_one_support_and_all_are_the_rows_of_the_metrics(parts: Any, method: str, structure: str) -> None:
    table, tidy = parts
    own = table[table["method"] == method]
    own = own if structure == "mean" else own[own["structure"] == structure]
    one = line(tidy, 0 if method == "retina_unet" else 1, method, structure)
    assert one[SHARED].to_dict() == pytest.approx({name: describe(alone(own))[name] for name in SHARED})
    if method != "retina_unet":
        every = line(tidy, 2 if method == "affine" else 3, method, structure)
        assert every[SHARED].to_dict() == pytest.approx({name: describe(together(own))[name] for name in SHARED})


def test_supports_that_were_set_aside_take_no_part() -> None:
    made = cohorts.cohort(supports=3, tables=False)
    whole = tidy_of(made)
    made.set_aside("s1", "cut short")
    made.keep(lambda one: one.support != "s1")
    tidy = tidy_of(made)
    assert set(tidy["supports"]) == {1, 2} and (tidy["failures"] == 0).all()
    assert line(tidy, 1)["answers"] == line(whole, 1)["answers"] * 2 / 3
    for name in ("s0", "s2"):
        made.set_aside(name, "cut short")
    made.predictions = []
    nothing = tidy_of(made)
    assert (nothing["iou"] == 0).all() and (nothing["failures"] == nothing["answers"]).all() and len(nothing)


def test_a_labelled_query_that_was_set_aside_is_a_miss() -> None:
    made = cohorts.cohort(supports=2, tables=False)
    made.set_aside("q1", "nothing but air")
    made.keep(lambda one: one.subject != "q1")
    every = line(tidy_of(made), 2)
    assert (every["n"], every["answers"], every["failures"]) == (4, 16, 4)


def test_seconds_of_a_scan() -> None:
    shifts: dict[str, dict[str, float | None]] = {
        "q0": {"s0": 1, "s1": 1, "s2": None},
        "q1": {"s0": 1, "s1": 1, "s2": 1},
    }
    tidy = tidy_of(of_shifts(shifts, seconds={"read": 0.5, "search": 1.5}))
    assert line(tidy, 1)["seconds"] == pytest.approx(2) and line(tidy, 3)["seconds"] == pytest.approx(6)
    assert tidy_of(of_shifts(shifts, first=True))["seconds"].isna().all()
    # A query that is a support is not searched from itself, and one whose task died took no time.
    shifts = {"s0": {"s1": 1, "s2": 1}, "q0": {"s0": 1, "s1": 1, "s2": 1}}
    tidy = tidy_of(of_shifts(shifts, seconds={"search": 2.0}))
    assert line(tidy, 1)["seconds"] == pytest.approx(2) and line(tidy, 3)["seconds"] == pytest.approx(5)
    made = cohorts.cohort(queries=2, supports=2, tables=False)
    made.keep(lambda one: one.subject != "q0")
    tidy = tidy_of(made)
    assert line(tidy, 2)["seconds"] == pytest.approx(4 * 2 * 0.75)
    assert line(tidy, 2, structure="mandible")["seconds"] == pytest.approx(2 * 0.75)


def test_the_first_scan_of_a_task_is_not_in_the_mean() -> None:
    made = cohorts.cohort(queries=2, supports=2, tables=False)
    slow = {"first": True, "seconds": {"search": 100.0}}
    made.predictions = [replace(one, **slow) if one.subject == "q0" else one for one in made.predictions]
    assert line(tidy_of(made), 2)["seconds"] == pytest.approx(4 * 2 * 0.75)


def test_structures_without_truth_have_no_line() -> None:
    made = cohorts.cohort(supports=3, tables=False)
    for name in ("q0", "q1", "q2", "q3"):
        made.hide(name, "mandible")
    made.hide("q0", "mandible", "brainstem")
    tidy = tidy_of(made)
    assert "mandible" not in set(tidy["structure"])
    assert (line(tidy, 3, structure="brainstem")["n"], line(tidy, 3)["answers"]) == (3, 11)
    for name in ("q0", "q1", "q2", "q3"):
        made.show(name, {})
    tidy = tidy_of(made)
    assert tidy.empty and list(tidy.columns) == list(supports.COLUMNS)
