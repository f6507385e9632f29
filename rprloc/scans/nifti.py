"""What ITK reads from a NIfTI file without a word: one that ends early, and voxels that are no numbers."""

from __future__ import annotations

import gzip
import struct
import zlib
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np
import SimpleITK as sitk

from rprloc.errors import InputError

_FLOATS = {"16": "f4", "64": "f8"}
"""Types of the header's `datatype` that hold floating point numbers."""


def check_nifti(path: Path, reader: sitk.ImageFileReader) -> None:
    """Refuse a NIfTI file that is cut short, damaged or holds voxels that are not finite numbers; raises InputError.

    `reader` has read the header. ITK leaves missing voxels to chance and makes 0, which is water in a CT, of others.
    """
    header = {key: reader.GetMetaData(key) for key in ("vox_offset", "bitpix", "datatype")}
    expected = int(np.prod(reader.GetSize(), dtype=np.int64)) * int(header["bitpix"]) // 8
    try:
        with _opened(path) as stream:
            order = "<" if struct.unpack("<i", stream.read(4))[0] in (348, 540) else ">"
            stream.read(int(float(header["vox_offset"])) - 4)
            number = _FLOATS.get(header["datatype"])
            missing = _missing_bytes(stream, expected, order + number if number else None, path.name)
    except (EOFError, OSError, zlib.error) as error:
        raise InputError(f"{path.name}: expected a whole file, found: {str(error).rstrip('.')}.") from error
    if missing:
        raise InputError(f"{path.name}: found {expected - missing:,} bytes of voxels, expected {expected:,}.")


def _opened(path: Path) -> BinaryIO:
    """Open a file, unpacking it where it is gzip, whatever its name says."""
    with path.open("rb") as stream:
        compressed = stream.read(2) == b"\x1f\x8b"
    return cast(BinaryIO, gzip.open(path, "rb") if compressed else path.open("rb"))


def _missing_bytes(stream: BinaryIO, expected: int, number: str | None, name: str) -> int:
    """Return how many of the expected bytes a stream lacks; raises InputError where a `number` in it is not finite."""
    left = expected
    while left and (block := stream.read(min(left, 1 << 20))):
        left -= len(block)
        if number and not np.isfinite(np.frombuffer(block[: len(block) // 8 * 8], number)).all():
            raise InputError(f"{name}: found voxels that are not finite numbers, expected numbers everywhere.")
    # The check sum of a gzip file is looked at only at its end.
    stream.read(1)
    return left
