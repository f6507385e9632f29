"""Tables 1 and 2: their rows, their numbers recomputed another way, and the paper's beside them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from rprloc.results import layout, metrics, paper, tables
from rprloc.results.combined import alone
from tests.results import cohorts


def table_of(**changes: Any) -> pd.DataFrame:
    """Return the metrics of a made-up cohort."""
    check, scans, answers = cohorts.cohort(**changes)
    name = changes.get("name", "demo")
    return metrics.evaluate(check, name, scans, answers, seed=0, tables=changes.get("tables", True))[1]


@pytest.fixture(scope="module")
def measured() -> pd.DataFrame:
    """A cohort of four queries and three supports, with one miss."""
    check, scans, answers = cohorts.cohort(supports=3)
    lost = next(i for i, a in enumerate(answers) if a["setting"] == "extreme.k15.c1f1" and a["support"] == "s1")
    del answers[lost]
    return metrics.evaluate(check, "demo", scans, answers, seed=0, tables=True)[1]


def test_the_paper_s_tables_are_complete() -> None:
    numbers = paper.paper_numbers()
    assert len(numbers) == 60 + 42
    assert numbers[1, "diagonal.k1", "mandible"] == (pytest.approx(0.323), 15.29)
    assert numbers[2, "c1f1", "mean"] == (pytest.approx(0.551), 6.12)
    assert numbers[2, "c3f0", "pancreas"] == (pytest.approx(0.460), 13.76)
    # One coarse step is the row K = 15 of table 1 for head and neck, K = 20 for the pancreas.
    assert numbers[2, "c1f0", "brainstem"] == numbers[1, "extreme.k15", "brainstem"]
    assert numbers[2, "c1f0", "pancreas"] == numbers[1, "extreme.k20", "pancreas"]


@pytest.mark.parametrize("number", [1, 2, 3])
def test_the_paper_s_means_are_those_of_its_organs(number: int) -> None:
    for (table, row, structure), (iou, awd) in paper.paper_numbers().items():
        if (table, row, structure) == (3, "feature_cosine", "mean"):
            # As printed; its organs' mean is 6.91.
            assert awd == 7.92
        elif table == number and structure == "mean":
            organs = [paper.paper_numbers()[table, row, organ] for organ in cohorts.ORGANS]
            assert np.mean([organ[0] for organ in organs]) == pytest.approx(iou, abs=0.0011)
            assert np.mean([organ[1] for organ in organs]) == pytest.approx(awd, abs=0.011)


def test_rows_of_both_tables(measured: pd.DataFrame) -> None:
    first = tables.tidy_table(1, measured, {"demo": 15})
    second = tables.tidy_table(2, measured, {"demo": 15})
    assert first["row"].unique().tolist()[:6] == [
        "diagonal, K = 1", "extreme, K = 1", "extreme, K = 5", "extreme, K = 10", "extreme, K = 15", "extreme, K = 20",
    ]  # fmt: skip
    assert second["row"].unique().tolist() == ["Mc (one step)", "Mc (two steps)", "Mc (three steps)", "Mc + Mf"]
    assert len(first) == 10 * 2 * 5
    assert len(second) == 4 * 2 * 5
    ours = first[first["row"].str.startswith("diagonal") & (first["row"] != "diagonal, K = 1")]
    assert ours["paper_iou"].isna().all()
    assert first[first["row"] == "diagonal, K = 1"]["paper_iou"].notna().all()


def test_numbers_recomputed_from_the_metrics(measured: pd.DataFrame) -> None:
    second = tables.tidy_table(2, measured, {"demo": 15}).set_index(["setting", "support", "structure"])
    flat = alone(measured[measured["setting"] == "extreme.k15.c1f1"])
    pivot = flat.pivot_table(index="subject", columns="structure", values="iou")
    line = second.loc[("extreme.k15.c1f1", "all", "mean")]
    assert line["iou"] == pytest.approx(flat["iou"].mean())
    assert line["iou"] == pytest.approx(pivot.to_numpy().mean())
    assert (line["answers"], line["failures"], line["n"], line["n_supports"]) == (48, 1, 4, 3)
    assert line["iou_sd_supports"] == pytest.approx(flat.groupby("support")["iou"].mean().std())
    images = pivot.mean(axis=1)
    assert line["iou_high"] - line["iou"] == pytest.approx(3.182446 * images.std() / 2, rel=1e-5)
    drawn = flat[flat["drawn"]]
    for organ in cohorts.ORGANS:
        of_organ = drawn[drawn["structure"] == organ]
        line = second.loc[("extreme.k15.c1f1", "drawn", organ)]
        assert line["iou"] == pytest.approx(of_organ["iou"].mean())
        assert line["awd_mm"] == pytest.approx(of_organ["awd_mm"].mean())
        assert line["n_supports"] == 1 and np.isnan(line["iou_sd_supports"])


def test_a_miss_counts_as_zero(measured: pd.DataFrame) -> None:
    second = tables.tidy_table(2, measured, {"demo": 15})
    missed = measured[measured["failed"]].iloc[0]
    line = second[
        (second["setting"] == "extreme.k15.c1f1") & (second["support"] == "all")
        & (second["structure"] == missed["structure"])
    ].iloc[0]  # fmt: skip
    found = measured[
        (measured["setting"] == "extreme.k15.c1f1") & (measured["structure"] == missed["structure"])
        & ~measured["failed"] & (measured["support"] != "*")
    ]  # fmt: skip
    assert line["iou"] == pytest.approx(found["iou"].sum() / (len(found) + 1))
    assert line["failures"] == 1


def test_the_paper_s_mean_stands_beside_the_same_organs_only() -> None:
    check, scans, answers = cohorts.cohort()
    for subject in scans.values():
        subject["structures"].pop("mandible", None)
    answers = [answer for answer in answers if answer["structure"] != "mandible"]
    del check["cohorts"]["demo"]["structures"]["mandible"]
    measured = metrics.evaluate(check, "demo", scans, answers, seed=0, tables=True)[1]
    table = tables.tidy_table(2, measured, {"demo": 15})
    assert table[table["structure"] == "mean"]["paper_iou"].isna().all()
    assert table[table["structure"] == "brainstem"]["paper_iou"].notna().all()


def test_a_cohort_without_truth_is_a_sentence(measured: pd.DataFrame) -> None:
    blank = measured.assign(cohort="bare", iou=np.nan, iou_reference=np.nan, awd_mm=np.nan, mre_mm=np.nan)
    both = pd.concat([measured, blank])
    assert set(tables.tidy_table(1, both, {"demo": 15, "bare": 15})["cohort"]) == {"demo"}
    text = layout.markdown(tables.cohort_tables(1, both, {"demo": 15, "bare": 15}))
    assert "## bare\n\nNo query of this cohort has a label" in text
    assert tables.summary(blank, {"bare": 15}).startswith("No query has a label")


def test_without_the_tables_settings_the_main_row_is_left() -> None:
    measured = table_of(tables=False, starts=7)
    assert tables.tidy_table(1, measured, {"demo": 7}).empty
    assert tables.tidy_table(2, measured, {"demo": 7})["row"].unique().tolist() == ["Mc + Mf"]
    assert "were not run" in layout.markdown(tables.cohort_tables(1, measured, {"demo": 7}))


def test_files_are_written_and_read_back(measured: pd.DataFrame, tmp_path: Path) -> None:
    other = table_of(name="abdomen", starts=20)
    both = pd.concat([measured, other])
    # As TABULATE gets it: from the file.
    both.to_csv(tmp_path / "metrics.csv", index=False)
    both = pd.read_csv(tmp_path / "metrics.csv")
    tables.write_tables(tmp_path / "tables", both, {"demo": 15, "abdomen": 20})
    assert sorted(path.name for path in (tmp_path / "tables").iterdir()) == [
        "table1.csv", "table1.md", "table2.csv", "table2.md",
    ]  # fmt: skip
    read = pd.read_csv(tmp_path / "tables" / "table2.csv")
    assert set(read["cohort"]) == {"demo", "abdomen"}
    assert read["iou"].between(0, 1).all()
    assert set(read[read["cohort"] == "abdomen"]["setting"]) >= {"extreme.k20.c1f1"}


def test_markdown_is_aligned_and_shows_the_paper(measured: pd.DataFrame) -> None:
    text = layout.markdown(tables.cohort_tables(2, measured, {"demo": 15}))
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert len({len(line) for line in lines}) == 1
    assert len(lines) == 2 + 4 * 3
    assert "61.5, 3.70" in lines[-1] and "55.1, 6.12" in lines[-1]
    assert "1 of 48" in lines[-2]
    assert "another cohort" in text


def test_many_structures_leave_their_mean_in_the_markdown() -> None:
    measured = table_of()
    many = pd.concat([measured.assign(structure=measured["structure"] + f"_{i}") for i in range(3)])
    (table,) = tables.cohort_tables(2, many, {"demo": 15})
    assert table.columns[0] == "mean"
    assert any("Mean over 12 structures" in note for note in table.notes)
    assert len(tables.tidy_table(2, many, {"demo": 15})) == 4 * 2 * 13


def test_names_cannot_break_a_table() -> None:
    assert layout.escape("a|b<script>*`[x](y)\nz\\") == r"a\|b&lt;script>\*\`\[x](y) z\\"


def test_small_table_for_the_terminal(measured: pd.DataFrame) -> None:
    text = tables.summary(measured, {"demo": 15})
    assert len([line for line in text.splitlines() if line.startswith("| demo")]) == 5
    assert "55.1, 6.12" in text
    every = measured[measured["support"] == "*"]
    assert f"demo, regression (the paper's): all 3 supports together {100 * every['iou'].mean():.1f}, " in text
    assert "; 0 of 16 failed" in text
    assert "together" not in tables.summary(alone(measured), {"demo": 15})
    # A mean over the main setting without any drawn answer still has a line.
    assert "–" in tables.summary(measured[~measured["drawn"]], {"demo": 15})
