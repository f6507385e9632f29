"""Many points of surfaces find where they went from where a few have moved."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from rprloc.geometry import Affine, Grid
from rprloc.methods import refined
from rprloc.methods.carry import Matching
from rprloc.methods.coupled import Features, Rooms
from rprloc.methods.refined import MOST, Nearby, Refined, Refinement, Spread

GRID = Grid((40, 40, 40), (3.0,) * 3, (-58.5,) * 3)
START = Affine(np.eye(3), np.array([6.0, 3.0, -3.0]))


def sphere(radius: float = 18.0, count: int = 500) -> np.ndarray:
    """Return a surface, its extreme points first."""
    ends = np.array([[-1, 0, 0], [1, 0, 0], [0, -1, 0], [0, 1, 0], [0, 0, -1], [0, 0, 1]])
    points = np.random.default_rng(2).normal(size=(count, 3))
    return radius * np.concatenate([ends, points / np.linalg.norm(points, axis=1, keepdims=True)])


def spread(radius: float = 18.0) -> Spread:
    """Return the points of a surface."""
    return Spread.over(sphere(radius), MOST)


def features(shift_voxels: tuple[int, int, int] = (0, 0, 0)) -> Features:
    """Return a scan's features of which everything lies so many voxels (z, y, x) further."""
    levels = gaussian_filter(np.random.default_rng(1).normal(size=(60, 60, 60)), 1.2)
    z, y, x = (slice(10 - n, 50 - n) for n in shift_voxels)
    part = levels[z, y, x]
    return Features.of(torch.from_numpy(np.ascontiguousarray(part)).float(), GRID)


def test_the_rest_of_the_way_is_found() -> None:
    surface = sphere()
    nearby = Nearby.of(features(), {"organ": spread()}, Rooms())
    assert nearby is not None and len(nearby.points_mm) > 30
    # The start says 6, 3, -3 mm and the few points 2 more along x; in truth it is 9, 3, 0.
    few = Matching(START, surface[:6], np.tile([2.0, 0.0, 0.0], (6, 1)))
    with torch.inference_mode():
        refinement = Refinement.of(nearby, features((0, 1, 3)), few)
        assert np.abs(refinement.moves_mm - [3.0, 0.0, 3.0]).max() < 1.0
    own = surface[::7]
    found = Refined(refinement, "organ").sources(START.carried(own + np.array([3.0, 0.0, 3.0])))
    np.testing.assert_allclose(found, own, atol=0.6)


def test_of_so_many_or_so_small_structures_there_are_no_more_points(monkeypatch: pytest.MonkeyPatch) -> None:
    small = {"organ": spread(), "gland": spread(5.0)}
    some = Nearby.of(features(), small, Rooms())
    assert some is not None and some.own == {"organ": slice(0, len(some.points_mm))}
    assert Nearby.of(features(), {"gland": spread(5.0)}, Rooms()) is None and Nearby.of(features(), {}, Rooms()) is None
    monkeypatch.setattr(refined, "_ALTOGETHER", 2 * refined.FEW + 1)
    assert Nearby.of(features(), {"organ": spread(), "other": spread()}, Rooms()) is None
    one = Nearby.of(features(), {"organ": spread()}, Rooms())
    assert one is not None and len(one.points_mm) <= 2 * refined.FEW + 1


def test_a_finer_scan_has_more_points_at_finer_steps() -> None:
    coarse = features()
    fine = Features(coarse.values, replace(coarse.grid, spacing_mm=(1.5,) * 3, origin_mm=(-29.25,) * 3))
    few, many = (Nearby.of(one, {"organ": spread(13.0)}, Rooms()) for one in (coarse, fine))
    assert few is not None and many is not None and len(many.points_mm) > 2 * len(few.points_mm)
    assert few.surroundings.grid.spacing_mm == (3.0,) * 3 and many.surroundings.grid.spacing_mm == (1.5,) * 3


def test_points_are_spread_by_how_far_they_are_from_those_before() -> None:
    surface = sphere()
    found = spread()
    np.testing.assert_array_equal(found.points_mm[:6], surface[:6])
    assert np.isinf(found.far_mm[:6]).all() and (np.diff(found.far_mm[6:]) <= 0).all()
    for number in (6, 13, 99):
        before = np.linalg.norm(surface[:, None] - found.points_mm[:number], axis=2).min(axis=1)
        assert before.max() == pytest.approx(found.far_mm[number])
    # Fewer are the first of more.
    np.testing.assert_array_equal(Spread.over(surface, 14).points_mm, found.points_mm[:14])


def test_as_many_points_are_taken_as_are_far_enough_from_each_other() -> None:
    surface = sphere()
    nearby = Nearby.of(features(), {"organ": spread()}, Rooms())
    assert nearby is not None and 14 < len(nearby.points_mm) < MOST
    assert max(np.linalg.norm(nearby.points_mm - point, axis=1).min() for point in surface) <= 7.5


def test_what_has_not_moved_stays() -> None:
    nearby = Nearby.of(features(), {"organ": spread()}, Rooms())
    assert nearby is not None
    few = Matching(replace(START, shift=np.zeros(3)), sphere()[:6], np.zeros((6, 3)))
    with torch.inference_mode():
        assert np.abs(Refinement.of(nearby, features(), few).moves_mm).max() < 0.5
