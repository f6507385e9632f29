"""How sure an answer is: within how many millimetres of the truth each wall of its box lies, nine times in ten.

The supports have labels, and each of them is also searched from the others: what those answers are off says what the
answers for other scans will be off (split conformal prediction: Papadopoulos et al., Inductive confidence machines for
regression, ECML 2002; Angelopoulos and Bates, arXiv:2107.07511). The images are what may be exchanged, not the walls
or the pairs of images.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np

from rprloc.cohort.methods import ALL_SUPPORTS, CALIBRATED, CALIBRATION_IMAGES
from rprloc.geometry import WALLS, FloatArray

LEVEL = 0.9
"""How often a wall lies within what its answer says."""

WITHIN = "within_90_mm"
"""The answers' key, and the column, of the distances in mm."""

_ROUNDING = 1e-9

Row = dict[str, Any]
Scores = dict[str, FloatArray]
"""By image, how far the walls of its answers by one method are off: (answers, 6) mm, in the order of WALLS."""


def with_intervals(
    rows: Sequence[Row], known: Sequence[Row], supports: Collection[str], scans: Mapping[str, Row]
) -> list[Row]:
    """Return one cohort's answers, each with the keys `within_90_mm` and `calibrated_on`.

    `known` are answers, among them those for `supports`, the usable ones; `scans` the preprocessed scans' JSON by
    subject, with the supports' true boxes. `within_90_mm` has for each wall the mm within which the true one lies at
    90 %: for answers of one support alone, and for those of all together, learned from the supports' answers of the
    same kind, method, setting and structure. A support that is a query itself takes no part in what is said of it.
    `calibrated_on` is the number of images that it rests on. Null and 0 for a method that is not calibrated, for an
    answer that failed, and with fewer than CALIBRATION_IMAGES images.
    """
    scores = _scores(known, supports, scans)
    learned: dict[tuple[Any, ...], tuple[dict[str, float] | None, int]] = {}
    nothing: tuple[None, int] = (None, 0)
    said = []
    for row in rows:
        kind, subject = _kind(row), row["subject"]
        own = scores.get(kind, {})
        key = (*kind, subject if subject in own else None)
        if key not in learned:
            others = [errors for image, errors in own.items() if image != subject]
            learned[key] = (within_mm(others), len(others)) if len(others) >= CALIBRATION_IMAGES else nothing
        walls, images = nothing if row["failed"] else learned[key]
        said.append(row | {WITHIN: walls, "calibrated_on": images})
    return said


def within_mm(errors_mm: Sequence[FloatArray]) -> dict[str, float] | None:
    """Return by wall the mm within which the wall of one more image's answer lies at 90 %; None for too few images.

    `errors_mm` has for each image of known truth how far the walls of its answers are off, (answers, 6). Each wall has
    a distance of its own where the images suffice, nine or more. With fewer all have the same one, from the six walls
    of all images as if each were of an image of its own, which walls of one image are only by and large.
    """
    if len(errors_mm) < CALIBRATION_IMAGES:
        return None
    distances = conformal_quantile(errors_mm)
    if distances is None:
        pooled = conformal_quantile([errors[:, [wall]] for errors in errors_mm for wall in range(len(WALLS))])
        distances = None if pooled is None else np.repeat(pooled, len(WALLS))
    return None if distances is None else dict(zip(WALLS, distances.tolist(), strict=True))


def conformal_quantile(groups: Sequence[FloatArray], level: float = LEVEL) -> FloatArray | None:
    """Return the values (k) that the k scores of one more group do not exceed, each at least with probability `level`.

    Each of the n groups has one or several answers with k scores, (answers, k). With one answer a group it is the score
    of rank ceil(level (n + 1)); None where n is less than that rank. With several it is the mean of what rounds of one
    answer a group give, which take every answer in its turn (single subsampling: Dunn, Wasserman and Ramdas,
    arXiv:1809.07441). Each round alone has the probability, their mean has it where large scores are rarer than small
    ones. Weighing all answers at once would make it the largest of all answers where the groups are few.
    """
    rank = math.ceil(level * (len(groups) + 1) - _ROUNDING)
    if rank > len(groups):
        return None
    rounds = np.arange(max(len(answers) for answers in groups))
    chosen = np.stack([answers[(rounds + i) % len(answers)] for i, answers in enumerate(groups)])  # (n, rounds, k)
    return np.asarray(np.sort(chosen, axis=0)[rank - 1].mean(axis=0))


def wall_errors(found_mm: Any, true_mm: Any) -> FloatArray:
    """Return how far the walls (..., 6) of boxes (..., 2, 3) are off in mm, in the order of WALLS."""
    difference = np.abs(np.asarray(found_mm, dtype=np.float64) - np.asarray(true_mm, dtype=np.float64))
    return np.asarray(difference.swapaxes(-1, -2).reshape(*difference.shape[:-2], len(WALLS)))


def covered(found_mm: Any, true_mm: Any, walls_mm: Mapping[str, float]) -> float:
    """Return the fraction of the walls of a box (2, 3) that lie as near the true ones as `walls_mm` says."""
    limits = np.array([walls_mm[wall] for wall in WALLS])
    return float((wall_errors(found_mm, true_mm) <= limits + _ROUNDING).mean())


def mean_within(row: Row) -> float | None:
    """Return the mean over the walls of what an answer says, in mm; None where it says nothing."""
    walls = row.get(WITHIN)
    return float(np.mean(list(walls.values()))) if walls else None


def _kind(row: Row) -> tuple[Any, ...]:
    """Return what answers share that are calibrated together."""
    return row["method"], row["setting"], row["structure"], row["support"] == ALL_SUPPORTS


def _scores(rows: Sequence[Row], supports: Collection[str], scans: Mapping[str, Row]) -> dict[tuple[Any, ...], Scores]:
    """Return the scores of each kind of answers from those for supports that were found and whose truth is known."""
    errors: dict[tuple[Any, ...], dict[str, list[FloatArray]]] = {}
    for row in rows:
        if row["method"] not in CALIBRATED or row["subject"] not in supports or row["failed"]:
            continue
        truth = scans[row["subject"]]["structures"].get(row["structure"])
        if truth:
            of_kind = errors.setdefault(_kind(row), {})
            of_kind.setdefault(row["subject"], []).append(wall_errors(row["box_mm"], truth["box_mm"]))
    return {
        kind: {image: np.stack(found) for image, found in sorted(images.items())} for kind, images in errors.items()
    }
