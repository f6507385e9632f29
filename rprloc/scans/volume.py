"""Scans as files: reading with plain refusals, writing."""

from __future__ import annotations

import errno
import math
import os
import re
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from rprloc.errors import UNSTEADY, InputError
from rprloc.files import whole_file
from rprloc.geometry import Grid
from rprloc.scans import kinds
from rprloc.scans.nifti import check_promise, listed, read_header, read_voxels

AIR_HU = -1024
"""Value outside the field of view; scanners' padding below it (-2000, -3024) is clipped to it."""

_READERS = {".nii": "NiftiImageIO", ".nii.gz": "NiftiImageIO", ".mha": "MetaImageIO", ".nrrd": "NrrdImageIO"}
"""SimpleITK's reader of each supported format; naming it keeps other formats' parsers away from unknown files."""

_DETACHED = (".mhd", ".nhdr", ".hdr", ".img")

_LONGEST_HEADER, _LONGEST_FIELD = 1 << 20, 500
"""Bytes of a MetaImage's or NRRD file's header and of one of its fields that ITK is given."""

_GEOMETRY = (b"spacings", b"space directions", b"space origin", b"elementspacing", b"offset", b"transformmatrix")
"""Fields of an NRRD file's and a MetaImage's header that must be numbers: ITK takes NaN for 1 or 0."""

_STRAIGHT = 1e-3
"""Cosine between two axes up to which they count as orthogonal: headers keep six digits or more."""


def read_volume(path: Path) -> sitk.Image:
    """Read a 3D scan with one value a voxel.

    Raises InputError for a file that is missing, is no image or is cut short, for another number of dimensions, for
    colour, for a spacing that is not positive, for axes that are not orthogonal, for a header whose voxels lie in
    another file or are more than the file can hold and, in NIfTI, for voxels that are not finite numbers.
    """
    try:
        if _format(path) != "NiftiImageIO":
            reader = _checked_reader(path)
            return reader.Execute()
        values, reader = _nifti(path)
        image = sitk.GetImageFromArray(values)
    except (RuntimeError, OSError) as error:
        raise _unreadable(path, error) from error
    image.SetSpacing(reader.GetSpacing())
    image.SetOrigin(reader.GetOrigin())
    image.SetDirection(reader.GetDirection())
    return image


def read_model_volume(path: Path) -> NDArray[np.int16]:
    """Return the values (z, y, x) of a preprocessed scan's int16 file; raises InputError as `read_volume` does."""
    try:
        return np.asarray(_nifti(path)[0], dtype=np.int16)
    except (RuntimeError, OSError) as error:
        raise _unreadable(path, error) from error


def _format(path: Path) -> str:
    """Return SimpleITK's name of a file's format; raises InputError for a file that is missing or of another kind."""
    if path.is_dir():
        raise InputError(f"{path.name}: found a folder, expected one file (.nii.gz, .mha, .nrrd); {kinds.CONVERT}.")
    if path.suffix.lower() in _DETACHED:
        raise InputError(
            f"{path.name}: found a header whose voxels lie in another file, expected one file (.nii.gz, .mha, .nrrd)."
        )
    if path.is_file() and (kind := kinds.of_file(path)):
        raise InputError(f"{path.name}: found {kind}, expected one file (.nii.gz, .mha, .nrrd).")
    formats = [suffix for suffix in _READERS if path.name.lower().endswith(suffix)]
    if not formats:
        raise InputError(f"{path.name}: found an unknown kind of file, expected one of {', '.join(_READERS)}.")
    if not path.is_file():
        raise InputError(f"{path.name}: found no such file, expected an image.")
    return _READERS[formats[0]]


def _nifti(path: Path) -> tuple[NDArray[Any], sitk.ImageFileReader]:
    """Return the values (z, y, x) of a NIfTI file and ITK's reader of it, which knows the geometry."""
    if _format(path) != "NiftiImageIO":
        raise InputError(f"{path.name}: found another kind of file, expected NIfTI.")
    header = read_header(path)
    reader = _checked_reader(path)
    if math.prod(reader.GetSize()) != math.prod(header.sizes):
        raise InputError(f"{path.name}: expected a readable 3D image, found a header of two meanings.")
    return read_voxels(path, header).reshape(reader.GetSize()[::-1]), reader


def _checked_reader(path: Path) -> sitk.ImageFileReader:
    """Return a reader that has read a file's header, which can be used; raises InputError where it cannot."""
    reader = sitk.ImageFileReader()
    reader.SetImageIO(_format(path))
    packed = _packed(path)
    _read_information(reader, path)
    _check_header(reader, path.name)
    voxel = sitk.GetArrayViewFromImage(sitk.Image([1, 1, 1], reader.GetPixelID())).itemsize
    check_promise(path, math.prod(reader.GetSize()) * voxel, packed=packed)
    return reader


def _read_information(reader: sitk.ImageFileReader, path: Path) -> None:
    """Read a file's header; ITK knows no NIfTI file by a name in mixed case, and is given a link that it knows."""
    ending = next(suffix for suffix in reversed(_READERS) if path.name.lower().endswith(suffix))
    if _READERS[ending] != "NiftiImageIO" or path.name.endswith((ending, ending.upper())):
        reader.SetFileName(str(path))
        reader.ReadImageInformation()
        return
    with tempfile.TemporaryDirectory() as folder:
        link = Path(folder) / f"scan{ending}"
        link.symlink_to(path.absolute())
        reader.SetFileName(str(link))
        try:
            reader.ReadImageInformation()
        except RuntimeError as error:
            raise RuntimeError(str(error).replace(str(link), str(path))) from error


