"""Errors of single landmarks, worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from rprloc.results.measure.calibration import within_mm
from rprloc.results.measure.points import COLUMNS, tidy_points
from tests.results import cohorts
from tests.results.cohorts import Cohort, replace
from tests.results.points import AT, landmark, of_points, point_of

RATES = ["sdr_1mm", "sdr_2mm", "sdr_4mm", "sdr_8mm"]
FOUR = {"q0": {"s0": 1.0}, "q1": {"s0": 3.0}, "q2": {"s0": 5.0}, "q3": {"s0": 9.0}}


def tidy_of(made: Cohort):  # type: ignore[no-untyped-def]
    found = made.evaluate()
    return tidy_points(found.predictions, found.metrics, made.scans)


def test_points_off_by_one_three_five_and_nine() -> None:
    tidy = tidy_of(of_points(FOUR))
    assert list(tidy.columns) == list(COLUMNS) and list(tidy["structure"]) == ["apex", "mean"]
    line = tidy.iloc[0]
    assert line[RATES].tolist() == [0.25, 0.25, 0.5, 0.75] and line["mre_mm"] == pytest.approx(4.5)
    assert (line["n"], line["answers"], line["failures"], line["supports"]) == (4, 4, 0, 1)
    assert math.isnan(line["within_90_mm"]) and math.isnan(line["covered"])


def test_iou_and_walls_leave_points_out_and_a_missing_one_is_no_zero() -> None:
    made = of_points(FOUR)
    made.keep(lambda one: (one.subject, one.structure) != ("q3", "apex"))
    found = made.evaluate()
    own = found.metrics[found.metrics["structure"] == "apex"]
    assert own["iou"].isna().all() and own["awd_mm"].isna().all() and own["failed"].sum() == 1
    assert own["mre_mm"].dropna().tolist() == [1.0, 3.0, 5.0]
    assert {one.point for one in found.predictions if one.structure == "apex"} == {True}
    line = tidy_of(made).iloc[0]
    assert (line["failures"], line["mre_mm"]) == (1, 3.0) and line[RATES].tolist() == [0.25, 0.25, 0.5, 0.75]


def test_several_supports_answer_together() -> None:
    made = of_points({query: {f"s{n}": mm for n, mm in enumerate((1.0, 2.0, 3.0))} for query in ("q0", "q1")})
    found = made.evaluate()
    together = next(one for one in found.predictions if one.support == "*" and one.structure == "apex")
    assert together.point and together.box_mm is None and together.n_supports == 3
    np.testing.assert_allclose((together.points_mm or {})["point"], np.add(AT, (2, 0, 0)))
    tidy = tidy_of(made)
    assert sorted(tidy["supports"].unique()) == [1, 3] and set(tidy["mre_mm"]) == {2.0}


def test_the_radius_needs_nine_supports() -> None:
    assert within_mm([np.full((1, 1), mm) for mm in range(1, 9)]) is None
    assert within_mm([np.full((1, 1), mm) for mm in range(1, 10)]) == {"point": 9.0}
    made = of_points({"q0": {"s0": 4.0}}, method="matched")
    supports = [f"s{n}" for n in range(10)]
    members = (made.measure.members[0], *(cohorts.member(name, "validation") for name in supports))
    made.measure = replace(made.measure, members=members, order=tuple(supports))
    shown = made.scans["q0"].structures
    made.scans |= {name: cohorts.scan("demo", name, dict(shown)) for name in supports}
    made.predictions += [
        point_of(name, "s0", float(n), method="matched", setting="extreme") for n, name in enumerate(supports) if n
    ]
    line = tidy_of(made).iloc[0]
    assert (line["within_90_mm"], line["covered"]) == (9.0, 1.0)


def test_a_structure_is_of_one_kind() -> None:
    made = of_points({"q0": {"s0": 1.0, "s1": 1.0}})
    made.show("s1", {"apex": cohorts.structure(*cohorts.CUBE)})
    made.predictions = [
        cohorts.prediction("q0", "apex", "s1", cohorts.CUBE) if (one.structure, one.support) == ("apex", "s1") else one
        for one in made.predictions
    ]
    reasons = {one.support: one.reason for one in made.evaluate().predictions if one.structure == "apex"}
    assert reasons["s0"] is None
    assert reasons["s1"] == "apex is a box in the support s1 and a single landmark in others"
    # A query that marks it otherwise tells no truth.
    made.show("q0", {"apex": cohorts.structure(*cohorts.CUBE)})
    assert len(tidy_of(made)) == 0


def test_methods_that_learned_boxes_say_why_not() -> None:
    made = of_points(FOUR)
    made.ask(*made.measure.methods, cohorts.Asked(name="retina_unet", settings=("box",), supports=0))
    reasons = {
        one.reason for one in made.evaluate().predictions if (one.method, one.structure) == ("retina_unet", "apex")
    }
    assert reasons == {"retina_unet finds boxes, and apex is a single landmark"}


def test_without_marked_points_there_is_nothing() -> None:
    assert len(tidy_of(cohorts.cohort(queries=1, supports=1, tables=False))) == 0
    made = of_points(FOUR)
    made.show("q0", {"apex": landmark()})
    assert len(tidy_of(made)) == 2


def test_walls_are_open_together_that_half_of_the_supports_call_so() -> None:
    made = of_points({"q0": {"s0": 0.0, "s1": 0.0, "s2": 0.0}})
    walls = {"s0": ("left", "superior"), "s1": ("superior",), "s2": ()}
    made.predictions = [
        replace(one, open_walls=walls[one.support]) if one.structure == "organ" else one for one in made.predictions
    ]
    found = {(one.structure, one.support): one.open_walls for one in made.evaluate().predictions}
    assert found["organ", "*"] == ("superior",) and found["apex", "*"] == ()
