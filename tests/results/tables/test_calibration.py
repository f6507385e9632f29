"""The table about how sure predictions are: known answers, and its words."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest

from rprloc.methods.answer import Prediction
from rprloc.results.frame import alone, together
from rprloc.results.tables.calibration import COLUMNS, auroc, calibration_tables, risks, risks_by_kind, tidy_calibration
from rprloc.results.tables.layout import CohortFacts, markdown
from tests.results import cohorts

DEMO = (CohortFacts("demo", True, "s0"),)


def measured(calibrated_on: int = 10) -> tuple[pd.DataFrame, list[Prediction]]:
    """Return metrics and predictions of `matched` for two queries from two supports and from both together.

    Five walls in six lie as near as the predictions say, where these rest on any image.
    """
    sure = {"covered": 5 / 6, "within_90_mm": 2.0} if calibrated_on else {"covered": np.nan, "within_90_mm": np.nan}
    rows = [
        {"subject": query, "support": support, "method": "matched", "setting": "extreme", "iou": 0.5, "lost": 0.1}
        | sure
        for query in ("q0", "q1")
        for support in ("s0", "s1", "*")
    ]
    return cohorts.metrics_rows(rows), predictions(len(rows), calibrated_on)


def predictions(count: int, calibrated_on: int) -> list[Prediction]:
    """Return so many predictions that rest on so many images."""
    return [cohorts.prediction("q0", "heart", "s0", cohorts.CUBE, calibrated_on=calibrated_on)] * count


def text_of(metrics: pd.DataFrame, found: Sequence[Prediction]) -> str:
    """Return the table as Markdown."""
    return markdown(calibration_tables(tidy_calibration(metrics, found), DEMO))


def test_auroc_and_the_area_by_hand() -> None:
    doubt = np.array([1.0, 2, 3, 4])
    assert auroc(doubt, [False, False, True, True]) == 1 and auroc(doubt, [True, True, False, False]) == 0
    assert auroc(np.ones(4), [True, False, True, False]) == 0.5
    assert math.isnan(auroc(doubt, [False] * 4))
    error = np.array([0.0, 0.2, 0.4, 0.6])
    assert risks(doubt, error) == pytest.approx([0, 0.1, 0.2, 0.3])
    assert risks(doubt[::-1], error) == pytest.approx([0.6, 0.5, 0.4, 0.3])
    assert risks(np.ones(4), error) == pytest.approx(0.3)


def test_structures_of_other_sizes_are_ordered_each_by_themselves() -> None:
    # `lost` tells the better of each two, but not the better structure.
    values = [("heart", 0.9, 0.3), ("heart", 0.8, 0.4), ("lung", 0.5, 0.1), ("lung", 0.4, 0.2)]
    both = cohorts.metrics_rows(
        {"structure": name, "iou": iou, "lost": chance, "method": "matched", "setting": "extreme", "covered": np.nan}
        for name, iou, chance in values
    )
    tidy = tidy_calibration(both, predictions(4, 0)).set_index("structure")
    assert tidy["iou_error"].to_dict() == pytest.approx({"heart": 0.15, "lung": 0.55, "mean": 0.35})
    assert tidy["iou_error_area"].to_dict() == pytest.approx({"heart": 0.125, "lung": 0.525, "mean": 0.325})
    (curves,) = risks_by_kind(both).values()
    assert [curve.tolist() for curve in curves] == [pytest.approx([0.1, 0.15]), pytest.approx([0.5, 0.55])]
    unsure = tidy_calibration(both.assign(lost=math.nan), predictions(4, 0))
    assert unsure["iou_error"].isna().all() and unsure["iou_error_area"].isna().all()
    assert risks_by_kind(both.assign(lost=math.nan)) == {}


def test_one_support_and_all_have_lines_of_their_own() -> None:
    metrics, found = measured()
    tidy = tidy_calibration(metrics, found)
    assert list(tidy.columns) == list(COLUMNS)
    assert list(zip(tidy["supports"], tidy["structure"], strict=True)) == [
        ("one", "heart"), ("one", "mean"), ("all", "heart"), ("all", "mean"),
    ]  # fmt: skip
    assert (tidy["calibrated_on"] == 10).all() and (tidy["n"] == 2).all() and (tidy["failures"] == 0).all()
    assert tidy["coverage"].to_numpy() == pytest.approx(5 / 6) and tidy["within_90_mm"].to_numpy() == pytest.approx(2)
    assert tidy["answers"].to_list() == [4, 4, 2, 2] and tidy["auroc"].isna().all()
    assert set(risks_by_kind(metrics)) == {"each alone", "all together"}
    assert len(alone(metrics)) == 4 and len(together(metrics)) == 2
    text = text_of(metrics, found)
    assert "83.3, 2.0" in text and "all together" in text and "A dash:" not in text


def test_misses_unknown_truth_and_other_methods_take_no_part() -> None:
    metrics, found = measured()
    lines = len(metrics)
    more = pd.concat(
        [metrics, metrics.assign(failed=True), metrics.assign(iou=np.nan), metrics.assign(method="affine")]
    )
    pd.testing.assert_frame_equal(tidy_calibration(more, predictions(4 * lines, 10)), tidy_calibration(metrics, found))


def test_without_distances_and_without_predictions() -> None:
    metrics, found = measured(calibrated_on=0)
    tidy = tidy_calibration(metrics, found)
    assert tidy["coverage"].isna().all() and (tidy["calibrated_on"] == 0).all()
    assert "A dash: fewer than 4" in text_of(metrics, found)
    other = metrics.assign(method="affine")
    tidy = tidy_calibration(other, found)
    assert list(tidy.columns) == list(COLUMNS) and tidy.empty
    assert "both a label and an answer of matched" in text_of(other, found)
