"""The box and the extreme points of each structure, in mm, from the native label."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from rprloc.geometry import WALLS, FloatArray

Box = tuple[slice, ...]

_PART = 1 << 20
"""Voxels of a label looked at together, each of which takes up to 100 bytes."""


def structure_landmarks(
    label: NDArray[np.integer[Any]],
    structures: dict[str, int] | None,
    *,
    origin_mm: FloatArray,
    spacing_mm: FloatArray,
    direction: FloatArray,
) -> dict[str, dict[str, Any]]:
    """Return each structure's value, box, extreme points and half voxel in mm; one without voxels is left out.

    `label` is (z, y, x); origin and spacing are (x, y, z), direction is 3 x 3 as SimpleITK gives it. `structures` maps
    names to label values; None takes every value found, named `label_<value>`. The box lies on voxel edges. A wall's
    landmark is the voxel of that face nearest the face's centroid, moved half a voxel outward onto the wall
    ("extreme points", section 2 and figure 3 of the paper).
    """
    objects = ndimage.find_objects(label)
    if structures is None:
        structures = {f"label_{value}": value for value, box in enumerate(objects, start=1) if box is not None}
    found: dict[str, dict[str, Any]] = {}
    for name, value in structures.items():
        box = objects[value - 1] if 0 < value <= len(objects) else None
        if box is None:
            continue

        def centres_mm(box: Box = box, value: int = value) -> Iterator[FloatArray]:
            for index in _voxels_in_parts(label, box, value):
                yield origin_mm + (index * spacing_mm) @ direction.T

        found[name] = {"value": value} | _landmarks(centres_mm, np.abs(direction) @ spacing_mm / 2)
    return found


def _voxels_in_parts(label: NDArray[np.integer[Any]], box: Box, value: int) -> Iterator[NDArray[np.int64]]:
    """Yield the voxels (n, 3) of a value in a box as (x, y, z), a few slices at a time to spare memory."""
    start = np.array([axis.start for axis in box])
    inside = label[box]
    step = max(1, _PART // inside[0].size)
    for first in range(0, len(inside), step):
        index = np.argwhere(inside[first : first + step] == value)
        if len(index):
            yield (index + start + [first, 0, 0])[:, ::-1]


def _landmarks(centres_mm: Callable[[], Iterator[FloatArray]], half_mm: FloatArray) -> dict[str, Any]:
    """Return box, half voxel and extreme points of a structure from its voxel centres (n, 3), given in parts."""
    ends = [(part.min(axis=0), part.max(axis=0), len(part)) for part in centres_mm()]
    low = np.min([lowest for lowest, _, _ in ends], axis=0) - half_mm
    high = np.max([highest for _, highest, _ in ends], axis=0) + half_mm
    faces: list[list[FloatArray]] = [[] for _ in WALLS]
    for part in centres_mm():
        for number, face in enumerate(faces):
            axis, upper = divmod(number, 2)
            # Voxels whose centre lies within one voxel extent of the wall: exactly the face where axes are aligned.
            depth = np.abs(part[:, axis] - (high if upper else low)[axis])
            face.append(part[depth <= 2 * half_mm[axis] * 0.999])
    extreme: dict[str, list[float]] = {}
    for number, wall in enumerate(WALLS):
        axis, upper = divmod(number, 2)
        point = _central(np.concatenate(faces[number]))
        point[axis] = (high if upper else low)[axis]
        extreme[wall] = point.tolist()
    return {
        "box_mm": [low.tolist(), high.tolist()],
        "half_voxel_mm": half_mm.tolist(),
        "extreme_mm": extreme,
        "voxels": sum(count for _, _, count in ends),
    }


def _central(face_mm: FloatArray) -> FloatArray:
    """Return the point (3,) of a face (n, 3) nearest its centroid; of several, the least in x, then y, then z.

    The order of the file's voxels thus has no say where a face is symmetric.
    """
    distance = ((face_mm - face_mm.mean(axis=0)) ** 2).sum(axis=1)
    nearest = face_mm[distance <= distance.min() + 1e-3]
    for axis in range(3):
        nearest = nearest[nearest[:, axis] <= nearest[:, axis].min() + 1e-3]
    return np.array(nearest[0])
