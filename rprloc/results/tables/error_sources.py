"""The table of where the walls' errors come from, for people."""

from __future__ import annotations

import math
from collections.abc import Iterable

import pandas as pd

from rprloc.results.measure.sources import FEWEST
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
    number_text,
)

_NOTHING = f"No method of this cohort found a structure with truth in {FEWEST} queries or more, from as many supports."

KIND = Kind(7, "Where the errors come from", nothing=_NOTHING, unknown=_NOTHING)


def error_source_tables(tidy: pd.DataFrame, cohorts: Iterable[CohortFacts]) -> list[CohortTable]:
    """Return the table laid out for people, one for each cohort; `tidy` is error_sources.csv of all cohorts."""
    return by_cohort(KIND, tidy, cohorts, _cohort_table)


def _cohort_table(cohort: CohortFacts, tidy: pd.DataFrame) -> CohortTable:
    """Return one cohort's table from its tidy lines."""
    columns = Columns.of(tidy)
    lines = []
    for (label,), entries in entries_by(tidy, "row"):
        mean = entries[MEAN]
        cells = (
            *cells_of(entries, columns.shown, _entry_text),
            number_text(mean["shared_mm"], 2),
            number_text(mean["one_support_mm"], 2),
            number_text(mean["many_supports_mm"], 2),
            share_text(mean),
            str(mean["n"]),
        )
        lines.append(Line(label, "all", f"{mean['supports']}, each alone", cells))
    head = (*columns.shown, "all alike", "one support", "endless supports", "pair's share", "n")
    return KIND.of(cohort.name, head, lines, _notes(columns))


def _entry_text(entry: Entry) -> str:
    """Return `4.23, 4.14, 1.55`: of the query, of the support, of the pair, in mm."""
    return ", ".join(number_text(entry[name], 2) for name in ("query_mm", "support_mm", "pair_mm"))


def share_text(entry: Entry) -> str:
    """Return the pairs' share with its interval in words."""
    share, low, high = (100 * entry[name] for name in ("pair_share", "pair_share_low", "pair_share_high"))
    interval = "" if math.isnan(low) else f" ({number_text(low, 0)} to {number_text(high, 0)})"
    return f"{number_text(share, 0)} %{interval}"


def _notes(columns: Columns) -> tuple[str, ...]:
    """Return what a reader has to know."""
    notes = [
        "Each entry: how far walls are off, root mean square in mm, of the query, of the support, of the pair. Of the "
        "query is what its answers have in common, whichever support they come from; of the support what its answers "
        "have in common in whichever query; of the pair what is left. all alike: what all answers have in common. "
        "Squared they add up to one support's answers.",
        "A scan's own part is how its contour was drawn and how the method reads it, in a support as in a query; the "
        "pair's is how well the two were brought together. More supports, the mean of their answers, take away what is "
        "of the support and of the pair, down to “endless supports”; a better method can make each of them less.",
        "pair's share: of the mean square, with its 95 % interval over the n queries (jackknife). Answers of one "
        "support; misses take no part.",
    ]
    return (*notes, *columns.notes)
