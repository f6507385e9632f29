"""What a scan's values cannot be: what is mended, and the sentence that says so."""

from __future__ import annotations

from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from scipy import ndimage

from rprloc.scans.modality import TISSUE_HU
from rprloc.scans.volume import AIR_HU, image_like

_PADDING_HU = 3000
"""A constant block from here up at the border of the field is padding: metal does not lie there."""

_BORDER_PART = 0.01
"""Part of the border's voxels that padding covers at least."""

_STORED_AIR_PART, _STORED_TISSUE_PART = 0.02, 0.3
"""Of values stored with air at 0, at least the part is air, and of the others at least the part is soft tissue; a part
of a body without air has neither.
"""
_STORED_AIR_TOP, _STORED_TISSUE = 300, (850, 1200)
"""What is air there, below, and what is soft tissue, between."""

_SPECKS = 1e-4
"""Part of all NaN that may lie in tissue and is air as well: the darkest voxels of pockets of air."""


def mended(image: sitk.Image, modality: str) -> tuple[sitk.Image, tuple[str, ...]]:
    """Return a scan whose values are what its modality says, and a sentence for each thing found, "what: done".

    A scan in which nothing is found is returned as it is.
    """
    values = sitk.GetArrayViewFromImage(image)
    image, findings = _without_nan(image, values, modality)
    if modality != "ct":
        return image, findings
    values = sitk.GetArrayViewFromImage(image)
    if values.min() < TISSUE_HU and values.max() < _PADDING_HU:
        return image, findings
    for step in (_without_padding, _shifted):
        image, found = step(image, sitk.GetArrayViewFromImage(image))
        findings += found
    return image, findings


def _without_nan(image: sitk.Image, values: NDArray[Any], modality: str) -> tuple[sitk.Image, tuple[str, ...]]:
    """Replace NaN that reaches the border, or that touches a CT's air, by air; any other is left, to be refused."""
    if not np.issubdtype(values.dtype, np.floating) or not np.isnan(values.min()):
        return image, ()
    unknown = np.isnan(values)
    if unknown.all():
        return image, ()
    parts, count = ndimage.label(unknown)
    outside = np.zeros(count + 1, dtype=np.bool_)
    for axis in range(3):
        outside[np.unique(np.take(parts, (0, -1), axis))] = True
    if modality == "ct":
        around = np.where(unknown, 0, ndimage.grey_dilation(parts, footprint=ndimage.generate_binary_structure(3, 1)))
        outside |= np.append(0, ndimage.minimum(np.nan_to_num(values), around, np.arange(1, count + 1))) < TISSUE_HU
    outside[0] = False
    if np.count_nonzero(unknown) - np.count_nonzero(outside[parts]) < _SPECKS * np.count_nonzero(unknown):
        outside[1:] = True
    number = int(np.count_nonzero(outside[parts]))
    if not number:
        return image, ()
    air = np.nanmin(values)
    air = AIR_HU if modality == "ct" and air >= TISSUE_HU else air
    filled = np.where(outside[parts], values.dtype.type(air), values)
    return image_like(image, filled), (f"{number:,} voxels are NaN: read as air",)


def _without_padding(image: sitk.Image, values: NDArray[Any]) -> tuple[sitk.Image, tuple[str, ...]]:
    """Replace a block of the highest value at the field's border by air, where no tissue is that bright."""
    high = values.max()
    if not high >= _PADDING_HU:
        return image, ()
    faces = [np.take(values, (0, -1), axis) == high for axis in range(3)]
    if sum(face.sum() for face in faces) < _BORDER_PART * sum(face.size for face in faces):
        return image, ()
    rest = np.where(values == high, values.min(), values)
    # Padding in a scan stored with air at 0 becomes that scan's air.
    air = AIR_HU if rest.min() < TISSUE_HU else rest.min()
    rest[values == high] = air
    return image_like(image, rest), (
        f"the border of the field is filled with {high:.6g}, which no tissue has: read as air",
    )


def _shifted(image: sitk.Image, values: NDArray[Any]) -> tuple[sitk.Image, tuple[str, ...]]:
    """Subtract what was added to HU to store air as 0; say of other values without air what they look like."""
    low, high = float(values.min()), float(values.max())
    if not np.isfinite(low) or low < TISSUE_HU:
        return image, ()
    found = f"values from {low:.4g} to {high:.4g} without air, nothing is below {TISSUE_HU} HU"
    if high <= 1:
        return image, (f"{found}, as of an image scaled to 0..1: used as it is, expected Hounsfield units",)
    if high <= 255:
        return image, (f"{found}, as of an image of eight bits: used as it is, expected Hounsfield units",)
    if low < -50 or not _looks_stored(values):
        return image, (f"{found}: used as it is, expected Hounsfield units",)
    offset = _offset(values)
    shifted = values.astype(np.int32) - offset if np.issubdtype(values.dtype, np.integer) else values - offset
    return image_like(image, shifted), (f"{found}, air is stored as 0: {offset} subtracted",)


def _looks_stored(values: NDArray[Any]) -> bool:
    """Tell whether values look like HU to which something was added so that air is 0."""
    air = float(np.mean(values < _STORED_AIR_TOP))
    low, high = _STORED_TISSUE
    tissue = float(np.mean((values >= low) & (values < high)))
    return air >= _STORED_AIR_PART and tissue >= _STORED_TISSUE_PART * (1 - air)


def _offset(values: NDArray[Any]) -> int:
    """Return 1000 or 1024, by which the commonest value of muscle and water comes nearer to 40 HU."""
    counts, edges = np.histogram(values, bins=60, range=(980, 1160))
    commonest = float(edges[int(np.argmax(ndimage.uniform_filter1d(counts.astype(float), 5)))]) + 1.5
    return min((1000, 1024), key=lambda offset: abs(commonest - offset - 40))
