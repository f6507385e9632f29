"""What a scan's values cannot be: what is mended, and the sentence that says so."""

from __future__ import annotations

from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from scipy import ndimage

from rprloc.scans.modality import TISSUE_HU
from rprloc.scans.padding import PADDING_HU, Mended, looks_stored, without_blocks, without_bright, without_nan
from rprloc.scans.record import NO_HOUNSFIELD
from rprloc.scans.volume import AIR_HU, SOFT_TISSUE_HU, image_like

_TWICE = 1024
"""What is subtracted twice where a file's intercept was applied to values that were HU already."""
_TWICE_AIR = 0.02
"""Least part of the values that is air there, and of what would be tissue."""
_TWICE_BELOW, _TWICE_BODY, _TWICE_TISSUE, _TWICE_PARTS = -1700, -700, 200, (0.1, 0.4)
"""Below the first air is then. In HU's range of tissue, to either side of 0, lies hardly anything, at most these parts
of what does when it is added again, and of what is above the second: bone. Padding of -2000 or -3024 lies as low,
beside tissue where that belongs.
"""

_EIGHT_BITS = 128
"""Least range of an image of eight bits; a smaller one may be of soft tissue alone."""
_CLIPPED_PART = 0.2
"""Part of an image's voxels that have its lowest value where a window cut what is darker off."""
_TISSUE_HU = 40
"""What is taken for the median of its tissue where none did; the window of soft tissue is where one did."""

_INVERTED_PART, _RANGE = 0.8, (1, 99)
"""Part of the range of an MR's values, between these percentiles, that all its corners reach where it is inverted."""
_CORNERS = 16
"""A corner is this part of the field along each axis."""

_FILLED_PART = 0.98
"""Part of the field that a body with air around it hardly takes."""
_LITRES = (0.001, 250.0)
"""Least and most volume of a body or of the part of one that a scan shows."""

_MOST_HU, _BEYOND_PART = 4000, 0.2
"""Part of a body that is brighter than bone and metal where its values are no HU."""
_BODY_HU, _BINS = (-500, 1500), 80
"""The values of a body among which the commonest is looked for: neither lung nor metal."""
_COMMONEST_HU = (-200, 200)
"""Where it lies: fat is above, muscle and organs with contrast below."""


def mended(image: sitk.Image, modality: str) -> Mended:
    """Return a scan whose values are what its modality says, and a sentence for each thing found, "what: done".

    A scan in which nothing is found is returned as it is.
    """
    values = sitk.GetArrayViewFromImage(image)
    image, findings = without_nan(image, values, modality)
    if np.isnan(sitk.GetArrayViewFromImage(image).min()):
        return image, findings
    image, found = without_blocks(image, sitk.GetArrayViewFromImage(image), modality)
    findings += found
    if modality != "ct":
        image, found = _uninverted(image, sitk.GetArrayViewFromImage(image))
        return image, findings + found
    values = sitk.GetArrayViewFromImage(image)
    if _TWICE_BELOW <= values.min() < TISSUE_HU and values.max() < PADDING_HU:
        return image, findings
    for step in (_added, without_bright, _shifted):
        image, found = step(image, sitk.GetArrayViewFromImage(image))
        findings += found
    return image, findings


def _added(image: sitk.Image, values: NDArray[Any]) -> Mended:
    """Add to values what was subtracted from HU once more."""
    if np.mean(values < _TWICE_BELOW) < _TWICE_AIR:
        return image, ()
    now, then = (
        np.mean((values > middle - _TWICE_TISSUE) & (values < middle + _TWICE_TISSUE)) for middle in (0, -_TWICE)
    )
    most = (_TWICE_PARTS[0] * then, _TWICE_PARTS[1] * np.mean(values > _TWICE_BODY))
    if then < _TWICE_AIR or now > min(most):
        return image, ()
    added = values.astype(np.int32) + _TWICE if np.issubdtype(values.dtype, np.integer) else values + _TWICE
    return image_like(image, added), (
        f"much is below {_TWICE_BELOW} HU and hardly anything is tissue, as where {_TWICE} was subtracted twice: added",
    )


