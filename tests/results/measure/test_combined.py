"""Predictions of all supports together, worked out by hand."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from rprloc.cohort.faults import NAME
from rprloc.cohort.tasks import Asked
from rprloc.methods.answer import ALL_SUPPORTS, OUTSIDE, Prediction
from rprloc.results.frame import alone, together
from rprloc.results.measure.combined import combine, combined_predictions
from tests.results import cohorts
from tests.results.cohorts import MAIN, replace


def found(support: str, shift: Any, subject: str = "q0", **more: Any) -> Prediction:
    """Return a prediction of a cube of 20 mm at a place along the diagonal."""
    low = np.zeros(3) + shift
    return cohorts.prediction(subject, "heart", support, (low, low + 20), **more)


def failed(support: str, reason: str) -> Prediction:
    """Return a prediction that was not found."""
    return cohorts.lost(found(support, 0), reason)


def test_the_robust_mean_of_three() -> None:
    rows = [found("s0", 1), found("s1", 2, half_voxel_mm=[0.5, 0.5, 2]), found("s2", 9, half_voxel_mm=[2, 2, 3])]
    one = combine(rows)
    # 9 counts as if it were 4.5, and 2.5 is the mean of 1, 2 and that.
    np.testing.assert_allclose(np.array(one.box_mm), [[2.5] * 3, [22.5] * 3])
    for name, point in (rows[1].points_mm or {}).items():
        np.testing.assert_allclose((one.points_mm or {})[name], np.add(point, 0.5))
    assert one.half_voxel_mm == [1, 1, 2]
    # Places 1, 2 and 9 lie 3, 2 and 5 from their plain mean, along each of three axes.
    assert one.spread_mm == pytest.approx(math.sqrt(9 + 4 + 25))
    assert (one.lost, one.confidence) == (0.1, 0.9)
    assert (one.support, one.n_supports, one.drawn, one.failed, one.reason) == ("*", 3, False, False, None)
    assert one.seconds == pytest.approx({"read": 0.75, "coarse": 1.5})


@pytest.mark.parametrize(("confidences", "expected"), [((0.9, 0.8, 0.4), 0.8), ((0.5, 0.5, 0.4), 0.5)])
def test_it_is_as_likely_lost_as_the_middle_one_of_those_that_were_found(confidences: Any, expected: float) -> None:
    """Where it is not known how the patient lies none of them is certain, nor are they together."""
    sure = [
        found(f"s{i}", i, lost=lost, confidence=own)
        for i, (lost, own) in enumerate(zip((0.1, 0.2, 0.6), confidences, strict=True))
    ]
    one = combine([*sure, cohorts.lost(found("s9", 1), "lost", lost=0.99)])
    assert (one.lost, one.confidence) == (0.2, pytest.approx(expected))


def test_one_that_is_doubtful_has_less_say() -> None:
    rows = [found("s0", 0, lost=0.0), found("s1", 1, lost=0.5), cohorts.lost(found("s2", 9), "lost", lost=0.9)]
    np.testing.assert_allclose(np.array(combine(rows).box_mm), [[1 / 3] * 3, [20 + 1 / 3] * 3])
    # What was not judged counts wholly.
    rows[0] = found("s0", 0, lost=None, confidence=None)
    np.testing.assert_allclose(np.array(combine(rows).box_mm), [[1 / 3] * 3, [20 + 1 / 3] * 3])


def test_each_wall_and_coordinate_has_a_mean_of_its_own() -> None:
    one = combine([found("s0", [1, 9, 2]), found("s1", [2, 1, 9]), found("s2", [9, 2, 1])])
    np.testing.assert_allclose(np.array(one.box_mm), [[2.5] * 3, [22.5] * 3])
    np.testing.assert_allclose((one.points_mm or {})["right"], [2.5, 12.5, 12.5])


def test_a_failure_is_left_out() -> None:
    one = combine([failed("s0", "lost"), found("s1", 2), found("s2", 9)])
    assert one.box_mm == [[5.5] * 3, [25.5] * 3]
    assert (one.n_supports, one.failed, one.reason) == (2, False, None)


@pytest.mark.parametrize(("outside", "missed"), [(1, False), (2, True)])
def test_what_most_supports_do_not_see_is_not_there(outside: int, missed: bool) -> None:
    one = combine([found("s9", 1), *(failed(f"s{number}", OUTSIDE) for number in range(outside))])
    assert (one.failed, one.reason) == ((True, OUTSIDE) if missed else (False, None))
    assert (one.box_mm is None, one.n_supports) == (missed, int(not missed))


def test_one_alone_says_nothing_of_its_spread() -> None:
    one = combine([failed("s0", "lost"), found("s1", 2)])
    assert one.box_mm == found("s1", 2).box_mm
    assert (one.n_supports, one.spread_mm, one.confidence) == (1, None, 0.9)


def test_without_any_it_fails_with_the_first_reason() -> None:
    one = combine([failed("s0", "lost"), failed("s1", "cut")])
    assert (one.failed, one.reason, one.n_supports, one.box_mm) == (True, "lost", 0, None)
    assert one.support == "*" and not one.drawn


def test_parts_that_only_some_have_are_added_up_and_one_first_is_enough() -> None:
    one = combine([found("s0", 1, seconds={"read": 0.1, "search": 1.0}), found("s1", 2, seconds={"search": 2.0})])
    assert one.seconds == {"read": 0.1, "search": 3.0} and not one.first
    assert combine([found("s0", 1), found("s1", 2, first=True)]).first


def test_who_has_one_of_several() -> None:
    rows = [found("s0", 1), found("s1", 2)]
    beside = [replace(one, setting="extreme.k15.c1f0") for one in rows]
    single = [found("s0", 1, subject="q1"), found("-", 1, method="retina_unet")]
    asked = [Asked(name="regression", settings=("extreme.k15.c1f0", MAIN))]
    some = combined_predictions([*rows, *beside, *single], {"s0", "s1"}, asked)
    assert [(one.subject, one.setting, one.method) for one in some] == [("q0", MAIN, "regression")]
    # A support that was set aside does not count.
    assert combined_predictions(rows, {"s0"}, asked) == []
    assert combined_predictions([], set(), asked) == []


def test_no_subject_has_the_name() -> None:
    assert not NAME.fullmatch(ALL_SUPPORTS)


def test_they_are_measured_like_the_others() -> None:
    made = cohorts.many_methods(supports=3, queries=2).evaluate()
    assert [one.support for one in made.predictions] == made.metrics["support"].tolist()
    every = together(made.metrics)
    assert every["main"].all()
    assert every.groupby("method").size().to_dict() == {"affine": 8, "grey_ncc": 8, "regression": 8}
    assert every.groupby("method")["n_supports"].unique().map(list).to_dict() == {
        "affine": [2], "grey_ncc": [3], "regression": [3],
    }  # fmt: skip
    # Each box of grey_ncc is 3 mm off along x, whatever the support.
    grey = every[every["method"] == "grey_ncc"]
    assert grey["awd_mm"].to_numpy() == pytest.approx(1) and grey["mre_mm"].to_numpy() == pytest.approx(3)
    assert grey["spread_mm"].to_numpy() == pytest.approx(0) and grey["seconds"].to_numpy() == pytest.approx(1.5)
    own = made.metrics[made.metrics["method"] == "regression"]
    assert together(own)["iou"].mean() > alone(own)["iou"].mean()


def test_a_query_that_is_one_of_two_supports_has_the_other_alone() -> None:
    made = cohorts.cohort(queries=1, supports=2, tables=False)
    made.use(s0={"query": True}, s1={"query": True})
    assert {one.subject for one in made.evaluate().predictions if one.support == "*"} == {"q0"}
