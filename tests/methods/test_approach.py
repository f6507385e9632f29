"""From a start to within the fine matching's reach: two organs that slide on each other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from rprloc.geometry import Affine, FloatArray
from rprloc.methods.approach import SPACING_MM, Approach, mind
from rprloc.methods.coupled import Rooms
from rprloc.methods.levels import BENDING
from rprloc.methods.looks import Looks
from rprloc.scans.outlines import Outline
from rprloc.scans.record import Native, Structure
from rprloc.scans.shapes import Shape
from tests.methods.heads import GRID, ORGANS, WINDOW, head

CPU = torch.device("cpu")
POINTS = np.concatenate([organ.extreme_mm for organ in ORGANS.values()])
OWNERS = np.repeat([0, 1], 6)


def looks(name: str, move: object = None) -> Looks:
    return Looks.of(head(name, move, structures=ORGANS), WINDOW, SPACING_MM)  # type: ignore[arg-type]


def shape(inside: Callable[[FloatArray], NDArray[np.bool_]]) -> Shape:
    """Return a structure, drawn where `inside` says."""
    places = GRID.world(np.moveaxis(np.indices(GRID.size[::-1]), 0, -1))
    outline = Outline.of(inside(places))
    assert outline is not None
    return Shape.of(
        outline,
        Native(
            size=GRID.size, spacing_mm=GRID.spacing_mm, direction=tuple(np.eye(3).ravel()), origin_mm=GRID.origin_mm
        ),
    )


def box(organ: Structure) -> Shape:
    return shape(lambda places: ((places > organ.box_mm[0]) & (places < organ.box_mm[1])).all(axis=-1))


SUPPORT = looks("s")
SHAPES = [box(organ) for organ in ORGANS.values()]


def carried(query: Looks, start: Affine) -> FloatArray:
    """Return where the support's landmarks are then."""
    affine, bend = Approach(SUPPORT, POINTS, OWNERS, SHAPES, CPU, Rooms()).bent(mind(query, CPU), start)
    return affine.carried(POINTS + bend.at(POINTS))


@pytest.mark.parametrize("off", [(0.0, 0.0, 0.0), (20.0, -25.0, 30.0)])
def test_a_start_that_is_off_is_set_right(off: tuple[float, float, float]) -> None:
    found = carried(SUPPORT, Affine(np.eye(3), np.array(off)))
    np.testing.assert_allclose(found, POINTS, atol=3.0)


def test_organs_that_slide_are_followed_each() -> None:
    def slid(points: FloatArray) -> FloatArray:
        """The left half lies 15 mm higher, the right one as much lower."""
        side = np.tanh(points[..., :1] / 6)
        return points - side * np.array([0.0, 0.0, 15.0])

    found = carried(looks("q", slid), Affine(np.eye(3), np.zeros(3)))
    moved = (found - POINTS)[:, 2].reshape(2, 6).mean(axis=1)
    # Half of it and more: what surrounds one organ at this step holds much of the other.
    assert 6 < moved[0] <= 16 and -16 <= moved[1] < -6


def sphere(centre_mm: FloatArray, radius_mm: float) -> FloatArray:
    """Return points of a sphere's surface, the extreme ones first."""
    ways = np.concatenate([np.eye(3)[[0, 0, 1, 1, 2, 2]] * np.array([-1, 1] * 3)[:, np.newaxis], CORNERS / 3**0.5])
    return np.asarray(centre_mm + radius_mm * ways)


CORNERS = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], dtype=float)
CENTRE, RADIUS = np.array([20.0, 0.0, -20.0]), 22.0


def placed(moved_mm: FloatArray) -> object:
    """Return where a patient has the template's tissue whose ball lies elsewhere, and whose other tissue does not."""

    def move(points: FloatArray) -> FloatArray:
        inside, was = (
            np.linalg.norm(points - centre, axis=-1, keepdims=True) < RADIUS + 4
            for centre in (CENTRE + moved_mm, CENTRE)
        )
        # Where it was is what lies on the other side.
        other = np.where(was, points * np.array([-1.0, 1, 1]), points)
        return np.where(inside, points - moved_mm, other)

    return move


def found_ball(query: Looks, shapes: Sequence[Shape | None]) -> FloatArray:
    points = sphere(CENTRE, RADIUS)
    approach = Approach(SUPPORT, points, np.zeros(len(points), dtype=np.int64), shapes, CPU, Rooms())
    affine, bend = approach.bent(mind(query, CPU), Affine(np.eye(3), np.zeros(3)))
    return affine.carried(points + bend.at(points))


BALL = shape(lambda places: np.linalg.norm(places - CENTRE, axis=-1) < RADIUS)


def test_an_organ_that_lies_elsewhere_among_what_has_not_moved_is_followed() -> None:
    far = np.array([0.0, 6.0, 42.0])
    query = looks("q", placed(far))
    assert np.linalg.norm(found_ball(query, [BALL]).mean(axis=0) - CENTRE - far) < 8
    # Without a mask nobody says what belongs to it.
    assert np.linalg.norm(found_ball(query, [None]).mean(axis=0) - CENTRE - far) > 8


ROD = np.array([[x, y, z] for z in (-70.0, -35.0, 0.0, 35.0, 70.0) for x, y in ((10, 0), (-10, 0), (0, 12))])


def rod_approach() -> Approach:
    rod = shape(lambda places: (np.hypot(places[..., 0], places[..., 1]) < 12) & (np.abs(places[..., 2]) < 70))
    return Approach(SUPPORT, ROD, np.zeros(len(ROD), dtype=np.int64), [rod], CPU, Rooms())


def bent(points: FloatArray) -> FloatArray:
    """The ends lie 16 mm to the left of the middle."""
    return points - np.stack([16 * (points[..., 2] / 70) ** 2, 0 * points[..., 0], 0 * points[..., 0]], axis=-1)


def test_a_long_organ_is_followed_where_it_is_bent() -> None:
    affine, bend = rod_approach().bent(mind(looks("q", bent), CPU), Affine(np.eye(3), np.zeros(3)))
    true = ROD + (ROD - bent(ROD))
    off = np.linalg.norm(affine.carried(ROD + bend.at(ROD)) - true, axis=1)
    # As one piece, which is drawn to a translation, its ends are 20 mm off.
    assert off.max() < 10 and off.mean() < 5


def test_a_small_organ_is_not_bent(monkeypatch: pytest.MonkeyPatch) -> None:
    here = Affine(np.eye(3), np.zeros(3))
    ball, rod = looks("q", placed(np.array([0.0, 6.0, 12.0]))), mind(looks("q", bent), CPU)
    before = found_ball(ball, [BALL]), rod_approach().bent(rod, here)[1].moves_mm
    monkeypatch.setattr("rprloc.methods.approach.BENDING", replace(BENDING, reach=1))
    after = found_ball(ball, [BALL]), rod_approach().bent(rod, here)[1].moves_mm
    np.testing.assert_array_equal(before[0], after[0])
    assert np.abs(before[1] - after[1]).max() > 5
