"""NIfTI voxels, unpacked once and checked on the way: ITK reads files that end early, and NaN, without a word."""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from rprloc.errors import UNSTEADY, InputError
from rprloc.scans.nib import nibabel

if TYPE_CHECKING:
    import nibabel

_TYPES = {2: "u1", 4: "i2", 8: "i4", 16: "f4", 64: "f8", 256: "i1", 512: "u2", 768: "u4", 1024: "i8", 1280: "u8"}
"""The header's `datatype` of voxels that are one real number each."""

_COLOURS = {128: 3, 2304: 4}
"""The `datatype` of colours, and their values a voxel."""

_HEADER, _LONG_HEADER = 348, 540
"""Bytes of a header of NIfTI-1 and Analyze, and of NIfTI-2."""
_ANALYZE = slice(112, 348)
"""Bytes of an Analyze header in which NIfTI has what Analyze does not say."""

_GZIP = b"\x1f\x8b"

_MOST_EXPANSION = 1032
"""No gzip file grows by a larger factor when it is unpacked."""

_BLOCK = 1 << 15
"""Compressed bytes unpacked at once, which give 34 MB at most."""


@dataclass(frozen=True)
class NiftiHeader:
    """What a NIfTI header says about the voxels that follow it."""

    sizes: tuple[int, ...]
    """Voxels along x, y, z and more axes, of which ITK drops those of one voxel."""
    datatype: int
    order: str
    """`<` or `>`, the order of the bytes of a number."""
    offset: float
    slope: float
    intercept: float
    fields: nibabel.Nifti1Header
    """All there are."""
    by_itk: bool
    """Whether ITK reads such files: NIfTI-1 in one file."""

    @property
    def kind(self) -> np.dtype[Any]:
        """The type of the voxels in the file."""
        return np.dtype(self.order + _TYPES[self.datatype])

    @property
    def bytes(self) -> int:
        """The bytes of all voxels in the unpacked file."""
        return math.prod(self.sizes) * self.kind.itemsize


def read_header(path: Path, voxels: Path | None = None) -> NiftiHeader:
    """Return the header of a NIfTI file, whose `voxels` may lie in another one.

    It is of NIfTI-1 or NIfTI-2; of a pair also of Analyze 7.5, of which nothing but sizes, type and spacing count.
    Raises InputError where it is none or says impossible things.
    """
    voxels = voxels or path
    name = path.name
    with path.open("rb") as stream:
        if stream.read(len(_GZIP)) == _GZIP and not name.lower().endswith(".gz"):
            # ITK goes by the name.
            raise InputError(f"{name}: found a compressed file, expected a name that ends in .nii.gz.")
        stream.seek(0)
        try:
            start = _first_bytes(_unpacked(stream))
        except (EOFError, OSError, zlib.error) as error:
            raise _not_whole(name, error) from error
    if start.startswith(_GZIP):
        raise InputError(f"{name}: found a file that was compressed twice, expected it to be once.")
    header = _parsed(start, name, apart=voxels != path)
    if not 1 <= len(header.sizes) <= 7 or any(n < 1 for n in header.sizes):
        raise InputError(f"{name}: found sizes of {listed(header.sizes)} voxels, expected three positive numbers.")
    if header.datatype in _COLOURS:
        raise InputError(f"{name}: found {_COLOURS[header.datatype]} values a voxel, expected 1.")
    if header.datatype not in _TYPES:
        raise InputError(f"{name}: found voxels of NIfTI's datatype {header.datatype}, expected one real number each.")
    if not (math.isfinite(header.offset) and 0 <= header.offset < 1 << 30):
        raise InputError(f"{name}: found voxels that start at byte {header.offset:g}, expected them after the header.")
    check_promise(voxels, header.bytes, packed=True)
    return header


def _first_bytes(blocks: Iterator[bytes]) -> bytes:
    """Return enough of a stream's beginning to hold a header, or all of it."""
    start = b""
    for block in blocks:
        start += block
        if len(start) >= _LONG_HEADER:
            break
    return start


def check_promise(path: Path, expected: int, *, packed: bool) -> None:
    """Refuse a header that promises more bytes of voxels than its file can hold, before memory is taken for them.

    `packed` says that the voxels may be compressed. Raises InputError.
    """
    most = path.stat().st_size * (_MOST_EXPANSION if packed else 1)
    if expected > most:
        raise InputError(
            f"{path.name}: its header promises {expected:,} bytes of voxels, expected at most {most:,} from a file of "
            f"its size."
        )


