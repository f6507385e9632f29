"""Means over images with their 95 % interval, spreads, and paired tests."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import stdtrit

from rprloc.geometry import FloatArray

CONFIDENCE = 0.95
"""The coverage of every interval in the tables."""

MEAN = "mean"
"""What stands for all structures of a cohort."""


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
    half = float(stdtrit(known.size - 1, (1 + confidence) / 2) * known.std(ddof=1) / np.sqrt(known.size))
    return Estimate(mean, mean - half, mean + half, int(known.size))


def organ_means(rows: pd.DataFrame, columns: Sequence[str]) -> dict[str, Estimate]:
    """Return the means of `columns` over images per organ, then over organs, as the paper's tables have it.

    `rows` are lines of metrics.csv of one setting. An image's value for an organ is its mean over the supports, each of
    which answered alone; the interval is the one of the images' means over their organs, laid round the mean. Lines
    without a value (no truth, or a distance of a miss) do not take part.
    """
    organs, subjects, values = _by_two(rows, "structure", "subject", columns)
    per_organ, images = _means(organs, values), _means(subjects, values)
    means = _means(np.zeros(len(per_organ), dtype=np.int64), per_organ)[0]
    estimates = {}
    for column, mean, of_images in zip(columns, means.tolist(), images.T, strict=True):
        interval = mean_interval(of_images)
        estimates[column] = Estimate(mean, mean - interval.half_width, mean + interval.half_width, interval.n)
    return estimates


def spread_between_supports(rows: pd.DataFrame, columns: Sequence[str]) -> dict[str, float]:
    """Return the standard deviation between supports of their means of `columns`; NaN for fewer than two supports."""
    supports, _, values = _by_two(rows, "support", "structure", columns)
    return dict(zip(columns, map(_spread, _means(supports, values).T), strict=True))


def _by_two(
    rows: pd.DataFrame, one: str, other: str, columns: Sequence[str]
) -> tuple[NDArray[np.int64], NDArray[np.int64], FloatArray]:
    """Return the means (n, columns) of the rows that agree in two names, and the number (n,) of each name."""
    # A table asks for thousands of such means of a few rows each, of which pandas takes milliseconds.
    first, second = (pd.factorize(rows[name])[0].astype(np.int64) for name in (one, other))
    count = int(second.max(initial=0)) + 1
    both, group = np.unique(first * count + second, return_inverse=True)
    means = _means(group, rows[list(columns)].to_numpy(dtype=np.float64))[: len(both)]
    return both // count, both % count, means


def _means(groups: NDArray[np.int64], values: FloatArray) -> FloatArray:
    """Return the means (groups, columns) of the values (n, columns) that are not NaN, by the number (n,) of each row's
    group; NaN where there are none, one group at least.
    """
    known = ~np.isnan(values)
    sums, counts = (np.zeros((int(groups.max(initial=0)) + 1, values.shape[1])) for _ in range(2))
    np.add.at(sums, groups, np.where(known, values, 0.0))
    np.add.at(counts, groups, known)
    with np.errstate(invalid="ignore"):
        return np.asarray(sums / counts)


def _spread(values: FloatArray) -> float:
    """Return the standard deviation of the values (n,) that are not NaN; NaN for fewer than two."""
    known = values[~np.isnan(values)]
    return float(known.std(ddof=1)) if known.size > 1 else float("nan")


def describe(rows: pd.DataFrame) -> dict[str, float | int]:
    """Return one line of numbers for metrics rows of one setting and one or several organs; IoU are fractions.

    Only rows with truth take part. A miss counts as IoU 0; distances are means over what was found, so `failures` of
    the `answers` must be read with them. `n` is the number of images.
    """
    known = rows[rows["iou"].notna()]
    means = organ_means(known, ["iou", "iou_reference", "awd_mm", "mre_mm"])
    spread = spread_between_supports(known, ["iou", "awd_mm"])
    iou, awd = means["iou"], means["awd_mm"]
    return {
        "n": iou.n,
        "n_supports": int(known["support"].nunique()),
        "answers": len(known),
        "failures": int(known["failed"].sum()),
        "iou": iou.mean,
        "iou_low": iou.low,
        "iou_high": iou.high,
        "iou_reference": means["iou_reference"].mean,
        "awd_mm": awd.mean,
        "awd_low_mm": awd.low,
        "awd_high_mm": awd.high,
        "mre_mm": means["mre_mm"].mean,
        "iou_sd_supports": spread["iou"],
        "awd_sd_supports_mm": spread["awd_mm"],
    }


def spread_between_images(rows: pd.DataFrame, columns: Sequence[str]) -> dict[str, float]:
    """Return the standard deviation between images of their means of `columns`; NaN for fewer than two images.

    An image's value is its mean over the structures of their means over the supports. Lines without a value do not
    take part.
    """
    _, subjects, values = _by_two(rows, "structure", "subject", columns)
    return dict(zip(columns, map(_spread, _means(subjects, values).T), strict=True))


def median_interval(values: Iterable[float], confidence: float = CONFIDENCE) -> Estimate:
    """Return the median of the values that are not NaN with its exact interval between two of the ordered values.

    The interval rests on no distribution (it inverts the sign test) and covers at least `confidence`; fewer than six
    values have none of 95 %.
    """
    known = np.asarray(list(values), dtype=np.float64)
    known = known[~np.isnan(known)]
    if known.size == 0:
        return Estimate(float("nan"), float("nan"), float("nan"), 0)
    # scipy.stats takes half a second, and most runs compare nothing.
    from scipy import stats

    interval: Any = stats.quantile_test(known, p=0.5).confidence_interval(confidence)
    return Estimate(float(np.median(known)), float(interval.low), float(interval.high), int(known.size))


def signed_rank_p(differences: Iterable[float]) -> float:
    """Return the two-sided p of Wilcoxon's signed-rank test that paired differences lie about zero.

    Exact for few images; differences of zero are left out, and only zeros give 1. NaN without any value.
    """
    # Means of the same numbers in another order differ by rounding, which is no difference.
    known = np.round(np.asarray(list(differences), dtype=np.float64), 9)
    known = known[~np.isnan(known)]
    if known.size == 0:
        return float("nan")
    if not known.any():
        return 1.0
    from scipy import stats

    return float(stats.wilcoxon(known).pvalue)


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p values corrected for their number by Holm's method; those that are NaN stay so and do not count."""
    p = np.array(p_values, dtype=np.float64)
    known = ~np.isnan(p)
    if known.any():
        from statsmodels.stats.multitest import multipletests

        p[known] = multipletests(p[known], method="holm")[1]
    return [float(value) for value in p]
