"""The label of a scan: one image of numbers, or one mask a structure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from rprloc.errors import InputError
from rprloc.scans.body import Mask
from rprloc.scans.boxes import LabelVoxels
from rprloc.scans.gaps import gaps
from rprloc.scans.landmarks import structure_landmarks
from rprloc.scans.lattice import placed_on, some_of
from rprloc.scans.outlines import Outline
from rprloc.scans.record import Native, Structure
from rprloc.scans.rims import rims
from rprloc.scans.scan import Surfaces
from rprloc.scans.strays import without_strays
from rprloc.scans.surfaces import structure_surfaces
from rprloc.scans.volume import image_like, open_volume

MOST_LABEL = np.iinfo(np.uint16).max
"""Largest value of a structure in a label."""
_MOST_VALUES = 1_000
"""Of a label: atlases of the whole brain have up to a few hundred, a scan has more."""
_MANY_VALUES, _ALIKE = 50, 0.5
"""From so many on a label's neighbouring voxels have the same value in at least this part of the cases: of 139 parcels
of a brain in 0.89, of a scan in eight bits in 0.16 at most.
"""
_FAR_VALUES = 2
"""Times the largest value of the structures: what is larger is no other structure's, but scaled to be shown."""
_MOST_IN_MASK = 4
"""Values beside 0 of a mask of one structure, such as 1 and 2 for its parts; probabilities and scans have more."""
_MOST_NEGATIVE = 8
"""Values below 0 of a label: marks such as -1 for what was not drawn; a scan has more."""


@dataclass(frozen=True)
class Label:
    """What a scan's annotation says, with a label's voxels where it has any."""

    image: sitk.Image | None
    """Values up to 65535, on the scan's own voxels."""
    structures: Mapping[str, Structure]
    """With the values that they have in the image."""
    surfaces: Surfaces
    outlines: Mapping[str, Outline] = field(default_factory=dict)
    """The whole mask of each structure."""
    findings: tuple[str, ...] = ()
    """What was guessed or doubted, each with its file's name."""


class Annotation(Protocol):
    """A scan's annotation in whatever form, to be read once its scan is known."""

    @property
    def files(self) -> tuple[Path, ...]:
        """Its files, of folders all that lie in them."""

    def read(self, native: Native, *, structures: Mapping[str, int] | None, known: Collection[str]) -> Label:
        """Return what it says of a scan whose grid is `native`; `structures` and `known` as for `read_label`.

        Raises InputError where it cannot be used or is of another scan.
        """


def read_label(
    source: Path | Mapping[str, Path],
    native: Native,
    *,
    image_name: str,
    structures: Mapping[str, int] | None,
    known: Collection[str] = (),
) -> Label:
    """Return a scan's label as one image, and its structures' landmarks and surfaces in mm.

    `native` is the scan's grid. `source` is an image whose values stand for the structures as `structures` says (None:
    each value found is one), or a mask a structure by its name: what is not 0 is the structure, and masks may overlap.
    Landmarks are those of each whole mask; in the one image a later mask hides an earlier one and has the value of
    `structures` or, without, its position in the order of names. `known` is what is said of the scan: of the label's
    frame only what is odd beside it is.
    Raises InputError for what `open_volume` refuses, for a label that does not lie where its scan does, and for values
    that are no whole numbers, too large or too many.
    """
    if not isinstance(source, Path):
        return _from_masks(source, native, image_name, structures, known)
    image, findings = _read_on(native, source, image_name, known)
    values = sitk.GetArrayViewFromImage(image)
    findings += _values_found(values, source.name)
    label = LabelVoxels(values)
    found = structure_landmarks(label, structures, native)
    own = {name: one.value for name, one in found.items()}
    said = (*rims(values, own), *_none_of(values, structures, found))
    findings += tuple(f"{source.name}: {one}" for one in said)
    label, said = without_strays(label, own, native.spacing_mm)
    if said:
        findings += tuple(f"{source.name}: {one}" for one in said)
        image, found = native.image(label.values), structure_landmarks(label, structures, native)
    findings += tuple(f"{source.name}: {one}" for one in gaps(label, own))
    return Label(image, found, structure_surfaces(label, found, native), _outlines(label, found), findings)