def _packed(path: Path) -> bool:
    """Tell whether a file's voxels may take less room in it than in memory.

    Raises InputError for a header whose voxels lie in another file, which may be any file of the machine, for what
    would end the process in ITK's hands (a header without an end or with endless lines, impossible dimensions), and for
    a spacing, axes or an origin that are no finite numbers, which ITK would replace.
    """
    kind = _format(path)
    if kind == "NiftiImageIO":
        return True
    with path.open("rb") as stream:
        text = stream.read(_LONGEST_HEADER).replace(b"\r", b"").lower()
    if kind == "NrrdImageIO":
        head, end, _ = text.partition(b"\n\n")
        fields, start = _fields(head, b":"), b"nrrd"
        apart, raw = b"data file" in fields or b"datafile" in fields, fields.get(b"encoding") == b"raw"
    else:
        head, end, rest = text.partition(b"elementdatafile")
        fields, start = _fields(head, b"="), b""
        apart = rest.split(b"\n")[0].strip(b" =\t") != b"local"
        raw = fields.get(b"binarydata", b"true") == b"true" and fields.get(b"compresseddata", b"false") == b"false"
    if (
        not end
        or not head.startswith(start)
        or max((len(k) + len(v) for k, v in fields.items()), default=0) > _LONGEST_FIELD
    ):
        raise InputError(f"{path.name}: expected a readable 3D image, found no header of this kind of file.")
    if apart:
        raise InputError(f"{path.name}: found a header whose voxels lie in another file, expected one file.")
    dimensions = fields.get(b"ndims", fields.get(b"dimension", b""))
    if dimensions not in [b"%d" % n for n in range(1, 10)]:
        raise InputError(f"{path.name}: found {dimensions[:20].decode('ascii', 'replace')!r} dimensions, expected 3.")
    # An axis of colours or of one volume, beside three others, has `none`.
    words = rb"nan|inf|none" if dimensions == b"3" else rb"nan|inf"
    for key in _GEOMETRY:
        value = fields.get(key, b"")
        if re.search(words, value):
            found = f"{key.decode()} {value.decode('ascii', 'replace')!r}"
            raise InputError(f"{path.name}: found {found}, expected finite numbers.")
    return not raw


def _fields(text: bytes, mark: bytes) -> dict[bytes, bytes]:
    """Return the fields of a header of lines `key<mark>value`, without NRRD's free `key:=value`."""
    pairs = (line.partition(mark) for line in text.split(b"\n") if b":=" not in line)
    return {key.strip(): value.strip() for key, _, value in pairs}


def _unreadable(path: Path, error: RuntimeError | OSError) -> Exception:
    """Return the refusal of a file that ITK cannot read: the last sentence of its error without files' names."""
    if "allocate memory" in str(error):  # no fault of the file
        return MemoryError(f"{path.name}: too little memory to read it")
    if isinstance(error, OSError):
        if error.errno in UNSTEADY:
            return error
        return InputError(f"{path.name}: expected a readable file, found: {error.strerror}.")
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    reason = lines[-1].split("): ")[-1].rstrip(".!") if lines else "an unknown error"
    # MetaImage's reason is the operating system's last error, which has nothing to do with the file.
    if reason.startswith("Reason: "):
        reason = "a file that is cut short or no image of this kind"
    if "orthonormal" in reason:
        return InputError(f"{path.name}: found axes that are not orthogonal, expected axes that are.")
    reason = re.sub(r"^(ITK |sitk::)ERROR: |^\[nrrd\] \w+: ", "", reason.replace(str(path), "a file that"))
    return InputError(f"{path.name}: expected a readable 3D image, found: {reason}.")


def _check_header(reader: sitk.ImageFileReader, name: str) -> None:
    """Refuse what is no 3D grey-value image before its voxels are read; raises InputError."""
    if len(reader.GetSize()) != 3:
        raise InputError(f"{name}: found {len(reader.GetSize())} dimensions, expected 3.")
    if reader.GetNumberOfComponents() != 1:
        raise InputError(f"{name}: found {reader.GetNumberOfComponents()} values a voxel, expected 1.")
    if 0 in reader.GetSize():
        raise InputError(f"{name}: found sizes of {listed(reader.GetSize())} voxels, expected three positive numbers.")
    spacing, origin = reader.GetSpacing(), reader.GetOrigin()
    if not all(math.isfinite(s) and s > 0 for s in spacing):
        raise InputError(f"{name}: found a spacing of {listed(spacing)} mm, expected three positive numbers.")
    if not all(math.isfinite(o) for o in origin):
        raise InputError(f"{name}: found an origin of {listed(origin)} mm, expected three numbers.")
    direction = np.asarray(reader.GetDirection()).reshape(3, 3)
    if not np.abs(direction.T @ direction - np.eye(3)).max() <= _STRAIGHT:
        raise InputError(
            f"{name}: found axes that are not orthogonal, {np.round(direction.T, 4).tolist()}, expected axes that are."
        )


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
    with path.open("rb") as stream:
        # A gzip file ends with the length of what is in it; one that is cut short ends anyhow.
        stream.seek(max(0, path.stat().st_size - 4))
        found = int.from_bytes(stream.read(), "little")
    if found != (352 + expected) % (1 << 32):
        full = shutil.disk_usage(path.parent).free < expected
        code = errno.ENOSPC if full else errno.EIO
        raise OSError(code, os.strerror(code))
