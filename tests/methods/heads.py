"""Synthetic patients: a function of the world point, so that a moved patient is known without interpolation."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from rprloc.geometry import Grid
from rprloc.methods.images import MaskedImage
from rprloc.scans.record import Structure
from rprloc.scans.scan import Scan, Volume
from tests.methods.fakes import record, structure

Points = NDArray[np.float64]
Move = Callable[[Points], Points]
"""World points (..., 3) of a patient to where the template patient has the same tissue."""

WINDOW = ((-500.0, 0.0), (-100.0, 0.2), (100.0, 0.8), (1500.0, 1.0))
GRID = Grid((44, 50, 54), (4.0, 4.0, 4.0), (-88.0, -98.0, -106.0))
REGION = np.array([[-60.0, -60.0, -60.0], [60.0, 60.0, 60.0]])
LANDMARKS = np.array([[x, y, z] for x in (-25.0, 5.0, 30.0) for y in (-30.0, 10.0) for z in (-28.0, 0.0, 22.0)])
ORGANS = {
    "left": structure([5.0, -30.0, -28.0], [30.0, 10.0, 12.0]),
    "right": structure([-30.0, -20.0, -20.0], [-8.0, 14.0, 22.0]),
}

_BONES = (
    ((-30, -20, -30), (14, 20, 12)), ((34, -26, -24), (12, 16, 22)), ((0, 40, 0), (12, 12, 60)),
    ((-12, -30, 30), (26, 12, 10)), ((28, 22, 34), (16, 10, 18)), ((-40, 20, 12), (8, 14, 26)),
)  # fmt: skip


def hounsfield(points_mm: Points) -> Points:
    """Return the template patient's values (...) at world points (..., 3): tissue, bones, an airway, air around."""

    def inside(centre: Sequence[float], radii: Sequence[float]) -> Points:
        distance = np.linalg.norm((points_mm - np.array(centre)) / np.array(radii), axis=-1)
        return 1 / (1 + np.exp((distance - 1) * np.mean(radii) / 2))

    x, y, z = np.moveaxis(points_mm, -1, 0)
    texture = 60 * np.sin(x / 9 + y / 23) * np.sin(y / 11 - z / 31) * np.cos(z / 8 + x / 17)
    values = 40 + texture
    for centre, radii in _BONES:
        values = values + 800 * inside(centre, radii)
    values = values - 1000 * inside((4, -12, 0), (9, 7, 70))
    body = inside((0, 0, 0), (78, 88, 140))
    return np.asarray(body * values - 1000 * (1 - body))


@dataclass(frozen=True, eq=False)
class Head(Scan):
    """A scan whose volume for image matching is its own."""

    def matching(self, spacing_mm: Sequence[float] | None = None) -> Volume:
        return Scan(self.record, self.values, self.body, finer=Volume(self.values, self.grid)).matching(spacing_mm)


def head(
    subject: str = "s",
    move: Move | None = None,
    *,
    grid: Grid = GRID,
    structures: Mapping[str, Structure] | None = None,
) -> Head:
    """Return a patient whose tissue at a point is the template's at `move` of it."""
    z, y, x = grid.size[::-1]
    points = grid.world(np.stack(np.meshgrid(np.arange(z), np.arange(y), np.arange(x), indexing="ij"), axis=-1))
    values = hounsfield(points if move is None else move(points))
    body = values > -500
    about = replace(record(subject, structures, grid=grid), matching=grid)
    return Head(about, np.rint(values).astype(np.int16), body)


def image(move: Move | None = None, *, grid: Grid = GRID) -> MaskedImage:
    """Return a patient as registrations see it."""
    return MaskedImage.of(head(move=move, grid=grid), WINDOW)


def bump(points_mm: Points, height_mm: float = 8.0) -> Points:
    """Move tissue around the origin along x, and hardly any at 60 mm."""
    weight = np.exp(-(np.linalg.norm(points_mm, axis=-1, keepdims=True) ** 2) / (2 * 28.0**2))
    return np.asarray(points_mm + weight * np.array([height_mm, 0.0, 0.0]))


def unmoved(move: Move, points_mm: Points) -> Points:
    """Return where a patient has the template's tissue at points: the inverse of `move`, by iteration."""
    found = points_mm.copy()
    for _ in range(60):
        found = found - (move(found) - points_mm)
    return found
