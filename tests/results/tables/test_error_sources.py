"""The table of where errors come from, laid out for people."""

from __future__ import annotations

import math

import pandas as pd

from rprloc.results.measure.by_support import by_support
from rprloc.results.measure.sources import tidy_sources
from rprloc.results.tables.error_sources import error_source_tables, share_text
from rprloc.results.tables.layout import CohortFacts
from tests.results import cohorts

DEMO = (CohortFacts("demo", True, "s0"),)


def test_laid_out_for_people() -> None:
    made = cohorts.many_methods(supports=3)
    found = made.evaluate()
    tidy = tidy_sources(by_support(found.predictions, found.metrics, made.scans))
    (table,) = error_source_tables(tidy, DEMO)
    assert [(line.label.split()[0], line.support) for line in table.lines] == [
        ("regression", "3, each alone"), ("grey_ncc", "3, each alone"),
    ]  # fmt: skip
    assert all(len(line.cells) == len(table.columns) for line in table.lines)
    own = tidy[tidy["structure"] != "mean"]
    many = pd.concat([tidy, *(own.assign(structure=own["structure"] + f"_{i}") for i in range(2))])
    (table,) = error_source_tables(many, DEMO)
    assert table.columns[0] == "mean" and any("Mean over 12 structures" in note for note in table.notes)
    (table,) = error_source_tables(tidy[:0], DEMO)
    assert table.lines == () and "3 queries or more, from as many supports" in table.notes[0]


def test_the_share_of_the_pair_in_words() -> None:
    entry = {"pair_share": 0.254, "pair_share_low": 0.1, "pair_share_high": 0.4}
    assert share_text(entry) == "25 % (10 to 40)"
    assert share_text(entry | {"pair_share_low": math.nan}) == "25 %"
