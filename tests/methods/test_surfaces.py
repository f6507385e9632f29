"""What carries a surface, and its landmarks."""

from __future__ import annotations

import numpy as np

from rprloc.geometry import box_of_points
from rprloc.methods.surfaces import carrying, landmarks_of


def test_a_surface_moves_as_the_points_around_do() -> None:
    points = np.array([[0.0, 0, 0], [100.0, 0, 0]])
    surface = np.array([[0.0, 0, 0], [1.0, 2, 0], [99.0, 0, 3], [50.0, 0, 0], [400.0, 0, 0]])
    weights = carrying(surface, points)
    np.testing.assert_allclose(weights.sum(axis=1), 1)
    moves = np.array([[0.0, 0, 4], [0.0, 6, 0]])
    np.testing.assert_allclose(weights @ moves, [[0, 0, 4], [0, 0, 4], [0, 6, 0], [0, 3, 2], [0, 6, 0]], atol=1e-6)


def test_landmarks_are_the_carried_extreme_points_moved_onto_the_walls_of_the_surface() -> None:
    surface = np.random.default_rng(3).normal(size=(50, 3))
    points = landmarks_of(surface, finer=False)
    assert np.all(points >= surface.min(axis=0)) and np.all(points <= surface.max(axis=0))
    np.testing.assert_array_equal(box_of_points(points), box_of_points(surface))
    np.testing.assert_array_equal([points[2 * axis][axis] for axis in range(3)], surface.min(axis=0))
    along = ~np.repeat(np.eye(3, dtype=bool), 2, axis=0)
    np.testing.assert_array_equal(points[along], surface[:6][along])
    # Of many points some are beyond the walls.
    many = np.random.default_rng(4).normal(size=(450, 3))
    for finer, beyond in ((False, 2), (True, 0)):
        found = landmarks_of(many, finer=finer)
        np.testing.assert_array_equal(box_of_points(found), np.sort(many, axis=0)[[beyond, -1 - beyond]])
