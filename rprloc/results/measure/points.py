"""How far structures that are single landmarks are found from where they are marked."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from rprloc.methods.answer import ALL_SUPPORTS, Prediction
from rprloc.results.frame import groups_of
from rprloc.results.measure.by_support import by_setting, support_count, usable_supports
from rprloc.results.measure.calibration import mean_within
from rprloc.results.measure.expected import Scans
from rprloc.results.measure.landmarks import numbers_of
from rprloc.results.measure.metrics import point_distance
from rprloc.results.statistics import MEAN

DISTANCES_MM = {"sdr_1mm": 1.0, "sdr_2mm": 2.0, "sdr_4mm": 4.0, "sdr_8mm": 8.0}
"""How near a landmark has to be to count as detected, by the column of its rate."""

COLUMNS = (
    "cohort", "row", "method", "setting", "supports", "of_supports", "structure", "n", "answers", "failures",
    "mre_mm", "mre_low_mm", "mre_high_mm", *DISTANCES_MM, "within_90_mm", "covered",
)  # fmt: skip
"""The columns of tables/landmarks.csv, in this order."""


def tidy_points(predictions: Sequence[Prediction], metrics: pd.DataFrame, scans: Scans) -> pd.DataFrame:
    """Return one cohort's lines of single landmarks, one per method x supports x landmark (and their mean), in COLUMNS.

    `predictions` are the cohort's complete ones and `metrics` their lines of metrics.csv. `supports` is 1, each alone,
    or all that the method was given, together. MRE is the mean distance in mm from the marked place with its 95 %
    interval over the queries, of what was found; SDR the fraction at most so many mm off, a failed one never. `covered`
    is the fraction of the landmarks that lie within their `within_90_mm`, NaN where none says so. An image's value is
    its mean over the supports, the mean is then `organ_means`. Landmarks without truth take no part.
    """
    true = [one.point and _is_marked(one, scans) for one in predictions]
    by_method = by_setting([one for one, known in zip(predictions, true, strict=True) if known])
    lines: list[dict[str, str | float]] = []
    for group in groups_of(metrics[np.array(true, dtype=bool)]):
        own = by_method[group.method, group.setting]
        supports = usable_supports([one for one in own if one.support != ALL_SUPPORTS], scans)
        count = support_count(supports)
        # Of a single support, alone and all together are the same.
        for size, chosen in {min(1, count): supports, count: [ALL_SUPPORTS] if count > 1 else supports}.items():
            scores = _scores([one for one in own if one.support in chosen], scans)
            names: dict[str, str | float] = {**group.names, "supports": size, "of_supports": count}
            lines += [
                {**names, "structure": name, **numbers_of(of, (*DISTANCES_MM, "within_90_mm", "covered"))}
                for name, of in [
                    *((name, scores[scores["structure"] == name]) for name in group.structures),
                    (MEAN, scores),
                ]
                if len(of)
            ]
    return pd.DataFrame(lines, columns=list(COLUMNS))


def _is_marked(one: Prediction, scans: Scans) -> bool:
    """Tell whether the true place of a prediction's landmark is known."""
    scan = scans.get(one.subject)
    truth = scan.structures.get(one.structure) if scan else None
    return truth is not None and truth.is_point


def _scores(predictions: Sequence[Prediction], scans: Scans) -> pd.DataFrame:
    """Return a line for each prediction: how far it is off, whether it is detected, and what it says of itself."""
    errors = np.array([point_distance(one, scans[one.subject].structures[one.structure]) for one in predictions])
    radii = np.array([mean_within(one) or np.nan for one in predictions], dtype=np.float64)
    # What is off by 2 mm is within 2 mm, whatever the rounding; NaN is within nothing.
    rates = {name: (errors.round(9) <= distance).astype(float) for name, distance in DISTANCES_MM.items()}
    return pd.DataFrame(
        {
            "subject": [one.subject for one in predictions],
            "structure": [one.structure for one in predictions],
            "failed": [one.failed for one in predictions],
            "mre_mm": errors,
            **rates,
            "within_90_mm": radii,
            "covered": np.where(np.isnan(radii) | np.isnan(errors), np.nan, errors <= radii),
        }
    )
