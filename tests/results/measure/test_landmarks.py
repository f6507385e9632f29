"""Errors of single landmarks with predictions worked out by hand, and held against metrics.csv."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest

from rprloc.cohort.tasks import Asked
from rprloc.geometry import WALLS
from rprloc.methods.answer import NO_SUPPORT, Prediction
from rprloc.results.frame import alone, together
from rprloc.results.measure import landmarks
from rprloc.results.statistics import describe, mean_interval
from tests.results import cohorts
from tests.results.cohorts import MAIN, Cohort, of_shifts, replace

RATES = ["sdr_2mm", "sdr_4mm", "sdr_8mm"]


def tidy_of(made: Cohort) -> pd.DataFrame:
    """Return table 5 of a cohort."""
    found = made.evaluate()
    return landmarks.tidy_landmarks(found.predictions, found.metrics, made.scans)


def moved(one: Prediction, distances: list[float]) -> Prediction:
    """Move the six points of a prediction by so many mm along x, which leaves its box where it is."""
    points = zip(WALLS, distances, strict=True)
    return replace(
        one, points_mm={wall: np.add((one.points_mm or {})[wall], (mm, 0, 0)).tolist() for wall, mm in points}
    )


def line(
    tidy: pd.DataFrame, supports: int, landmark: str = "extreme", method: str = "regression", structure: str = "mean"
) -> pd.Series:
    """Return one line of table 5."""
    chosen = (tidy["supports"] == supports) & (tidy["landmark"] == landmark)
    (found,) = tidy[chosen & (tidy["method"] == method) & (tidy["structure"] == structure)].index
    return tidy.loc[found]


def test_points_off_by_one_three_five_and_nine() -> None:
    tidy = tidy_of(of_shifts({"q0": {"s0": 1}, "q1": {"s0": 3}, "q2": {"s0": 5}, "q3": {"s0": 9}}))
    assert list(tidy.columns) == list(landmarks.COLUMNS)
    for landmark in ("extreme", "centre"):
        found = line(tidy, 1, landmark)
        assert found[RATES].tolist() == [0.25, 0.5, 0.75]
        assert found["mre_mm"] == pytest.approx(4.5)
        # Student's t with 3 degrees of freedom, SD of 1, 3, 5, 9.
        half = 3.182446 * math.sqrt((3.5**2 + 1.5**2 + 0.5**2 + 4.5**2) / 3) / 2
        assert (found["mre_low_mm"], found["mre_high_mm"]) == pytest.approx((4.5 - half, 4.5 + half), rel=1e-6)
        assert (found["n"], found["answers"], found["failures"], found["of_supports"]) == (4, 4, 0, 1)
    # A single support is alone and all together at once; the only structure is the mean.
    assert len(tidy) == 4
    assert line(tidy, 1, structure="heart").drop("structure").equals(line(tidy, 1).drop("structure"))


def test_the_points_of_one_image_and_its_centre_are_two_things() -> None:
    made = of_shifts({"q0": {"s0": 0}})
    made.predictions = [moved(one, [1, 3, 5, 9, 0, 2]) for one in made.predictions]
    tidy = tidy_of(made)
    points = line(tidy, 1)
    assert points["mre_mm"] == pytest.approx(20 / 6)
    # A point that is off by 2 mm is within 2 mm.
    assert points[RATES].tolist() == pytest.approx([3 / 6, 4 / 6, 5 / 6])
    assert math.isnan(points["mre_low_mm"]) and math.isnan(points["mre_high_mm"]) and points["n"] == 1
    centre = line(tidy, 1, "centre")
    assert (centre["mre_mm"], *centre[RATES]) == (0, 1, 1, 1)


@pytest.mark.parametrize("origin", [0.1, 241.177, -1234.5678])
@pytest.mark.parametrize(("off", "rates"), [(2, [1, 1, 1]), (2.0001, [0, 1, 1]), (4, [0, 1, 1]), (4.0001, [0, 0, 1]),
                                            (8, [0, 0, 1]), (8.0001, [0, 0, 0])])  # fmt: skip
def test_the_limit_itself_is_within(origin: float, off: float, rates: list[int]) -> None:
    true = cohorts.structure([origin] * 3, [origin + 10] * 3)
    scan = cohorts.scan("demo", "q0", {"heart": true})
    found = cohorts.prediction("q0", "heart", "s0", true.box_mm + np.array([0, off, 0]))
    assert landmarks.scores_of([found], {"q0": scan})[RATES].to_numpy().tolist() == [rates, rates]


def test_a_failed_prediction_is_not_detected_and_has_no_error() -> None:
    tidy = tidy_of(of_shifts({"q0": {"s0": 1, "s1": None}, "q1": {"s0": 3, "s1": 3}, "q2": {"s0": None, "s1": None}}))
    one = line(tidy, 1)
    assert (one["n"], one["answers"], one["failures"]) == (3, 6, 3)
    assert one["mre_mm"] == pytest.approx((1 + 3) / 2)
    # Images: one of two supports within 2 mm; both within 4 mm; none at all.
    assert one[RATES].tolist() == pytest.approx([0.5 / 3, 1.5 / 3, 1.5 / 3])
    every = line(tidy, 2)
    assert (every["n"], every["answers"], every["failures"]) == (3, 3, 1)
    assert every["mre_mm"] == pytest.approx(2) and every[RATES].tolist() == pytest.approx([1 / 3, 2 / 3, 2 / 3])
    nothing = line(tidy_of(of_shifts({"q0": {"s0": None}})), 1)
    assert nothing[RATES].tolist() == [0, 0, 0] and math.isnan(nothing["mre_mm"]) and nothing["n"] == 1


def test_all_supports_are_one_prediction() -> None:
    tidy = tidy_of(of_shifts({"q0": {"s0": 1, "s1": 3, "s2": 9}}))
    one, every = line(tidy, 1, "centre"), line(tidy, 3, "centre")
    assert one["mre_mm"] == pytest.approx(13 / 3) and one[RATES].tolist() == pytest.approx([1 / 3, 2 / 3, 2 / 3])
    assert every["mre_mm"] == pytest.approx(3) and every[RATES].tolist() == [0, 1, 1]
    assert (one["answers"], every["answers"], one["of_supports"], every["of_supports"]) == (3, 1, 3, 3)


def test_an_image_counts_once_however_many_supports_it_has() -> None:
    tidy = tidy_of(of_shifts({"s0": {"s1": 6}, "q0": {"s0": 1, "s1": 3}}))
    one = line(tidy, 1)
    assert one["mre_mm"] == pytest.approx((6 + 2) / 2) and one["answers"] == 3
    assert one[RATES].tolist() == pytest.approx([0.25, 0.5, 1])
    # A query with one other support has no prediction of several.
    assert (line(tidy, 2)["n"], line(tidy, 2)["mre_mm"]) == (1, 2)


@pytest.fixture(scope="module")
def parts() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Metrics and table 5 of four queries, three supports and four methods; one prediction of `affine` failed."""
    made = cohorts.many_methods(supports=3)
    place = next(i for i, one in enumerate(made.predictions) if one.method == "affine")
    made.predictions[place] = cohorts.lost(made.predictions[place], "the registration diverged")
    return made.evaluate().metrics, tidy_of(made)


