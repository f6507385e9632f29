"""Places of a query come from where the support's came to it, and a shape that is carried lies where it went."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from rprloc.geometry import Affine
from rprloc.methods.carry import Matching, QueryRegion, Registered, TurnedBack
from rprloc.scans.outlines import Outline
from rprloc.scans.record import Native
from rprloc.scans.shapes import Shape
from rprloc.scans.turned import Turn

MATRIX = np.array([[1.1, 0.05, 0.0], [-0.04, 0.95, 0.02], [0.0, 0.03, 1.05]])
SHIFT = np.array([12.0, -7.0, 30.0])
START = Affine(MATRIX, SHIFT)
ANGLE = np.radians(20)
OBLIQUE = np.array([[np.cos(ANGLE), -np.sin(ANGLE), 0], [np.sin(ANGLE), np.cos(ANGLE), 0], [0, 0, -1.0]])


def native(spacing: tuple[float, ...] = (2.0, 2.0, 3.0), direction: np.ndarray | None = None) -> Native:
    axes = np.eye(3) if direction is None else direction
    return Native(size=(60, 50, 40), spacing_mm=spacing, direction=tuple(axes.ravel()), origin_mm=(-60.0, -50.0, -60.0))


def ball(grid: Native, centre: np.ndarray, radius: float) -> Outline:
    index = np.stack(np.meshgrid(*[np.arange(n) for n in grid.size], indexing="ij"), axis=-1)
    inside = np.linalg.norm(grid.frame.world(index) - centre, axis=-1) <= radius
    found = Outline.of(inside.transpose(2, 1, 0))
    assert found is not None
    return found


def points(count: int = 20) -> np.ndarray:
    return np.random.default_rng(3).normal(0, 15, (count, 3))


def test_matched_points_come_back_to_where_they_were() -> None:
    own = points()
    moves = 3 * np.sin(own[:, ::-1] / 20)
    found = Matching(START, own, moves).sources(START.carried(own + moves))
    # The spline is a smooth one.
    assert np.abs(found - own).max() < 1.0
    assert np.linalg.norm(found - own, axis=1).mean() < 0.3 * np.linalg.norm(moves, axis=1).mean()


@pytest.mark.parametrize("count", [1, 3])
def test_few_points_move_all_alike(count: int) -> None:
    moves = np.tile([1.0, -2.0, 0.5], (count, 1))
    own = points(count)
    np.testing.assert_allclose(Matching(START, own, moves).sources(START.carried(own + moves)), own, atol=1e-9)


def test_points_of_one_plane_move_all_alike() -> None:
    own = points()
    own[:, 2] = 4.0
    moves = np.tile([1.0, -2.0, 0.5], (len(own), 1))
    np.testing.assert_allclose(Matching(START, own, moves).sources(START.carried(own + moves)), own, atol=1e-9)


def test_a_registration_is_inverted() -> None:
    affine = sitk.AffineTransform(3)
    affine.SetMatrix(MATRIX.ravel().tolist())
    affine.SetTranslation(SHIFT.tolist())
    index = np.stack(np.meshgrid(*[np.arange(30)] * 3, indexing="ij"), axis=-1)
    places = -60 + index[..., ::-1] * 4.0
    field = sitk.GetImageFromArray(4 * np.sin(places[..., ::-1] / 25), isVector=True)
    field.SetOrigin([-60.0] * 3)
    field.SetSpacing([4.0] * 3)
    transform = sitk.CompositeTransform([affine, sitk.DisplacementFieldTransform(field)])
    own = points()
    moved = np.array([transform.TransformPoint(point) for point in own.tolist()])
    carry = Registered(transform, np.array([own.min(axis=0), own.max(axis=0)]))
    np.testing.assert_allclose(carry.sources(moved), own, atol=0.05)
    np.testing.assert_allclose(
        Registered(affine, np.array([own.min(axis=0), own.max(axis=0)])).sources(START.carried(own)), own, atol=1e-6
    )


def test_a_turned_query_is_turned_back() -> None:
    turn = Turn((2, 0, 1), (1, -1, 1))
    carry = Matching(START, points(), np.zeros((20, 3)))
    own = points()
    np.testing.assert_allclose(TurnedBack(carry, turn).sources(turn.back(START.carried(own))), own, atol=1e-6)


@pytest.mark.parametrize("direction", [None, OBLIQUE], ids=["along the axes", "oblique and flipped"])
@pytest.mark.parametrize("spacing", [(2.0, 2.0, 3.0), (1.0, 0.7, 3.0)], ids=["as the support", "finer"])
def test_a_ball_is_carried_to_where_it_went(direction: np.ndarray | None, spacing: tuple[float, ...]) -> None:
    support, query = native(), native(spacing, direction)
    centre = query.frame.world((np.array(query.size) - 1) / 2)
    start = Affine(np.eye(3), centre)
    shape = Shape.of(ball(support, np.zeros(3), 14.0), support)
    box = np.array([centre - 14, centre + 14])
    part = QueryRegion.around(query, [box])
    assert part is not None
    found = part.outline(part.distances(shape, Matching(start, points(), np.zeros((20, 3)))))
    assert found is not None
    true = ball(query, centre, 14.0)
    shared = found.within(true.first, true.stop) & true.inside
    assert 2 * shared.sum() / (found.inside.sum() + true.inside.sum()) > 0.95


def test_what_a_query_does_not_show_is_no_part() -> None:
    far = np.array([[1000.0] * 3, [1010.0] * 3])
    assert QueryRegion.around(native(), [far]) is None


def test_nothing_inside_is_no_outline() -> None:
    part = QueryRegion.around(native(), [np.array([[-5.0] * 3, [5.0] * 3])])
    assert part is not None
    shape = Shape.of(ball(native(), np.zeros(3), 8.0), native())
    distances = part.distances(shape, Matching(START, points(), np.zeros((20, 3))))
    assert part.outline(distances * 0 - 1) is None
