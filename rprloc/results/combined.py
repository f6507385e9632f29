"""Answers of all supports together: the robust mean of what each of them found alone."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from rprloc.cohort.methods import ALL_SUPPORTS
from rprloc.geometry import robust_mean
from rprloc.methods.prediction import OUTSIDE, confidence_of, spread_of
from rprloc.results.method_words import compared

Row = dict[str, Any]


def combined_rows(rows: Sequence[Row], usable: Collection[str], starts: int) -> list[Row]:
    """Return one more answer for each query, structure, method and setting that was asked of two or more supports.

    `rows` are one cohort's complete answers, each from one support or none, `usable` the supports that came through
    preprocessing, `starts` the cohort's K. Settings that table 3 does not show have none. See `combine`.
    """
    shown = {entry[:2] for entry in compared(pd.DataFrame(rows, columns=["method", "setting"]), starts)}
    groups: dict[tuple[str, ...], list[Row]] = {}
    for row in rows:
        if row["support"] in usable and (row["method"], row["setting"]) in shown:
            key = (row["subject"], row["method"], row["setting"], row["structure"])
            groups.setdefault(key, []).append(row)
    return [combine(members) for members in groups.values() if len(members) > 1]


def combine(members: Sequence[Row]) -> Row:
    """Return the answer of several supports together from the ones that they gave alone.

    Its points are the robust means of their points, coordinate by coordinate, its box that of their boxes, wall by
    wall, in LPS mm, and `half_voxel_mm` the median. `n_supports` is how many found the structure; with none it is a
    failed answer with the first support's reason, and where more say that the query does not show it, with that one.
    `spread_mm` is the root mean square distance of the supports' points to their mean, averaged over the points, and is
    unknown for a single one. `seconds` are the sums over all of them, by stage: what the user waited for.
    """
    outside = [row for row in members if row["failed"] and row["reason"] == OUTSIDE]
    found = [row for row in members if not row["failed"]]
    if not_here(len(found), len(outside)):
        found = []
    row = {
        **(members if found else outside or members)[0],
        "support": ALL_SUPPORTS, "drawn": False, "n_supports": len(found),
        "seconds": _total([row["seconds"] for row in members]), "first": any(row.get("first") for row in members),
    }  # fmt: skip
    if not found:
        return row
    names = list(found[0]["points_mm"])
    points = np.array([[one["points_mm"][name] for name in names] for one in found], dtype=np.float64)
    spread = float(spread_of(points.swapaxes(0, 1)).mean()) if len(found) > 1 else None
    together = robust_mean(np.concatenate([points, [one["box_mm"] for one in found]], axis=1)).tolist()
    return row | {
        "points_mm": dict(zip(names, together[: len(names)], strict=True)),
        "box_mm": together[len(names) :],
        "half_voxel_mm": np.median([one["half_voxel_mm"] for one in found], axis=0).tolist(),
        "spread_mm": spread,
        "confidence": None if spread is None else confidence_of(spread),
        "device": found[0].get("device"),
        "failed": False,
        "reason": None,
    }


def not_here(found: Any, outside: Any) -> Any:
    """Tell whether a structure is outside the field of view, by how many supports found it and how many say so."""
    return outside > found


def _total(parts: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Return the sums of seconds by stage."""
    stages = dict.fromkeys(stage for part in parts for stage in part)
    return {stage: round(sum(part.get(stage, 0.0) for part in parts), 6) for stage in stages}


def alone(metrics: pd.DataFrame) -> pd.DataFrame:
    """Return the metrics rows of the answers that come from one support or none."""
    return metrics[metrics["support"] != ALL_SUPPORTS]


def together(metrics: pd.DataFrame) -> pd.DataFrame:
    """Return the metrics rows of the answers that come from all supports together."""
    return metrics[metrics["support"] == ALL_SUPPORTS]