@pytest.mark.parametrize("method", ["regression", "affine"])
@pytest.mark.parametrize("structure", ["brainstem", "mean"])
def test_the_points_are_those_of_the_metrics(parts: Any, method: str, structure: str) -> None:
    table, tidy = parts
    own = table[table["method"] == method]
    own = own if structure == "mean" else own[own["structure"] == structure]
    for size, rows in ((1, alone(own)), (2 if method == "affine" else 3, together(own))):
        found, known = line(tidy, size, method=method, structure=structure), describe(rows)
        names = ["n", "answers", "failures", "mre_mm"]
        assert found[names].to_dict() == pytest.approx({name: known[name] for name in names})
        images = rows.groupby(["structure", "subject"])["mre_mm"].mean().groupby("subject").mean()
        half = (found["mre_high_mm"] - found["mre_low_mm"]) / 2
        assert half == pytest.approx(mean_interval(images).half_width)


def test_a_method_without_extreme_points_has_no_line(parts: Any) -> None:
    table, tidy = parts
    assert "retina_unet" in set(table["method"])
    assert tidy["method"].unique().tolist() == ["regression", "grey_ncc", "affine"]
    assert set(tidy_of(cohorts.cohort(queries=1))["setting"]) == {MAIN}


def test_a_method_without_supports_says_so() -> None:
    made = of_shifts({"q0": {"s0": 1}}, method="student", setting="extreme")
    made.ask(Asked(name="student", settings=("extreme",), supports=0))
    made.predictions = [replace(one, support=NO_SUPPORT, n_supports=0) for one in made.predictions]
    tidy = tidy_of(made)
    assert len(tidy) == 4 and set(tidy["supports"]) == set(tidy["of_supports"]) == {0}


def test_structures_without_truth_have_no_line() -> None:
    made = cohorts.cohort(supports=3, tables=False)
    for name in ("q0", "q1", "q2", "q3"):
        made.hide(name, "mandible")
    made.hide("q0", "brainstem")
    tidy = tidy_of(made)
    assert "mandible" not in set(tidy["structure"])
    assert (line(tidy, 3, structure="brainstem")["n"], line(tidy, 3)["n"], line(tidy, 3)["answers"]) == (3, 4, 11)
    for name in made.scans:
        made.show(name, {})
    tidy = tidy_of(made)
    assert tidy.empty and list(tidy.columns) == list(landmarks.COLUMNS)


def test_scans_that_were_set_aside() -> None:
    made = cohorts.cohort(supports=3, tables=False)
    made.set_aside("q1", "nothing but air")
    made.set_aside("s1", "cut short")
    made.keep(lambda one: one.subject != "q1" and one.support != "s1")
    tidy = tidy_of(made)
    # A query with a label is a miss with each support that is left, which does not count the one set aside.
    assert set(tidy["supports"]) == {1, 2} and set(tidy["of_supports"]) == {2}
    assert (line(tidy, 1)["n"], line(tidy, 1)["answers"], line(tidy, 1)["failures"]) == (4, 4 * 4 * 2, 4 * 2)
    assert (line(tidy, 2)["answers"], line(tidy, 2)["failures"]) == (16, 4)
    for name in ("s0", "s2"):
        made.set_aside(name, "cut short")
    made.predictions = []
    nothing = tidy_of(made)
    assert len(nothing) and (nothing["failures"] == nothing["answers"]).all() and (nothing[RATES] == 0).all(axis=None)
