"""A DICOM series to an image."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from rprloc.errors import UNSTEADY, InputError
from rprloc.scans import kinds
from rprloc.scans.dicom.files import DicomFiles, may_be_dicom, opened_files
from rprloc.scans.dicom.headers import LIST, Header, Slice, read_header
from rprloc.scans.dicom.pixels import PixelsError, rescaled, stored_values
from rprloc.scans.dicom.series import ChosenSeries, Series, chosen
from rprloc.scans.dicom.stack import Stack, stacked
from rprloc.scans.nifti import listed
from rprloc.scans.volume import Opened

_HU = ("", "HU", "US", "HU_MOD")
"""What headers call Hounsfield units, or say where they say nothing."""

_INT16 = np.iinfo(np.int16)
MOST_VOXELS = 1 << 32
"""Of a series: a patient of two metres in voxels of half a millimetre has fewer."""


def open_dicom(path: Path, *, series: str | None = None, modality: str | None = None) -> Opened:
    """Read a series of CT or MR from a folder, a zip archive or a file: `series` by description, number or UID, else
    the one volume of a `modality` (ct, mr; None for either). Values are rescaled: of CT they are Hounsfield units.

    Raises InputError for files that are no such series, that end early, or that lack a slice, see
    `rprloc.scans.dicom`'s modules.
    """
    try:
        with opened_files(path) as files:
            found, stack = _stack(files, series, modality)
            values, copies = _values(stack, files)
            used = {one.file for place in stack.places for one in place}
            paths = [one for name, one in zip(files.names, files.paths, strict=False) if name in used] or files.paths
    except OSError as error:
        if error.errno in UNSTEADY:
            raise
        # Its own words name the file, which may be called as the patient is.
        raise InputError(f"{path.name}: expected readable files, found: {error.strerror}.") from None
    image = sitk.GetImageFromArray(values)
    stack.frame.lay(image)
    return Opened(image, (*_said(found, copies), *stack.findings), files=tuple(paths))


def read_stack(path: Path, *, series: str | None = None, modality: str | None = None) -> tuple[Series, Stack]:
    """Return the series that `open_dicom` reads and where its slices lie, by their headers alone.

    Raises InputError as it does, but for what is wrong with pixels, and OSError.
    """
    with opened_files(path) as files:
        found, stack = _stack(files, series, modality)
    return found.series, stack


def _stack(files: DicomFiles, wanted: str | None, modality: str | None) -> tuple[ChosenSeries, Stack]:
    """Return the series of files that is the scan, and its slices in their places."""
    found = chosen(_headers(files), files.name, wanted=wanted, modality=modality)
    first = found.series.first
    return found, stacked(
        found.series.slices, files.name, tilt_degrees=first.tilt_degrees, packages=first.modality == "mr"
    )


def _headers(files: DicomFiles) -> list[Header]:
    """Return the headers of all files that are DICOM; of lists of a disk's files only where there is nothing else."""
    found: list[Header] = []
    lists: list[Header] = []
    for name in files.names:
        with files.open(name) as stream:
            start = stream.read(132)
            stream.seek(0)
            header = read_header(name, stream) if may_be_dicom(start) else None
        if header is None and not may_be_dicom(start) and name.lower().endswith(kinds.DICOM):
            header = Header(file=name, kind="file without DICOM in it", whole=False)
        if header is not None:
            (lists if header.kind == LIST else found).append(header)
    return found or lists


def _values(stack: Stack, files: DicomFiles) -> tuple[NDArray[Any], int]:
    """Return the values (z, y, x) of a stack, and how many copies of slices were left out; raises InputError."""
    first = stack.places[0][0]
    columns, rows = first.size
    if columns * rows * len(stack.places) > MOST_VOXELS:
        size = listed([columns, rows, len(stack.places)])
        raise InputError(f"{files.name}: found slices of {size} voxels, expected the size of a scan.")
    values: NDArray[Any] = np.empty((len(stack.places), rows, columns), dtype=np.int16)
    by_file: dict[str, list[tuple[int, Slice]]] = defaultdict(list)
    for number, place in enumerate(stack.places):
        for one in place:
            by_file[one.file].append((number, one))
    filled = np.zeros(len(stack.places), dtype=np.bool_)
    copies = 0
    for file, members in by_file.items():
        for (number, _), plane in zip(members, _planes(file, members, files), strict=True):
            values = _widened(values, plane)
            if not filled[number]:
                values[number] = plane
                filled[number] = True
            elif np.array_equal(values[number], plane.astype(values.dtype)):
                copies += 1
            else:
                most = max(len(place) for place in stack.places)
                raise InputError(
                    f"{files.name}: found {most} different slices at the same place (times, echoes or energies), "
                    "expected one volume."
                )
    return values if stack.even else _evened(values, stack), copies


def _planes(file: str, members: Sequence[tuple[int, Slice]], files: DicomFiles) -> Iterator[NDArray[Any]]:
    """Yield the rescaled values (y, x) of slices of a file; raises InputError where they cannot be had."""
    slices = [one for _, one in members]
    if any(one.unit == "LUT" for one in slices):
        where = f"{files.name}: {files.place(file)}"
        raise InputError(f"{where}: found a table of values (Modality LUT), expected slope and intercept.")
    try:
        with files.open(file) as stream:
            for plane, one in zip(stored_values(stream, [one.frame for one in slices]), slices, strict=True):
                yield rescaled(plane, one)
    except PixelsError as error:
        raise InputError(f"{files.name}: {files.place(file)}: found {error}, expected a whole slice.") from error


def _widened(values: NDArray[Any], plane: NDArray[Any]) -> NDArray[Any]:
    """Return a volume in a type that also holds the values of a slice."""
    if plane.dtype == np.float32 or values.dtype == np.float32:
        return values.astype(np.float32, copy=False)
    if values.dtype == np.int16 and (plane.min() < _INT16.min or plane.max() > _INT16.max):
        return values.astype(np.int32)
    return values


def _evened(values: NDArray[Any], stack: Stack) -> NDArray[np.float32]:
    """Return a stack of uneven gaps with even ones, by linear interpolation between its slices."""
    along = np.linspace(0, stack.along_mm[-1], stack.count)
    upper = np.clip(np.searchsorted(stack.along_mm, along), 1, len(values) - 1)
    share = (along - stack.along_mm[upper - 1]) / (stack.along_mm[upper] - stack.along_mm[upper - 1])
    found = np.empty((stack.count, *values.shape[1:]), dtype=np.float32)
    for number, (above, part) in enumerate(zip(upper, share, strict=True)):
        found[number] = (1 - part) * values[above - 1] + part * values[above]
    return found


def _said(found: ChosenSeries, copies: int) -> tuple[str, ...]:
    """Return what is to be said of the series and its values."""
    said = found.findings
    if copies:
        said += (f"{copies} slice{'s are copies' if copies > 1 else ' is a copy'} of others: left out",)
    slices = found.series.slices
    if found.series.first.modality != "ct":
        return said
    if any(one.slope is None for one in slices):
        said += ("its header has neither slope nor intercept: values are taken as they are stored",)
    if units := sorted({one.unit for one in slices} - set(_HU)):
        said += (f"its header says that its values are {', '.join(units)}, expected Hounsfield units",)
    return said
