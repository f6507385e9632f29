"""The predictions to use for each query: its boxes by the main method, from all supports together or from one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pandas as pd

from rprloc.methods.answer import Prediction
from rprloc.results.frame import main_of, shown_predictions
from rprloc.results.measure.calibration import mean_within

COLUMNS = (
    "cohort", "subject", "structure", "support", "n_supports", "x_min_mm", "y_min_mm", "z_min_mm", "x_max_mm",
    "y_max_mm", "z_max_mm", "spread_mm", "lost", "confidence", "within_90_mm", "failed", "reason",
)  # fmt: skip
"""The columns of boxes.csv, in this order; LPS millimetres."""


def box_table(predictions: Sequence[Prediction], metrics: pd.DataFrame, cohorts: Iterable[str]) -> pd.DataFrame:
    """Return boxes.csv: a line for each query and structure of each cohort, in each cohort the likeliest lost first.

    `predictions` are the complete ones of all cohorts and `metrics` their lines of metrics.csv.
    """
    lines = []
    for cohort in cohorts:
        shown: list[Prediction] = []
        for own in shown_predictions(predictions, cohort, main_of(metrics, cohort)).values():
            shown += own
        lines += box_lines(shown)
    return pd.DataFrame(lines, columns=list(COLUMNS))


def box_lines(shown: Iterable[Prediction]) -> list[list[str | float | bool | None]]:
    """Return the lines of predictions to use, the likeliest lost first, each with the values of COLUMNS."""
    return [_line(one) for one in sorted(shown, key=_doubt, reverse=True)]


def _doubt(one: Prediction) -> float:
    """Return how likely a prediction is lost; one that failed is, and one that was not judged comes last."""
    if one.failed:
        return 2.0
    return -1.0 if one.lost is None else one.lost


def _line(one: Prediction) -> list[str | float | bool | None]:
    """Return the values of a prediction's line."""
    corners = [*one.box_mm[0], *one.box_mm[1]] if one.box_mm else [None] * 6
    names = [one.cohort, one.subject, one.structure, one.support, one.n_supports]
    return [*names, *corners, one.spread_mm, one.lost, one.confidence, mean_within(one), one.failed, one.reason]
