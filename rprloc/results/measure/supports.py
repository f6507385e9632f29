"""How good every method is with one support and with several together: the numbers of table 4."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rprloc.geometry import FloatArray, box_iou, robust_mean
from rprloc.results.measure.by_support import BySupport, support_count
from rprloc.results.measure.combined import not_here
from rprloc.results.measure.voxels import on_edges
from rprloc.results.statistics import MEAN, organ_means
from rprloc.seeds import generator_of

SIZES = (1, 3, 5, 9)
"""How many supports the rows have, as far as there are so many; the last row of a method has all."""

DRAWS = 20

COLUMNS = (
    "cohort", "row", "method", "setting", "supports", "of_supports", "draws", "structure", "n", "answers", "failures",
    "iou", "iou_low", "iou_high", "awd_mm", "awd_low_mm", "awd_high_mm", "wall_median_mm", "wall_p90_mm", "seconds",
)  # fmt: skip
"""The columns of table4.csv, in this order."""


def tidy_supports(found: Iterable[BySupport], seed: int) -> pd.DataFrame:
    """Return one cohort's table 4 as a line per method x number of supports x structure (and their mean), in COLUMNS.

    With one support the numbers are means over the supports, each alone, with all there is one prediction, and in
    between they are means over DRAWS draws from the seed, the same for all methods that have the same supports. A
    query's prediction is the robust mean of the boxes of the drawn supports, wall by wall, each with its `say`; those
    that failed and the query itself are left out, and a miss is where none is left. Supports that were set aside take
    no part. IoU are fractions, distances mm. The walls' median and 90th percentile are over all walls that were found.
    `seconds` are a scan's, for the structures of the line: the shares of the drawn supports in the time that all took,
    for the scans after the first of each task. Without truth there are no lines.
    """
    lines: list[dict[str, str | float]] = []
    for own in found:
        count = support_count(own.supports)
        for size in _sizes(count):
            draws = draws_of(seed, own.group.cohort, count or 1, size or 1)
            sizes = {"supports": size, "of_supports": count, "draws": len(draws)}
            lines += [{**own.group.names, **sizes, **line} for line in _lines(own, draws)]
    return pd.DataFrame(lines, columns=list(COLUMNS))


def _sizes(count: int) -> list[int]:
    """Return how many supports the rows of a method have: some of SIZES and all `count` there are."""
    return [*(size for size in SIZES if size < count), count]


def draws_of(seed: int, cohort: str, count: int, size: int) -> list[list[int]]:
    """Return draws of `size` from `count` supports: each alone, all of them, or DRAWS draws of the seed."""
    if size == 1:
        return [[i] for i in range(count)]
    if size == count:
        return [list(range(count))]
    generator = generator_of(seed, cohort, "draws", str(size))
    return [sorted(generator.choice(count, size, replace=False).tolist()) for _ in range(DRAWS)]


@dataclass(frozen=True)
class _Drawn:
    """What D draws of supports gave together in Q queries of T structures."""

    counts: NDArray[np.bool_]
    """(Q, T, D); whether a prediction was asked for and counts."""
    missed: NDArray[np.bool_]
    """(Q, T, D)."""
    walls_mm: FloatArray
    """(Q, T, D, 2, 3); how far walls are off, NaN where nothing was found or counts."""
    iou: FloatArray
    """(Q, T, D); NaN where nothing counts."""
    seconds: FloatArray
    """(Q, T, D)."""
    asked: NDArray[np.bool_]
    """(Q, T, D)."""


def _drawn(own: BySupport, draws: Sequence[Sequence[int]]) -> _Drawn:
    """Return what draws of supports give together."""
    found = np.stack([_together(own, draw) for draw in draws], axis=2)  # (Q, T, D, 2, 3)
    asked = np.stack([own.asked[:, :, draw].any(axis=2) for draw in draws], axis=2)
    seconds = np.stack([own.seconds[:, :, draw].sum(axis=2) for draw in draws], axis=2)
    counts = asked & own.known[:, :, None]
    missed = np.isnan(found).any(axis=(-2, -1))
    true = own.true_mm[:, :, None]
    walls = np.where((counts & ~missed)[..., None, None], np.abs(found - true), np.nan)
    iou = np.where(counts, np.where(missed, 0.0, box_iou(true, found)), np.nan)
    return _Drawn(counts, np.asarray(missed), walls, iou, seconds, asked)


def _lines(own: BySupport, draws: Sequence[Sequence[int]]) -> list[dict[str, str | float]]:
    """Return the numbers of one method and number of supports: a line for each structure with truth, and their mean."""
    drawn = _drawn(own, draws)
    image, organ, _ = np.indices(drawn.counts.shape)
    table = pd.DataFrame(
        {
            "subject": image.ravel(),
            "structure": organ.ravel(),
            "iou": drawn.iou.ravel(),
            "awd_mm": drawn.walls_mm.mean(axis=(-2, -1)).ravel(),
        }
    )
    every = list(range(len(own.structures)))
    return [
        {"structure": name, **_numbers(drawn, table, chosen)}
        for chosen, name in [*(([t], name) for t, name in enumerate(own.structures)), (every, MEAN)]
        if drawn.counts[:, chosen].any()
    ]


def _numbers(drawn: _Drawn, table: pd.DataFrame, chosen: Sequence[int]) -> dict[str, float]:
    """Return the numbers of one line, of the chosen structures; `table` has IoU and AWD by image and structure."""
    rows = table[table["structure"].isin(chosen) & table["iou"].notna()]
    means = organ_means(rows, ["iou", "awd_mm"])
    errors = drawn.walls_mm[:, chosen]
    errors = errors[~np.isnan(errors)]
    middle, far = np.percentile(errors, [50, 90]) if errors.size else (math.nan, math.nan)
    took = drawn.seconds[:, chosen].sum(axis=1)[drawn.asked[:, chosen].any(axis=1)]
    took = took[~np.isnan(took)]
    return {
        "n": means["iou"].n,
        "answers": int(drawn.counts[:, chosen].sum()),
        "failures": int((drawn.counts & drawn.missed)[:, chosen].sum()),
        "iou": means["iou"].mean,
        "iou_low": means["iou"].low,
        "iou_high": means["iou"].high,
        "awd_mm": means["awd_mm"].mean,
        "awd_low_mm": means["awd_mm"].low,
        "awd_high_mm": means["awd_mm"].high,
        "wall_median_mm": float(middle),
        "wall_p90_mm": float(far),
        "seconds": float(took.mean()) if took.size else math.nan,
    }


def _together(own: BySupport, draw: Sequence[int]) -> FloatArray:
    """Return the boxes (Q, T, 2, 3) of drawn supports together, robust means wall by wall, on the edges of the queries'
    voxels; NaN where it is a miss.
    """
    boxes, weights = own.boxes_mm[:, :, draw], own.weights[:, :, draw][..., np.newaxis, np.newaxis]
    missed = not_here((~np.isnan(boxes[..., 0, 0])).sum(axis=2), own.outside[:, :, draw].sum(axis=2))
    together = on_edges(robust_mean(boxes, axis=2, weights=weights), own.edges_mm[:, None])
    return np.where(np.asarray(missed)[..., None, None], np.nan, together)
