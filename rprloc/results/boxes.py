"""The answer to use for each query: its boxes by the main method, from all supports together or the one there is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from rprloc.cohort.methods import ALL_SUPPORTS
from rprloc.results.calibration import mean_within
from rprloc.results.method_words import main_answers

Row = dict[str, Any]

COLUMNS = (
    "cohort", "subject", "structure", "support", "n_supports", "x_min_mm", "y_min_mm", "z_min_mm", "x_max_mm",
    "y_max_mm", "z_max_mm", "spread_mm", "confidence", "within_90_mm", "failed", "reason",
)  # fmt: skip
"""The columns of boxes.csv, in this order; LPS millimetres."""


def shown_answers(predictions: Sequence[Row], cohort: str, starts: int) -> dict[str, list[Row]]:
    """Return for each query its answers to use: those of all supports together, else those of one support.

    `predictions` are the complete answers of all cohorts, `starts` the cohort's K. The one support is the drawn one,
    which itself, where it is a query as well, is answered from another.
    """
    of_cohort = [row for row in predictions if row["cohort"] == cohort]
    main = main_answers(((row["method"], row["setting"]) for row in of_cohort), starts)
    by_query: dict[str, list[Row]] = {}
    for row in of_cohort:
        if (row["method"], row["setting"]) == main:
            by_query.setdefault(row["subject"], []).append(row)
    return {
        query: [row for row in rows if row["support"] == ALL_SUPPORTS] or one_support(rows)
        for query, rows in by_query.items()
    }


def one_support(rows: Sequence[Row]) -> list[Row]:
    """Return from a query's answers by one method those from one support: the drawn one, else the first there is."""
    support = next((row["support"] for row in rows if row["drawn"]), rows[0]["support"])
    return [row for row in rows if row["support"] == support]


def box_table(predictions: Sequence[Row], starts: Mapping[str, int]) -> pd.DataFrame:
    """Return boxes.csv: a line for each query and structure of each cohort of `starts`, which has its K."""
    lines = []
    for cohort in sorted(starts):
        for answers in shown_answers(predictions, cohort, starts[cohort]).values():
            for row in answers:
                corners = [*row["box_mm"][0], *row["box_mm"][1]] if row["box_mm"] else [None] * 6
                names = [row[name] for name in COLUMNS[:5]]
                sure = [row["spread_mm"], row["confidence"], mean_within(row)]
                lines.append([*names, *corners, *sure, row["failed"], row["reason"]])
    return pd.DataFrame(lines, columns=list(COLUMNS))
