"""How far each prediction is from the truth.

Boxes are (..., 2, 3): minimum and maximum corner in LPS millimetres, on voxel edges.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from rprloc.catalogue import method_named
from rprloc.geometry import CORNERS, POINT, WALLS, FloatArray, box_iou
from rprloc.methods.answer import Prediction
from rprloc.results.frame import COLUMNS, TYPES, Main
from rprloc.results.measure.calibration import covered, mean_within
from rprloc.results.measure.expected import Scans, usable
from rprloc.scans.record import Structure


def shrink(box_mm: ArrayLike, half_voxel_mm: ArrayLike) -> FloatArray:
    """Return boxes (..., 2, 3) on the centres of their outermost voxels, given half voxels (..., 3) in mm.

    A box thinner than a voxel becomes a plane through its middle, and so has no volume.
    """
    box, half = np.asarray(box_mm, dtype=np.float64), np.asarray(half_voxel_mm, dtype=np.float64)
    middle = box.mean(axis=-2)
    return np.stack([np.minimum(box[..., 0, :] + half, middle), np.maximum(box[..., 1, :] - half, middle)], axis=-2)


def reference_iou(
    true_mm: ArrayLike, true_half_mm: ArrayLike, found_mm: ArrayLike, found_half_mm: ArrayLike
) -> FloatArray:
    """Return the intersection over union in the voxel-centre convention of the paper's published code.

    The true box is shrunk by half a voxel of the query, the found one by half a voxel of the support it copies.
    """
    return box_iou(shrink(true_mm, true_half_mm), shrink(found_mm, found_half_mm))


def wall_distance(true_mm: ArrayLike, found_mm: ArrayLike) -> FloatArray:
    """Return the absolute wall distance AWD (...) in mm: the mean over the six walls of boxes (..., 2, 3)."""
    difference = np.asarray(true_mm, dtype=np.float64) - np.asarray(found_mm, dtype=np.float64)
    return np.asarray(np.abs(difference).mean(axis=(-2, -1)))


def point_error(true_mm: ArrayLike, found_mm: ArrayLike) -> FloatArray:
    """Return the mean radial error (...) in mm: the mean Euclidean distance of points (..., n, 3)."""
    difference = np.asarray(true_mm, dtype=np.float64) - np.asarray(found_mm, dtype=np.float64)
    return np.asarray(np.linalg.norm(difference, axis=-1).mean(axis=-1))


def metrics_of(
    predictions: Sequence[Prediction],
    scans: Scans,
    *,
    labelled: Collection[str] = (),
    drawn: Collection[tuple[str, str]] = (),
    main: Collection[Main] = (),
) -> pd.DataFrame:
    """Return metrics.csv's table of one cohort, one line for each prediction.

    A miss has IoU 0 and no distances; a structure without truth has no metrics, and a single landmark has no IoU and no
    walls, but `mre_mm`, its distance from the true one. A query that was set aside counts as a
    miss where it is one of the `labelled`, the subjects to which the sheet gives a label: what the label holds is then
    unknown. `drawn` are the subjects and structures whose true outline is known: a miss of a method that gives outlines
    has Dice 0. `main` are the methods' settings to use.
    """
    truths = [_truth(scans, one) for one in predictions]
    given = {name: [getattr(one, name) for one in predictions] for name in COLUMNS if hasattr(Prediction, name)}
    table = pd.DataFrame(given, columns=list(COLUMNS))
    table["main"] = [(one.method, one.setting) in main for one in predictions]
    table["within_90_mm"] = [mean_within(one) for one in predictions]
    table["seconds"] = [sum(one.seconds.values()) if one.seconds else np.nan for one in predictions]
    table = table.astype(TYPES)
    unknown = [one.subject in labelled and not usable(scans, one.subject) for one in predictions]
    true = np.array([truth is not None for truth in truths], dtype=bool)
    failed = table["failed"].to_numpy(dtype=bool)
    point = np.array([one.point for one in predictions], dtype=bool)
    missing = failed & ~point & (true | np.array(unknown, dtype=bool))
    table.loc[missing, ["iou", "iou_reference"]] = 0.0
    _compare(table, predictions, truths, np.flatnonzero(true & ~failed & ~point))
    for i in map(int, np.flatnonzero(true & ~failed & point)):
        error, radius = point_distance(predictions[i], truths[i]), mean_within(predictions[i])
        table.loc[i, "mre_mm"] = error
        table.loc[i, "covered"] = np.nan if radius is None else float(error <= radius)
    for name in ("dice", "surface_95_mm", "surface_dice_2mm"):
        table[name] = [np.nan if one.outline is None else getattr(one.outline, name) for one in predictions]
    misses = failed & np.array([_would_be_outlined(one, drawn) for one in predictions], dtype=bool)
    table.loc[misses, ["dice", "surface_dice_2mm"]] = 0.0
    return table.astype(TYPES)


def _would_be_outlined(prediction: Prediction, drawn: Collection[tuple[str, str]]) -> bool:
    """Tell whether an outline would be compared, had the prediction one."""
    known = (prediction.subject, prediction.structure) in drawn
    return known and method_named(prediction.method).family.outlines


def _truth(scans: Scans, prediction: Prediction) -> Structure | None:
    """Return what is true of a prediction, None where the query's label lacks it or has another kind of it."""
    scan = scans.get(prediction.subject)
    truth = scan.structures.get(prediction.structure) if scan else None
    return truth if truth is not None and truth.is_point == prediction.point else None


