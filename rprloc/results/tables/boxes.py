"""The predictions to use for each query: its boxes, and its single landmarks, by the main method, from all supports
together or from one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import pandas as pd

from rprloc.methods.answer import Prediction
from rprloc.results.frame import main_of, shown_predictions
from rprloc.results.measure.calibration import mean_within

COLUMNS = (
    "cohort", "subject", "structure", "support", "n_supports", "x_min_mm", "y_min_mm", "z_min_mm", "x_max_mm",
    "y_max_mm", "z_max_mm", "spread_mm", "lost", "confidence", "within_90_mm", "failed", "reason", "open_walls",
)  # fmt: skip
"""The columns of boxes.csv, in this order; LPS millimetres."""

LANDMARK_COLUMNS = (
    "cohort", "subject", "structure", "support", "n_supports", "x_mm", "y_mm", "z_mm", "spread_mm", "lost",
    "confidence", "within_90_mm", "failed", "reason",
)  # fmt: skip
"""The columns of landmarks.csv, in this order; LPS millimetres."""


def box_table(predictions: Sequence[Prediction], metrics: pd.DataFrame, cohorts: Iterable[str]) -> pd.DataFrame:
    """Return boxes.csv: a line for each query and structure of each cohort, in each cohort the likeliest lost first.

    `predictions` are the complete ones of all cohorts and `metrics` their lines of metrics.csv.
    """
    return boxes_of(_to_use(predictions, metrics, cohorts))


def landmark_table(predictions: Sequence[Prediction], metrics: pd.DataFrame, cohorts: Iterable[str]) -> pd.DataFrame:
    """Return landmarks.csv: the same of the structures that are single landmarks."""
    return landmarks_of(_to_use(predictions, metrics, cohorts))


def boxes_of(shown: Iterable[Prediction]) -> pd.DataFrame:
    """Return the lines of boxes.csv of predictions to use, in their order."""
    return pd.DataFrame([_line(one) for one in shown if not one.point], columns=list(COLUMNS))


def landmarks_of(shown: Iterable[Prediction]) -> pd.DataFrame:
    """Return the lines of landmarks.csv of predictions to use, in their order."""
    return pd.DataFrame([_landmark_line(one) for one in shown if one.point], columns=list(LANDMARK_COLUMNS))


def by_doubt(shown: Iterable[Prediction]) -> list[Prediction]:
    """Return predictions, the likeliest lost first."""
    return sorted(shown, key=_doubt, reverse=True)


def _to_use(predictions: Sequence[Prediction], metrics: pd.DataFrame, cohorts: Iterable[str]) -> Iterator[Prediction]:
    """Yield the predictions to use of each cohort, the likeliest lost first."""
    for cohort in cohorts:
        shown: list[Prediction] = []
        for own in shown_predictions(predictions, cohort, main_of(metrics, cohort)).values():
            shown += own
        yield from by_doubt(shown)


def _doubt(one: Prediction) -> float:
    """Return how likely a prediction is lost; one that failed is, and one that was not judged comes last."""
    if one.failed:
        return 2.0
    return -1.0 if one.lost is None else one.lost


def _line(one: Prediction) -> list[str | float | bool | None]:
    """Return the values of a prediction's line."""
    corners = [*one.box_mm[0], *one.box_mm[1]] if one.box_mm else [None] * 6
    names = [one.cohort, one.subject, one.structure, one.support, one.n_supports]
    walls = " ".join(one.open_walls) or None
    return [*names, *corners, one.spread_mm, one.lost, one.confidence, mean_within(one), one.failed, one.reason, walls]


def _landmark_line(one: Prediction) -> list[str | float | bool | None]:
    """Return the values of a single landmark's line."""
    place = one.points_mm["point"] if one.points_mm else [None] * 3
    names = [one.cohort, one.subject, one.structure, one.support, one.n_supports]
    return [*names, *place, one.spread_mm, one.lost, one.confidence, mean_within(one), one.failed, one.reason]
