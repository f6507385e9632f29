"""Table 4 for people: how good every method is with one support and with several together."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from rprloc.geometry import FAR_MM
from rprloc.results.measure.supports import DRAWS
from rprloc.results.shown import CohortTable, Line
from rprloc.results.statistics import MEAN
from rprloc.results.tables.layout import (
    LEARNED_NOTE,
    CohortFacts,
    Columns,
    Kind,
    accuracy,
    by_cohort,
    cells_of,
    entries_by,
    failed,
    half_widths,
    number_text,
    seconds_text,
    supports_text,
)

KIND = Kind(4, "Table 4: every method with several supports")


def supports_tables(tidy: pd.DataFrame, cohorts: Iterable[CohortFacts]) -> list[CohortTable]:
    """Return table 4 laid out for people, one for each cohort; `tidy` is table4.csv of all cohorts."""
    return by_cohort(KIND, tidy, cohorts, _cohort_table)


def _cohort_table(cohort: CohortFacts, tidy: pd.DataFrame) -> CohortTable:
    """Return one cohort's table from its tidy lines."""
    columns = Columns.of(tidy)
    lines = []
    for (label, _), entries in entries_by(tidy, "row", "supports"):
        mean = entries[MEAN]
        cells = (
            *cells_of(entries, columns.shown, accuracy),
            half_widths(mean),
            number_text(mean["wall_median_mm"], 2),
            number_text(mean["wall_p90_mm"], 2),
            str(mean["n"]),
            failed(mean),
            seconds_text(mean["seconds"]),
        )
        lines.append(Line(label, "all", supports_text(mean), cells))
    head = (*columns.shown, "± 95 %", "wall, median", "wall, 90 %", "n", "failed", "seconds")
    return KIND.of(cohort.name, head, lines, _notes(tidy, columns))


def _notes(tidy: pd.DataFrame, columns: Columns) -> tuple[str, ...]:
    """Return what a reader has to know."""
    notes = [
        "Each entry: IoU in %, AWD in mm. ±: half the 95 % t interval of the mean over the n query scans. wall: median "
        "and 90th percentile of how far a found wall is from the true one, in mm, over all walls. A miss counts as IoU "
        "0 and has no distances.",
        "One support: the mean over the supports, each alone. All: one answer from all of them. In between: the mean "
        f"over {DRAWS} draws of the seed, the same for all methods with the same supports. An answer is the robust "
        "mean of the drawn supports' boxes, wall by wall (Huber's: a wall further off than "
        f"{FAR_MM:g} mm counts as if it were so far), each weighed by 1 - its `lost`; a support that failed, or that "
        "is the query itself, is left out, and a miss is where none is left, or where more say that the query does not "
        "show it than find it.",
        "seconds: one scan, all its structures, after the first scan of each task. With fewer supports than all it is "
        "their share of one pass that served all: a run with so few takes at least that and at most what all take.",
        "The paper has no such table: its answers come from one support.",
    ]
    if (tidy["supports"] == 0).any():
        notes.append(LEARNED_NOTE)
    return (*notes, *columns.notes)
