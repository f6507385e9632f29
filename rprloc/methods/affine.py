"""Affine registration of a support to a query, by mutual information near the support's structures."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk

from rprloc.geometry import FloatArray
from rprloc.methods.images import MaskedImage, RegistrationError, carried, coarser, cropped, too_short

BINS = 32
"""Of the joint histogram (Mattes et al., IEEE TMI 2003)."""

_START_MM = 9.0
_PEAKS, _PEAKS_APART_MM = 2, 40.0
"""Starts that the correlation of the whole scans offers, and the least distance between them along some axis."""
_OVERLAP = 0.4
"""Least part of the smaller scan's field that a start lays over the other."""

_VOLUME = (0.3, 3.0)
"""Least and most volume that a part of a patient may have in another patient, times its own."""
_LEAST_INSIDE = 0.25
"""Least part of the region's body that the query's field must hold."""
_LEAST_VOXELS = 4
"""Of a query along each axis, for the metric's gradients."""


@dataclass(frozen=True)
class _Level:
    """One resolution: spacing, part of the voxels that the metric samples, iterations and first step in mm."""

    spacing_mm: float
    sampled: float
    iterations: int
    step_mm: float


_COARSE = _Level(12.0, 1.0, 60, 4.0)
_FINER = (_Level(6.0, 1.0, 60, 2.0), _Level(4.0, 0.4, 60, 1.0))


def affine(support: MaskedImage, query: MaskedImage, region_mm: FloatArray, *, seed: int) -> sitk.AffineTransform:
    """Return the affine transform that takes points of the support to the query.

    `region_mm` is the box (2, 3) of the support whose body is compared. Every translation is tried on the whole scans
    by normalised correlation; its best peaks and the bodies' centres of mass are starts, each is registered at 12 mm,
    and the one of the highest mutual information goes on to 6 and 4 mm. Raises RegistrationError where the scans
    hardly overlap, nothing can be compared or the transform is no change from one patient to another.
    """
    for image, fault in (
        (cropped(support.grey, region_mm), "the support shows one grey value only around the structures"),
        (query.grey, "the query shows one grey value only"),
    ):
        if np.ptp(sitk.GetArrayViewFromImage(image)) == 0:
            raise RegistrationError(fault)
    centre = region_mm.mean(axis=0).tolist()
    found: list[tuple[float, sitk.AffineTransform]] = []
    reason = "no start has an overlap of the two scans"
    for shift in _shifts_mm(support, query):
        transform = sitk.AffineTransform(3)
        transform.SetCenter(centre)
        transform.SetTranslation(shift.tolist())
        try:
            metric = _optimised(support, query, region_mm, transform, _COARSE, seed)
            _check(support, query, region_mm, transform)
        except RegistrationError as error:
            reason = str(error)
            continue
        found.append((metric, transform))
    if not found:
        raise RegistrationError(reason)
    _, transform = min(found, key=lambda one: one[0])
    for level in _FINER:
        _optimised(support, query, region_mm, transform, level, seed)
    _check(support, query, region_mm, transform)
    return transform


def _shifts_mm(support: MaskedImage, query: MaskedImage) -> list[FloatArray]:
    """Return the translations (3,) from support to query to start from."""
    shifts = _correlation_peaks_mm(coarser(support.grey, _START_MM), coarser(query.grey, _START_MM))
    if sitk.GetArrayViewFromImage(support.body).any() and sitk.GetArrayViewFromImage(query.body).any():
        shifts.append(_centre_of_mass_mm(query.body) - _centre_of_mass_mm(support.body))
    return shifts


def _centre_of_mass_mm(body: sitk.Image) -> FloatArray:
    """Return the centre of mass (3,) of a mask."""
    index = np.argwhere(sitk.GetArrayViewFromImage(body)).mean(axis=0)[::-1]
    return np.array(body.TransformContinuousIndexToPhysicalPoint(index.tolist()))


def _correlation_peaks_mm(support: sitk.Image, query: sitk.Image) -> list[FloatArray]:
    """Return the translations (3,) of the highest normalised correlation, best first (Padfield, IEEE TIP 2012)."""
    origin_mm = np.array(query.GetOrigin()) - np.array(support.GetOrigin())
    fixed, moving = sitk.Image(support), sitk.Image(query)
    for image in (fixed, moving):  # the filter wants both at one place
        image.SetOrigin([0.0] * 3)
    first, second = (sitk.Cast(sitk.Equal(image, image), sitk.sitkFloat32) for image in (fixed, moving))
    map_ = sitk.MaskedFFTNormalizedCorrelation(
        fixed, moving, first, second, requiredFractionOfOverlappingPixels=_OVERLAP
    )
    values = sitk.GetArrayFromImage(map_)
    apart = int(_PEAKS_APART_MM / _START_MM)
    shifts = []
    for _ in range(_PEAKS):
        peak = np.unravel_index(int(values.argmax()), values.shape)
        if not values[peak] > 0:
            break
        steps = np.array(peak[::-1]) - (np.array(moving.GetSize()) - 1)
        shifts.append(origin_mm - steps * _START_MM)
        values[tuple(slice(max(0, at - apart), at + apart + 1) for at in peak)] = 0
    return shifts


