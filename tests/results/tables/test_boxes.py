"""boxes.csv: one prediction for each query and structure."""

from __future__ import annotations

import msgspec
import pytest

from rprloc.results.measure.metrics import metrics_of
from rprloc.results.tables.boxes import COLUMNS, box_table
from tests.results import cohorts


@pytest.mark.parametrize(("supports", "shown"), [(1, "s0"), (2, "*")])
def test_each_query_and_structure_has_its_main_prediction(supports: int, shown: str) -> None:
    found = cohorts.cohort(queries=2, supports=supports).evaluate()
    boxes = box_table(found.predictions, found.metrics, ["demo"])
    assert list(boxes.columns) == list(COLUMNS)
    assert len(boxes) == 2 * len(cohorts.ORGANS)
    assert set(boxes["support"]) == {shown} and set(boxes["n_supports"]) == {supports}
    wanted = {
        (one.subject, one.structure): one
        for one in found.predictions
        if (one.support, one.setting) == (shown, cohorts.MAIN)
    }
    for line in boxes.to_dict("records"):
        one = wanted[line["subject"], line["structure"]]
        low, high = ([line[f"{axis}_{end}_mm"] for axis in "xyz"] for end in ("min", "max"))
        assert [low, high] == one.box_mm
        assert (line["spread_mm"], line["failed"]) == (one.spread_mm, False)
        assert (one.spread_mm == 2.5) == (supports == 1)


def test_a_failed_prediction_has_a_line_without_a_box() -> None:
    made = cohorts.cohort(queries=1, supports=1, tables=False)
    made.predictions = []
    found = made.evaluate()
    boxes = box_table(found.predictions, found.metrics, ["demo", "other"])
    assert len(boxes) == len(cohorts.ORGANS)
    assert bool(boxes["failed"].all()) and boxes["x_min_mm"].isna().all()
    assert set(boxes["reason"]) == {"no answer: its task died"}


def test_the_likeliest_lost_come_first_and_those_without_a_box_before_them() -> None:
    made = cohorts.cohort(queries=2, supports=1, tables=False)
    chances = dict(zip(cohorts.ORGANS, (0.3, None, 0.7, 0.1), strict=True))
    made.predictions = [msgspec.structs.replace(one, lost=chances[one.structure]) for one in made.predictions]
    made.predictions[-1] = cohorts.lost(made.predictions[-1])
    found = made.evaluate()
    boxes = box_table(found.predictions, found.metrics, ["demo"])
    assert bool(boxes["failed"].iloc[0]) and not boxes["failed"].iloc[1:].any()
    assert boxes["lost"].iloc[1:].dropna().is_monotonic_decreasing and boxes["lost"].iloc[-2:].isna().all()


def test_no_prediction_leaves_a_header() -> None:
    empty = box_table([], metrics_of([], {}), ["demo"])
    assert empty.to_csv(index=False).strip() == ",".join(COLUMNS)


def test_the_paper_s_method_goes_before_all_others() -> None:
    found = cohorts.many_methods(queries=1, supports=1).evaluate()
    other = found.metrics["method"] != "regression"
    others = [one for one in found.predictions if one.method != "regression"]
    # Those of the other methods have no spread.
    assert (box_table(found.predictions, found.metrics, ["demo"])["spread_mm"] == 2.5).all()
    assert box_table(others, found.metrics[other], ["demo"])["spread_mm"].isna().all()


def test_the_distance_is_the_mean_over_the_walls() -> None:
    sure = cohorts.prediction("q0", "heart", "s0", cohorts.CUBE, within_90_mm={"left": 1.0, "right": 2.0})
    assert box_table([sure], metrics_of([sure], {}), ["demo"])["within_90_mm"].tolist() == [1.5]
