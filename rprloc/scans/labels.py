"""The label of a scan: one image of numbers, or one mask a structure."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from rprloc.errors import InputError
from rprloc.geometry import FloatArray
from rprloc.scans.landmarks import structure_landmarks
from rprloc.scans.surfaces import Surfaces, structure_surfaces
from rprloc.scans.volume import read_volume

MOST_LABEL = np.iinfo(np.uint16).max
"""Largest value of a structure in a label."""


def geometry_of(image: sitk.Image) -> dict[str, Any]:
    """Return an image's geometry as the scan's JSON holds it: x, y, z and mm."""
    return {
        "size": list(image.GetSize()),
        "spacing_mm": list(image.GetSpacing()),
        "direction": list(image.GetDirection()),
        "origin_mm": list(image.GetOrigin()),
    }


def read_label(
    source: Path | Mapping[str, Path],
    native: Mapping[str, Any],
    *,
    image_name: str,
    structures: Mapping[str, int] | None,
) -> tuple[sitk.Image, dict[str, dict[str, Any]], Surfaces]:
    """Return a scan's label as one image of values up to 65535, and its structures' values in it, landmarks and
    surfaces in mm.

    `native` is the scan's geometry as `geometry_of` gives it. `source` is an image whose values stand for the
    structures as `structures` says (None: each value found is one), or a mask a structure by its name: what is not 0
    is the structure, and masks may overlap. Landmarks are those of each whole mask; in the one image a later mask
    hides an earlier one and has the value of `structures` or, without, its position in the order of names.
    Raises InputError for what `read_volume` refuses, for a label that is not on the scan's own voxels, and for values
    that are no whole numbers or too large.
    """
    if isinstance(source, Path):
        label = _read_on(native, source, image_name)
        return label, *_landmarks(sitk.GetArrayViewFromImage(label), native, structures)
    combined = np.zeros(native["size"][::-1], dtype=np.uint16)
    found: dict[str, dict[str, Any]] = {}
    surfaces: Surfaces = {}
    names = sorted(source) if structures is None else [name for name in structures if name in source]
    for number, name in enumerate(names, start=1):
        label = _read_on(native, source[name], image_name)
        mask = sitk.GetArrayViewFromImage(label) != 0
        value = number if structures is None else structures[name]
        marks, surface = _landmarks(mask.view(np.uint8), native, {name: 1})
        surfaces |= surface
        found |= {name: marks[name] | {"value": value}} if marks else {}
        combined[mask] = value
    together = sitk.GetImageFromArray(combined)
    together.SetSpacing(native["spacing_mm"])
    together.SetDirection(native["direction"])
    together.SetOrigin(native["origin_mm"])
    return together, found, surfaces


def _read_on(native: Mapping[str, Any], path: Path, image_name: str) -> sitk.Image:
    """Read a label that lies on its scan's voxels; raises InputError as `read_label` says."""
    label = _whole_numbers(read_volume(path), path.name)
    _check_same_geometry(native, geometry_of(label), image_name, path.name)
    return label


def _check_same_geometry(image: Mapping[str, Any], label: Mapping[str, Any], image_name: str, label_name: str) -> None:
    """Refuse a label that is not on its image's voxels; raises InputError."""
    if image["size"] != label["size"]:
        raise InputError(
            f"{label_name}: found {tuple(label['size'])} voxels, expected {tuple(image['size'])} as {image_name} has."
        )
    extent = np.abs(np.reshape(image["direction"], (3, 3))) @ image["spacing_mm"]
    for corner in ([0, 0, 0], [n - 1 for n in image["size"]]):
        moved = np.abs(_place(image, corner) - _place(label, corner))
        if np.any(moved > 0.1 * extent):
            raise InputError(
                f"{label_name}: its voxels lie {moved.max():.1f} mm away from those of {image_name}, "
                "expected the same origin, spacing and direction."
            )


def _place(geometry: Mapping[str, Any], index: list[int]) -> FloatArray:
    """Return the world point (3,) in mm of a voxel (x, y, z)."""
    direction = np.reshape(geometry["direction"], (3, 3))
    return np.asarray(geometry["origin_mm"] + direction @ np.multiply(geometry["spacing_mm"], index))


def _whole_numbers(label: sitk.Image, name: str) -> sitk.Image:
    """Return a label of integers from 0 up, 0 for negative ones; raises InputError for fractions and huge values."""
    values = sitk.GetArrayViewFromImage(label)
    if values.dtype.kind == "f":
        with np.errstate(invalid="ignore"):
            wrong = values[~(np.abs(values - np.rint(values)) < 1e-3)]
        if wrong.size:
            raise InputError(f"{name}: found the value {wrong[0]:g}, expected whole numbers, one for each structure.")
    if (most := values.max()) > MOST_LABEL + 0.5:
        raise InputError(f"{name}: found the value {most:.0f}, expected at most {MOST_LABEL} for a structure.")
    # Small integers stay what they are: a copy of a scan's label in 32 bits takes twice the scan's memory.
    if values.dtype.kind != "f" and values.dtype.itemsize <= 2 and values.min() >= 0:
        return label
    label = sitk.Round(label) if values.dtype.kind == "f" else label
    return sitk.Clamp(label, sitk.sitkUInt16, 0, MOST_LABEL)


def _landmarks(
    label: NDArray[np.integer[Any]], native: Mapping[str, Any], structures: Mapping[str, int] | None
) -> tuple[dict[str, dict[str, Any]], Surfaces]:
    """Return the landmarks and the surfaces of a label (z, y, x) on its scan's voxels."""
    place = {
        "origin_mm": np.asarray(native["origin_mm"]),
        "spacing_mm": np.asarray(native["spacing_mm"]),
        "direction": np.asarray(native["direction"]).reshape(3, 3),
    }
    found = structure_landmarks(label, None if structures is None else dict(structures), **place)
    return found, structure_surfaces(label, found, **place)