def _optimised(
    support: MaskedImage,
    query: MaskedImage,
    region_mm: FloatArray,
    transform: sitk.AffineTransform,
    level: _Level,
    seed: int,
) -> float:
    """Move a transform to the highest mutual information at one resolution; return its negative."""
    method = registration_method(support, sampled=level.sampled, seed=seed)
    method.SetOptimizerAsRegularStepGradientDescent(level.step_mm, 0.01, level.iterations, relaxationFactor=0.5)
    method.SetOptimizerScalesFromPhysicalShift()
    method.SetInitialTransform(transform, True)
    spacing_mm = min(level.spacing_mm, _thinnest_mm(query.grey, level.spacing_mm))
    fixed = cropped(coarser(support.grey, spacing_mm), region_mm)
    return executed(method, fixed, coarser(query.grey, spacing_mm))


def _thinnest_mm(image: sitk.Image, spacing_mm: float) -> float:
    """Return a spacing, at least the finest, by which a slab that is too thin for another one has the voxels needed."""
    shortest = _shortest_mm(image)
    if shortest > (_LEAST_VOXELS - 1) * spacing_mm:
        return spacing_mm
    return max(_FINER[-1].spacing_mm, shortest / _LEAST_VOXELS)


def _shortest_mm(image: sitk.Image) -> float:
    """Return the length of an image's shortest side."""
    return float(min(n * mm for n, mm in zip(image.GetSize(), image.GetSpacing(), strict=True)))


def registration_method(support: MaskedImage, *, sampled: float, seed: int) -> sitk.ImageRegistrationMethod:
    """Return a registration by mutual information inside the support's body, from part of its voxels.

    It keeps to one thread: with more the metric's sums differ in their last digits from run to run, which L-BFGS makes
    a millimetre or more of.
    """
    method = sitk.ImageRegistrationMethod()
    method.SetNumberOfThreads(1)
    method.SetMetricAsMattesMutualInformation(BINS)
    method.SetMetricFixedMask(support.body)
    if sampled < 1:
        method.SetMetricSamplingStrategy(method.RANDOM)
        method.SetMetricSamplingPercentage(sampled, seed % (1 << 31) + 1)  # 0 stands for the time of day
    method.SetInterpolator(sitk.sitkLinear)
    return method


def executed(method: sitk.ImageRegistrationMethod, fixed: sitk.Image, moving: sitk.Image) -> float:
    """Run a registration and return its metric; raises RegistrationError where it fails or gives no number, and ITK's
    RuntimeError where the memory did not suffice.
    """
    for image, whose, least in ((moving, "query", _LEAST_VOXELS), (fixed, "support", 2)):
        if min(image.GetSize()) < least:
            found = f"the {whose} measures {_shortest_mm(image):.0f} mm along an axis"
            raise RegistrationError(f"{found}, too little to register")
    try:
        method.Execute(fixed, moving)
        metric = float(method.GetMetricValue())
    except RuntimeError as error:
        if "memory" in str(error):  # no fault of the scans
            raise
        if "overlap" in str(error):  # a paragraph of ITK's
            raise RegistrationError("the scans hardly overlap where they are compared") from error
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        said = lines[-1].split("): ")[-1].rstrip(".!") if lines else "an unknown error"
        raise RegistrationError(f"the registration stopped: {said}") from error
    if not np.isfinite(metric):
        raise RegistrationError("the registration diverged: its metric is not a number")
    return metric


def _check(support: MaskedImage, query: MaskedImage, region_mm: FloatArray, transform: sitk.AffineTransform) -> None:
    """Raise RegistrationError for a transform that cannot be one of a patient into another."""
    determinant = float(np.linalg.det(np.reshape(transform.GetMatrix(), (3, 3))))
    if not _VOLUME[0] <= determinant <= _VOLUME[1]:
        raise RegistrationError(f"the registration diverged: volumes change {determinant:.2g} times")
    body = cropped(support.body, region_mm)
    voxels = np.argwhere(sitk.GetArrayViewFromImage(body))[:, ::-1]
    if not len(voxels):
        raise RegistrationError("the support shows no body around the structures")
    # A few hundred of them say it as well.
    points = np.array(body.GetOrigin()) + voxels[:: max(1, len(voxels) // 400)] * np.array(body.GetSpacing())
    low = np.array(query.grey.GetOrigin())
    high = low + (np.array(query.grey.GetSize()) - 1) * np.array(query.grey.GetSpacing())
    moved = carried(transform, points)
    inside = float(np.mean(np.all((moved >= low) & (moved <= high), axis=1)))
    if inside < _LEAST_INSIDE:
        found = f"the scans hardly overlap: {inside:.0%} of the region lies inside the query"
        raise RegistrationError(
            found + too_short(np.array(query.grey.GetSize()) * np.array(query.grey.GetSpacing()), region_mm)
        )
