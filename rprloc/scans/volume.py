"""Scans as files: reading with plain refusals, writing."""

from __future__ import annotations

import errno
import math
import os
import re
import shutil
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from rprloc.errors import UNSTEADY, InputError
from rprloc.files import whole_file
from rprloc.geometry import Grid
from rprloc.scans import detached, kinds
from rprloc.scans.frame import UNKNOWN, Frame, checked, nifti_frame
from rprloc.scans.nifti import NiftiHeader, check_promise, listed, read_header, read_voxels
from rprloc.scans.nrrd import STANDARD, Geometry, geometry_of

# What ITK thinks of a header goes to the console, and is said in our words where it matters.
sitk.ProcessObject.SetGlobalWarningDisplay(False)

AIR_HU = -1024
"""Value outside the field of view; scanners' padding below it (-2000, -3024) is clipped to it."""
SOFT_TISSUE_HU = (-160, 240)
"""The window of soft tissue, width 400, level 40: what a person looks at first."""

_READERS = {
    ".nii": "NiftiImageIO", ".nii.gz": "NiftiImageIO", ".hdr": "NiftiImageIO", ".img": "NiftiImageIO",
    ".mha": "MetaImageIO", ".mhd": "MetaImageIO", ".nrrd": "NrrdImageIO", ".nhdr": "NrrdImageIO",
}  # fmt: skip
"""SimpleITK's reader of each supported format; naming it keeps other formats' parsers away from unknown files."""

_LONGEST_HEADER, _LONGEST_FIELD = 1 << 20, 500
"""Bytes of a MetaImage's or NRRD file's header and of one of its fields that ITK is given."""

_GEOMETRY = (b"spacings", b"space directions", b"space origin", b"elementspacing", b"offset", b"transformmatrix")
"""Fields of an NRRD file's and a MetaImage's header that must be numbers: ITK takes NaN for 1 or 0."""


@dataclass(frozen=True)
class Opened:
    """An image as it was read."""

    image: sitk.Image
    """On its own voxels; the columns of its direction may be sheared."""
    findings: tuple[str, ...] = ()
    """What was guessed or doubted of where it lies."""
    oriented: bool = True
    """Whether the file says how the patient lies."""
    files: tuple[Path, ...] = ()
    """What was read."""


def open_volume(path: Path) -> Opened:
    """Read a 3D scan with one value a voxel and where it lies (`rprloc.scans.frame`).

    Raises InputError for a file that is missing, is no image or is cut short, for another number of dimensions, for
    colour, for a spacing that is not positive, for axes that span no volume, for a header whose voxels lie in
    another file, unless its ending says so, or are more than the file can hold. Voxels may be no finite numbers.
    """
    files: tuple[Path, ...] = (path,)
    try:
        _check_kind(path)
        _format(path)
        if detached.is_detached(path.name):
            files = (path, path.with_name(detached.partner_of(path)))
        if _format(path) == "NiftiImageIO":
            values, frame = _nifti(path)
            image = sitk.GetImageFromArray(values)
            frame.lay(image)
        else:
            image, frame = _other(path)
    except (RuntimeError, OSError) as error:
        raise _unreadable(path, error) from error
    return Opened(image, frame.findings, frame.oriented, files)


def open_layers(path: Path) -> tuple[tuple[Opened, ...], dict[str, str]]:
    """Read an NRRD file of one 3D image or of several on the same voxels, and the fields that its header has of its own
    (`key:=value`): a segmentation of 3D Slicer.

    Raises InputError as `open_volume` does, but for several values a voxel.
    """
    try:
        _check_kind(path)
        if _format(path) != "NrrdImageIO":
            raise InputError(f"{path.name}: found another kind of file, expected NRRD.")
        image, frame = _other(path, layers=True)
    except (RuntimeError, OSError) as error:
        raise _unreadable(path, error) from error
    count = image.GetNumberOfComponentsPerPixel()
    own = {key: image.GetMetaData(key) for key in image.GetMetaDataKeys()}
    layers = [image] if count == 1 else [sitk.VectorIndexSelectionCast(image, number) for number in range(count)]
    return tuple(Opened(layer, frame.findings, frame.oriented) for layer in layers), own


def read_volume(path: Path) -> sitk.Image:
    """Return the image that `open_volume` reads.

    Raises InputError as it does and for voxels that are not finite numbers.
    """
    image = open_volume(path).image
    value_range(image, path.name)
    return image


