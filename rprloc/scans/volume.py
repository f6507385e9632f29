"""Scans as files: reading with plain refusals, resampling to model space, writing."""

from __future__ import annotations

import errno
import gzip
import os
import shutil
import zlib
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from rprloc.errors import InputError
from rprloc.files import whole_file
from rprloc.geometry import FloatArray, Grid
from rprloc.scans.nifti import check_nifti

AIR_HU = -1024
"""Value outside the field of view; scanners' padding below it (-2000, -3024) is clipped to it."""

_READERS = {".nii": "NiftiImageIO", ".nii.gz": "NiftiImageIO", ".mha": "MetaImageIO", ".nrrd": "NrrdImageIO"}
"""SimpleITK's reader of each supported format; naming it keeps other formats' parsers away from unknown files."""

_DETACHED = (".mhd", ".nhdr", ".hdr", ".img")


def read_volume(path: Path) -> sitk.Image:
    """Read a 3D scan with one value a voxel.

    Raises InputError for a file that is missing, is no image or is cut short, for another number of dimensions, for
    colour, for a spacing that is not positive, for a header whose voxels lie in another file and, in NIfTI, for voxels
    that are not finite numbers.
    """
    if path.suffix.lower() in _DETACHED:
        raise InputError(
            f"{path.name}: found a header whose voxels lie in another file, expected one file (.nii.gz, .mha, .nrrd)."
        )
    formats = [suffix for suffix in _READERS if path.name.lower().endswith(suffix)]
    if not formats:
        raise InputError(f"{path.name}: found an unknown kind of file, expected one of {', '.join(_READERS)}.")
    if not path.is_file():
        raise InputError(f"{path.name}: no such file.")
    reader = sitk.ImageFileReader()
    reader.SetImageIO(_READERS[formats[0]])
    reader.SetFileName(str(path))
    try:
        reader.ReadImageInformation()
        _check_header(reader, path.name)
        if ".nii" in formats[0]:
            check_nifti(path, reader)
        return reader.Execute()
    except RuntimeError as error:
        if "allocate memory" in str(error):  # no fault of the file
            raise MemoryError(f"{path.name}: too little memory to read it") from error
        raise InputError(f"{path.name}: expected a readable 3D image, found: {_reason(error, path)}.") from error


