"""Rims: what a label's numbers leave around its structures where the label was interpolated as if it were an image."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rprloc.scans.body import Mask
from rprloc.scans.boxes import box_of

_THICKNESS = 3
"""Voxels of a rim at most."""
_MUCH = 0.15
"""Median part of the structures' voxels that lie in rims; of 139 parcels of a brain it is 0.09 at most."""


def rims(label: NDArray[np.integer[Any]], values: Mapping[str, int]) -> tuple[str, ...]:
    """Return what is to be said of a label (z, y, x) of which much lies between lower and higher values.

    Between 0 and 4 interpolation leaves 1, 2 and 3, which are other structures' numbers.
    """
    drawn = box_of(label > 0)
    if drawn is None:
        return ()
    part = np.pad(label[drawn], 1)
    voxels = np.bincount(part.ravel())
    # Nothing is a rim of the highest value.
    inner = [value for value in values.values() if value < len(voxels) - 1 and voxels[value]]
    if not inner:
        return ()
    share = float(np.median(np.bincount(part[_between(part)], minlength=len(voxels))[inner] / voxels[inner]))
    if share <= _MUCH:
        return ()
    return (
        f"{share:.0%} of the structures are thin rims between lower and higher values, as of a label that was "
        "interpolated",
    )


def _between(label: NDArray[np.integer[Any]]) -> Mask:
    """Return the voxels of a label (z, y, x) that lie in a short run between a lower and a higher value on an axis."""
    found = np.zeros(label.shape, dtype=np.bool_)
    for axis in range(3):
        along, into = np.moveaxis(label, axis, 0), np.moveaxis(found, axis, 0)
        equal = along[1:] == along[:-1]
        for length in range(1, _THICKNESS + 1):
            count = len(along) - length - 1
            if count <= 0:
                break
            first, last = along[:count], along[length + 1 :]
            inside = along[1 : count + 1]
            run = ((first < inside) & (inside < last)) | ((first > inside) & (inside > last))
            for step in range(length - 1):
                run &= equal[1 + step : 1 + step + count]
            for step in range(length):
                into[1 + step : 1 + step + count] |= run
    return found