def value_range(image: sitk.Image, name: str) -> tuple[Any, Any]:
    """Return the lowest and the highest value of a file's image, of its own type.

    Raises InputError for voxels that are not finite numbers.
    """
    values = sitk.GetArrayViewFromImage(image)
    low, high = values.min(), values.max()
    if not (np.isfinite(low) and np.isfinite(high)):
        expected = "numbers everywhere (NaN around the patient is read as air, inside nothing is known)"
        raise InputError(f"{name}: found voxels that are not finite numbers, expected {expected}.")
    return low, high


def image_like(image: sitk.Image, values: NDArray[Any]) -> sitk.Image:
    """Return other values (z, y, x) on an image's voxels."""
    made = sitk.GetImageFromArray(values)
    made.CopyInformation(image)
    return made


def image_of(values: NDArray[Any], grid: Grid) -> sitk.Image:
    """Return an array (z, y, x) on its grid as an image."""
    image = sitk.GetImageFromArray(values)
    image.SetSpacing(grid.spacing_mm)
    image.SetOrigin(grid.origin_mm)
    return image


def read_model_volume(path: Path) -> NDArray[np.int16]:
    """Return the values (z, y, x) of a preprocessed scan's int16 file; raises InputError as `read_volume` does."""
    try:
        return np.asarray(_nifti(path)[0], dtype=np.int16)
    except (RuntimeError, OSError) as error:
        raise _unreadable(path, error) from error


def _check_kind(path: Path) -> None:
    """Refuse a file that is no image, by its content or name; raises InputError, and OSError where it is not read."""
    if path.is_file() and (kind := kinds.of_file(path)):
        raise InputError(f"{path.name}: found {kind}, expected one file (.nii.gz, .mha, .nrrd).")


def _format(path: Path) -> str:
    """Return SimpleITK's name of a file's format; raises InputError for a file that is missing or of another kind."""
    if path.is_dir():
        raise InputError(f"{path.name}: found a folder, expected one file (.nii.gz, .mha, .nrrd).")
    formats = [suffix for suffix in _READERS if path.name.lower().endswith(suffix)]
    if not formats:
        raise InputError(f"{path.name}: found an unknown kind of file, expected one of {', '.join(_READERS)}.")
    if not path.is_file():
        raise InputError(f"{path.name}: found no such file, expected an image.")
    return _READERS[formats[0]]


def _nifti(path: Path) -> tuple[NDArray[Any], Frame]:
    """Return the values (z, y, x) of a NIfTI file and where they lie."""
    if _format(path) != "NiftiImageIO":
        raise InputError(f"{path.name}: found another kind of file, expected NIfTI.")
    if detached.is_detached(path.name):
        one, other = path, path.with_name(detached.partner_of(path))
        path, voxels = (one, other) if one.suffix.lower() == ".hdr" else (other, one)
    else:
        voxels = path
    header = read_header(path, voxels)
    size, by_itk = _itks_opinion(path, header)
    if math.prod(size) != math.prod(header.sizes):
        raise InputError(f"{path.name}: expected a readable 3D image, found a header of two meanings.")
    frame = nifti_frame(header.fields, size, path.name, by_itk=by_itk)
    return read_voxels(voxels, header).reshape(size[::-1]), frame


def _itks_opinion(path: Path, header: NiftiHeader) -> tuple[tuple[int, ...], Frame | None]:
    """Return the size of a NIfTI file, and where it lies as ITK reads it; None where ITK does not know."""
    try:
        if header.by_itk:
            reader, _ = _checked_reader(path)
            return reader.GetSize(), Frame.of(reader)
    except RuntimeError as error:
        # ITK reads no axes that are sheared.
        if "orthonormal" not in str(error):
            raise
    return _spatial(header.sizes, path.name), None


def _spatial(sizes: tuple[int, ...], name: str) -> tuple[int, ...]:
    """Return sizes without further axes of one voxel; raises InputError for more than three."""
    while len(sizes) > 3 and sizes[-1] == 1:
        sizes = sizes[:-1]
    if len(sizes) != 3:
        raise InputError(f"{name}: found {len(sizes)} dimensions, expected 3.")
    return sizes


