"""The label of a scan: one image of numbers, or one mask a structure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from rprloc.errors import InputError
from rprloc.scans.landmarks import structure_landmarks
from rprloc.scans.scan import Native, Structure, Surfaces
from rprloc.scans.surfaces import structure_surfaces
from rprloc.scans.volume import read_volume

MOST_LABEL = np.iinfo(np.uint16).max
"""Largest value of a structure in a label."""


@dataclass(frozen=True)
class Label:
    """A label on its scan's own voxels."""

    image: sitk.Image
    """Values up to 65535."""
    structures: Mapping[str, Structure]
    """With the values that they have in the image."""
    surfaces: Surfaces


def read_label(
    source: Path | Mapping[str, Path], native: Native, *, image_name: str, structures: Mapping[str, int] | None
) -> Label:
    """Return a scan's label as one image, and its structures' landmarks and surfaces in mm.

    `native` is the scan's grid. `source` is an image whose values stand for the structures as `structures` says (None:
    each value found is one), or a mask a structure by its name: what is not 0 is the structure, and masks may overlap.
    Landmarks are those of each whole mask; in the one image a later mask hides an earlier one and has the value of
    `structures` or, without, its position in the order of names.
    Raises InputError for what `read_volume` refuses, for a label that is not on the scan's own voxels, and for values
    that are no whole numbers or too large.
    """
    if not isinstance(source, Path):
        return _from_masks(source, native, image_name, structures)
    image = _read_on(native, source, image_name)
    values = sitk.GetArrayViewFromImage(image)
    found = structure_landmarks(values, structures, native)
    return Label(image, found, structure_surfaces(values, found, native))


def _from_masks(
    masks: Mapping[str, Path], native: Native, image_name: str, structures: Mapping[str, int] | None
) -> Label:
    """Return the label of a mask a structure, as `read_label` says."""
    combined = np.zeros(native.size[::-1], dtype=np.uint16)
    found: dict[str, Structure] = {}
    surfaces: Surfaces = {}
    names = sorted(masks) if structures is None else [name for name in structures if name in masks]
    for number, name in enumerate(names, start=1):
        # A view does not keep its image alive.
        image = _read_on(native, masks[name], image_name)
        mask = sitk.GetArrayViewFromImage(image) != 0
        alone = structure_landmarks(mask.view(np.uint8), {name: 1}, native)
        surfaces |= structure_surfaces(mask.view(np.uint8), alone, native)
        value = number if structures is None else structures[name]
        found |= {name: replace(structure, value=value) for name, structure in alone.items()}
        combined[mask] = value
    together = sitk.GetImageFromArray(combined)
    together.SetSpacing(native.spacing_mm)
    together.SetDirection(native.direction)
    together.SetOrigin(native.origin_mm)
    return Label(together, found, surfaces)


def _read_on(native: Native, path: Path, image_name: str) -> sitk.Image:
    """Read a label that lies on its scan's voxels; raises InputError as `read_label` says."""
    label = _whole_numbers(read_volume(path), path.name)
    _check_same_grid(native, Native.of(label), image_name, path.name)
    return label


def _check_same_grid(image: Native, label: Native, image_name: str, label_name: str) -> None:
    """Refuse a label that is not on its image's voxels; raises InputError."""
    if image.size != label.size:
        raise InputError(f"{label_name}: found {label.size} voxels, expected {image.size} as {image_name} has.")
    extent = np.abs(image.axes) @ image.spacing_mm
    for corner in ([0, 0, 0], [n - 1 for n in image.size]):
        moved = np.abs(image.world(corner) - label.world(corner))
        if np.any(moved > 0.1 * extent):
            raise InputError(
                f"{label_name}: its voxels lie {moved.max():.1f} mm away from those of {image_name}, "
                "expected the same origin, spacing and direction."
            )


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
