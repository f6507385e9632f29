"""Tables 1 and 2: their rows, their numbers recomputed another way, and the paper's beside them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from rprloc.results.frame import alone
from rprloc.results.shown import CohortTable
from rprloc.results.tables.layout import markdown
from rprloc.results.tables.tables12 import cohort_tables, tidy_table
from rprloc.results.tables.tabulate import facts_of
from tests.results import cohorts


@pytest.fixture(scope="module")
def measured() -> pd.DataFrame:
    """A cohort of four queries and three supports, with one miss."""
    made = cohorts.cohort(supports=3)
    lost = next(i for i, one in enumerate(made.predictions) if one.setting == cohorts.MAIN and one.support == "s1")
    del made.predictions[lost]
    return made.evaluate().metrics


def tables_of(number: int, metrics: pd.DataFrame, *names: str) -> list[CohortTable]:
    """Return a table laid out."""
    return cohort_tables(number, tidy_table(number, metrics), facts_of(metrics, names or ("demo",)))


def test_rows_of_both_tables(measured: pd.DataFrame) -> None:
    first, second = tidy_table(1, measured), tidy_table(2, measured)
    assert first["row"].unique().tolist()[:6] == [
        "diagonal, K = 1", "extreme, K = 1", "extreme, K = 5", "extreme, K = 10", "extreme, K = 15", "extreme, K = 20",
    ]  # fmt: skip
    assert second["row"].unique().tolist() == ["Mc (one step)", "Mc (two steps)", "Mc (three steps)", "Mc + Mf"]
    assert len(first) == 10 * 2 * 5
    assert len(second) == 4 * 2 * 5
    ours = first[first["row"].str.startswith("diagonal") & (first["row"] != "diagonal, K = 1")]
    assert ours["paper_iou"].isna().all()
    assert first[first["row"] == "diagonal, K = 1"]["paper_iou"].notna().all()


def test_each_cohort_has_the_steps_of_its_own_starts() -> None:
    few, many = (cohorts.cohort(name, queries=1, starts=k) for name, k in (("few", 4), ("many", 20)))
    both = pd.concat([few.evaluate().metrics, many.evaluate().metrics], ignore_index=True)
    both = both[both["structure"] == "mandible"]
    second = tidy_table(2, both).drop_duplicates(["cohort", "setting"])
    assert second[["cohort", "setting"]].to_numpy().tolist() == [
        [name, f"extreme.k{k}.{steps}"]
        for name, k in (("few", 4), ("many", 20))
        for steps in ("c1f0", "c2f0", "c3f0", "c1f1")
    ]
    # Table 1 has the paper's starts alone.
    assert "extreme.k4.c1f0" not in set(tidy_table(1, both)["setting"])
    texts = [table.notes[-1] for table in tables_of(2, both, "few", "many")]
    assert texts[0].startswith("K = 4 here") and texts[1].startswith("K = 20 here")


def test_numbers_recomputed_from_the_metrics(measured: pd.DataFrame) -> None:
    second = tidy_table(2, measured).set_index(["setting", "support", "structure"])
    flat = alone(measured[measured["setting"] == cohorts.MAIN])
    pivot = flat.pivot_table(index="subject", columns="structure", values="iou")
    line = second.loc[(cohorts.MAIN, "all", "mean")]
    assert line["iou"] == pytest.approx(flat["iou"].mean())
    assert line["iou"] == pytest.approx(pivot.to_numpy().mean())
    assert (line["answers"], line["failures"], line["n"], line["n_supports"]) == (48, 1, 4, 3)
    assert line["iou_sd_supports"] == pytest.approx(flat.groupby("support")["iou"].mean().std())
    images = pivot.mean(axis=1)
    assert line["iou_high"] - line["iou"] == pytest.approx(3.182446 * images.std() / 2, rel=1e-5)
    drawn = flat[flat["drawn"]]
    for organ in cohorts.ORGANS:
        of_organ = drawn[drawn["structure"] == organ]
        line = second.loc[(cohorts.MAIN, "drawn", organ)]
        assert line["iou"] == pytest.approx(of_organ["iou"].mean())
        assert line["awd_mm"] == pytest.approx(of_organ["awd_mm"].mean())
        assert line["n_supports"] == 1 and np.isnan(line["iou_sd_supports"])


def test_a_miss_counts_as_zero(measured: pd.DataFrame) -> None:
    missed = measured[measured["failed"]].iloc[0]["structure"]
    line = tidy_table(2, measured).set_index(["setting", "support", "structure"]).loc[(cohorts.MAIN, "all", missed)]
    own = alone(measured[(measured["setting"] == cohorts.MAIN) & (measured["structure"] == missed)])
    assert line["iou"] == pytest.approx(own[~own["failed"]]["iou"].sum() / len(own))
    assert line["failures"] == 1


def test_predictions_of_all_supports_together_change_no_number(measured: pd.DataFrame) -> None:
    few = measured[measured["structure"] == "mandible"]
    pd.testing.assert_frame_equal(tidy_table(2, few), tidy_table(2, alone(few)))


def test_a_cohort_without_truth_is_a_sentence(measured: pd.DataFrame) -> None:
    blank = measured.assign(cohort="bare", iou=np.nan, iou_reference=np.nan, awd_mm=np.nan, mre_mm=np.nan)
    both = pd.concat([measured[measured["setting"] == "extreme.k1.c1f0"].assign(main=True), blank])
    assert set(tidy_table(1, both)["cohort"]) == {"demo"}
    text = markdown(tables_of(1, both, "demo", "bare"))
    assert "## bare\n\nNo query of this cohort has a label" in text


def test_without_the_tables_settings_the_main_row_is_left() -> None:
    measured = cohorts.cohort(queries=1, tables=False, starts=7).evaluate().metrics
    assert tidy_table(1, measured).empty
    assert tidy_table(2, measured)["row"].unique().tolist() == ["Mc + Mf"]
    assert "were not run" in markdown(tables_of(1, measured))
    # Nor is there a row of other methods.
    other = measured.assign(method="affine", setting="extreme")
    assert tidy_table(2, other).empty and "were not run" in markdown(tables_of(2, other))


def test_markdown_shows_the_paper(measured: pd.DataFrame) -> None:
    text = markdown(tables_of(2, measured))
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert len({len(line) for line in lines}) == 1
    assert len(lines) == 2 + 4 * 3
    assert "61.5, 3.70" in lines[-1] and "55.1, 6.12" in lines[-1]
    assert "1 of 48" in lines[-2]
    assert "another cohort" in text and "(ours)" not in text
    assert markdown(tables_of(1, measured)).count("(ours)") == 4 * 2


def test_many_structures_leave_their_mean_in_the_markdown(measured: pd.DataFrame) -> None:
    many = pd.concat([measured.assign(structure=measured["structure"] + f"_{i}") for i in range(3)])
    (table,) = tables_of(2, many[many["main"]])
    assert table.columns[0] == "mean"
    assert any("Mean over 12 structures" in note for note in table.notes)
