"""How far each answer is from the truth, and a row for every answer that was expected.

Boxes are (..., 2, 3): minimum and maximum corner in LPS millimetres, on voxel edges.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rprloc.cohort.methods import CALIBRATED
from rprloc.errors import InputError
from rprloc.geometry import CORNERS, WALLS, FloatArray
from rprloc.results.calibration import covered, mean_within, with_intervals
from rprloc.results.combined import combined_rows
from rprloc.results.expected import KEY, expected_rows, failed_row, set_aside_table, usable

COLUMNS = (
    "cohort", "subject", "structure", "method", "setting", "support", "drawn", "n_supports",
    "iou", "iou_reference", "awd_mm", "mre_mm", "spread_mm", "confidence", "within_90_mm", "covered",
    "failed", "reason", "seconds",
)  # fmt: skip
"""The columns of metrics.csv, in this order."""

Row = dict[str, Any]


def box_iou(first_mm: Any, second_mm: Any) -> FloatArray:
    """Return the intersection over union (...) of boxes (..., 2, 3), a fraction; two boxes without volume give 0."""
    first, second = np.asarray(first_mm, dtype=np.float64), np.asarray(second_mm, dtype=np.float64)
    low = np.maximum(first[..., 0, :], second[..., 0, :])
    high = np.minimum(first[..., 1, :], second[..., 1, :])
    common = np.prod(np.clip(high - low, 0, None), axis=-1)
    union = _volume(first) + _volume(second) - common
    return np.asarray(np.divide(common, union, out=np.zeros_like(union), where=union > 0))


def _volume(box_mm: FloatArray) -> FloatArray:
    """Return the volumes (...) in cubic mm of boxes (..., 2, 3)."""
    return np.asarray(np.prod(box_mm[..., 1, :] - box_mm[..., 0, :], axis=-1))


def shrink(box_mm: Any, half_voxel_mm: Any) -> FloatArray:
    """Return boxes (..., 2, 3) on the centres of their outermost voxels, given half voxels (..., 3) in mm.

    A box thinner than a voxel becomes a plane through its middle, and so has no volume.
    """
    box, half = np.asarray(box_mm, dtype=np.float64), np.asarray(half_voxel_mm, dtype=np.float64)
    middle = box.mean(axis=-2)
    return np.stack([np.minimum(box[..., 0, :] + half, middle), np.maximum(box[..., 1, :] - half, middle)], axis=-2)


def reference_iou(true_mm: Any, true_half_mm: Any, found_mm: Any, found_half_mm: Any) -> FloatArray:
    """Return the intersection over union in the voxel-centre convention of the paper's published code.

    The true box is shrunk by half a voxel of the query, the found one by half a voxel of the support it copies.
    """
    return box_iou(shrink(true_mm, true_half_mm), shrink(found_mm, found_half_mm))


def wall_distance(true_mm: Any, found_mm: Any) -> FloatArray:
    """Return the absolute wall distance AWD (...) in mm: the mean over the six walls of boxes (..., 2, 3)."""
    difference = np.asarray(true_mm, dtype=np.float64) - np.asarray(found_mm, dtype=np.float64)
    return np.asarray(np.abs(difference).mean(axis=(-2, -1)))


def point_error(true_mm: Any, found_mm: Any) -> float:
    """Return the mean radial error in mm: the mean Euclidean distance of points (n, 3)."""
    difference = np.asarray(true_mm, dtype=np.float64) - np.asarray(found_mm, dtype=np.float64)
    return float(np.linalg.norm(difference, axis=-1).mean())


def evaluate(
    check: Mapping[str, Any],
    cohort: str,
    scans: Mapping[str, Row],
    predictions: Sequence[Row],
    *,
    seed: int,
    tables: bool,
) -> tuple[list[Row], pd.DataFrame, pd.DataFrame]:
    """Return one cohort's complete answers, their metrics and the scans that were set aside.

    `check` is what the checked sheet holds, `scans` the preprocessed scans' JSON by subject, `predictions` the answers
    that came back. An answer that was expected and did not come back becomes a failed row with the reason; nothing is
    dropped. Behind them stand the answers of several supports together (`combined_rows`). Answers of a calibrated
    method for supports that are no queries say how sure the others are (`with_intervals`), and are none themselves.
    Raises InputError for an answer that is there twice or belongs to no query of the cohort.
    """
    members = [row for row in check["rows"] if row["cohort"] == cohort]
    answers = _answers_by_key(cohort, members, predictions)
    queries = {row["subject"] for row in members if row["query"]}
    calibration = [answers.pop(key) for key, row in list(answers.items()) if row["subject"] not in queries]
    settings = check["cohorts"][cohort]
    expected = expected_rows(settings, members, scans, answers, seed=seed, tables=tables)
    rows = []
    for blank in expected:
        key = _key(blank)
        rows.append(answers.pop(key) if key in answers else failed_row(blank, scans))
    rows.extend(answers.values())
    supports = {row["subject"] for row in members if row["support"] and usable(scans, row["subject"])}
    rows.extend(combined_rows(rows, supports, settings["starts"]))
    calibration.extend(combined_rows(calibration, supports, settings["starts"]))
    rows = with_intervals(rows, [*rows, *calibration], supports, scans)
    return rows, measure(rows, members, scans), set_aside_table(members, scans)


def _key(row: Row) -> tuple[str, ...]:
    """Return what names the row's answer."""
    return tuple(str(row[name]) for name in KEY)


