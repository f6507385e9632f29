"""Marks on their scan: structures, and a refusal of what lies outside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from rprloc.errors import InputError
from rprloc.geometry import WALLS, FloatArray
from rprloc.marks.mark import Mark, Marks
from rprloc.marks.names import asked_names, check_asked
from rprloc.scans.labels import Label
from rprloc.scans.outlines import Outline
from rprloc.scans.record import Native, Structure
from rprloc.scans.scan import Surfaces

_RAS = np.array([-1.0, -1.0, 1.0])
_SURFACE_POINTS = 600
"""Of the ellipsoid that stands for what a box holds."""


def laid_on(marks: Marks, native: Native, *, structures: Mapping[str, int] | None, file: str, image_name: str) -> Label:
    """Return marks as the structures of a scan whose grid is `native`, without voxels.

    Of `structures` only those are taken that they name, all of them without. A box that sticks out of the scan's field
    ends there. Raises InputError for a point or a whole box outside, and where none of the marks is asked for.
    """
    wanted = asked_names([mark.name for mark in marks.marks], structures)
    check_asked(wanted, [mark.name for mark in marks.marks], structures, file)
    findings = list(marks.findings)
    if left := [mark.name for mark in marks.marks if mark.name not in wanted]:
        findings.append(f"{file}: {', '.join(left[:5])} not among the settings' structures: left out")
    found: dict[str, Structure] = {}
    surfaces: Surfaces = {}
    for mark in marks.marks:
        if mark.name not in wanted:
            continue
        where = f"{file}: {mark.name}"
        structure, said = (
            _point(mark, native, where, image_name) if mark.is_point else _box(mark, native, where, image_name)
        )
        findings += said
        name = wanted[mark.name]
        found[name] = structure
        rest = np.zeros((0, 3)) if mark.is_point else box_surface(structure.box_mm)
        surfaces[name] = np.concatenate([structure.extreme_mm, rest]).astype(np.float32)
    return Label(None, found, surfaces, findings=tuple(findings))


def box_surface(box_mm: FloatArray) -> FloatArray:
    """Return points (n, 3) of the ellipsoid that touches the middles of a box's walls.

    What a box holds is rounder than its faces, whose corners a turn would move outward. The points are those of a
    Fibonacci lattice, evenly spread over a sphere.
    """
    number = np.arange(_SURFACE_POINTS) + 0.5
    polar, around = np.arccos(1 - 2 * number / _SURFACE_POINTS), np.pi * (1 + np.sqrt(5)) * number
    sphere = np.stack([np.cos(around) * np.sin(polar), np.sin(around) * np.sin(polar), np.cos(polar)], axis=1)
    return np.asarray(box_mm.mean(axis=0) + sphere * (box_mm[1] - box_mm[0]) / 2)


def _point(mark: Mark, native: Native, where: str, image_name: str) -> tuple[Structure, list[str]]:
    """Return the structure of a point; raises InputError where it lies outside its scan."""
    (point,) = mark.landmarks_mm
    if (away := _outside_mm(point, native)) > 0:
        hint = _is_it_ras(inside=_outside_mm(point * _RAS, native) == 0)
        raise InputError(
            f"{where} at ({', '.join(f'{mm:.1f}' for mm in point)}) mm (LPS) lies {away:.1f} mm outside {image_name}, "
            f"expected a point in it{hint}"
        )
    nothing = (0.0, 0.0, 0.0)
    return Structure(value=0, box_mm=mark.box_mm, extreme_mm=mark.landmarks_mm, half_voxel_mm=nothing, voxels=0), []


def _is_it_ras(*, inside: bool) -> str:
    """Return the end of a sentence about a mark outside its scan, which with x and y reversed would lie inside."""
    return "; with x and y reversed it lies inside: is it RAS?" if inside else "."


def _outside_mm(point_mm: FloatArray, native: Native) -> float:
    """Return how far a point (3,) lies outside a grid's voxels, 0 inside."""
    index = native.frame.voxel(point_mm)
    over = np.maximum(np.maximum(-0.5 - index, index - (np.asarray(native.size) - 0.5)), 0)
    # Rounding of a header does not put a point on the border outside.
    return float(np.linalg.norm(np.where(over > 1e-3, over, 0) * native.spacing_mm))


def _box(mark: Mark, native: Native, where: str, image_name: str) -> tuple[Structure, list[str]]:
    """Return the structure of a box and what is to be said; raises InputError where it lies outside its scan."""
    half = np.abs(native.axes) @ np.asarray(native.spacing_mm) / 2
    field, box = native.field_mm, mark.box_mm
    inside = np.clip(box, *field)
    if not (inside[1] > inside[0]).all():
        words = " to ".join(f"({', '.join(f'{mm:.1f}' for mm in corner)})" for corner in box)
        low, high = np.sort(box * _RAS, axis=0)
        hint = _is_it_ras(inside=bool((np.clip(high, *field) > np.clip(low, *field)).all()))
        raise InputError(f"{where} from {words} mm (LPS) lies outside {image_name}, expected a box in it{hint}")
    over = np.abs(box - inside).max()
    ends = np.abs(inside - field) < half
    walls = tuple(wall for number, wall in enumerate(WALLS) if ends[number % 2, number // 2])
    said = [f"{where} reaches {over:.1f} mm beyond the scan: cut off there"] if over > half.min() else []
    x, y, z = half.tolist()
    return Structure(
        value=0, box_mm=inside, extreme_mm=np.clip(mark.landmarks_mm, *field), half_voxel_mm=(x, y, z), voxels=0,
        open_walls=walls,
    ), said  # fmt: skip


def together(labels: Sequence[Label], image_name: str) -> Label:
    """Return what several annotations of a scan say; the voxels are those of the one that has any, the first.

    Raises InputError for a structure that is there twice.
    """
    structures: dict[str, Structure] = {}
    surfaces: Surfaces = {}
    outlines: dict[str, Outline] = {}
    for label in labels:
        folded = {name.casefold() for name in structures}
        if twice := [name for name in label.structures if name.casefold() in folded]:
            raise InputError(f"{image_name}: found {twice[0]} in two of its annotations, expected each structure once.")
        structures |= label.structures
        surfaces |= label.surfaces
        outlines |= label.outlines
    image = next((label.image for label in labels if label.image is not None), None)
    findings = tuple(one for label in labels for one in label.findings)
    return Label(image, structures, surfaces, outlines, findings)
