"""The surface of each structure, in mm, from the native label."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from rprloc.geometry import FloatArray
from rprloc.scans.boxes import LabelVoxels
from rprloc.scans.record import Native, Structure
from rprloc.scans.scan import Surfaces

SURFACE_POINTS = 1500
"""Most points of a structure's surface beside its extreme points: on an organ they are some millimetres apart."""

_PART = 1 << 20
"""Voxels of a label looked at together, each of which takes up to 30 bytes."""


def structure_surfaces(label: LabelVoxels, structures: Mapping[str, Structure], native: Native) -> Surfaces:
    """Return the surface of each structure in mm: its six extreme points in the order of the walls, then at most
    SURFACE_POINTS middles of the faces between its voxels and others.

    `label` lies on the grid `native`, `structures` what `structure_landmarks` found in it. The order of the
    file's voxels has no say.
    """
    origin_mm, spacing_mm, direction = np.asarray(native.origin_mm), np.asarray(native.spacing_mm), native.axes
    surfaces = {}
    for name, structure in structures.items():
        faces = _faces(label, structure.value)
        points = _thinned(origin_mm + (faces * spacing_mm) @ direction.T)
        surfaces[name] = np.concatenate([structure.extreme_mm, points]).astype(np.float32)
    return surfaces


def _faces(label: LabelVoxels, value: int) -> FloatArray:
    """Return the middles (n, 3) as (x, y, z), in voxels, of the faces between voxels of a value and others.

    The value's box is looked at a few slices at a time, to spare memory.
    """
    box = label.boxes[value]
    inside = label.values[box]
    start = np.array([axis.start for axis in box])
    step = max(1, _PART // inside[0].size)
    found = []
    for first in range(0, len(inside), step):
        last = first + step >= len(inside)
        # With the slice before, which another part holds, or nothing beyond the box.
        part = inside[max(0, first - 1) : first + step] == value
        mask = np.pad(part, [(int(first == 0), int(last)), (1, 1), (1, 1)]).view(np.int8)
        for axis in range(3):
            own = mask if axis == 0 else mask[1 : 1 + step]
            place = np.argwhere(np.diff(own, axis=axis)).astype(np.float64)
            found.append(place + start + [first - (axis == 0), -1, -1] + np.eye(3)[axis] / 2)
    return np.concatenate(found)[:, ::-1]


def _thinned(points_mm: FloatArray) -> FloatArray:
    """Return at most SURFACE_POINTS of points (n, 3): of each cell of a lattice the one farthest from the middle, so
    that a turned surface loses least of its width on any side.
    """
    rounded = np.round(points_mm, 3)
    middle = (rounded.min(axis=0) + rounded.max(axis=0)) / 2
    far = ((rounded - middle) ** 2).sum(axis=1).round(3)
    # The first of a cell is kept: the farthest, of several the least in x, then y, then z.
    points = rounded[np.lexsort((*rounded.T[::-1], -far))]
    kept, cell = points, 1.0
    while len(kept) > SURFACE_POINTS:
        cells = np.floor((points - points.min(axis=0)) / cell).astype(np.int64)
        _, first = np.unique(np.ravel_multi_index(tuple(cells.T), tuple(cells.max(axis=0) + 1)), return_index=True)
        kept = points[np.sort(first)]
        cell *= 1.2
    return kept
