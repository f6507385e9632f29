"""Boxes as a table in every frame that tools use: LPS and RAS mm, and the scan's own voxels."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rprloc.exports.query import Query, extent_of
from rprloc.files import write_text
from rprloc.geometry import FloatArray
from rprloc.methods.answer import Prediction
from rprloc.scans.record import Native

_AXES = ("x", "y", "z")
COLUMNS = (
    "cohort", "subject", "structure", "support", "n_supports",
    *(f"{axis}_{end}_{frame}_mm" for frame in ("lps", "ras") for end in ("min", "max") for axis in _AXES),
    *(f"{axis}_{end}" for end in ("first", "stop") for axis in "ijk"),
    "lost", "confidence", "within_90_mm", "failed", "reason",
)  # fmt: skip
"""The columns, in this order; voxels from `first` up to and without `stop`."""
Voxels = NDArray[np.int64]
_NEARLY = 1e-3
"""Voxels by which a box may reach into another without taking it."""


def write_boxes(parent: Path, query: Query) -> None:
    """Write csv/<cohort>/<subject>.csv, a line for each structure, failed ones as well."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(_line(one, query.native) for one in query.answers)
    write_text(query.folder(parent, "csv") / f"{query.name}.csv", stream.getvalue())


def _line(one: Prediction, native: Native) -> list[object]:
    """Return the values of an answer's line."""
    numbers: list[object] = [""] * 18
    lps = extent_of(one)
    if lps is not None:
        ras = np.sort(lps * [-1, -1, 1], axis=0)
        voxels = np.stack(voxels_of(lps, native))
        numbers = [*lps.ravel().round(6).tolist(), *ras.ravel().round(6).tolist(), *voxels.ravel().tolist()]
    within = sum(one.within_90_mm.values()) / len(one.within_90_mm) if one.within_90_mm else None
    names = [one.cohort, one.subject, one.structure, one.support, one.n_supports]
    rest = ["" if value is None else value for value in (one.lost, one.confidence, within)]
    return [*names, *numbers, *rest, one.failed, one.reason or ""]


def voxels_of(box_mm: FloatArray, native: Native, margin_mm: float = 0.0) -> tuple[Voxels, Voxels]:
    """Return the first voxel (i, j, k) of a scan that a box (2, 3) with a margin touches, and the one after the last.

    In an oblique scan it is the part along the scan's axes that holds the box.
    """
    low, high = np.array(box_mm) + np.array([[-margin_mm], [margin_mm]])
    corners = np.array(np.meshgrid(*zip(low, high, strict=True), indexing="ij")).reshape(3, -1).T
    edges = native.frame.voxel(corners) + 0.5
    first = np.clip(np.floor(edges.min(axis=0) + _NEARLY), 0, np.array(native.size)).astype(np.int64)
    stop = np.clip(np.ceil(edges.max(axis=0) - _NEARLY), 0, np.array(native.size)).astype(np.int64)
    return first, np.maximum(stop, first)
