"""Stray voxels of a mask: few, and far from the rest, as a slip of the pen leaves them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from rprloc.geometry import FloatArray
from rprloc.scans.body import Mask
from rprloc.scans.boxes import LabelVoxels

_RULES = ((0.001, 0.25), (0.01, 0.5), (0.05, 1.0))
"""Of a structure's voxels the part that its stray pieces hold together at most, as more of them are parts of the
structure, and the least distance of a stray piece to the rest, in diagonals of the rest's box: the more there is of it,
the farther off it has to be.
"""
_CELLS = 64
"""Most cells along an axis by which pieces are told apart: far ones need no finer ones."""


def without_strays(
    label: LabelVoxels, values: Mapping[str, int], spacing_mm: Sequence[float]
) -> tuple[LabelVoxels, tuple[str, ...]]:
    """Return a label of voxels of a size (x, y, z) without the stray voxels of structures of the values, the
    same label where there are none, and a sentence for each structure that had some.

    A box around all voxels would reach to the farthest of them, and its extreme points with it.
    """
    spacing = np.asarray(spacing_mm, dtype=np.float64)[::-1]
    kept = label.values
    said: list[str] = []
    for name, value in values.items():
        mask = label.inside(value)
        if (found := _strays(mask, spacing)) is None:
            continue
        stray, far = found
        kept = kept if said else kept.copy()
        kept[label.boxes[value]][stray] = 0
        said.append(
            f"{name}: {int(stray.sum()):,} of {int(mask.sum()):,} voxels lie about {far:.0f} mm from the rest: left out"
        )
    return LabelVoxels(kept) if said else label, tuple(said)


def _strays(mask: Mask, spacing_mm: FloatArray) -> tuple[Mask, float] | None:
    """Return the stray voxels of a mask (z, y, x) and how far in mm the nearest of them is from the rest, if any is."""
    every = [-(-count // _CELLS) for count in mask.shape]
    counts = _summed(mask, every)
    pieces, count = ndimage.label(counts > 0, np.ones((3, 3, 3)))
    if count < 2:
        return None
    numbers = np.arange(1, count + 1)
    parts = ndimage.sum_labels(counts, pieces, numbers) / counts.sum()
    stray, nearest = np.zeros(count, dtype=np.bool_), np.inf
    cell_mm = spacing_mm * every
    for most, far in _RULES:
        small = parts <= most
        if not small.any() or small.all():
            continue
        rest = np.isin(pieces, numbers[~small])
        diagonal = np.linalg.norm([np.ptp(index) + 1 for index in rest.nonzero()] * cell_mm)
        away = ndimage.minimum(ndimage.distance_transform_edt(~rest, sampling=cell_mm), pieces, numbers)
        found = small & (away > far * diagonal)
        if found.any() and parts[found].sum() <= most:
            stray |= found
            nearest = min(nearest, float(away[found].min()))
    if not stray.any():
        return None
    fine = np.isin(pieces, numbers[stray])
    for axis, times in enumerate(every):
        fine = fine.repeat(times, axis=axis)
    return mask & fine[tuple(slice(count) for count in mask.shape)], nearest


def _summed(mask: Mask, every: Sequence[int]) -> NDArray[np.int64]:
    """Return how many voxels of a mask (z, y, x) each block of `every` voxels along each axis holds."""
    padded = np.pad(mask, [(0, -count % times) for count, times in zip(mask.shape, every, strict=True)])
    blocks = [part for count, times in zip(padded.shape, every, strict=True) for part in (count // times, times)]
    return np.asarray(padded.reshape(blocks).sum(axis=(1, 3, 5), dtype=np.int64))
