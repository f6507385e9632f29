"""How sure predictions are: distances worked out by hand, and their coverage over many draws."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import numpy as np
import pytest

from rprloc.cohort.tasks import Asked, Measure
from rprloc.errors import InputError
from rprloc.geometry import WALLS
from rprloc.methods.answer import DOUBTFUL, Prediction
from rprloc.results.measure.calibration import (
    conformal_quantile,
    covered,
    wall_errors,
    with_intervals,
    within_mm,
)
from rprloc.results.measure.evaluate import Evaluated
from tests.results import cohorts
from tests.results.cohorts import Cohort

CUBE = np.array([[0.0, 0, 0], [20, 20, 20]])


def found(subject: str, support: str, off: Any, **more: Any) -> Prediction:
    """Return a prediction of `matched` whose box, a cube of 20 mm, is so many mm off (2, 3)."""
    more = {"method": "matched", "setting": "extreme", "spread_mm": None} | more
    return cohorts.prediction(subject, "heart", support, CUBE + off, **more)


def searched(supports: int, *, own: list[Prediction] | None = None, both: bool = False) -> Cohort:
    """Return a cohort of query q0 and so many supports, which are searched from each other as well.

    Every prediction from support i is i + 1 mm off at its right wall, every one for q0 3.5 mm at all. `both`: the
    supports are queries as well. `own` stands for the predictions for the supports.
    """
    names = [f"s{i}" for i in range(supports)]
    members = [cohorts.member("q0", "test"), *(cohorts.member(name, "validation") for name in names)]
    members = [msgspec.structs.replace(one, query=one.query or both) for one in members]
    measure = Measure(
        id="demo", cohort="demo", members=tuple(members), structures=("heart",), order=tuple(names),
        methods=(Asked(name="matched", settings=("extreme",)),),
    )  # fmt: skip
    if own is None:
        own = [
            found(name, other, [[-i - 1.0, 0, 0], [0, 0, 0]])
            for i, name in enumerate(names)
            for other in names
            if name != other
        ]
    scans = {name: cohorts.scan("demo", name, {"heart": cohorts.structure(*CUBE)}) for name in ("q0", *names)}
    return Cohort(measure, scans, [*(found("q0", name, [[-3.5] * 3, [3.5] * 3]) for name in names), *own])


def said(run: Evaluated, support: str = "*", subject: str = "q0") -> Prediction:
    """Return the prediction for a query from a support."""
    (one,) = [one for one in run.predictions if (one.subject, one.support) == (subject, support)]
    return one


@pytest.mark.parametrize(("images", "rank"), [(8, None), (9, 9), (10, 10), (18, 18), (19, 18), (29, 27), (99, 90)])
def test_the_quantile_is_the_score_of_the_right_rank(images: int, rank: int | None) -> None:
    order = np.random.default_rng(images).permutation(images)
    found = conformal_quantile([np.array([[1.0 + i]]) for i in order])
    assert found is None if rank is None else found == [rank]


def test_each_image_counts_once_however_many_answers_it_has() -> None:
    single = [np.array([[float(i)]]) for i in range(1, 20)]
    many = [np.repeat(group, 1 + i, axis=0) for i, group in enumerate(single)]
    assert conformal_quantile(many) == conformal_quantile(single) == [18]
    # Two rounds: the 18th of 1 ... 19, and of 11 ... 29.
    assert conformal_quantile([np.array([[i], [i + 10.0]][:: (-1) ** i]) for i in range(1, 20)]) == [23]


@pytest.mark.parametrize("answers", [1, 8])
@pytest.mark.parametrize(("images", "shared"), [(9, 0.0), (19, 0.7), (6, 0.0)])
def test_nine_walls_in_ten_lie_within(images: int, answers: int, shared: float) -> None:
    rng = np.random.default_rng(images)
    scale = np.array([1.0, 1, 1.5, 1.5, 3, 2]) if images >= 9 else np.ones(6)
    hits = []
    for _ in range(150):
        own = rng.standard_t(4, (images + 30, 1, 6))
        errors = scale * np.abs(shared * own + math.sqrt(1 - shared**2) * rng.standard_t(4, (images + 30, answers, 6)))
        walls = within_mm(list(errors[:images]))
        assert walls is not None
        hits.append((errors[images:] <= np.array(list(walls.values()))).mean(axis=(0, 1)))
    means = np.mean(hits, axis=0)
    # At 9 images the guarantee is met exactly, at 19 as well; every wall has it by itself.
    assert means.min() > 0.88 and means.max() < 0.95, means


def test_walls_have_their_own_distances_from_nine_images_on() -> None:
    errors = [np.array([[1.0 * i, 2 * i, 3 * i, 4 * i, 5 * i, 6 * i]]) for i in range(1, 10)]
    assert within_mm(errors) == dict(zip(WALLS, [9.0, 18, 27, 36, 45, 54], strict=True))
    # The 45th of 48 walls: ceil(0.9 x 49).
    assert within_mm(errors[:8]) == dict.fromkeys(WALLS, sorted(i * k for i in range(1, 9) for k in range(1, 7))[44])
    assert within_mm(errors[:3]) is None and within_mm([]) is None


def test_errors_are_in_the_order_of_the_walls() -> None:
    found = CUBE + np.array([[-1, 2, 3], [4, -5, 6]])
    assert wall_errors(found, CUBE).tolist() == [1, 4, 2, 5, 3, 6]
    assert covered(found, CUBE, [1.0, 3.9, 2, 6, 0, 6]) == pytest.approx(4 / 6)
    assert np.isnan(covered([found, found], [CUBE, CUBE], [[np.nan] * 6, [9.0] * 6])).tolist() == [True, False]


def test_supports_searched_from_each_other_say_how_sure_the_predictions_are() -> None:
    run = searched(10).evaluate()
    # They are no predictions of the run themselves.
    assert {one.subject for one in run.predictions} == set(run.metrics["subject"]) == {"q0"}
    assert len(run.predictions) == len(run.metrics) == 11
    for support in ("*", "s3"):
        one = said(run, support)
        assert one.within_90_mm == dict.fromkeys(WALLS, 0.0) | {"right": 10.0}
        assert one.calibrated_on == 10
    assert run.metrics["within_90_mm"].to_numpy() == pytest.approx(10 / 6)
    assert run.metrics["covered"].to_numpy() == pytest.approx(1 / 6)


@pytest.mark.parametrize(("supports", "images"), [(3, 0), (4, 4), (8, 8)])
def test_few_supports(supports: int, images: int) -> None:
    run = searched(supports).evaluate()
    assert said(run).calibrated_on == images
    if images:
        # Most walls are not off at all; among 6 n the right ones are 1, 2, ... n mm off.
        place = math.ceil(0.9 * (6 * images + 1)) - 5 * images
        assert said(run).within_90_mm == dict.fromkeys(WALLS, float(max(place, 0)))
    else:
        assert said(run).within_90_mm is None
        assert run.metrics["within_90_mm"].isna().all() and run.metrics["covered"].isna().all()


def test_without_predictions_for_the_supports_nothing_is_said() -> None:
    run = searched(9, own=[]).evaluate()
    assert all(one.within_90_mm is None and one.calibrated_on == 0 for one in run.predictions)
    assert run.metrics["covered"].isna().all()


def test_a_support_set_aside_and_one_without_the_structure_take_no_part() -> None:
    names = [f"s{i}" for i in range(9)]
    made = searched(10, own=[found(one, other, 5.0) for one in names for other in names if one != other])
    made.set_aside("s9", "broken")
    made.show("s8", {})
    run = made.evaluate()
    assert (said(run).calibrated_on, said(run, "s0").calibrated_on) == (8, 8)
    assert said(run).within_90_mm == dict.fromkeys(WALLS, 5.0)


def test_a_failed_prediction_says_nothing_and_teaches_nothing() -> None:
    names = [f"s{i}" for i in range(9)]
    own = [found(one, other, 5.0) for one in names for other in names if one != other]
    own = [cohorts.lost(one) if one.support == "s1" or one.subject == "s0" else one for one in own]
    made = searched(9, own=own)
    run = made.evaluate()
    assert said(run).calibrated_on == said(run, "s2").calibrated_on == 8
    (one,) = with_intervals([cohorts.lost(found("q0", "s1", 0.0))], own, names, made.scans)
    assert (one.within_90_mm, one.calibrated_on) == (None, 0)


@pytest.mark.parametrize(("lost", "promised"), [(None, True), (0.1, True), (DOUBTFUL, False), (0.6, False)])
def test_nothing_is_promised_of_a_doubtful_prediction(lost: float | None, promised: bool) -> None:
    made = searched(9)
    made.predictions = [
        msgspec.structs.replace(one, lost=lost) if (one.subject, one.support) == ("q0", "s0") else one
        for one in made.predictions
    ]
    run = made.evaluate()
    assert (said(run, "s0").within_90_mm is not None) is promised and said(run, "s1").within_90_mm is not None


def test_a_support_that_is_a_query_is_no_witness_in_its_own_case() -> None:
    run = searched(10, both=True).evaluate()
    assert set(run.metrics["subject"]) == {"q0", *(f"s{i}" for i in range(10))}
    for subject, off, images in (("q0", 10, 10), ("s9", 9, 9), ("s0", 10, 9)):
        one = said(run, subject=subject)
        # s9 is the one that is 10 mm off.
        assert ((one.within_90_mm or {})["right"], one.calibrated_on) == (off, images)
    (line,) = run.metrics[(run.metrics["subject"] == "s9") & (run.metrics["support"] == "*")].to_dict("records")
    assert line["covered"] == pytest.approx(5 / 6)


def test_predictions_of_other_methods_for_supports_are_a_mistake() -> None:
    for method in ("grey_ncc", "an unknown one"):
        with pytest.raises(InputError, match="a prediction for s1, expected a query"):
            searched(4, own=[found("s1", "s0", 0.0, method=method)]).evaluate()
    with pytest.raises(InputError, match="two predictions for s1"):
        searched(4, own=[found("s1", "s0", 0.0)] * 2).evaluate()
