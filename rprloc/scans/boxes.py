"""The box of voxels around each value of a label."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Box = tuple[slice, ...]
"""Along the axes of the label."""


def boxes_of(label: NDArray[np.integer[Any]]) -> dict[int, Box]:
    """Return the least box around the voxels of each value above 0 that a label (z, y, x) has, in their order."""
    return {value: box for value, box in enumerate(ndimage.find_objects(label), start=1) if box is not None}