def _from_masks(
    masks: Mapping[str, Path],
    native: Native,
    image_name: str,
    structures: Mapping[str, int] | None,
    known: Collection[str],
) -> Label:
    """Return the label of a mask a structure, as `read_label` says."""
    findings: list[str] = []
    names = sorted(masks) if structures is None else [name for name in structures if name in masks]

    def read() -> Iterator[tuple[str, Mask]]:
        for name in names:
            # A view does not keep its image alive.
            image, said = _read_on(native, masks[name], image_name, known)
            findings.extend(said)
            values = sitk.GetArrayViewFromImage(image)
            findings.extend(_mask_values(values, masks[name].name))
            mask, said = kept_mask(values != 0, name, native)
            findings.extend(f"{masks[name].name}: {one}" for one in said)
            yield name, mask

    label = label_of_masks(read(), native, structures)
    return replace(label, findings=tuple(findings))


def label_of_masks(masks: Iterable[tuple[str, Mask]], native: Native, structures: Mapping[str, int] | None) -> Label:
    """Return the label of named masks (z, y, x) on a scan's voxels, which may overlap: a later one hides an earlier one
    in the image. A mask has the value of `structures` or, without, its position. One without voxels is left out.
    """
    combined = np.zeros(native.size[::-1], dtype=np.uint16)
    found: dict[str, Structure] = {}
    surfaces: Surfaces = {}
    outlines: dict[str, Outline] = {}
    for number, (name, mask) in enumerate(masks, start=1):
        voxels = LabelVoxels(mask.view(np.uint8))
        alone = structure_landmarks(voxels, {name: 1}, native)
        surfaces |= structure_surfaces(voxels, alone, native)
        outlines |= _outlines(voxels, alone)
        value = number if structures is None else structures[name]
        found |= {name: replace(structure, value=value) for name, structure in alone.items()}
        combined[mask] = value
    return Label(native.image(combined), found, surfaces, outlines)


def kept_mask(mask: Mask, name: str, native: Native) -> tuple[Mask, tuple[str, ...]]:
    """Return a structure's mask (z, y, x) on a scan's voxels without stray ones, and what is to be said of them."""
    if not mask.any():
        return mask, ()
    kept, said = without_strays(LabelVoxels(mask.view(np.uint8)), {name: 1}, native.spacing_mm)
    return kept.values.view(np.bool_), (*said, *gaps(kept, {name: 1}))


def _outlines(label: LabelVoxels, structures: Mapping[str, Structure]) -> dict[str, Outline]:
    """Return the outline of each structure that was found in a label."""
    found = {}
    for name, structure in structures.items():
        first = [axis.start for axis in label.boxes[structure.value][::-1]]
        outline = Outline.of(label.inside(structure.value), first)
        if outline is not None:
            found[name] = outline
    return found


def _read_on(native: Native, path: Path, image_name: str, known: Collection[str]) -> tuple[sitk.Image, tuple[str, ...]]:
    """Return a label on its scan's voxels and what is to be said; raises InputError as `read_label` says."""
    opened = open_volume(path)
    label, said = _whole_numbers(opened.image, path.name)
    placed, more = placed_on(native, label, image_name=image_name, name=path.name, whole=True)
    # The scan's own file says the same of a frame that they share.
    frame = [one for one in opened.findings if one not in known]
    return placed, tuple(f"{path.name}: {one}" for one in (*frame, *said, *more))


def _values_found(values: NDArray[Any], name: str) -> tuple[str, ...]:
    """Return what is to be said of a label's values; raises InputError for so many that it is no label, also for
    hundreds that lie beside each other as those of a scan do.
    """
    found = _distinct(values)
    if len(found) > _MOST_VALUES or (len(found) > _MANY_VALUES and _as_of_a_scan(values)):
        raise InputError(
            f"{name}: found {len(found):,} values from {found[0]} to {found[-1]}, expected one a structure, "
            "as a label has: is it a scan?"
        )
    return () if found[-1] else (f"{name}: no voxel has a value but 0: nothing is drawn",)


