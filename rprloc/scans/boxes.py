"""The least boxes of voxels around a mask, and around each value of a label."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Box = tuple[slice, ...]
"""Along the axes of an array."""


def box_of(mask: NDArray[np.bool_]) -> Box | None:
    """Return the least box around the voxels of a mask (z, y, x), None where it has none."""
    ends = [np.flatnonzero(mask.any(axis=tuple({0, 1, 2} - {axis}))) for axis in range(3)]
    return tuple(slice(int(one[0]), int(one[-1]) + 1) for one in ends) if len(ends[0]) else None


@dataclass(frozen=True, eq=False)
class LabelVoxels:
    """A label's voxels, whose boxes are found once."""

    values: NDArray[np.integer[Any]]
    """(z, y, x)."""

    @cached_property
    def boxes(self) -> dict[int, Box]:
        """The least box around the voxels of each value above 0, in their order."""
        found = ndimage.find_objects(self.values)
        return {value: box for value, box in enumerate(found, start=1) if box is not None}

    def inside(self, value: int) -> NDArray[np.bool_]:
        """Return which voxels (z, y, x) of a value's box have it."""
        return np.asarray(self.values[self.boxes[value]] == value)
