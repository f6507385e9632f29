"""How sure a prediction is: within how many millimetres of the truth each wall of its box lies, nine times in ten.

The supports have labels, and each of them is also searched from the others: what those predictions are off says what
the predictions for other scans will be off (split conformal prediction: Papadopoulos et al., Inductive confidence
machines for regression, ECML 2002; Angelopoulos and Bates, arXiv:2107.07511). The images are what may be exchanged, not
the walls or the pairs of images.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import ArrayLike

from rprloc.catalogue.rows import CALIBRATION_IMAGES
from rprloc.geometry import LANDMARKS, WALLS, FloatArray
from rprloc.methods.answer import ALL_SUPPORTS, DOUBTFUL, Prediction
from rprloc.results.measure.expected import Scans
from rprloc.results.words import calibrated_methods
from rprloc.scans.record import Structure

LEVEL = 0.9
"""How often a wall lies within what its prediction says."""

_ROUNDING = 1e-9

Scores = dict[str, FloatArray]
"""By image, how far the walls of its predictions by one method are off: (predictions, 6) mm, in the order of WALLS."""


class CalibrationGroup(NamedTuple):
    """What predictions share that are calibrated together."""

    method: str
    setting: str
    structure: str
    together: bool
    """Whether they are of all supports together."""


def with_intervals(
    predictions: Sequence[Prediction], known: Sequence[Prediction], supports: Collection[str], scans: Scans
) -> list[Prediction]:
    """Return one cohort's predictions, each with `within_90_mm` and `calibrated_on`.

    `known` are predictions, among them those for `supports`, the usable ones; `scans` has the supports' true boxes.
    `within_90_mm` has for each wall the mm within which the true one lies at 90 %: for predictions of one support
    alone, and for those of all together, learned from the supports' predictions of the same kind, method, setting and
    structure. A support that is a query itself takes no part in what is said of it. `calibrated_on` is the number of
    images that it rests on. None and 0 for a method that is not calibrated, for a prediction that failed or is
    doubtful, and with fewer than CALIBRATION_IMAGES images.
    """
    scores = _scores(known, supports, scans)
    learned: dict[tuple[CalibrationGroup, str | None], tuple[dict[str, float] | None, int]] = {}
    nothing: tuple[None, int] = (None, 0)
    said = []
    for one in predictions:
        group = _group(one)
        own = scores.get(group, {})
        key = (group, one.subject if one.subject in own else None)
        if key not in learned:
            others = [errors for image, errors in own.items() if image != one.subject]
            learned[key] = (within_mm(others), len(others)) if len(others) >= CALIBRATION_IMAGES else nothing
        doubtful = one.lost is not None and one.lost >= DOUBTFUL
        walls, images = nothing if one.failed or doubtful else learned[key]
        said.append(msgspec.structs.replace(one, within_90_mm=walls, calibrated_on=images))
    return said


def within_mm(errors_mm: Sequence[FloatArray]) -> dict[str, float] | None:
    """Return by wall the mm within which the wall of one more image's prediction lies at 90 %; None for too few images.

    `errors_mm` has for each image of known truth how far the walls of its predictions are off, (predictions, 6), or how
    far a single landmark is, (predictions, 1), which has one radius and needs nine images. Each
    wall has a distance of its own where the images suffice, nine or more. With fewer all have the same one, from the
    six walls of all images as if each were of an image of its own, which walls of one image are only by and large.
    """
    if len(errors_mm) < CALIBRATION_IMAGES:
        return None
    names, distances = LANDMARKS[errors_mm[0].shape[1]], conformal_quantile(errors_mm)
    if distances is None and names == WALLS:
        pooled = conformal_quantile([errors[:, [wall]] for errors in errors_mm for wall in range(len(WALLS))])
        distances = None if pooled is None else np.repeat(pooled, len(WALLS))
    return None if distances is None else dict(zip(names, distances.tolist(), strict=True))


def conformal_quantile(groups: Sequence[FloatArray], level: float = LEVEL) -> FloatArray | None:
    """Return the values (k) that the k scores of one more group do not exceed, each at least with probability `level`.

    Each of the n groups has one or several predictions with k scores, (predictions, k). With one a group it is the
    score of rank ceil(level (n + 1)); None where n is less than that rank. With several it is the mean of what rounds
    of one a group give, which take every prediction in its turn (single subsampling: Dunn, Wasserman and Ramdas,
    arXiv:1809.07441). Each round alone has the probability, their mean has it where large scores are rarer than small
    ones. Weighing all at once would make it the largest of all where the groups are few.
    """
    rank = math.ceil(level * (len(groups) + 1) - _ROUNDING)
    if rank > len(groups):
        return None
    rounds = np.arange(max(len(own) for own in groups))
    chosen = np.stack([own[(rounds + i) % len(own)] for i, own in enumerate(groups)])  # (n, rounds, k)
    return np.asarray(np.sort(chosen, axis=0)[rank - 1].mean(axis=0))


def wall_errors(found_mm: ArrayLike, true_mm: ArrayLike) -> FloatArray:
    """Return how far the walls (..., 6) of boxes (..., 2, 3) are off in mm, in the order of WALLS."""
    difference = np.abs(np.asarray(found_mm, dtype=np.float64) - np.asarray(true_mm, dtype=np.float64))
    return np.asarray(difference.swapaxes(-1, -2).reshape(*difference.shape[:-2], len(WALLS)))


def covered(found_mm: ArrayLike, true_mm: ArrayLike, walls_mm: ArrayLike) -> FloatArray:
    """Return the fraction (...) of the walls of boxes (..., 2, 3) that lie as near the true ones as `walls_mm` (..., 6)
    says; NaN where it says nothing.
    """
    limits = np.asarray(walls_mm, dtype=np.float64)
    hits = (wall_errors(found_mm, true_mm) <= limits + _ROUNDING).mean(axis=-1)
    return np.where(np.isnan(limits).any(axis=-1), np.nan, hits)


def mean_within(prediction: Prediction) -> float | None:
    """Return the mean over the walls of what a prediction says, in mm; None where it says nothing."""
    walls = prediction.within_90_mm
    return float(np.mean(list(walls.values()))) if walls else None


def _off_mm(one: Prediction, truth: Structure) -> FloatArray:
    """Return how far in mm a prediction's walls (6,) are off, or a single landmark (1,)."""
    if one.box_mm is not None:
        return wall_errors(one.box_mm, truth.box_mm)
    found = np.array(list((one.points_mm or {}).values()), dtype=np.float64)
    return np.asarray(np.linalg.norm(found - truth.extreme_mm, axis=-1))


def _group(prediction: Prediction) -> CalibrationGroup:
    """Return a prediction's group."""
    one = prediction
    return CalibrationGroup(one.method, one.setting, one.structure, one.support == ALL_SUPPORTS)


def _scores(
    predictions: Sequence[Prediction], supports: Collection[str], scans: Scans
) -> Mapping[CalibrationGroup, Scores]:
    """Return the scores of each group of predictions from those found for supports whose truth is known."""
    calibrated = set(calibrated_methods())
    errors: dict[CalibrationGroup, dict[str, list[FloatArray]]] = {}
    for one in predictions:
        if one.method not in calibrated or one.subject not in supports or one.points_mm is None:
            continue
        truth = scans[one.subject].structures.get(one.structure)
        if truth and truth.is_point == one.point:
            of_group = errors.setdefault(_group(one), {})
            of_group.setdefault(one.subject, []).append(_off_mm(one, truth))
    return {
        group: {image: np.stack(found) for image, found in sorted(images.items())} for group, images in errors.items()
    }
