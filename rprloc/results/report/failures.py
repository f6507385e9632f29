"""What is missing: the answers that failed, of all settings and supports, by query and reason."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

FAILURES_SHOWN = 100
"""The page lists no more groups of failures than this; metrics.csv has all."""


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