def _as_of_a_scan(values: NDArray[Any]) -> bool:
    """Tell whether neighbouring voxels (z, y, x) that are not 0 mostly have different values."""
    same = pairs = 0
    for axis in range(3):
        along = np.moveaxis(values, axis, 0)
        for one, other in pairwise(along):
            both = (one > 0) & (other > 0)
            pairs += int(np.count_nonzero(both))
            same += int(np.count_nonzero(both & (one == other)))
    return pairs > int(np.count_nonzero(values)) and same < _ALIKE * pairs


def _none_of(values: NDArray[Any], structures: Mapping[str, int] | None, found: Collection[str]) -> tuple[str, ...]:
    """Return what is to be said of a label that has values, and none of the structures'."""
    drawn = [] if found or structures is None else [int(value) for value in _distinct(values) if value]
    # Values that follow the structures' may be others' that the settings leave out.
    if not drawn or structures is None or drawn[0] <= _FAR_VALUES * max(structures.values()):
        return ()
    wanted = ", ".join(f"{name} {value}" for name, value in structures.items())
    return (f"its values ({some_of(drawn)}) are none of the structures' ({wanted}), as the settings number them",)


def _mask_values(values: NDArray[Any], name: str) -> tuple[str, ...]:
    """Return what is to be said of a mask's values; raises InputError for so many that it is none."""
    found = _distinct(values)
    inside = found[found > 0]
    if len(inside) > _MOST_IN_MASK:
        raise InputError(
            f"{name}: found {len(inside):,} values from {inside[0]} to {inside[-1]} beside 0, expected one, as a mask "
            "has: is it the scan, or a label of several structures?"
        )
    if len(inside) < 2:
        return ()
    return (f"{name}: found the values {', '.join(map(str, inside))} in a mask: all are taken for the structure",)


def _distinct(values: NDArray[Any]) -> NDArray[np.int64]:
    """Return the values of a label, in order."""
    # Slice by slice, as counting makes eight bytes of each voxel.
    counts = np.zeros(MOST_LABEL + 1, dtype=np.int64)
    for plane in values:
        counts += np.bincount(plane.ravel(), minlength=MOST_LABEL + 1)
    return np.flatnonzero(counts)


def _whole_numbers(label: sitk.Image, name: str) -> tuple[sitk.Image, tuple[str, ...]]:
    """Return a label of integers from 0 up, 0 for negative ones and NaN, and what is to be said of it.

    Raises InputError for fractions and huge values, and for negative ones in such a number that it is no label.
    """
    values, said = sitk.GetArrayViewFromImage(label), []
    if values.dtype.kind == "f":
        if (count := int(np.isnan(values).sum())) > 0:
            said.append(f"{count:,} voxels are NaN: read as 0")
            label = image_like(label, np.nan_to_num(values, nan=0.0, posinf=np.inf, neginf=-np.inf))
            values = sitk.GetArrayViewFromImage(label)
        with np.errstate(invalid="ignore"):
            wrong = values[~(np.abs(values - np.rint(values)) < 1e-3)]
        if wrong.size:
            raise InputError(f"{name}: found the value {wrong[0]:g}, expected whole numbers, one for each structure.")
    if (most := values.max()) > MOST_LABEL + 0.5:
        raise InputError(f"{name}: found the value {most:.0f}, expected at most {MOST_LABEL} for a structure.")
    said += _negative(values, name)
    # Small integers stay what they are: a copy of a scan's label in 32 bits takes twice the scan's memory.
    if values.dtype.kind != "f" and values.dtype.itemsize <= 2 and values.min() >= 0:
        return label, tuple(said)
    label = sitk.Round(label) if values.dtype.kind == "f" else label
    return sitk.Clamp(label, sitk.sitkUInt16, 0, MOST_LABEL), tuple(said)


def _negative(values: NDArray[Any], name: str) -> list[str]:
    """Return what is to be said of negative values; raises InputError where they are those of a scan."""
    if values.dtype.kind == "u" or values.min() >= 0:
        return []
    found = np.unique(values[values < 0])
    if len(found) > _MOST_NEGATIVE:
        raise InputError(
            f"{name}: found {len(found):,} negative values from {found[0]:g} up, expected one value a structure, "
            "as a label has."
        )
    return [f"the values {', '.join(f'{value:g}' for value in found)} are below 0: read as 0"]
