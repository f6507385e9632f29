"""The values of slices: decoded by pydicom and GDCM, and rescaled."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, BinaryIO

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.pixels.decoders.base import get_decoder
from pydicom.uid import UID

from rprloc.scans.dicom.headers import Slice
from rprloc.scans.dicom.quiet import quiet


class PixelsError(ValueError):
    """Say what was found in the place of a slice's pixels; the one who knows the file makes a sentence of it."""


def stored_values(stream: BinaryIO, frames: Sequence[int]) -> Iterator[NDArray[Any]]:
    """Yield the stored values (rows, columns) of frames of a file, whole numbers; raises PixelsError."""
    with _guarded():
        fields = pydicom.dcmread(stream, force=True)
        syntax = _syntax(fields)
        _quiet(syntax)
    for frame in frames:
        with _guarded():
            values = _decoded(fields, syntax, frame)
        yield values


@contextmanager
def _guarded() -> Iterator[None]:
    """Make a PixelsError of whatever damaged pixels raise, and quietly."""
    try:
        with quiet():
            yield
    except (OSError, MemoryError, PixelsError):
        raise
    except Exception as error:  # of whatever kind: pixels may be damaged in any way
        raise PixelsError("pixels that end early or cannot be decoded") from error


def rescaled(values: NDArray[Any], one: Slice) -> NDArray[Any]:
    """Return stored values in the unit of the slice: whole numbers where slope and intercept are such, else float32."""
    slope = 1.0 if one.slope is None else one.slope
    if slope == 1.0 and one.intercept.is_integer():
        return values.astype(np.int64) + int(one.intercept)
    return (values * np.float64(slope) + one.intercept).astype(np.float32)


def _syntax(fields: Dataset) -> UID:
    """Return the transfer syntax; raises PixelsError for one that is not known."""
    syntax = fields.file_meta.get("TransferSyntaxUID")
    if syntax is None:
        # Files of old without a beginning that says it.
        syntax = UID("1.2.840.10008.1.2" if fields.original_encoding[0] else "1.2.840.10008.1.2.1")
    if not syntax.is_transfer_syntax:
        raise PixelsError("an unknown transfer syntax")
    if "PixelData" not in fields:
        raise PixelsError("a file that ends before its pixels")
    return syntax


def _decoded(fields: Dataset, syntax: UID, frame: int) -> NDArray[Any]:
    """Return a frame's stored values."""
    try:
        decoder = get_decoder(syntax)
    except NotImplementedError as error:
        raise PixelsError(f"the transfer syntax {syntax.name}, which is no image's") from error
    values, _ = decoder.as_array(fields, index=frame, raw=True)
    if values.shape != (fields.Rows, fields.Columns):
        raise PixelsError(f"pixels of {values.shape[::-1]}")
    return _meant(values, fields)


def _meant(values: NDArray[Any], fields: Dataset) -> NDArray[Any]:
    """Return values without what stands beside them in their bytes: overlays in bits that are not theirs, and a sign
    that ends where they do.
    """
    allocated, stored = int(fields.BitsAllocated), int(fields.BitsStored)
    if stored >= allocated:
        return values
    shift = max(0, int(fields.get("HighBit", stored - 1)) + 1 - stored)
    found = (values.astype(np.int64) >> shift) & ((1 << stored) - 1)
    if int(fields.PixelRepresentation) == 1:
        found -= (found >> (stored - 1)) << stored
    return found


def _quiet(syntax: UID) -> None:
    """Keep GDCM from writing to the console what it finds in a header."""
    if syntax.is_compressed and not syntax.is_deflated:
        import gdcm

        for quiet in (gdcm.Trace.WarningOff, gdcm.Trace.ErrorOff, gdcm.Trace.DebugOff):
            quiet()
