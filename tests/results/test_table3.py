"""Table 3: a row for each method, numbers recomputed another way, the paper's beside them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from rprloc.results import layout, metrics, paper, seconds, table3, tables
from rprloc.results.combined import alone
from rprloc.results.method_words import LEARNED_NOTE
from tests.results import cohorts

STARTS = {"demo": 15}


@pytest.fixture(scope="module")
def evaluated() -> tuple[list[dict[str, Any]], pd.DataFrame]:
    """Rows and metrics of four queries, three supports and four methods; one answer of `affine` failed."""
    check, scans, answers = cohorts.many_methods(supports=3)
    lost = next(row for row in answers if row["method"] == "affine")
    lost |= {"failed": True, "reason": "the registration diverged", "box_mm": None, "points_mm": None}
    return metrics.evaluate(check, "demo", scans, answers, seed=0, tables=False)[:2]


@pytest.fixture(scope="module")
def measured(evaluated: Any) -> pd.DataFrame:
    """The metrics alone."""
    return evaluated[1]


def test_the_paper_s_table_is_complete() -> None:
    numbers = paper.paper_numbers()
    methods = {row for table, row, _ in numbers if table == 3}
    assert methods == set(paper.paper_seconds())
    assert len([key for key in numbers if key[0] == 3]) == 7 * 6
    assert numbers[3, "grey_ncc", "pancreas"] == (pytest.approx(0.035), 101.77)
    assert numbers[3, "retina_unet", "mean"] == (pytest.approx(0.671), 5.07)
    assert paper.paper_seconds()["feature_mse"] == 26586
    # The paper's own row is the last one of its table 2.
    for structure in (*cohorts.ORGANS, "mean", "pancreas"):
        assert numbers[3, "regression", structure] == numbers[2, "c1f1", structure]


def test_methods_come_in_the_paper_s_order_with_their_supports(measured: pd.DataFrame) -> None:
    tidy = table3.tidy_table3(measured, STARTS)
    modes = tidy.drop_duplicates(["method", "support"])[["method", "support", "n_supports"]]
    assert modes.to_numpy().tolist() == [
        ["regression", "drawn", 1], ["regression", "all", 3], ["grey_ncc", "drawn", 1], ["grey_ncc", "all", 3],
        ["retina_unet", "none", 0], ["affine", "drawn", 1], ["affine", "all", 2],
    ]  # fmt: skip
    assert len(tidy) == 7 * 5
    assert tidy[tidy["method"] == "affine"]["paper_iou"].isna().all()
    line = tidy[(tidy["method"] == "grey_ncc") & (tidy["structure"] == "mean")].iloc[0]
    assert (line["paper_iou"], line["paper_awd_mm"]) == (pytest.approx(0.385), 14.01)


def test_numbers_recomputed_from_the_metrics(measured: pd.DataFrame) -> None:
    tidy = table3.tidy_table3(measured, STARTS).set_index(["method", "support", "structure"])
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


def test_a_failed_answer_is_counted_and_is_no_distance(measured: pd.DataFrame) -> None:
    tidy = table3.tidy_table3(measured, STARTS).set_index(["method", "support", "structure"])
    line = tidy.loc[("affine", "all", "mean")]
    assert (line["answers"], line["found"], line["failures"], line["n"]) == (32, 31, 1, 4)
    assert line["awd_mm"] == pytest.approx(2 / 3)
    affine = alone(measured[measured["method"] == "affine"])
    assert line["iou"] == pytest.approx(affine["iou"].sum() / 32)


def test_laid_out_for_people(measured: pd.DataFrame) -> None:
    (table,) = table3.accuracy_tables(measured, STARTS)
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
    tidy = table3.tidy_table3(only, STARTS).set_index(["method", "support", "structure"])
    assert tidy.loc[("retina_unet", "none", "pancreas")]["paper_iou"] == pytest.approx(0.81)
    # The mean of the paper is over its four organs.
    assert np.isnan(tidy.loc[("retina_unet", "none", "mean")]["paper_iou"])


def test_one_method_and_a_method_of_two_settings(measured: pd.DataFrame) -> None:
    own = measured[measured["method"] == "regression"]
    assert table3.tidy_table3(own, STARTS)["method"].unique().tolist() == ["regression"]
    grey = measured[measured["method"] == "grey_ncc"]
    both = table3.tidy_table3(pd.concat([grey, grey.assign(setting="extreme.s2")]), STARTS)
    assert both["row"].unique().tolist() == ["grey_ncc (GS NCC), extreme.s1", "grey_ncc (GS NCC), extreme.s2"]


def test_without_truth_it_is_a_sentence(measured: pd.DataFrame) -> None:
    blank = measured.assign(iou=np.nan, iou_reference=np.nan, awd_mm=np.nan, mre_mm=np.nan)
    assert table3.tidy_table3(blank, STARTS).empty
    (table,) = table3.accuracy_tables(blank, STARTS)
    assert table.lines == () and "No query of this cohort has a label" in table.notes[0]


def test_many_structures_leave_their_mean(measured: pd.DataFrame) -> None:
    many = pd.concat([measured.assign(structure=measured["structure"] + f"_{i}") for i in range(3)])
    (table,) = table3.accuracy_tables(many, STARTS)
    assert table.columns[0] == "mean" and any("Mean over 12 structures" in note for note in table.notes)


def test_files(evaluated: Any, tmp_path: Path) -> None:
    rows, measured = evaluated
    measured.to_csv(tmp_path / "metrics.csv", index=False)
    table3.write_table3(tmp_path / "tables", pd.read_csv(tmp_path / "metrics.csv"), rows, STARTS)
    assert sorted(path.name for path in (tmp_path / "tables").iterdir()) == [
        "table3.csv", "table3.md", "table3_seconds.csv",
    ]  # fmt: skip
    text = (tmp_path / "tables" / "table3.md").read_text(encoding="utf-8")
    assert f"# {table3.TITLE}\n\n## demo" in text and f"# {seconds.TITLE}\n\n## demo" in text
    read = pd.read_csv(tmp_path / "tables" / "table3.csv")
    assert read["iou"].between(0, 1).all() and set(read["support"]) == {"drawn", "all", "none"}
    assert len(pd.read_csv(tmp_path / "tables" / "table3_seconds.csv")) == 4


def test_the_terminal_shows_every_method(measured: pd.DataFrame) -> None:
    text = tables.summary(measured, STARTS)
    assert len([line for line in text.splitlines() if line.startswith("| demo")]) == 5 + 4
    assert "38.5, 14.01" in text and "retina_unet" in text
    affine = tables.summary(measured[measured["method"] == "affine"], STARTS)
    assert "affine" in affine and "coarse" not in affine and layout.number_text(2 / 3, 2) in affine
    assert "affine" not in tables.summary(measured[measured["method"] == "regression"], STARTS)


def test_answers_of_all_supports_together_change_no_number(measured: pd.DataFrame) -> None:
    assert (measured["support"] == "*").sum() == 4 * 4 * 3
    pd.testing.assert_frame_equal(table3.tidy_table3(measured, STARTS), table3.tidy_table3(alone(measured), STARTS))