def point_distance(prediction: Prediction, truth: Structure | None) -> float:
    """Return how far in mm a single landmark is from the true one; NaN where one of the two is not known."""
    if truth is None or prediction.points_mm is None:
        return float("nan")
    found = np.array([prediction.points_mm[name] for name in POINT], dtype=np.float64)
    return float(point_error(truth.extreme_mm, found))


def _compare(
    table: pd.DataFrame,
    predictions: Sequence[Prediction],
    truths: Sequence[Structure | None],
    where: NDArray[np.intp],
) -> None:
    """Fill in the metrics of the rows at the positions `where`, which have both a prediction and a truth."""
    if not where.size:
        return
    pairs = [(predictions[i], truth) for i in where if (truth := truths[i]) is not None]
    true = np.array([truth.box_mm for _, truth in pairs], dtype=np.float64)
    true_half = np.array([truth.half_voxel_mm for _, truth in pairs], dtype=np.float64)
    found = np.array([one.box_mm for one, _ in pairs], dtype=np.float64)
    # A method without a support copies no support's voxels: the query's own stand for them.
    found_half = np.array([one.half_voxel_mm or truth.half_voxel_mm for one, truth in pairs], dtype=np.float64)
    nothing = dict.fromkeys(WALLS, np.nan)
    walls = np.array([[(one.within_90_mm or nothing)[wall] for wall in WALLS] for one, _ in pairs])
    table.loc[where, "iou"] = box_iou(true, found)
    table.loc[where, "iou_reference"] = reference_iou(true, true_half, found, found_half)
    table.loc[where, "awd_mm"] = wall_distance(true, found)
    table.loc[where, "covered"] = covered(found, true, walls)
    table.loc[where, "mre_mm"] = _landmark_errors(pairs)


def _landmark_errors(pairs: Sequence[tuple[Prediction, Structure]]) -> FloatArray:
    """Return the mean radial errors (n) in mm of predictions' landmarks: six extreme points or two corners."""
    errors = np.empty(len(pairs))
    corners = np.array([set(one.points_mm or ()) == set(CORNERS) for one, _ in pairs], dtype=bool)
    for names, chosen in ((CORNERS, corners), (WALLS, ~corners)):
        own = [pairs[int(i)] for i in np.flatnonzero(chosen)]
        if own:
            found = [[(one.points_mm or {})[name] for name in names] for one, _ in own]
            errors[chosen] = point_error([t.box_mm if names is CORNERS else t.extreme_mm for _, t in own], found)
    return errors
