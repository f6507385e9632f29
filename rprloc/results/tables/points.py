"""The table about single landmarks for people: how far they are found from where they are marked."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from rprloc.results.measure.points import DISTANCES_MM
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

NOTHING = "No query of this cohort has a single landmark that is marked."
KIND = Kind(7, "Single landmarks that are marked", nothing=NOTHING, unknown=NOTHING)


def point_tables(tidy: pd.DataFrame, cohorts: Iterable[CohortFacts]) -> list[CohortTable]:
    """Return the table laid out for people, one for each cohort; `tidy` is tables/landmarks.csv of all cohorts."""
    return by_cohort(KIND, tidy, cohorts, _cohort_table)


def _cohort_table(cohort: CohortFacts, tidy: pd.DataFrame) -> CohortTable:
    """Return one cohort's table from its tidy lines."""
    columns = Columns.of(tidy)
    lines = []
    for (label, _), entries in entries_by(tidy, "row", "supports"):
        mean = entries[MEAN]
        cells = (
            *cells_of(entries, columns.shown, _entry_text),
            number_text((mean["mre_high_mm"] - mean["mre_low_mm"]) / 2, 2),
            number_text(mean["within_90_mm"], 1),
            number_text(100 * mean["covered"], 0),
            str(mean["n"]),
            failed(mean),
        )
        lines.append(Line(label, "all", supports_text(mean), cells))
    head = (*columns.shown, "± 95 %", "90 % radius", "within it", "n", "failed")
    return KIND.of(cohort.name, head, lines, _notes(columns))


def _entry_text(entry: Entry) -> str:
    """Return `4.81; 6.3, 20.3, 55.0, 88.1`: MRE in mm; SDR at each distance in %."""
    return error_and_rates(entry, DISTANCES_MM)


def _notes(columns: Columns) -> tuple[str, ...]:
    """Return what a reader has to know."""
    notes = [
        "Each entry: MRE, the mean distance of the found landmark from the marked one in mm; SDR, the success "
        "detection rate: how many are at most 1, 2, 4 and 8 mm off, in %. ±: half the 95 % t interval of the mean MRE "
        "over the n query scans. A failed answer counts as not detected and has no MRE: read it together with "
        "the number of failures.",
        "90 % radius: within how many mm the true landmark lies, nine times in ten, as the answers say, and how many "
        "in % do lie within it; a dash with fewer than nine supports that tell.",
    ]
    return (*notes, *columns.notes)