def _other(path: Path, *, layers: bool = False) -> tuple[sitk.Image, Frame]:
    """Return an image of another format than NIfTI, with several values a voxel if `layers`, and where it lies."""
    reader, geometry = _checked_reader(path, layers=layers)
    own = Frame.of(reader)
    frame = checked(
        Frame(geometry.unit_mm * own.axes_mm, geometry.unit_mm * own.origin_mm), reader.GetSize(), path.name
    )
    image = reader.Execute()
    if (
        geometry.unit_mm != 1
        or np.abs(np.linalg.norm(np.reshape(image.GetDirection(), (3, 3)), axis=0) - 1).max() > 1e-3
    ):
        frame.lay(image)
    frame = replace(frame, findings=(*frame.findings, *geometry.findings))
    if not geometry.oriented:
        frame = replace(frame, findings=(*frame.findings, UNKNOWN), oriented=False)
    return image, frame


def _checked_reader(path: Path, *, layers: bool = False) -> tuple[sitk.ImageFileReader, Geometry]:
    """Return a reader that has read a file's header, and what that says of where voxels lie; `layers` lets a voxel
    have several values.

    Raises InputError for a header that cannot be used.
    """
    reader = sitk.ImageFileReader()
    reader.SetImageIO(_format(path))
    about = _about(path)
    _read_information(reader, path)
    _check_header(reader, path.name, layers=layers)
    count = reader.GetNumberOfComponents()
    voxel = sitk.GetArrayViewFromImage(sitk.Image([1, 1, 1], reader.GetPixelID(), count)).itemsize * count
    holder = path.with_name(detached.partner_of(path)) if detached.is_detached(path.name) else path
    check_promise(holder, math.prod(reader.GetSize()) * voxel, packed=about.packed)
    return reader, about.geometry


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


@dataclass(frozen=True)
class _About:
    """What a file's header says that ITK does not tell."""

    packed: bool
    """Whether the voxels may take less room in it than in memory."""
    geometry: Geometry = STANDARD
    """Of NIfTI its forms say more."""


def _about(path: Path) -> _About:
    """Read what a file's header says beside what ITK tells.

    Raises InputError for a header whose voxels lie in another file, which may be any file of the machine, for what
    would end the process in ITK's hands (a header without an end or with endless lines, impossible dimensions), and for
    a spacing, axes or an origin that are no finite numbers, which ITK would replace.
    """
    kind = _format(path)
    if kind == "NiftiImageIO":
        return _About(packed=True)
    with path.open("rb") as stream:
        text = stream.read(_LONGEST_HEADER).replace(b"\r", b"").lower()
    if kind == "NrrdImageIO":
        head, end, _ = text.partition(b"\n\n")
        # Without voxels behind it a header may end anywhere.
        end = end or (b"\n" if detached.is_detached(path.name) else b"")
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
    if apart and not detached.is_detached(path.name):
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
    if kind == "NrrdImageIO":
        return _About(packed=not raw, geometry=geometry_of(fields, path.name))
    oriented = any(name in fields for name in (b"transformmatrix", b"orientation", b"rotation"))
    return _About(packed=not raw, geometry=replace(STANDARD, oriented=oriented))


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
    reason = re.sub(r"^(ITK |sitk::)ERROR: |^\[nrrd\] \w+: ", "", reason.replace(str(path), "a file that"))
    return InputError(f"{path.name}: expected a readable 3D image, found: {reason}.")


def _check_header(reader: sitk.ImageFileReader, name: str, *, layers: bool) -> None:
    """Refuse what is no 3D grey-value image, or several if `layers`, before its voxels are read; raises InputError."""
    if len(reader.GetSize()) != 3:
        raise InputError(f"{name}: found {len(reader.GetSize())} dimensions, expected 3.")
    if reader.GetNumberOfComponents() != 1 and not layers:
        raise InputError(f"{name}: found {reader.GetNumberOfComponents()} values a voxel, expected 1.")
    if 0 in reader.GetSize():
        raise InputError(f"{name}: found sizes of {listed(reader.GetSize())} voxels, expected three positive numbers.")
    spacing, origin = reader.GetSpacing(), reader.GetOrigin()
    # Of NIfTI the sform may know better.
    if reader.GetImageIO() != "NiftiImageIO" and not all(math.isfinite(s) and s > 0 for s in spacing):
        raise InputError(f"{name}: found a spacing of {listed(spacing)} mm, expected three positive numbers.")
    if not all(math.isfinite(o) for o in origin):
        raise InputError(f"{name}: found an origin of {listed(origin)} mm, expected three numbers.")


def write_volume(path: Path, values: NDArray[np.generic], grid: Grid) -> None:
    """Write an array (z, y, x) on its grid as a compressed NIfTI image, whole; raises OSError, as for a full disk."""
    image = image_of(values, grid)
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
