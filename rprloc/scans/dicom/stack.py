"""Slices to a stack: their order, what lies between them, and where the voxels are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from rprloc.errors import InputError
from rprloc.geometry import FloatArray
from rprloc.scans.dicom.headers import Slice
from rprloc.scans.frame import SAME_VOXELS, Frame, checked

_SAME_GAP = 0.1
"""Gaps that differ by less than this part are one: positions are rounded."""
_SAME_PLACE = 0.02
"""Slices nearer than this part of the usual gap lie at the same place."""
_WIDER = 1.5
"""A gap that is so many times as wide as those beside it lacks a slice..."""
_FEW = 3
"""... unless it goes on for so many gaps."""
_MOST_FINER = 4
"""A stack of uneven gaps gets at most so many times as many slices."""
_FOLLOWING = 2
"""Changes from each acquisition to the next where they follow one another, at most: they may overlap a little."""
_SHOWN = 4
"""Numbers of acquisitions in a sentence."""
_NO_TILT = 0.5
"""Degrees up to which a gantry is upright."""


@dataclass(frozen=True)
class Stack:
    """Slices along one line, from the lowest to the highest along their normal."""

    places: tuple[tuple[Slice, ...], ...]
    """The slices at each place: more than one where there are copies."""
    along_mm: FloatArray
    """(n,), ascending: how far each place lies from the first, along the normal."""
    even: bool
    frame: Frame
    """Of the voxels (i, j, k); where the gaps are uneven, after they are made even."""
    count: int
    """Slices of that."""
    findings: tuple[str, ...] = ()


def stacked(slices: Sequence[Slice], name: str, *, tilt_degrees: float = 0.0, packages: bool = False) -> Stack:
    """Return slices of one orientation, size and spacing as a stack; `tilt_degrees` is what headers say of the gantry,
    `packages` whether every second slice may be another acquisition's, as of MR.

    Even gaps and a common direction of all steps, which may be sheared against the slices by a tilted gantry, give the
    frame as it is. Raises InputError for fewer than two places, for a missing slice, for slices off the line, and for
    acquisitions whose slices lie between each other's.
    """
    normal = np.cross(*slices[0].orientation)
    ordered = sorted(slices, key=lambda one: (float(one.position_mm @ normal), one.instance_uid, one.frame))
    places = _places(ordered, normal)
    if len(places) < 2:
        raise InputError(f"{name}: found slices at one place, expected a stack of them.")
    mixed = _between_each_other(places)
    if mixed and not packages:
        raise InputError(f"{name}: found {mixed}, expected one volume.")
    positions = np.array([place[0].position_mm for place in places])
    along = (positions - positions[0]) @ normal
    _check_gaps(along, positions, normal, name)
    total = positions[-1] - positions[0]
    first = places[0][0]
    _check_line(positions, along, first, name)
    even = positions[0] + np.outer(np.arange(len(places)), total / (len(places) - 1))
    step_mm = along[-1] / (len(places) - 1)
    is_even = bool(np.abs((positions - even) @ normal).max() <= SAME_VOXELS * step_mm)
    findings: tuple[str, ...] = (f"it is of {mixed}: taken as one volume",) if mixed else ()
    count = len(places)
    if not is_even:
        gaps = np.diff(along)
        count = 1 + min(round(along[-1] / gaps.min()), _MOST_FINER * (len(places) - 1))
        step_mm = along[-1] / (count - 1)
        said = f"its slices lie {gaps.min():.4g} to {gaps.max():.4g} mm apart"
        findings += (f"{said}: resampled to one every {step_mm:.4g} mm",)
    row, column = first.orientation
    axes = np.column_stack([row * first.spacing_mm[0], column * first.spacing_mm[1], total / (count - 1)])
    frame = checked(Frame(axes, positions[0]), (*first.size, count), name)
    if abs(tilt_degrees) > _NO_TILT and not frame.findings:
        said = f"its header says that the gantry is tilted by {abs(tilt_degrees):.1f} degrees, its positions do not"
        findings += (f"{said}: the positions are taken",)
    return Stack(tuple(places), along, is_even, frame, count, (*findings, *frame.findings))


def usual_gap_mm(slices: Sequence[Slice]) -> float:
    """Return the middle one of the gaps between the places of slices, 0 where there is one place."""
    along = np.sort([one.position_mm @ np.cross(*slices[0].orientation) for one in slices])
    gaps = np.diff(along)
    gaps = gaps[gaps > 1e-4]
    return float(np.median(gaps)) if gaps.size else 0.0


def _places(ordered: Sequence[Slice], normal: FloatArray) -> list[tuple[Slice, ...]]:
    """Return slices that are in order in groups of those at the same place."""
    near = max(1e-4, _SAME_PLACE * usual_gap_mm(ordered))
    found: list[list[Slice]] = [[ordered[0]]]
    for one in ordered[1:]:
        if (one.position_mm - found[-1][0].position_mm) @ normal <= near:
            found[-1].append(one)
        else:
            found.append([one])
    return [tuple(place) for place in found]


def _between_each_other(places: Sequence[Sequence[Slice]]) -> str:
    """Return which acquisitions have slices between each other's, in words; nothing where they follow one another."""
    numbers = [number for place in places if (number := place[0].acquisition) is not None]
    found = sorted(set(numbers))
    changes = sum(one != other for one, other in pairwise(numbers))
    if changes <= _FOLLOWING * max(0, len(found) - 1):
        return ""
    shown = ", ".join(map(str, found[:_SHOWN])) + (", ..." if len(found) > _SHOWN else "")
    return f"{len(found)} acquisitions ({shown}) whose slices lie between each other's"


def _check_gaps(along: FloatArray, positions: FloatArray, normal: FloatArray, name: str) -> None:
    """Refuse a stack with a hole, a gap or two that are wider than those on either side; raises InputError."""
    gaps = np.diff(along)
    starts = [0, *(k + 1 for k, (a, b) in enumerate(pairwise(gaps)) if abs(a - b) > _SAME_GAP * min(a, b)), len(gaps)]
    runs = [(start, stop, float(gaps[start])) for start, stop in pairwise(starts)]
    for number, (start, stop, gap) in enumerate(runs):
        beside = [runs[other][2] for other in (number - 1, number + 1) if 0 <= other < len(runs)]
        if stop - start >= _FEW or not beside or gap < _WIDER * max(beside):
            continue
        usual = max(beside)
        axis = int(np.argmax(np.abs(normal)))
        ends = np.sort(positions[start : start + 2, axis])
        where = f"at {'xyz'[axis]} = {ends.mean():.2f} mm"
        if round(gap / usual) > 2:
            where = f"between {'xyz'[axis]} = {ends[0]:.2f} and {ends[1]:.2f} mm"
        raise InputError(
            f"{name}: found no slice {where} (LPS), a gap of {gap:.4g} mm, expected one every {usual:.4g} mm."
        )


def _check_line(positions: FloatArray, along: FloatArray, first: Slice, name: str) -> None:
    """Refuse slices that do not lie one over the other along one line; raises InputError."""
    line = positions[0] + np.outer(along / along[-1], positions[-1] - positions[0])
    off = np.abs((positions - line) @ first.orientation.T)
    if (off > SAME_VOXELS * np.array(first.spacing_mm)).any():
        raise InputError(
            f"{name}: found slices up to {off.max():.2f} mm beside each other, expected a stack along one line."
        )
