"""Table 5 laid out for people."""

from __future__ import annotations

import pandas as pd
import pytest

from rprloc.results.measure.landmarks import tidy_landmarks
from rprloc.results.tables.layout import CohortFacts
from rprloc.results.tables.table5 import landmark_tables
from tests.results import cohorts

DEMO = (CohortFacts("demo", True, "s0"),)


@pytest.fixture(scope="module")
def tidy() -> pd.DataFrame:
    """Lines of four queries, three supports and four methods; one prediction of `affine` failed."""
    made = cohorts.many_methods(supports=3)
    place = next(i for i, one in enumerate(made.predictions) if one.method == "affine")
    made.predictions[place] = cohorts.lost(made.predictions[place], "the registration diverged")
    found = made.evaluate()
    return tidy_landmarks(found.predictions, found.metrics, made.scans)


def test_laid_out_for_people(tidy: pd.DataFrame) -> None:
    (table,) = landmark_tables(tidy, DEMO)
    assert [(row.label.split()[0], row.support, row.cells[0]) for row in table.lines] == [
        (method, support, kind)
        for method, given in (("regression", 3), ("grey_ncc", 3), ("affine", 2))
        for support in (f"1 of {given}, each alone", f"all {given}")
        for kind in ("extreme points", "centre")
    ]
    assert all(len(row.cells) == len(table.columns) for row in table.lines)
    cells = dict(zip(table.columns, table.lines[-4].cells, strict=True))
    # Each prediction of affine is 2 mm off; one of its 32 failed, which is half an image of four.
    assert cells["parotid_left"] == "2.00; 100.0, 100.0, 100.0" and cells["failed"] == "1 of 32"
    assert cells["brainstem"] == "2.00; 87.5, 87.5, 87.5" and cells["n"] == "4" and cells["± 95 %"] == "0.00"
    assert dict(zip(table.columns, table.lines[4].cells, strict=True))["mean"] == "3.00; 0.0, 100.0, 100.0"


def test_many_structures_leave_their_mean(tidy: pd.DataFrame) -> None:
    own = tidy[tidy["structure"] != "mean"]
    many = pd.concat([tidy, *(own.assign(structure=own["structure"] + f"_{i}") for i in range(2))])
    (table,) = landmark_tables(many, DEMO)
    assert table.columns[:2] == ("landmark", "mean") and any("Mean over 12 structures" in note for note in table.notes)


def test_without_supports_and_without_lines(tidy: pd.DataFrame) -> None:
    (table,) = landmark_tables(tidy.assign(supports=0, of_supports=0), DEMO)
    assert {line.support for line in table.lines} == {"none"}
    (table,) = landmark_tables(tidy[:0], DEMO)
    assert table.lines == () and "No query of this cohort has a label" in table.notes[0]
