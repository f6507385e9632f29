"""The body mask: the voxels of a scan that are not air around the patient."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from scipy import ndimage

BODY_HU = -500
"""Everything above is body, before lungs and airways are filled in."""


def body_mask(values: NDArray[np.float32], modality: str) -> NDArray[np.bool_]:
    """Return the body (z, y, x): above -500 HU (Otsu's threshold for MR), opened, largest part, filled slice by slice.

    The mask is empty where a scan shows nothing but air.
    """
    threshold = BODY_HU if modality == "ct" else _otsu(values)
    tissue = values > threshold
    opened = ndimage.binary_opening(tissue)
    parts, count = ndimage.label(opened if opened.any() else tissue)
    if count == 0:
        return np.zeros(values.shape, dtype=np.bool_)
    sizes = np.bincount(parts.ravel())
    sizes[0] = 0
    largest = parts == int(np.argmax(sizes))
    in_slice = ndimage.generate_binary_structure(2, 1)[np.newaxis]
    return np.asarray(ndimage.binary_fill_holes(largest, structure=in_slice), dtype=np.bool_)


def _otsu(values: NDArray[np.float32]) -> float:
    """Return Otsu's threshold of all values; the brightest are cut, as one alone would stretch its histogram."""
    otsu = sitk.OtsuThresholdImageFilter()
    otsu.Execute(sitk.GetImageFromArray(np.minimum(values, np.percentile(values, 99.8))))
    return float(otsu.GetThreshold())


def body_box(mask: NDArray[np.bool_]) -> tuple[slice, slice, slice]:
    """Return the slices (z, y, x) of the smallest box that holds the whole mask, which must not be empty."""
    z, y, x = ndimage.find_objects(mask.astype(np.uint8))[0]
    return z, y, x
