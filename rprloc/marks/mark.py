"""A structure that is marked and not drawn: a point, or a box by its walls."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from rprloc.errors import InputError, nearest
from rprloc.geometry import WALLS, FloatArray, box_of_points, wall_centres
from rprloc.marks.names import printable, structure_names

SPACES = ("LPS", "RAS")
"""The axes in which places may be given."""
_TO_LPS = {"LPS": np.ones(3), "RAS": np.array([-1.0, -1.0, 1.0])}


@dataclass(frozen=True)
class Mark:
    """Where a structure is said to lie, LPS mm."""

    name: str
    landmarks_mm: FloatArray
    """(1, 3), a point, or (6, 3), a point on each wall in the order of WALLS."""

    @property
    def is_point(self) -> bool:
        """Whether it has no extent."""
        return len(self.landmarks_mm) == 1

    @property
    def box_mm(self) -> FloatArray:
        """The box (2, 3) between its walls; of a point twice the point."""
        if self.is_point:
            return np.repeat(self.landmarks_mm, 2, axis=0)
        return np.stack([self.landmarks_mm[2 * np.arange(3) + end, np.arange(3)] for end in (0, 1)])


@dataclass(frozen=True)
class Marks:
    """What a file of marks says."""

    marks: tuple[Mark, ...]
    findings: tuple[str, ...] = ()
    """What was passed over or changed, each with the file's name."""


@dataclass(frozen=True)
class NamedPoint:
    """A named place, LPS mm: `name` is a structure's, or `structure:wall`."""

    name: str
    at_mm: FloatArray
    """(3,)."""


def lps(points_mm: Sequence[float] | FloatArray, space: str) -> FloatArray:
    """Return points (..., 3) that are given in LPS or RAS in LPS."""
    return np.asarray(points_mm, dtype=np.float64) * _TO_LPS[space]


def marks_of(places: Iterable[NamedPoint], boxes: Sequence[tuple[str, FloatArray]], file: str) -> Marks:
    """Return the marks of named places and of named boxes, given by corners (n, 3), of a file.

    One place of a name is a point, two are opposite corners of a box, and `structure:wall` for all six walls are a box
    by its extreme points. Raises InputError for any other number, walls in no order, a box without extent, a name that
    is there twice and places that are no numbers.
    """
    plain: dict[str, list[FloatArray]] = {}
    walls: dict[str, dict[str, FloatArray]] = {}
    for place in places:
        structure, wall = _parted(printable(place.name), file)
        if wall is None:
            plain.setdefault(structure, []).append(place.at_mm)
        elif walls.setdefault(structure, {}).setdefault(wall, place.at_mm) is not place.at_mm:
            raise InputError(f"{file}: found {structure}:{wall} twice, expected each wall once.")
    boxes = [(printable(name), corners) for name, corners in boxes]
    texts = [*plain, *walls, *(name for name, _ in boxes)]
    if twice := [text for number, text in enumerate(texts) if text in texts[:number]]:
        raise InputError(f"{file}: found {twice[0]} twice, expected one point, box or set of walls of each name.")
    found, findings = structure_names(texts, file)
    names = dict(zip(texts, found, strict=True))
    landmarks = {text: _of_corners(names[text], points, file) for text, points in plain.items()}
    landmarks |= {text: _of_walls(names[text], points, file) for text, points in walls.items()}
    landmarks |= {text: wall_centres(box_of_points(corners)) for text, corners in boxes}
    for text, points in landmarks.items():
        _check(Mark(names[text], points), file)
    return Marks(tuple(Mark(names[text], points) for text, points in landmarks.items()), findings)


def _parted(name: str, file: str) -> tuple[str, str | None]:
    """Return the structure and the wall, if any, of a place's name; raises InputError for a wall that is none."""
    structure, colon, wall = (part.strip() for part in name.rpartition(":"))
    if not colon:
        return wall, None
    if wall.casefold() not in WALLS:
        expected = f"{structure}:WALL with one of the walls {', '.join(WALLS)}{nearest(wall, WALLS)}"
        raise InputError(f"{file}: found a point called {name!r}, expected {expected}.")
    return structure, wall.casefold()


def _of_corners(name: str, points: Sequence[FloatArray], file: str) -> FloatArray:
    """Return the landmarks of a point, or of a box by two opposite corners."""
    if len(points) > 2:
        expected = "one (a point), two (opposite corners of a box) or one on each wall, NAME:right, NAME:left, ..."
        raise InputError(f"{file}: found {len(points)} points called {name}, expected {expected}.")
    return np.array(points) if len(points) == 1 else wall_centres(box_of_points(np.array(points)))


def _of_walls(name: str, points: dict[str, FloatArray], file: str) -> FloatArray:
    """Return the landmarks of a box by its six extreme points."""
    if missing := [wall for wall in WALLS if wall not in points]:
        raise InputError(f"{file}: found {name} without its {', '.join(missing)} wall, expected all six.")
    return np.array([points[wall] for wall in WALLS])


def _check(mark: Mark, file: str) -> None:
    """Refuse places that are no numbers, and a box without extent; raises InputError."""
    if not np.isfinite(mark.landmarks_mm).all():
        raise InputError(f"{file}: found no finite numbers for {mark.name}, expected a place in mm.")
    low, high = mark.box_mm
    if mark.is_point or (high > low).all():
        return
    axis = int(np.argmin(high - low))
    first, second = WALLS[2 * axis : 2 * axis + 2]
    found = f"the {first} wall of {mark.name} at {low[axis]:.1f} mm and its {second} wall at {high[axis]:.1f} mm"
    raise InputError(f"{file}: found {found} (LPS), expected a box with an extent along every axis.")