def _shifted(image: sitk.Image, values: NDArray[Any]) -> Mended:
    """Subtract what was added to HU to store air as 0; say of other values without air what they look like."""
    low, high = float(values.min()), float(values.max())
    if not np.isfinite(low) or low < TISSUE_HU:
        return image, ()
    found = f"values from {low:.4g} to {high:.4g} without air, nothing is below {TISSUE_HU} HU"
    if low < high <= 1 or (high <= 255 and high - low >= _EIGHT_BITS):
        kind = "scaled to 0..1" if high <= 1 else "of eight bits"
        spread, guess = _spread(values, low, high)
        return image_like(image, spread), (f"{found}, as of an image {kind}, {NO_HOUNSFIELD}: {guess}",)
    if low < -50 or high <= 255 or not looks_stored(values):
        return image, (f"{found}: used as it is, {NO_HOUNSFIELD}",)
    offset = _offset(values)
    shifted = values.astype(np.int32) - offset if np.issubdtype(values.dtype, np.integer) else values - offset
    return image_like(image, shifted), (f"{found}, air is stored as 0: {offset} subtracted",)


def _spread(values: NDArray[Any], low: float, high: float) -> tuple[NDArray[np.float32], str]:
    """Return values that were scaled spread to HU again, by a guess, and the guess in words: the darkest are air."""
    scaled = (values.astype(np.float32) - low) / (high - low)
    air = scaled <= 0
    if air.mean() >= _CLIPPED_PART:
        least, most = SOFT_TISSUE_HU
        spread = least + scaled * (most - least)
        spread[air] = AIR_HU
        return spread, f"taken for a window of {least} to {most} HU, the darkest for air, a guess"
    tissue = float(np.median(scaled[scaled > float(scaled.mean())]))
    return (
        AIR_HU + scaled / tissue * (_TISSUE_HU - AIR_HU),
        f"spread so that the darkest is air and the middle of what is brighter than the mean {_TISSUE_HU} HU, a guess",
    )


def _uninverted(image: sitk.Image, values: NDArray[Any]) -> Mended:
    """Turn the values of an MR round whose corners are brighter than most of it."""
    ends = [(slice(None, step), slice(-step, None)) for step in (max(1, n // _CORNERS) for n in values.shape)]
    corners = [float(np.median(values[z, y, x])) for z in ends[0] for y in ends[1] for x in ends[2]]
    low, high = np.percentile(values, _RANGE)
    if min(corners) < low + _INVERTED_PART * (high - low) or high <= low:
        return image, ()
    turned = values.max() - values.astype(np.float32)
    return image_like(image, turned), (
        "the corners are as bright as the brightest, as of an inverted image: its values are turned round",
    )


def _offset(values: NDArray[Any]) -> int:
    """Return 1000 or 1024, by which the commonest value of muscle and water comes nearer to 40 HU."""
    counts, edges = np.histogram(values, bins=60, range=(980, 1160))
    commonest = float(edges[int(np.argmax(ndimage.uniform_filter1d(counts.astype(float), 5)))]) + 1.5
    return min((1000, 1024), key=lambda offset: abs(commonest - offset - 40))


def body_findings(share: float, litres: float) -> tuple[str, ...]:
    """Return what is odd about a body that takes a share of its field and has a volume in litres."""
    found: tuple[str, ...] = ()
    if share >= _FILLED_PART:
        found += (f"the body fills {share:.0%} of the field, there is no air around it",)
    if not _LITRES[0] <= litres <= _LITRES[1]:
        found += (f"the body measures {litres:.3g} litres",)
    return found


def tissue_findings(body: NDArray[Any]) -> tuple[str, ...]:
    """Return what is odd about the values (n,) of a CT's body: a cone beam's or a dose's are no Hounsfield units."""
    if (beyond := float(np.mean(body > _MOST_HU))) > _BEYOND_PART:
        return (f"{beyond:.0%} of the body are above {_MOST_HU}, {NO_HOUNSFIELD}: used as it is",)
    counts, edges = np.histogram(body, bins=_BINS, range=_BODY_HU)
    if not counts.any():
        return ()
    width = edges[1] - edges[0]
    commonest = float(edges[int(ndimage.uniform_filter1d(counts.astype(float), 3).argmax())] + width / 2)
    low, high = _COMMONEST_HU
    if low <= commonest <= high:
        return ()
    return (
        f"the commonest value of the body is {commonest:.0f}, as of a cone beam or a dose, {NO_HOUNSFIELD} of tissue, "
        f"{low} to {high}: used as it is",
    )
