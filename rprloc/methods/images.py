"""What registrations compare: a scan's windowed grey values inside its body."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from scipy import ndimage

from rprloc.geometry import FloatArray, Grid, box_of_points
from rprloc.scans.resampling import smoothed_along
from rprloc.scans.scan import Scan
from rprloc.scans.volume import image_of

Window = Sequence[tuple[float, float]]
"""Knots (value, grey) of a piecewise linear curve from air, which is 0."""

_REGION_MARGIN_MM = 30.0
"""Of the compared region around a support's structures."""


class RegistrationError(Exception):
    """Two scans that a registration does not bring together; the message is one sentence without a full stop."""


@dataclass(frozen=True)
class MaskedImage:
    """A scan as registrations see it."""

    grey: sitk.Image
    """float32, 0 in air and outside the body."""
    body: sitk.Image
    """uint8, on a grid of its own: the body and a rim of air around it."""

    @classmethod
    def of(cls, scan: Scan, window: Window) -> MaskedImage:
        """Read a scan's volume for image matching; raises InputError where it has none.

        What lies outside the body (a table, a mask for fixation) becomes air, as it does not move with the patient.
        """
        volume = scan.matching()
        values, greys = zip(*window, strict=True)
        grey = image_of(np.interp(volume.values, values, greys).astype(np.float32), volume.grid)
        # The body is known on a coarser grid, whose steps would cut the skin off.
        rim = ndimage.binary_dilation(scan.body)
        body = image_of(rim.astype(np.uint8), scan.grid)
        inside = sitk.Resample(body, grey, sitk.Transform(), sitk.sitkNearestNeighbor, 0)
        return cls(sitk.Mask(grey, inside), body)


def beyond_window(values: NDArray[Any], window: Window) -> str:
    """Return the end of a sentence of values that are one grey, if they lie beyond a window."""
    low, high = window[0][0], window[-1][0]
    beyond = "below" if values.max() <= low else "above" if values.min() >= high else ""
    return f": all values are {beyond} the cohort's window, {low:g} to {high:g}" if beyond else ""


def coarser(image: sitk.Image, spacing_mm: float) -> sitk.Image:
    """Return an image smoothed to and sampled at a spacing along all axes; outside it lies air."""
    for axis, fine in enumerate(image.GetSpacing()):
        # The recursive filter needs four voxels.
        if spacing_mm > 1.01 * fine and image.GetSize()[axis] >= 4:
            image = smoothed_along(image, axis, float(np.sqrt(spacing_mm**2 - fine**2)))
    spacing = np.array(image.GetSpacing())
    size = np.maximum(np.ceil(np.array(image.GetSize()) * spacing / spacing_mm - 1e-3), 1).astype(int)
    # The first voxels' outer edges stay where they were.
    origin = np.array(image.GetOrigin()) + (spacing_mm - spacing) / 2
    grid = Grid(tuple(size.tolist()), (spacing_mm,) * 3, tuple(origin.tolist()))
    return on_grid(image, grid, sitk.Transform())


def on_grid(image: sitk.Image, grid: Grid, transform: sitk.Transform) -> sitk.Image:
    """Return an image's float32 values on a grid, each from where a transform takes the voxel; outside lies air."""
    identity = np.eye(3).ravel().tolist()
    return sitk.Resample(
        image, grid.size, transform, sitk.sitkLinear, grid.origin_mm, grid.spacing_mm, identity, 0.0, sitk.sitkFloat32
    )


def cropped(image: sitk.Image, box_mm: FloatArray) -> sitk.Image:
    """Return the voxels of an image whose centres lie in a box (2, 3); raises RegistrationError where none does."""
    origin, spacing, size = np.array(image.GetOrigin()), np.array(image.GetSpacing()), np.array(image.GetSize())
    first = np.maximum(np.ceil((box_mm[0] - origin) / spacing), 0).astype(int)
    stop = np.minimum(np.floor((box_mm[1] - origin) / spacing) + 1, size).astype(int)
    if np.any(stop <= first):
        raise RegistrationError("the structures lie outside the support's volume")
    x, y, z = (slice(int(start), int(end)) for start, end in zip(first, stop, strict=True))
    return image[x, y, z]


def region_around(points_mm: FloatArray) -> FloatArray:
    """Return the box (2, 3) in mm that is compared for a support's landmarks (n, 3)."""
    return box_of_points(points_mm) + np.array([[-_REGION_MARGIN_MM], [_REGION_MARGIN_MM]])


def too_short(shown_mm: FloatArray, region_mm: FloatArray) -> str:
    """Return what to add to a reason where a query that shows (3,) mm is shorter than half a region (2, 3) along an
    axis, else nothing.
    """
    wanted = region_mm[1] - region_mm[0]
    axis = int((shown_mm / wanted).argmin())
    if shown_mm[axis] >= wanted[axis] / 2:
        return ""
    shown = f"the query shows {shown_mm[axis]:.0f} mm along {'xyz'[axis]}"
    return f"; {shown}, and the region measures {wanted[axis]:.0f} mm"


def carried(transform: sitk.Transform, points_mm: FloatArray) -> FloatArray:
    """Return the points (..., 3) in mm to which a transform takes points (..., 3)."""
    flat = points_mm.reshape(-1, 3).tolist()
    return np.array([transform.TransformPoint(point) for point in flat]).reshape(points_mm.shape)


@contextmanager
def quietly() -> Iterator[None]:
    """Keep a package to no words and no warnings: some print, or ignore all warnings of the process once imported."""
    with warnings.catch_warnings(), redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        yield


@contextmanager
def one_thread_each() -> Iterator[None]:
    """Keep SimpleITK's filters to one thread a call, as several calls run at once."""
    before = sitk.ProcessObject.GetGlobalDefaultNumberOfThreads()
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    try:
        yield
    finally:
        sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(before)


@contextmanager
def faults_of_a_pair() -> Iterator[None]:
    """Raise RegistrationError for whatever ITK or torch say of two strange scans: the other pairs go on.

    Raises MemoryError where the memory did not suffice: another try may have more.
    """
    try:
        yield
    except (RuntimeError, ValueError) as error:
        if "memory" in str(error):
            raise MemoryError("too little memory to register two scans") from error
        said = str(error).strip().splitlines() or [type(error).__name__]
        raise RegistrationError(f"the registration stopped: {said[-1].rstrip('.')}") from error
