"""The body mask: the voxels of a scan that are not air around the patient."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Mask = NDArray[np.bool_]


def body_mask(tissue: Mask) -> Mask:
    """Return the body (z, y, x) from the tissue: opened, largest part, filled slice by slice.

    The mask is empty where a scan shows nothing but air.
    """
    opened = _opened(tissue)
    parts, count = _parts(opened if opened.any() else tissue)
    del opened
    if count == 0:
        return np.zeros(tissue.shape, dtype=np.bool_)
    sizes = np.zeros(count + 1, dtype=np.int64)
    # Slice by slice, as counting makes eight bytes of each voxel.
    for plane in parts:
        sizes += np.bincount(plane.ravel(), minlength=count + 1)
    sizes[0] = 0
    largest = np.asarray(parts == int(np.argmax(sizes)))
    for plane in largest:
        _fill_holes(plane)
    return largest


def _parts(mask: Mask) -> tuple[NDArray[Any], int]:
    """Return the connected parts of a mask, numbered from 1, and their number, in as few bytes a voxel as will do."""
    try:
        return ndimage.label(mask, output=np.uint16)  # type: ignore[call-overload]  # its stubs lack a type as output
    except RuntimeError:
        return ndimage.label(mask)


def _opened(mask: Mask) -> Mask:
    """Return a mask's binary opening by a voxel and its six neighbours; nothing lies outside the array.

    As scipy.ndimage.binary_opening does, ten times faster.
    """
    eroded = mask.copy()
    for axis in range(3):
        inner, kept = np.moveaxis(mask, axis, 0), np.moveaxis(eroded, axis, 0)
        kept[1:] &= inner[:-1]
        kept[:-1] &= inner[1:]
        kept[0] = kept[-1] = False
    opened = eroded.copy()
    for axis in range(3):
        inner, kept = np.moveaxis(eroded, axis, 0), np.moveaxis(opened, axis, 0)
        kept[1:] |= inner[:-1]
        kept[:-1] |= inner[1:]
    return opened


def _fill_holes(plane: Mask) -> None:
    """Fill what a slice's mask encloses, in place: the parts of its background that do not reach its border.

    As scipy.ndimage.binary_fill_holes does, several times faster.
    """
    parts, count = ndimage.label(~plane)
    outside = np.zeros(count + 1, dtype=np.bool_)
    for border in (parts[0], parts[-1], parts[:, 0], parts[:, -1]):
        outside[border] = True
    outside[0] = False
    if outside.sum() < count:
        plane[...] = ~outside[parts]
