"""Predictions of all supports together: the robust mean of what each of them found alone."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from rprloc.cohort.tasks import Asked
from rprloc.geometry import WALLS, robust_mean
from rprloc.methods.answer import ALL_SUPPORTS, OUTSIDE, UNSURE, Prediction, say, spread_of


def combined_predictions(
    predictions: Sequence[Prediction], usable: Collection[str], methods: Sequence[Asked]
) -> list[Prediction]:
    """Return one more prediction for each query, structure, method and setting that two or more supports answered.

    `predictions` are one cohort's complete ones, each from one support or none, `usable` the supports that came through
    preprocessing, `methods` what was asked. Settings beside the one to use of a method have none. See `combine`.
    """
    beside = {(asked.name, setting) for asked in methods for setting in asked.settings[:-1]}
    groups: dict[tuple[str, ...], list[Prediction]] = {}
    for one in predictions:
        if one.support in usable and (one.method, one.setting) not in beside:
            groups.setdefault((one.subject, one.method, one.setting, one.structure), []).append(one)
    return [combine(members) for members in groups.values() if len(members) > 1]


def combine(members: Sequence[Prediction]) -> Prediction:
    """Return the prediction of several supports together from the ones that they gave alone.

    Its points are the robust means of their points, coordinate by coordinate, its box that of their boxes, wall by
    wall, in LPS mm, and `half_voxel_mm` the median; a single landmark has neither. Each has its own `say`.

    `n_supports` is how many found the structure; with none it is a failed prediction with the first support's reason,
    and where more say that the query does not show it, with that one. `spread_mm` is the root mean square distance of
    the supports' points to their mean, averaged over the points, and is unknown for a single one. `lost` is the median
    of theirs. `seconds` are the sums over all of them, by part: what the user waited for.
    """
    outside = [one for one in members if one.failed and one.reason == OUTSIDE]
    found = [one for one in members if not one.failed]
    if not_here(len(found), len(outside)):
        found = []
    whole = msgspec.structs.replace(
        (members if found else outside or members)[0],
        support=ALL_SUPPORTS,
        drawn=False,
        n_supports=len(found),
        seconds=_total([one.seconds for one in members]),
        first=any(one.first for one in members),
    )
    if not found:
        return whole
    names = list(found[0].points_mm or ())
    points = np.array([[(one.points_mm or {})[name] for name in names] for one in found], dtype=np.float64)
    spread = float(spread_of(points.swapaxes(0, 1)).mean()) if len(found) > 1 else None
    known = [one.lost for one in found if one.lost is not None]
    lost = float(np.median(known)) if known else None
    # Nothing but what is not known of how the patient lies makes one less sure than its own probability.
    unsure = any(one.lost is not None and one.confidence is not None and one.confidence < 1 - one.lost for one in found)
    boxes = np.array([one.box_mm or [] for one in found], dtype=np.float64).reshape(len(found), -1, 3)
    weights = np.array([say(one.lost) for one in found])[:, np.newaxis, np.newaxis]
    together = robust_mean(np.concatenate([points, boxes], axis=1), weights=weights).tolist()
    halves = [one.half_voxel_mm for one in found if one.half_voxel_mm is not None]
    return msgspec.structs.replace(
        whole,
        points_mm=dict(zip(names, together[: len(names)], strict=True)),
        box_mm=together[len(names) :] or None,
        open_walls=_open(found),
        half_voxel_mm=np.median(halves, axis=0).tolist() if halves else None,
        spread_mm=spread,
        lost=lost,
        confidence=None if lost is None else min(1 - lost, UNSURE if unsure else 1),
        device=found[0].device,
        failed=False,
        reason=None,
    )


def _open(found: Sequence[Prediction]) -> tuple[str, ...]:
    """Return the walls that at least half of some predictions call open."""
    return tuple(wall for wall in WALLS if 2 * sum(wall in one.open_walls for one in found) >= len(found))


Count = TypeVar("Count", int, NDArray[np.int_])


def not_here(found: Count, outside: Count) -> bool | NDArray[np.bool_]:
    """Tell whether a structure is outside the field of view, by how many supports found it and how many say so."""
    return outside > found


def _total(parts: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Return the sums of seconds by part of the work."""
    names = dict.fromkeys(name for part in parts for name in part)
    return {name: round(sum(part.get(name, 0.0) for part in parts), 6) for name in names}
