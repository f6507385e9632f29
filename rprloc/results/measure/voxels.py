"""Boxes on the voxels of their query: what is drawn there ends at edges between voxels, and so does a box."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
import numpy as np

from rprloc.geometry import FloatArray
from rprloc.methods.answer import Prediction
from rprloc.results.measure.expected import Scans
from rprloc.scans.record import Native

_STRAIGHT = 1e-3
"""A voxel's axes may lie so far beside the patient's, as direction cosines: half a mm on half a metre."""


def edges_of(native: Native | None) -> FloatArray:
    """Return an edge between a grid's voxels and the way to the next one (2, 3) along LPS, mm; NaN for a grid that is
    oblique to the patient's axes, and for none.
    """
    if native is None:
        return np.full((2, 3), np.nan)
    size = np.abs(native.axes)
    along = size.argmax(axis=1)
    beside = size.copy()
    beside[np.arange(3), along] = 0
    if beside.max() > _STRAIGHT:
        return np.full((2, 3), np.nan)
    steps = np.asarray(native.spacing_mm)[along]
    return np.stack([np.asarray(native.origin_mm) - steps / 2, steps])


def edges_in(scans: Scans, subject: str) -> FloatArray:
    """Return the edges between a scan's voxels, as `edges_of`."""
    record = scans.get(subject)
    return edges_of(None if record is None else record.native)


def on_edges(boxes_mm: FloatArray, edges_mm: FloatArray) -> FloatArray:
    """Return boxes (..., 2, 3) whose walls were moved to the nearest edges, (..., 2, 3) as `edges_of` has them.

    One that would be left without a voxel keeps that of its middle. Where there are no edges they stay.
    """
    first, step = edges_mm[..., 0, :], edges_mm[..., 1, :]
    voxels = (boxes_mm - first[..., None, :]) / step[..., None, :]
    near = np.round(voxels)
    middle = np.floor(voxels.mean(axis=-2))
    flat = near[..., 1, :] <= near[..., 0, :]
    near = np.where(flat[..., None, :], np.stack([middle, middle + 1], axis=-2), near)
    moved = first[..., None, :] + near * step[..., None, :]
    return np.where(np.isnan(moved), boxes_mm, moved)


def on_voxels(predictions: Iterable[Prediction], scans: Scans) -> list[Prediction]:
    """Return predictions whose boxes end at edges between their query's voxels, and points that moved along: on a wall
    they stay on it. Those without a box, and of queries that are oblique, stay as they are.
    """
    edges: dict[str, FloatArray] = {}
    moved = []
    for one in predictions:
        if one.subject not in edges:
            edges[one.subject] = edges_in(scans, one.subject)
        moved.append(_moved(one, edges[one.subject]))
    return moved


def _moved(one: Prediction, edges_mm: FloatArray) -> Prediction:
    """Return a prediction whose box ends at edges."""
    if one.box_mm is None or one.points_mm is None or np.isnan(edges_mm).any():
        return one
    before = np.array(one.box_mm)
    after = on_edges(before, edges_mm)
    (low, high), (new_low, new_high) = before, after
    places = np.array(list(one.points_mm.values()))
    size = np.where(high > low, high - low, 1.0)
    points = np.where(places == high, new_high, new_low + (places - low) / size * (new_high - new_low))
    return msgspec.structs.replace(
        one, box_mm=after.tolist(), points_mm=dict(zip(one.points_mm, points.tolist(), strict=True))
    )
