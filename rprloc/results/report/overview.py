"""Every query at a glance: its scores, what to look at first, and what is missing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from rprloc.results.frame import together
from rprloc.results.report.words import Entry, cell, score_in_short

WIDEST = 8
"""With more structures than this the overview shows their mean alone."""

DOUBTFUL_SHOWN = 5
"""How many of the predictions that have no truth and are the likeliest lost the page names."""

FAILURES_SHOWN = 100
"""The page lists no more groups of failures than this; metrics.csv has all."""


@dataclass(frozen=True)
class OverviewLine:
    """A query and the score of each column."""

    subject: str
    cells: tuple[str, ...]


@dataclass(frozen=True)
class Overview:
    """The table of queries x structures; its last column is each query's mean, where there is any truth."""

    columns: tuple[str, ...]
    lines: tuple[OverviewLine, ...]


@dataclass(frozen=True)
class FailureGroup:
    """The failed predictions of a query that have one reason."""

    subject: str
    reason: str
    structures: str
    predictions: int


@dataclass(frozen=True)
class Failures:
    """How many of how many predictions failed, and their groups, as far as they are shown."""

    predictions: int
    of: int
    groups: tuple[FailureGroup, ...]
    more: bool


def overview(main: pd.DataFrame, queries: Sequence[str]) -> Overview:
    """Return the scores of the predictions to use, queries in the sheet's order."""
    shown = _to_use(main)
    structures = tuple(str(name) for name in main["structure"].unique())
    columns = structures if len(structures) <= WIDEST else ()
    entries = {(row["subject"], row["structure"]): row for row in shown.to_dict("records")}
    cells = {name: tuple(cell(entries.get((name, structure))) for structure in columns) for name in queries}
    if shown["iou"].notna().any():
        means = shown.groupby("subject")[["iou", "awd_mm"]].mean().dropna(subset="iou").to_dict("index")
        columns = (*columns, "mean")
        cells = {name: (*own, _mean(means.get(name))) for name, own in cells.items()}
    return Overview(columns, tuple(OverviewLine(name, own) for name, own in cells.items()))


def _mean(scores: Entry | None) -> str:
    """Return a query's mean score, a dash where nothing is known."""
    return "–" if scores is None else score_in_short(scores["iou"], scores["awd_mm"])


def _to_use(main: pd.DataFrame) -> pd.DataFrame:
    """Return the main method's metrics rows of all supports together and, for queries without, of the drawn one."""
    every = together(main)
    return pd.concat([every, main[main["drawn"] & ~main["subject"].isin(every["subject"])]])


def doubtful(main: pd.DataFrame) -> tuple[str, ...]:
    """Return in words the predictions to use that have no truth and are the likeliest lost, the worst first."""
    shown = _to_use(main)
    unknown = shown["iou"].isna() & shown["mre_mm"].isna()
    found = shown[~shown["failed"] & unknown].nlargest(DOUBTFUL_SHOWN, "lost")
    return tuple(
        f"{row['structure']} in {row['subject']} ({100 * row['lost']:.0f} %)" for row in found.to_dict("records")
    )


def failures(metrics: pd.DataFrame) -> Failures:
    """Return the failed predictions among metrics rows, grouped by query and reason."""
    failed = metrics[metrics["failed"]].fillna({"reason": "no reason was written"})
    groups = [
        FailureGroup(
            subject=str(subject),
            reason=str(reason),
            structures=", ".join(str(name) for name in rows["structure"].unique()),
            predictions=len(rows),
        )
        for (subject, reason), rows in failed.groupby(["subject", "reason"], sort=False)
    ]
    return Failures(len(failed), len(metrics), tuple(groups[:FAILURES_SHOWN]), len(groups) > FAILURES_SHOWN)
