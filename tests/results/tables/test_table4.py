"""Table 4 laid out for people."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from rprloc.results.frame import read_tables, write_frame
from rprloc.results.measure.by_support import by_support
from rprloc.results.measure.supports import tidy_supports
from rprloc.results.tables.layout import LEARNED_NOTE, CohortFacts
from rprloc.results.tables.table4 import supports_tables
from tests.results import cohorts

DEMO = (CohortFacts("demo", True, "s0"),)


@pytest.fixture(scope="module")
def tidy(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    """Lines of four queries, three supports and four methods, as they are read; one prediction of `affine` failed."""
    made = cohorts.many_methods(supports=3)
    place = next(i for i, one in enumerate(made.predictions) if one.method == "affine")
    made.predictions[place] = cohorts.lost(made.predictions[place], "the registration diverged")
    found = made.evaluate()
    path = tmp_path_factory.mktemp("table4") / "table4.csv"
    write_frame(path, tidy_supports(by_support(found.predictions, found.metrics, made.scans), 0), digits=6)
    return read_tables(path)


def test_laid_out_for_people(tidy: pd.DataFrame) -> None:
    (table,) = supports_tables(tidy, DEMO)
    assert [(row.label.split()[0], row.support) for row in table.lines] == [
        ("regression", "1 of 3, each alone"), ("regression", "all 3"), ("grey_ncc", "1 of 3, each alone"),
        ("grey_ncc", "all 3"), ("retina_unet", "none"), ("affine", "1 of 2, each alone"), ("affine", "all 2"),
    ]  # fmt: skip
    assert all(len(row.cells) == len(table.columns) for row in table.lines)
    cells = dict(zip(table.columns, table.lines[-2].cells, strict=True))
    # Each box of affine is 2 mm off along x; one of its 32 predictions failed.
    assert cells["brainstem"].endswith(", 0.67") and cells["failed"] == "1 of 32"
    assert (cells["wall, median"], cells["wall, 90 %"]) == ("0.00", "2.00")
    for words in ("wall by wall", "The paper has no such table", LEARNED_NOTE):
        assert any(words in note for note in table.notes)


def test_many_structures_leave_their_mean(tidy: pd.DataFrame) -> None:
    own = tidy[tidy["structure"] != "mean"]
    (table,) = supports_tables(
        pd.concat([tidy, *(own.assign(structure=own["structure"] + f"_{i}") for i in range(2))]), DEMO
    )
    assert table.columns[0] == "mean" and any("Mean over 12 structures" in note for note in table.notes)


def test_without_lines_it_is_a_sentence(tidy: pd.DataFrame, tmp_path: Path) -> None:
    write_frame(tmp_path / "table4.csv", tidy[:0])
    (table,) = supports_tables(read_tables(tmp_path / "table4.csv"), DEMO)
    assert table.lines == () and "No query of this cohort has a label" in table.notes[0]