def _reason(error: RuntimeError, path: Path) -> str:
    """Return the last sentence of an ITK error without the names of ITK's source files and of the file's folder."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    reason = lines[-1].split("): ")[-1].rstrip(".!") if lines else "an unknown error"
    # MetaImage's reason is the operating system's last error, which has nothing to do with the file.
    if reason.startswith("Reason: "):
        return "a file that is cut short or no image of this kind"
    return reason.replace(str(path), "a file that")


def _check_header(reader: sitk.ImageFileReader, name: str) -> None:
    """Refuse what is no 3D grey-value image before its voxels are read; raises InputError."""
    if len(reader.GetSize()) != 3:
        raise InputError(f"{name}: found {len(reader.GetSize())} dimensions, expected 3.")
    if reader.GetNumberOfComponents() != 1:
        raise InputError(f"{name}: found {reader.GetNumberOfComponents()} values a voxel, expected 1.")
    spacing = reader.GetSpacing()
    if not all(np.isfinite(s) and s > 0 for s in spacing):
        raise InputError(f"{name}: found a spacing of {spacing} mm, expected three positive numbers.")


def voxel_extent_mm(image: sitk.Image) -> FloatArray:
    """Return the extent (3,) in mm of one voxel along the LPS axes x, y, z, for any direction of the image."""
    direction = np.asarray(image.GetDirection()).reshape(3, 3)
    return np.asarray(np.abs(direction) @ np.asarray(image.GetSpacing()), dtype=np.float64)


def covering_grid(image: sitk.Image, spacing_mm: FloatArray) -> Grid:
    """Return the grid of `spacing_mm` (x, y, z) along the LPS axes that covers every voxel of an image.

    The grid starts at the image's lowest edges, so that an image whose axes and spacing fit already keeps its values.
    """
    last = np.asarray(image.GetSize()) - 1
    corners = np.array(np.meshgrid(*[(0, n) for n in last], indexing="ij")).reshape(3, -1).T
    centres = np.array([image.TransformContinuousIndexToPhysicalPoint(c.tolist()) for c in corners])
    half = voxel_extent_mm(image) / 2
    low, high = centres.min(axis=0) - half, centres.max(axis=0) + half
    # The tolerance keeps rounding errors of the header from adding a plane of air.
    size = np.maximum(np.ceil((high - low) / spacing_mm - 1e-3), 1).astype(int)
    origin = low + spacing_mm / 2
    return Grid(tuple(size.tolist()), tuple(spacing_mm.tolist()), tuple(origin.tolist()))


def resample(image: sitk.Image, grid: Grid, *, nearest: bool = False, outside: float = AIR_HU) -> NDArray[np.float32]:
    """Return an image's values (z, y, x) on a grid: linear and smoothed where the grid is coarser, or nearest.

    A Gaussian whose full width at half maximum grows from the image's spacing to the grid's goes before, along each
    coarsened axis, so that fine texture does not alias.
    """
    image = sitk.Cast(image, sitk.sitkFloat32)
    if not nearest:
        image = _smooth(image, grid)
    interpolator = sitk.sitkNearestNeighbor if nearest else sitk.sitkLinear
    identity = np.eye(3).ravel().tolist()
    moved = sitk.Resample(
        image, grid.size, sitk.Transform(), interpolator, grid.origin_mm, grid.spacing_mm, identity, outside
    )
    return np.asarray(sitk.GetArrayFromImage(moved), dtype=np.float32)


def _smooth(image: sitk.Image, grid: Grid) -> sitk.Image:
    """Smooth along each native axis whose spacing is finer than the grid's along the nearest LPS axis."""
    direction = np.abs(np.asarray(image.GetDirection()).reshape(3, 3))
    for axis, spacing in enumerate(image.GetSpacing()):
        coarse = grid.spacing_mm[int(np.argmax(direction[:, axis]))]
        # The recursive filter needs four voxels; a shorter axis has no texture to alias.
        if coarse <= spacing * 1.01 or image.GetSize()[axis] < 4:
            continue
        full_width = float(np.sqrt(coarse**2 - spacing**2))
        gaussian = sitk.RecursiveGaussianImageFilter()
        gaussian.SetSigma(full_width / 2.3548)
        gaussian.SetDirection(axis)
        image = gaussian.Execute(image)
    return image


def write_volume(path: Path, values: NDArray[np.generic], grid: Grid) -> None:
    """Write an array (z, y, x) on its grid as a compressed NIfTI image, whole; raises OSError, as for a full disk."""
    image = sitk.GetImageFromArray(values)
    image.SetSpacing(grid.spacing_mm)
    image.SetOrigin(grid.origin_mm)
    with whole_file(path) as temporary:
        # Level 1 is three times faster than the default and a few per cent larger.
        sitk.WriteImage(image, str(temporary), useCompression=True, compressionLevel=1)
        _check_written(temporary, values.nbytes)


def _check_written(path: Path, expected: int) -> None:
    """Raise OSError where a compressed NIfTI file does not hold the expected bytes of voxels: ITK does not tell."""
    try:
        with gzip.open(path) as stream:
            stream.seek(352)
            found = sum(len(block) for block in iter(lambda: stream.read(1 << 20), b""))
    except (EOFError, gzip.BadGzipFile, zlib.error):
        found = 0
    if found != expected:
        full = shutil.disk_usage(path.parent).free < expected
        code = errno.ENOSPC if full else errno.EIO
        raise OSError(code, os.strerror(code))


def read_model_volume(path: Path) -> NDArray[np.int16]:
    """Return the values (z, y, x) of a preprocessed scan's int16 file; raises InputError as `read_volume` does."""
    return np.asarray(sitk.GetArrayFromImage(read_volume(path)), dtype=np.int16)
