"""Table 3: a row for each method, numbers recomputed another way, the paper's beside them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from rprloc.results.frame import alone
from rprloc.results.shown import CohortTable
from rprloc.results.tables import table3
from rprloc.results.tables.layout import LEARNED_NOTE
from rprloc.results.tables.tabulate import facts_of
from tests.results import cohorts


@pytest.fixture(scope="module")
def measured() -> pd.DataFrame:
    """Metrics of four queries, three supports and four methods; one prediction of `affine` failed."""
    made = cohorts.many_methods(supports=3)
    place = next(i for i, one in enumerate(made.predictions) if one.method == "affine")
    made.predictions[place] = cohorts.lost(made.predictions[place], "the registration diverged")
    return made.evaluate().metrics


@pytest.fixture(scope="module")
def tidy(measured: pd.DataFrame) -> pd.DataFrame:
    """Their table 3."""
    return table3.tidy_table3(measured)


def table_of(metrics: pd.DataFrame) -> CohortTable:
    """Return table 3 laid out."""
    (table,) = table3.accuracy_tables(table3.tidy_table3(metrics), facts_of(metrics, ["demo"]))
    return table


def test_methods_come_in_the_paper_s_order_with_their_supports(tidy: pd.DataFrame) -> None:
    modes = tidy.drop_duplicates(["method", "support"])[["method", "support", "n_supports"]]
    assert modes.to_numpy().tolist() == [
        ["regression", "drawn", 1], ["regression", "all", 3], ["grey_ncc", "drawn", 1], ["grey_ncc", "all", 3],
        ["retina_unet", "none", 0], ["affine", "drawn", 1], ["affine", "all", 2],
    ]  # fmt: skip
    assert len(tidy) == 7 * 5
    assert tidy[tidy["method"] == "affine"]["paper_iou"].isna().all()
    line = tidy[(tidy["method"] == "grey_ncc") & (tidy["structure"] == "mean")].iloc[0]
    assert (line["paper_iou"], line["paper_awd_mm"]) == (pytest.approx(0.385), 14.01)


def test_numbers_recomputed_from_the_metrics(measured: pd.DataFrame, tidy: pd.DataFrame) -> None:
    tidy = tidy.set_index(["method", "support", "structure"])
    own = alone(measured[measured["method"] == "regression"])
    images = own.groupby(["subject", "structure"])["awd_mm"].mean().unstack()
    line = tidy.loc[("regression", "all", "mandible")]
    assert line["awd_mm"] == pytest.approx(images["mandible"].mean())
    assert line["awd_sd_mm"] == pytest.approx(images["mandible"].std())
    line = tidy.loc[("regression", "all", "mean")]
    assert line["awd_mm"] == pytest.approx(images.to_numpy().mean())
    assert line["awd_sd_mm"] == pytest.approx(images.mean(axis=1).std())
    assert line["awd_high_mm"] - line["awd_mm"] == pytest.approx(3.182446 * line["awd_sd_mm"] / 2, rel=1e-5)
    # Every box of grey_ncc is 3 mm off along x: two of six walls.
    line = tidy.loc[("grey_ncc", "drawn", "brainstem")]
    assert (line["awd_mm"], line["awd_sd_mm"]) == (pytest.approx(1), pytest.approx(0, abs=1e-9))


def test_a_failed_prediction_is_counted_and_is_no_distance(measured: pd.DataFrame, tidy: pd.DataFrame) -> None:
    line = tidy.set_index(["method", "support", "structure"]).loc[("affine", "all", "mean")]
    assert (line["answers"], line["found"], line["failures"], line["n"]) == (32, 31, 1, 4)
    assert line["awd_mm"] == pytest.approx(2 / 3)
    affine = alone(measured[measured["method"] == "affine"])
    assert line["iou"] == pytest.approx(affine["iou"].sum() / 32)


def test_laid_out_for_people(measured: pd.DataFrame) -> None:
    table = table_of(measured)
    assert [(line.label.split()[0], line.kind) for line in table.lines] == [
        ("regression", "drawn"), ("regression", "all"), ("regression", "paper"), ("grey_ncc", "drawn"),
        ("grey_ncc", "all"), ("grey_ncc", "paper"), ("retina_unet", "none"), ("retina_unet", "paper"),
        ("affine", "drawn"), ("affine", "all"),
    ]  # fmt: skip
    assert all(len(line.cells) == len(table.columns) for line in table.lines)
    assert table.lines[4].cells[0].endswith(", 1.00 ± 0.00")
    assert table.lines[5].cells[:5] == ("46.9, 7.35", "58.9, 9.76", "24.3, 18.78", "23.9, 20.14", "38.5, 14.01")
    assert table.lines[-1].support == "all 2, each alone" and table.lines[-1].cells[-2:] == ("31", "1 of 32")
    assert LEARNED_NOTE in table.notes


def test_the_pancreas_has_the_paper_s_numbers_too(measured: pd.DataFrame) -> None:
    only = measured[measured["structure"] == "mandible"].assign(structure="pancreas")
    tidy = table3.tidy_table3(only).set_index(["method", "support", "structure"])
    assert tidy.loc[("retina_unet", "none", "pancreas")]["paper_iou"] == pytest.approx(0.81)
    # The mean of the paper is over its four organs.
    assert np.isnan(tidy.loc[("retina_unet", "none", "mean")]["paper_iou"])


def test_a_method_of_two_settings_of_which_none_is_the_main_one(measured: pd.DataFrame) -> None:
    grey = measured[measured["method"] == "grey_ncc"].assign(main=False)
    both = table3.tidy_table3(pd.concat([grey, grey.assign(setting="extreme.s2")]))
    assert both["row"].unique().tolist() == ["grey_ncc (GS NCC), extreme.s1", "grey_ncc (GS NCC), extreme.s2"]


def test_without_truth_it_is_a_sentence(measured: pd.DataFrame) -> None:
    blank = measured.assign(iou=np.nan, iou_reference=np.nan, awd_mm=np.nan, mre_mm=np.nan)
    assert table3.tidy_table3(blank).empty
    assert table_of(blank).lines == () and "No query of this cohort has a label" in table_of(blank).notes[0]


def test_many_structures_leave_their_mean(measured: pd.DataFrame) -> None:
    measured = measured[measured["method"] == "affine"]
    table = table_of(pd.concat([measured.assign(structure=measured["structure"] + f"_{i}") for i in range(3)]))
    assert table.columns[0] == "mean" and any("Mean over 12 structures" in note for note in table.notes)


def test_predictions_of_all_supports_together_change_no_number(measured: pd.DataFrame, tidy: pd.DataFrame) -> None:
    assert (measured["support"] == "*").sum() == 4 * 4 * 3
    pd.testing.assert_frame_equal(tidy, table3.tidy_table3(alone(measured)))
