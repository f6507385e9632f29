"""Outlines as one label image on the query's own grid, with the tables by which ITK-SNAP and 3D Slicer name them."""

from __future__ import annotations

import colorsys
import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rprloc.errors import InputError
from rprloc.exports.query import Query
from rprloc.files import whole_file, write_text
from rprloc.geometry import FloatArray
from rprloc.scans.frame import Frame
from rprloc.scans.nib import nibabel

_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


def write_masks(parent: Path, query: Query) -> list[str]:
    """Write masks/<cohort>/<subject>.nii.gz, a label image, <subject>.label.txt for ITK-SNAP and <subject>.ctbl for 3D
    Slicer; return what is to be said.

    Where outlines overlap the later structure is seen. Without any outline nothing is written.
    """
    if not query.outlines:
        return [query.undrawn("mask")]
    labels = query.labels
    folder = query.folder(parent, "masks")
    write_nifti(folder / f"{query.name}.nii.gz", label_image(query), query.native.frame)
    write_text(folder / f"{query.name}.label.txt", _itk_snap(labels))
    write_text(folder / f"{query.name}.ctbl", _slicer(labels))
    missing = [one.structure for one in query.found if not one.point and one.structure not in query.outlines]
    return [f"{query.record.subject}: found no outline of {', '.join(missing)}."] if missing else []


def label_image(query: Query) -> NDArray[Any]:
    """Return a query's outlines as one label (z, y, x) on its scan's own voxels; the later structure is seen."""
    labels, native = query.labels, query.native
    whole: NDArray[Any] = np.zeros(native.size[::-1], dtype=np.uint8 if max(labels.values()) < 256 else np.uint16)
    for structure, value in labels.items():
        outline = query.outlines.get(structure)
        if outline is not None:
            part = tuple(slice(a, b) for a, b in zip(outline.first, outline.stop, strict=True))[::-1]
            whole[part][outline.inside] = value
    return whole


def write_nifti(path: Path, values: NDArray[Any], frame: Frame) -> None:
    """Write an array (z, y, x) on the voxels of a frame, LPS, as a compressed NIfTI image, whole.

    Raises InputError for values of a type that NIfTI has not.
    """
    affine = _TO_RAS @ affine_of(frame)
    try:
        image = nibabel.Nifti1Image(values.transpose(2, 1, 0), affine, dtype=values.dtype)
    except nibabel.spatialimages.HeaderDataError as error:
        raise InputError(f"{path.name}: found values of the type {values.dtype}, expected one of NIfTI.") from error
    image.set_sform(affine, code="scanner")
    # A qform has no shear; where axes are sheared the sform alone counts.
    image.set_qform(affine, code="scanner" if _straight(frame) else "unknown")
    image.header.set_xyzt_units("mm")
    with whole_file(path) as temporary:
        nibabel.save(image, temporary)


def affine_of(frame: Frame) -> FloatArray:
    """Return the matrix (4, 4) from voxels (i, j, k) to LPS mm."""
    affine = np.eye(4)
    affine[:3, :3], affine[:3, 3] = frame.axes_mm, frame.origin_mm
    return affine


def _straight(frame: Frame) -> bool:
    """Tell whether a frame's axes are at right angles."""
    return bool(np.abs(frame.direction.T @ frame.direction - np.eye(3)).max() < 1e-4)


def colour_of(number: int) -> tuple[int, int, int]:
    """Return a colour, red, green, blue from 0 to 255, that is unlike those of the numbers before."""
    # Steps of the golden angle around the hues.
    red, green, blue = colorsys.hsv_to_rgb(number * 0.61803398875 % 1, 0.75, 0.95 if number % 2 else 0.75)
    return round(255 * red), round(255 * green), round(255 * blue)


def _itk_snap(labels: dict[str, int]) -> str:
    """Return a label description file of ITK-SNAP: value, red, green, blue, opacity, visible, mesh, name."""
    lines = ["# ITK-SNAP label description file", '0 0 0 0 0 0 0 "Clear Label"']
    for name, value in labels.items():
        plain = re.sub(r'["\\\x00-\x1f\x7f]', "_", name)
        lines.append(f'{value} {" ".join(map(str, colour_of(value)))} 1 1 1 "{plain}"')
    return "\n".join(lines) + "\n"


def _slicer(labels: dict[str, int]) -> str:
    """Return a colour table of 3D Slicer: value, name without blanks, red, green, blue, opacity."""
    lines = ["# Color table file", "0 background 0 0 0 0"]
    for name, value in labels.items():
        plain = re.sub(r"[\s#\x00-\x1f\x7f]", "_", name)
        lines.append(f"{value} {plain} {' '.join(map(str, colour_of(value)))} 255")
    return "\n".join(lines) + "\n"