def _parsed(start: bytes, name: str, *, apart: bool) -> NiftiHeader:
    """Return the fields of a header, unchecked; raises InputError where it is none. `apart` is that of a pair."""
    order = "<" if start[:2] in (b"\x5c\x01", b"\x1c\x02") else ">"
    fields: nibabel.Nifti1Header
    if len(start) >= _LONG_HEADER and start[4:8] == (b"ni2\0" if apart else b"n+2\0"):
        fields = nibabel.Nifti2Header(start[:_LONG_HEADER], endianness=order, check=False)
        length = _LONG_HEADER
    elif len(start) >= _HEADER and start[344:348] == (b"ni1\0" if apart else b"n+1\0"):
        fields = nibabel.Nifti1Header(start[:_HEADER], endianness=order, check=False)
        length = _HEADER
    elif len(start) >= _HEADER and apart and start[:4] in (b"\x5c\x01\0\0", b"\0\0\x01\x5c"):
        known = start[: _ANALYZE.start] + bytes(_HEADER - _ANALYZE.start)
        fields = nibabel.Nifti1Header(known, endianness=order, check=False)
        length = _HEADER
    else:
        kind = "pair of files" if apart else "single file"
        raise InputError(f"{name}: expected a readable 3D image, found no NIfTI header of a {kind}.")
    dimensions = [int(n) for n in fields["dim"]]
    count = dimensions[0] if 0 < dimensions[0] <= 7 else 0
    return NiftiHeader(
        sizes=tuple(dimensions[1 : count + 1]),
        datatype=int(fields["datatype"]),
        order=order,
        # Some programs write 0; the voxels then follow the header and its four bytes of extensions.
        offset=float(fields["vox_offset"]) if apart else max(float(fields["vox_offset"]), length + 4.0),
        slope=float(fields["scl_slope"]),
        intercept=float(fields["scl_inter"]),
        fields=fields,
        by_itk=length == _HEADER and not apart,
    )


def read_voxels(path: Path, header: NiftiHeader) -> NDArray[Any]:
    """Return the voxels (x fastest, flat) of a NIfTI file as ITK would: scaled to floating point if they are scaled.

    Raises InputError where the file ends early or is damaged; voxels may be no finite numbers.
    """
    content = np.empty(header.bytes, dtype=np.uint8)
    try:
        with path.open("rb") as stream:
            found = _fill(content, _unpacked(stream), int(header.offset))
    except (EOFError, OSError, zlib.error) as error:
        raise _not_whole(path.name, error) from error
    if found < header.bytes:
        raise InputError(f"{path.name}: found {found:,} bytes of voxels, expected {header.bytes:,}.")
    values = content.view(header.kind)
    if not values.dtype.isnative:
        values = values.byteswap(inplace=True).view(values.dtype.newbyteorder("="))
    return _scaled(values, header)


def _fill(content: NDArray[np.uint8], blocks: Iterator[bytes], skipped: int) -> int:
    """Copy the bytes of a stream behind the `skipped` first ones; return how many of the wanted there were."""
    begin = -skipped
    for block in blocks:
        part = np.frombuffer(block, dtype=np.uint8)[max(0, -begin) :]
        at = max(0, begin)
        part = part[: len(content) - at]
        content[at : at + len(part)] = part
        begin += len(block)
    return min(max(0, begin), len(content))


def _unpacked(stream: BinaryIO) -> Iterator[bytes]:
    """Yield a file's bytes, unpacked where it is gzip, whatever its name says; raises EOFError where gzip ends early.

    Python's own gzip files read 8 kB at a time, which takes twice as long.
    """
    block = stream.read(_BLOCK)
    if not block.startswith(_GZIP):
        while block:
            yield block
            block = stream.read(1 << 20)
        return
    member = zlib.decompressobj(31)
    while block:
        yield member.decompress(block)
        block = member.unused_data.lstrip(b"\0")
        if member.eof:
            block = block or stream.read(_BLOCK).lstrip(b"\0")
            if not block:
                return
            member = zlib.decompressobj(31)
        else:
            block = stream.read(_BLOCK)
    raise EOFError("compressed voxels that end early")


def _scaled(values: NDArray[Any], header: NiftiHeader) -> NDArray[Any]:
    """Return voxels with the header's slope and intercept; of 0 or none, as the standard says, nothing is scaled."""
    if not math.isfinite(header.slope) or header.slope == 0:
        return values
    slope, intercept = header.slope, header.intercept if math.isfinite(header.intercept) else 0.0
    if (slope, intercept) == (1.0, 0.0):
        return values
    scaled = np.empty(len(values), dtype=np.float64 if values.dtype == np.float64 else np.float32)
    with np.errstate(over="ignore", invalid="ignore"):
        for start in range(0, len(values), 1 << 20):
            part = slice(start, start + (1 << 20))
            scaled[part] = values[part] * np.float64(slope) + intercept
    return scaled


def _not_whole(name: str, error: Exception) -> Exception:
    """Return the refusal of a file that ends early or is damaged; the error itself of a file system without answer."""
    if isinstance(error, OSError) and error.errno in UNSTEADY:
        return error
    return InputError(f"{name}: expected a whole file, found: {str(error).rstrip('.')}.")


def listed(numbers: Iterable[float]) -> str:
    """Return numbers as a person writes sizes."""
    return " x ".join(f"{number:.4g}" for number in numbers) or "0"
