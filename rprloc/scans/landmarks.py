"""The box and the extreme points of each structure, in mm, from the native label."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from rprloc.geometry import WALLS, FloatArray, walls_of
from rprloc.scans.boxes import Box, LabelVoxels
from rprloc.scans.record import Native, Structure

_PART = 1 << 20
"""Voxels of a label looked at together, each of which takes up to 100 bytes."""


def structure_landmarks(
    label: LabelVoxels, structures: Mapping[str, int] | None, native: Native
) -> dict[str, Structure]:
    """Return each structure's value, box, extreme points and half voxel in mm; one without voxels is left out.

    `label` lies on the grid `native`. `structures` maps names to label values; None takes every value found,
    named `label_<value>`. The box lies on voxel edges. A wall's landmark is the voxel of that face nearest the face's
    centroid, moved half a voxel outward onto the wall ("extreme points", section 2 and figure 3 of the paper). Where it
    touches the grid's border its walls are open.
    """
    boxes = label.boxes
    if structures is None:
        structures = {f"label_{value}": value for value in boxes}
    origin_mm, spacing_mm, direction = np.asarray(native.origin_mm), np.asarray(native.spacing_mm), native.axes
    found: dict[str, Structure] = {}
    for name, value in structures.items():
        if value not in boxes:
            continue

        def centres_mm(value: int = value) -> Iterator[FloatArray]:
            for index in _voxels_in_parts(label, value):
                yield origin_mm + (index * spacing_mm) @ direction.T

        about = _structure(value, centres_mm, np.abs(direction) @ spacing_mm / 2)
        found[name] = replace(about, open_walls=_open_walls(boxes[value], native))
    return found


def _open_walls(box: Box, native: Native) -> tuple[str, ...]:
    """Return the walls that lie where voxels in a box (z, y, x) touch the border of a grid."""
    outward: list[list[float]] = []
    for axis, (inside, count) in enumerate(zip(box[::-1], native.size, strict=True)):
        direction = native.axes[:, axis]
        ends = ((inside.start == 0, -direction), (inside.stop == count, direction))
        outward += [towards.tolist() for touches, towards in ends if touches]
    return walls_of(outward)


def _voxels_in_parts(label: LabelVoxels, value: int) -> Iterator[NDArray[np.int64]]:
    """Yield the voxels (n, 3) of a value as (x, y, z), a few slices at a time to spare memory."""
    box = label.boxes[value]
    start = np.array([axis.start for axis in box])
    inside = label.values[box]
    step = max(1, _PART // inside[0].size)
    for first in range(0, len(inside), step):
        index = np.argwhere(inside[first : first + step] == value)
        if len(index):
            yield (index + start + [first, 0, 0])[:, ::-1]


def _structure(value: int, centres_mm: Callable[[], Iterator[FloatArray]], half_mm: FloatArray) -> Structure:
    """Return a structure's landmarks from its voxel centres (n, 3), given in parts, and half a voxel (3,)."""
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
    extreme = np.array([_central(np.concatenate(face)) for face in faces])
    for number, point in enumerate(extreme):
        axis, upper = divmod(number, 2)
        point[axis] = (high if upper else low)[axis]
    x, y, z = half_mm.tolist()
    return Structure(
        value=value,
        box_mm=np.array([low, high]),
        extreme_mm=extreme,
        half_voxel_mm=(x, y, z),
        voxels=sum(count for _, _, count in ends),
    )


def _central(face_mm: FloatArray) -> FloatArray:
    """Return the point (3,) of a face (n, 3) nearest its centroid; of several, the least in x, then y, then z.

    The order of the file's voxels thus has no say where a face is symmetric.
    """
    distance = ((face_mm - face_mm.mean(axis=0)) ** 2).sum(axis=1)
    nearest = face_mm[distance <= distance.min() + 1e-3]
    for axis in range(3):
        nearest = nearest[nearest[:, axis] <= nearest[:, axis].min() + 1e-3]
    return np.array(nearest[0])