def _answers_by_key(cohort: str, members: Sequence[Row], predictions: Iterable[Row]) -> dict[tuple[str, ...], Row]:
    """Return the cohort's answers by key, those for supports among them where the method is calibrated; raises
    InputError for repeated answers and unknown queries.
    """
    queries = {row["subject"] for row in members if row["query"]}
    supports = {row["subject"] for row in members if row["support"]}
    answers: dict[tuple[str, ...], Row] = {}
    errors = []
    for row in predictions:
        if row["cohort"] != cohort:
            continue
        key = _key(row)
        if key in answers:
            errors.append(f"predictions of cohort {cohort}: two answers for {' x '.join(key[1:])}, expected one.")
        if row["subject"] not in (queries | supports if row["method"] in CALIBRATED else queries):
            errors.append(f"predictions of cohort {cohort}: an answer for {row['subject']}, expected a query of it.")
        answers[key] = row
    if errors:
        raise InputError(errors)
    return answers


def measure(rows: Sequence[Row], members: Sequence[Row], scans: Mapping[str, Row]) -> pd.DataFrame:
    """Return metrics.csv's table, one line for each answer.

    A miss has IoU 0 and no distances; a structure without truth has no metrics. A query that was set aside counts as a
    miss where the sheet gives it a label: what the label holds is then unknown.
    """
    labelled = {row["subject"] for row in members if row.get("label")}
    truths = [_truth(scans.get(row["subject"]), row["structure"]) for row in rows]
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    table["n_supports"] = table["n_supports"].astype(int)
    for name in ("drawn", "failed"):
        table[name] = table[name].astype(bool)
    table["within_90_mm"] = [mean_within(row) for row in rows]
    table["seconds"] = [sum(row["seconds"].values()) if row["seconds"] else np.nan for row in rows]
    for name in ("iou", "iou_reference", "awd_mm", "mre_mm", "spread_mm", "confidence", "within_90_mm", "covered"):
        table[name] = table[name].astype(float)
    unknown = np.array([not usable(scans, row["subject"]) and row["subject"] in labelled for row in rows], dtype=bool)
    true = np.array([truth is not None for truth in truths], dtype=bool)
    failed = table["failed"].to_numpy(dtype=bool)
    table.loc[failed & (true | unknown), ["iou", "iou_reference"]] = 0.0
    _compare(table, rows, truths, np.flatnonzero(true & ~failed))
    return table


def _truth(scan: Row | None, structure: str) -> Row | None:
    """Return the structure's entry of a preprocessed scan, or None where its label lacks it."""
    found: Row | None = (scan or {}).get("structures", {}).get(structure)
    return found


def _compare(table: pd.DataFrame, rows: Sequence[Row], truths: Sequence[Row | None], where: NDArray[np.intp]) -> None:
    """Fill in the metrics of the rows at the positions `where`, which have both an answer and a truth."""
    if not where.size:
        return
    pairs = [(rows[i], truth) for i in where if (truth := truths[i]) is not None]
    true = np.array([truth["box_mm"] for _, truth in pairs], dtype=np.float64)
    true_half = np.array([truth["half_voxel_mm"] for _, truth in pairs], dtype=np.float64)
    found = np.array([row["box_mm"] for row, _ in pairs], dtype=np.float64)
    # A method without a support copies no support's voxels: the query's own stand for them.
    found_half = np.array([row["half_voxel_mm"] or truth["half_voxel_mm"] for row, truth in pairs], dtype=np.float64)
    table.loc[where, "iou"] = box_iou(true, found)
    table.loc[where, "iou_reference"] = reference_iou(true, true_half, found, found_half)
    table.loc[where, "awd_mm"] = wall_distance(true, found)
    table.loc[where, "covered"] = [
        covered(row["box_mm"], truth["box_mm"], row["within_90_mm"]) if row.get("within_90_mm") else np.nan
        for row, truth in pairs
    ]
    table.loc[where, "mre_mm"] = [_landmark_error(row, truth) for row, truth in pairs]


def _landmark_error(row: Row, truth: Row) -> float:
    """Return the mean radial error in mm of an answer's landmarks: six extreme points or two corners."""
    points = row["points_mm"]
    if set(points) == set(CORNERS):
        return point_error(truth["box_mm"], [points[name] for name in CORNERS])
    return point_error([truth["extreme_mm"][wall] for wall in WALLS], [points[wall] for wall in WALLS])
