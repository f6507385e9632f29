"""How far single landmarks are off, the extreme points and the centres of structures: the numbers of table 5."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
import pandas as pd

from rprloc.geometry import WALLS, FloatArray
from rprloc.methods.answer import ALL_SUPPORTS, Prediction
from rprloc.results.frame import groups_of, with_truth
from rprloc.results.measure.by_support import by_setting, support_count, usable_supports
from rprloc.results.measure.expected import Scans
from rprloc.results.statistics import MEAN, organ_means

LANDMARKS = ("extreme", "centre")
"""What a line is about."""

DISTANCES_MM = {"sdr_2mm": 2.0, "sdr_4mm": 4.0, "sdr_8mm": 8.0}
"""How near a landmark has to be to count as detected, by the column of its rate."""

COLUMNS = (
    "cohort", "row", "method", "setting", "supports", "of_supports", "landmark", "structure",
    "n", "answers", "failures", "mre_mm", "mre_low_mm", "mre_high_mm", *DISTANCES_MM,
)  # fmt: skip
"""The columns of table5.csv, in this order."""


def tidy_landmarks(predictions: Sequence[Prediction], metrics: pd.DataFrame, scans: Scans) -> pd.DataFrame:
    """Return one cohort's table 5 as a line per method x supports x landmark x structure (and their mean), in COLUMNS.

    `predictions` are the cohort's complete ones and `metrics` their lines of metrics.csv. A landmark of `extreme` is
    one of the six extreme points, of `centre` the middle of the box; methods that find a box without extreme points
    have no lines. `supports` is 1, each alone, or all that the method was given, together (`combined_predictions`);
    those that were set aside take no part. MRE is the mean radial error in mm with its 95 % interval, of what was
    found. SDR, the success detection rate, is the fraction of the landmarks at most so many mm off; a failed prediction
    has none. An image's value is its mean over landmarks and supports, the mean is then `organ_means`. Without truth
    there are no lines.
    """
    known = with_truth(metrics)
    counts = {(str(query), str(name)) for query, name in zip(known["subject"], known["structure"], strict=True)}
    by_method = by_setting(predictions)
    lines: list[dict[str, str | float]] = []
    for group in groups_of(known):
        if not group.setting.startswith("extreme"):
            continue
        own = by_method[group.method, group.setting]
        supports = usable_supports([one for one in own if one.support != ALL_SUPPORTS], scans)
        counted = [one for one in own if (one.subject, one.structure) in counts]
        count = support_count(supports)
        # Of a single support, alone and all together are the same.
        for size, chosen in {min(1, count): supports, count: [ALL_SUPPORTS] if count > 1 else supports}.items():
            scores = scores_of([one for one in counted if one.support in chosen], scans)
            names: dict[str, str | float] = {**group.names, "supports": size, "of_supports": count}
            lines += [{**names, **line} for line in _lines(scores, group.structures)]
    return pd.DataFrame(lines, columns=list(COLUMNS))


def scores_of(predictions: Sequence[Prediction], scans: Scans) -> pd.DataFrame:
    """Return a line for each landmark and prediction: its mean radial error in mm and its detection rates."""
    parts = []
    for landmark in LANDMARKS:
        errors = _errors(landmark, predictions, scans)
        # What is off by 2 mm is within 2 mm, whatever the rounding.
        rates = {name: (errors.round(9) <= distance).mean(axis=1) for name, distance in DISTANCES_MM.items()}
        failed = np.array([one.failed for one in predictions], dtype=bool)
        parts.append(
            pd.DataFrame(
                {
                    "subject": [one.subject for one in predictions],
                    "structure": [one.structure for one in predictions],
                    "failed": failed,
                    "landmark": landmark,
                    "mre_mm": np.where(failed, np.nan, errors.mean(axis=1)),
                    **rates,
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


def _errors(landmark: str, predictions: Sequence[Prediction], scans: Scans) -> FloatArray:
    """Return how far in mm each landmark (n, points) of predictions is from the true one; infinite for failed ones."""
    points = len(WALLS) if landmark == "extreme" else 1
    errors = np.full((len(predictions), points), np.inf)
    found, true = [], []
    for one in predictions:
        if one.points_mm is None or one.box_mm is None:
            continue
        truth = scans[one.subject].structures[one.structure]
        extreme = landmark == "extreme"
        found.append([one.points_mm[wall] for wall in WALLS] if extreme else [np.mean(one.box_mm, axis=0)])
        true.append(truth.extreme_mm if extreme else [np.mean(truth.box_mm, axis=0)])
    if found:
        difference = np.array(found, dtype=np.float64) - np.array(true, dtype=np.float64)
        errors[[not one.failed for one in predictions]] = np.linalg.norm(difference, axis=-1)
    return errors


def _lines(scores: pd.DataFrame, structures: Sequence[str]) -> list[dict[str, str | float]]:
    """Return the numbers of one method and kind of support: for each landmark the structures with truth, and a mean."""
    lines: list[dict[str, str | float]] = []
    for landmark in LANDMARKS:
        own = scores[scores["landmark"] == landmark]
        for structure in [*structures, MEAN]:
            chosen = own if structure == MEAN else own[own["structure"] == structure]
            if len(chosen):
                lines.append({"landmark": landmark, "structure": structure, **numbers_of(chosen, DISTANCES_MM)})
    return lines


def numbers_of(scores: pd.DataFrame, columns: Collection[str]) -> dict[str, float]:
    """Return the numbers of one line about single landmarks: `mre_mm` with its interval, and the means of `columns`."""
    means = organ_means(scores, ["mre_mm", *columns])
    error = means["mre_mm"]
    return {
        "n": int(scores["subject"].nunique()),
        "answers": len(scores),
        "failures": int(scores["failed"].sum()),
        "mre_mm": error.mean,
        "mre_low_mm": error.low,
        "mre_high_mm": error.high,
        **{name: means[name].mean for name in columns},
    }
