"""Means over images with their 95 % interval, and the spread between supports."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

CONFIDENCE = 0.95
"""The coverage of every interval in the tables."""


@dataclass(frozen=True)
class Estimate:
    """A mean over images with its interval; the bounds are NaN where fewer than two images say something."""

    mean: float
    low: float
    high: float
    n: int

    @property
    def half_width(self) -> float:
        """Half the interval's width, in the unit of the mean."""
        return (self.high - self.low) / 2


def mean_interval(values: Iterable[float], confidence: float = CONFIDENCE) -> Estimate:
    """Return the mean of the values that are not NaN with Student's t interval (one value an image)."""
    known = np.asarray(list(values), dtype=np.float64)
    known = known[~np.isnan(known)]
    if known.size == 0:
        return Estimate(float("nan"), float("nan"), float("nan"), 0)
    mean = float(known.mean())
    if known.size == 1:
        return Estimate(mean, float("nan"), float("nan"), 1)
    half = float(stats.t.ppf((1 + confidence) / 2, known.size - 1) * known.std(ddof=1) / np.sqrt(known.size))
    return Estimate(mean, mean - half, mean + half, int(known.size))


def organ_mean(rows: pd.DataFrame, column: str) -> Estimate:
    """Return the mean of `column` over images per organ, then over organs, as the paper's tables have it.

    `rows` are lines of metrics.csv of one setting. An image's value for an organ is its mean over the supports, each of
    which answered alone; the interval is the one of the images' means over their organs, laid round the mean. Lines
    without a value (no truth, or a distance of a miss) do not take part.
    """
    per_image = rows.groupby(["structure", "subject"], observed=True)[column].mean()
    mean = float(per_image.groupby("structure").mean().mean())
    images = mean_interval(per_image.groupby("subject").mean())
    return Estimate(mean, mean - images.half_width, mean + images.half_width, images.n)


def spread_between_supports(rows: pd.DataFrame, column: str) -> float:
    """Return the standard deviation between supports of their means of `column`; NaN for fewer than two supports."""
    per_organ = rows.groupby(["support", "structure"], observed=True)[column].mean()
    means = per_organ.groupby("support").mean().dropna()
    return float(means.std(ddof=1)) if len(means) > 1 else float("nan")


def describe(rows: pd.DataFrame) -> dict[str, float | int]:
    """Return one line of numbers for metrics rows of one setting and one or several organs; IoU are fractions.

    Only rows with truth take part. A miss counts as IoU 0; distances are means over what was found, so `failures` of
    the `answers` must be read with them. `n` is the number of images.
    """
    known = rows[rows["iou"].notna()]
    iou, awd = organ_mean(known, "iou"), organ_mean(known, "awd_mm")
    return {
        "n": iou.n,
        "n_supports": int(known["support"].nunique()),
        "answers": len(known),
        "failures": int(known["failed"].sum()),
        "iou": iou.mean,
        "iou_low": iou.low,
        "iou_high": iou.high,
        "iou_reference": organ_mean(known, "iou_reference").mean,
        "awd_mm": awd.mean,
        "awd_low_mm": awd.low,
        "awd_high_mm": awd.high,
        "mre_mm": organ_mean(known, "mre_mm").mean,
        "iou_sd_supports": spread_between_supports(known, "iou"),
        "awd_sd_supports_mm": spread_between_supports(known, "awd_mm"),
    }
