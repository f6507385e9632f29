"""Table 5 for people: how far single landmarks are off, the extreme points and the centres of structures."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from rprloc.results.measure.landmarks import DISTANCES_MM
from rprloc.results.shown import CohortTable, Line
from rprloc.results.statistics import MEAN
from rprloc.results.tables.layout import (
    CohortFacts,
    Columns,
    Entry,
    Kind,
    by_cohort,
    cells_of,
    entries_by,
    error_and_rates,
    failed,
    number_text,
    supports_text,
)

KIND = Kind(5, "Table 5: single landmarks")

LANDMARKS = {"extreme": "extreme points", "centre": "centre"}
"""What a line is about, for people."""


def landmark_tables(tidy: pd.DataFrame, cohorts: Iterable[CohortFacts]) -> list[CohortTable]:
    """Return table 5 laid out for people, one for each cohort; `tidy` is table5.csv of all cohorts."""
    return by_cohort(KIND, tidy, cohorts, _cohort_table)


def _cohort_table(cohort: CohortFacts, tidy: pd.DataFrame) -> CohortTable:
    """Return one cohort's table from its tidy lines."""
    columns = Columns.of(tidy)
    lines = []
    for (label, _, landmark), entries in entries_by(tidy, "row", "supports", "landmark"):
        mean = entries[MEAN]
        cells = (
            LANDMARKS[landmark],
            *cells_of(entries, columns.shown, _entry_text),
            number_text((mean["mre_high_mm"] - mean["mre_low_mm"]) / 2, 2),
            str(mean["n"]),
            failed(mean),
        )
        lines.append(Line(label, "all", supports_text(mean), cells))
    return KIND.of(cohort.name, ("landmark", *columns.shown, "± 95 %", "n", "failed"), lines, _notes(columns))


def _entry_text(entry: Entry) -> str:
    """Return `4.81; 20.3, 55.0, 88.1`: MRE in mm; SDR at each distance in %."""
    return error_and_rates(entry, DISTANCES_MM)


def _notes(columns: Columns) -> tuple[str, ...]:
    """Return what a reader has to know."""
    notes = [
        "Each entry: MRE, the mean radial error in mm; SDR, the success detection rate: how many of the landmarks are "
        "at most 2, 4 and 8 mm off, in %. ±: half the 95 % t interval of the mean MRE over the n query scans. A failed "
        "answer counts as not detected and has no MRE: read it together with the number of failures.",
        "extreme points: the six points where the structure meets its box, along the wall too, which AWD does not see. "
        "centre: the middle of the found box against that of the true one. One support: the mean over the supports, "
        "each alone. All: one answer from all of them. Methods that find a box without extreme points have no row.",
        "The paper has no such table.",
    ]
    return (*notes, *columns.notes)
