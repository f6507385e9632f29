"""What CT and MR differ in on the way to model space: air, tissue and the values that are written."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Protocol

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from rprloc.scans.body import Mask
from rprloc.scans.volume import AIR_HU

TISSUE_HU = -500
"""Everything above is tissue."""

MR_SCALE = 1000
"""An MR scan's 0.2 and 99.8 percentiles of the body become 0 and this value."""

MR_PERCENTILES = (0.2, 99.8)

MR_NOISE = (0.02, 0.1)
"""Of the 99.8 percentile above the lowest value: what the crop may cut away is darker than a level between these."""

_DARKEST = 1e-3
"""Of the 99.8 percentile above the lowest value: what is darker is as dark as this."""

_TWO_PARTS = 0.85
"""Least part of the variance between two sides of values that fall into two parts; of one Gaussian it is 0.64."""

Int16 = Callable[[NDArray[Any]], NDArray[np.int16]]
"""Values of any grid to those that are written."""


class Modality(Protocol):
    """A kind of scan; values are (z, y, x) arrays."""

    def air(self, lowest: float) -> float:
        """Return the value outside the field of view of a scan whose lowest value is given."""

    def without_padding(self, image: sitk.Image, lowest: float) -> sitk.Image:
        """Return a scan without values that no tissue has, before smoothing draws them into the body."""

    def tissue(self, values: NDArray[np.float32]) -> Mask:
        """Return the voxels that are not air."""

    def compact(self, values: NDArray[np.float32]) -> NDArray[Any]:
        """Return values in two bytes where that can be done before the body is known, else as they are."""

    def kept(self, values: NDArray[Any], body: Mask) -> Mask:
        """Return the voxels that the crop to the body must hold."""

    def to_int16(self, values: NDArray[Any], body: Mask) -> Int16:
        """Return how a scan's values become those that are written, from those of model space and the body there."""


class Ct:
    """Computed tomography: HU, whose zero and steps are the same in every scan."""

    def air(self, lowest: float) -> float:
        """Return -1024 HU."""
        return AIR_HU

    def without_padding(self, image: sitk.Image, lowest: float) -> sitk.Image:
        """Return a scan whose padding of -2000 or -3024 HU, as scanners write it, is air."""
        return image if lowest >= AIR_HU else sitk.Clamp(image, image.GetPixelID(), AIR_HU)

    def tissue(self, values: NDArray[np.float32]) -> Mask:
        """Return the voxels above -500 HU."""
        return np.asarray(values > TISSUE_HU)

    def compact(self, values: NDArray[np.float32]) -> NDArray[Any]:
        """Return values from -1024 HU up, rounded."""
        return _rounded_hu(values)

    def kept(self, values: NDArray[Any], body: Mask) -> Mask:
        """Return the body."""
        return body

    def to_int16(self, values: NDArray[Any], body: Mask) -> Int16:
        """Return the rounding to whole HU from -1024 up."""
        return _rounded_hu


class Mr:
    """Magnetic resonance: values that mean something only beside others of the same scan."""

    def air(self, lowest: float) -> float:
        """Return the lowest value."""
        return lowest

    def without_padding(self, image: sitk.Image, lowest: float) -> sitk.Image:
        """Return the scan as it is."""
        return image

    def tissue(self, values: NDArray[np.float32]) -> Mask:
        """Return the voxels above Otsu's threshold of the logarithm."""
        return np.asarray(values > _otsu(values))

    def compact(self, values: NDArray[np.float32]) -> NDArray[Any]:
        """Return the values as they are: their scale follows from the body."""
        return values

    def kept(self, values: NDArray[Any], body: Mask) -> Mask:
        """Return the body and all that is brighter than noise: a bias field may hide half the body from Otsu."""
        lowest = float(values.min())
        least, most = lowest + np.array(MR_NOISE) * (np.percentile(values, MR_PERCENTILES[1]) - lowest)
        noise = np.clip(_corner_noise(values), least, most)
        return np.asarray(body | (values > noise))

    def to_int16(self, values: NDArray[Any], body: Mask) -> Int16:
        """Return the scaling by which the 0.2 and 99.8 percentiles of the body become 0 and 1000."""
        low, high = np.percentile(values[body], MR_PERCENTILES)
        return partial(_scaled, low=low, high=high)


MODALITIES: Mapping[str, Modality] = {"ct": Ct(), "mr": Mr()}
"""By the name that a cohort's settings give."""


def _rounded_hu(values: NDArray[Any]) -> NDArray[np.int16]:
    """Return CT values from -1024 HU up, rounded to int16; int16 has been through it."""
    if values.dtype == np.int16:
        return values
    found = np.empty(values.shape, dtype=np.int16)
    for plane, into in zip(values, found, strict=True):
        into[...] = np.rint(np.clip(plane, AIR_HU, np.iinfo(np.int16).max))
    return found


def _scaled(values: NDArray[Any], *, low: float, high: float) -> NDArray[np.int16]:
    """Return MR values scaled so that `low` becomes 0 and `high` MR_SCALE, rounded to int16."""
    scaled = (values - low) / max(high - low, 1e-6) * MR_SCALE
    return np.rint(np.clip(scaled, 0, MR_SCALE)).astype(np.int16)


def _otsu(values: NDArray[np.float32]) -> float:
    """Return Otsu's threshold of the logarithm of all values above the lowest.

    Noise and tissue differ in their order of magnitude. Of the values themselves the threshold may part dark tissue
    from bright: behind a cyst, or where a bias field is dark, it kept a third of the body and less. Voxels of exactly
    nothing around a noisy field are left out, if what remains falls into two parts.
    """
    lowest = float(values.min())
    bright = max(float(np.percentile(values, MR_PERCENTILES[1])) - lowest, 1e-6)
    levels = np.log(np.clip((values - lowest) / bright, _DARKEST, 1)).astype(np.float32).ravel()
    shown = levels[levels > np.log(_DARKEST) + 1e-3]
    threshold, parted = _parted(shown) if shown.size else (0.0, 0.0)
    if parted < _TWO_PARTS:
        threshold, _ = _parted(levels)
    return lowest + bright * float(np.exp(threshold))


def _parted(levels: NDArray[np.float32]) -> tuple[float, float]:
    """Return Otsu's threshold of values (n,), and the part of their variance that lies between the two sides."""
    otsu = sitk.OtsuThresholdImageFilter()
    otsu.Execute(sitk.GetImageFromArray(levels[np.newaxis, np.newaxis]))
    threshold = float(otsu.GetThreshold())
    above = levels > threshold
    share = float(above.mean())
    if not 0 < share < 1:
        return threshold, 0.0
    apart = float(levels[above].mean() - levels[~above].mean())
    return threshold, share * (1 - share) * apart**2 / max(float(levels.var()), 1e-12)


def _corner_noise(values: NDArray[Any]) -> float:
    """Return what noise outside the body hardly exceeds, from the darker half of the field's corners."""
    steps = [max(2, size // 16) for size in values.shape]
    ends = [(slice(None, step), slice(-step, None)) for step in steps]
    corners = sorted((values[z, y, x].ravel() for z in ends[0] for y in ends[1] for x in ends[2]), key=np.mean)
    dark = np.concatenate(corners[: len(corners) // 2])
    return float(dark.mean() + 6 * dark.std())
