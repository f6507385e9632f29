"""Coupled matching: what is compared, that it is the sum that it says, and that moved tissue is found where it went."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from rprloc.geometry import Affine, Grid
from rprloc.methods import coupled
from rprloc.methods.coupled import Features, Room, Rooms, Surroundings, _apart_mm, _coupling
from rprloc.methods.levels import COARSE, FINE, Level
from rprloc.scans.outlines import Outline
from rprloc.scans.record import Native
from rprloc.scans.shapes import Shape
from tests.methods.heads import LANDMARKS, hounsfield

GRID = Grid((54, 52, 50), (2.5, 2.5, 2.5), (-66.0, -64.0, -61.0))
HERE = Affine(np.eye(3), np.zeros(3))
REACH, STEP_MM = FINE.reach, FINE.step_mm
SIDE = 2 * REACH + 1
POINTS = LANDMARKS[::7] * 0.5


def textured(shift: Any = (0.0, 0.0, 0.0), *, grid: Grid = GRID) -> Features:
    """Return the features of a synthetic patient who lies further by a shift in mm."""
    voxels = np.stack(np.indices(grid.size[::-1]), axis=-1)
    values = hounsfield(grid.world(voxels) - np.array(shift))
    return Features.of(torch.from_numpy(np.clip(values / 400 + 0.3, 0, 1)).float(), grid)


def surroundings_of(
    features: Features, points: Any = POINTS, level: Level = FINE, rooms: Rooms | None = None
) -> Surroundings:
    """Return the surroundings of landmarks of one structure."""
    return Surroundings(features, points, np.zeros(len(points), dtype=np.int64), level, rooms or Rooms())


def noise(grid: Grid = GRID, seed: int = 0) -> Features:
    """Return three channels of noise."""
    values = torch.rand(3, *grid.size[::-1], generator=torch.Generator().manual_seed(seed))
    return Features(values, grid)


def test_what_is_kept_for_further_queries_changes_no_move_and_stays_within_its_room() -> None:
    support = textured()
    one = Room(1)
    assert not one.takes(2) and one.takes(1) and not one.takes(1)
    # Of FINE's landmarks each takes 14 channels of 30 x 30 x 16 complex numbers, 1.6 MB.
    size = len(POINTS) * 14 * 30 * 30 * 16 * 8
    some, none = (surroundings_of(support, rooms=Rooms(size, one)) for one in (size, size - 1))
    bare = surroundings_of(support, rooms=Rooms(0, 0))
    for query in (textured((3.0, 0.0, 0.0)), textured((0.0, 6.0, 0.0))):
        kept, *others = (one.moves(query, Affine(np.eye(3), np.zeros(3))) for one in (some, none, bare))
        for anew in others:
            np.testing.assert_array_equal(kept.displacements_mm, anew.displacements_mm)
            np.testing.assert_array_equal(kept.costs, anew.costs)
    assert len(some._kept) == len(POINTS) and not none._kept and not bare._kept
    assert some._known is not None and none._known is not None and bare._known is None


def test_a_point_that_moves_otherwise_than_those_around_is_apart() -> None:
    points = np.array([[0.0, 0, 0], [10, 0, 0], [0, 10, 0]])
    coupling = _coupling(points, np.zeros(3, dtype=np.int64), FINE)
    apart = _apart_mm(np.array([[1.0, 0, 0], [1, 0, 0], [1, 0, 6]]), coupling)
    assert apart[2] == pytest.approx(6)
    assert 0 < apart[0] < 6 and 0 < apart[1] < 6
    assert _apart_mm(np.ones((3, 3)), coupling) == pytest.approx(0, abs=1e-9)


def test_features_at_the_centres_of_voxels_are_the_voxels() -> None:
    features = noise(Grid((5, 6, 7), (2.0, 2.5, 3.0), (-4.0, 7.0, 100.0)))
    voxels = np.stack(np.indices((7, 6, 5)), axis=-1)
    found = features.at(torch.from_numpy(features.grid.world(voxels)).float())
    assert torch.allclose(found[:-1], features.values, atol=1e-4) and bool((found[-1] == 1).all())
    between = features.grid.world([[[[2.5, 3.0, 1.0]]]])
    assert torch.allclose(
        features.at(torch.from_numpy(between))[:-1, 0, 0, 0], features.values[:, 2:4, 3, 1].mean(dim=1), atol=1e-4
    )


def test_nothing_is_seen_beyond_the_outer_edges_of_a_volume() -> None:
    features = noise(Grid((5, 6, 7), (2.0, 2.5, 3.0), (-4.0, 7.0, 100.0)))
    # The volume's edges lie half a voxel beyond its outer centres, -5 to 5 along x.
    points = torch.tensor([[-4.9, 8.0, 101.0], [4.9, 8.0, 101.0], [-5.1, 8.0, 101.0], [5.1, 8.0, 101.0]])
    found = features.at(points.view(1, 1, 4, 3))[:, 0, 0]
    assert found[-1].tolist() == [1, 1, 0, 0] and not found[:, 2:].any() and found[:-1, :2].all()


@pytest.mark.parametrize("size", [(2, 1, 1), (2, 9, 1), (12, 3, 5)])
def test_a_scan_of_a_few_voxels_has_features(size: tuple[int, int, int]) -> None:
    levels = torch.rand(size[::-1], generator=torch.Generator().manual_seed(0))
    features = Features.of(levels, Grid(size, (3.0, 3.0, 3.0), (0.0, 0.0, 0.0)))
    assert features.values.shape == (12, *size[::-1]) and torch.isfinite(features.values).all()


@pytest.mark.parametrize("where", ["inside", "at the edge"])
def test_costs_are_the_sums_that_they_stand_for(where: str) -> None:
    points = POINTS[:2] if where == "inside" else np.array([[-64.0, -20.0, 10.0], [60.0, 62.0, -50.0]])
    support, query = noise(seed=1), noise(seed=2)
    start = Affine(np.diag([1.05, 0.95, 1.0]), np.array([4.0, -2.0, 1.5]))
    surroundings = surroundings_of(support, points)
    costs = surroundings._costs(query, start, None).view(len(points), SIDE, SIDE, SIDE)
    steps = np.arange(-FINE.wide, FINE.wide + 1) * STEP_MM
    around = np.stack(np.meshgrid(steps, steps, steps, indexing="ij")[::-1], axis=-1)
    weights = coupled._weights(FINE, torch.device("cpu"))
    assert float(weights.sum()) == pytest.approx(1)

    def seen(features: Features, places: Any) -> tuple[Tensor, Tensor]:
        found = features.at(torch.from_numpy(places).float())
        return found[:-1], found[-1]

    compared = 0
    for number, point in enumerate(points):
        # The compared voxels lie on a grid that all landmarks share.
        centre = surroundings.grid.world(surroundings.grid.nearest_voxel(point))
        assert np.abs(centre - point).max() <= STEP_MM / 2 + 1e-6
        template, known = seen(support, centre + around)
        for z, y, x in [(6, 6, 6), (0, 0, 0), (12, 3, 7), (5, 12, 12), (12, 12, 0)]:
            move = (np.array([x, y, z]) - REACH) * STEP_MM
            window, shown = seen(query, start.carried(centre + around + move))
            part = weights * known * shown
            if float(part.sum()) < coupled._SEEN + 1e-3:
                continue
            compared += 1
            direct = float(((template - window).square().sum(dim=0) * part).sum() / part.sum())
            assert float(costs[number, z, y, x]) == pytest.approx(direct, abs=1e-4)
    assert compared >= 4


def test_a_displacement_that_shows_too_little_is_the_worst() -> None:
    found = coupled._mean(torch.tensor([0.1, 0.6, 0.01, 0.0]), torch.tensor([0.5, 1.0, 0.2, 0.0]))
    assert torch.allclose(found, torch.tensor([0.2, 0.6, 0.6, 0.6]))
    assert not coupled._mean(torch.ones(3), torch.zeros(3)).any()
    assert not coupled._mean(torch.ones(3), torch.full((3,), 0.2)).any()


def test_a_landmark_that_starts_outside_is_not_drawn_inside() -> None:
    assert not coupled._mean(torch.tensor([0.1, 0.6, 0.3]), torch.tensor([1.0, 0.1, 0.0])).any()


@pytest.mark.parametrize("shift", [(7.0, 0.0, 0.0), (0.0, -7.0, 0.0), (0.0, 0.0, 7.0), (4.0, -10.0, 5.5)])
def test_tissue_that_lies_elsewhere_is_found_within_half_a_millimetre(shift: Any) -> None:
    moves = surroundings_of(textured()).moves(textured(shift), HERE)
    assert moves.displacements_mm.shape == (len(POINTS), 3) and np.isfinite(moves.costs).all()
    np.testing.assert_allclose(moves.displacements_mm, np.broadcast_to(shift, POINTS.shape), atol=0.5)


def test_a_good_start_leaves_nothing_to_move() -> None:
    shift = np.array([40.0, -25.0, 13.0])
    grid = Grid(GRID.size, GRID.spacing_mm, (*(np.array(GRID.origin_mm) + shift).tolist(),))
    moves = surroundings_of(textured()).moves(textured(shift, grid=grid), Affine(np.eye(3), shift))
    np.testing.assert_allclose(moves.displacements_mm, 0, atol=0.1)
    assert moves.costs.max() < 1e-3


def test_landmarks_at_the_edges_of_a_volume_and_beyond_move_by_numbers() -> None:
    low, high = GRID.world([0, 0, 0]), GRID.world(np.array(GRID.size[::-1]) - 1)
    points = np.array([low, high, high + 100, (low + high) / 2])
    moves = surroundings_of(textured(), points).moves(textured((3.0, 0.0, 0.0)), HERE)
    assert np.isfinite(moves.displacements_mm).all() and np.isfinite(moves.costs).all()
    assert np.abs(moves.displacements_mm).max() <= (REACH + 0.5) * STEP_MM


@pytest.mark.parametrize("level", [COARSE, FINE], ids=["coarse", "fine"])
def test_few_landmarks_of_a_large_region_move_as_they_do_among_many(level: Level) -> None:
    """What surrounds them is then taken one by one, not of the whole region."""
    apart = np.array([[-60.0, -60.0, -80.0], [0.0, 0.0, 0.0], [60.0, 60.0, 80.0]])
    many = np.concatenate([apart, np.random.default_rng(5).uniform(-60, 60, (60, 3))])
    grid = Grid((90, 90, 100), (3.0, 3.0, 3.0), (-133.5, -133.5, -148.5))
    index = np.stack(np.meshgrid(*[np.arange(n) for n in grid.size[::-1]], indexing="ij"), axis=-1)
    levels = torch.from_numpy(np.clip(hounsfield(grid.world(index)) / 1500 + 0.4, 0, 1)).float()
    features, here = Features.of(levels, grid), Affine(np.eye(3), np.array([3.0, -6.0, 0.0]))
    costs = []
    for points in (apart, many):
        one = Surroundings(features, points, np.arange(len(points)), level, Rooms())
        assert (len(points) * one._window**3 > np.prod(one.grid.size)) == (points is many)
        costs.append(one._costs(features, here, None)[: len(apart)])
    torch.testing.assert_close(costs[0], costs[1], rtol=1e-3, atol=1e-5)


def test_a_landmark_in_nothing_goes_with_those_around_it() -> None:
    axis = torch.arange(-REACH, REACH + 1) * STEP_MM
    z, y, x = torch.meshgrid(axis, axis, axis, indexing="ij")
    moves_mm = torch.stack([x, y, z], dim=-1).view(-1, 3)
    wanted = torch.tensor([6.0, -3.0, 9.0])
    clear = (moves_mm - wanted).norm(dim=1) * 0.1
    costs = torch.stack([clear, clear, torch.zeros(len(moves_mm))])
    costs += FINE.far * moves_mm.square().sum(dim=1)
    near = np.array([[0.0, 0.0, 0.0], [5.0, 0.0, 0.0], [0.0, 5.0, 0.0]])
    one = np.zeros(3, dtype=np.int64)

    def best(coupling: Tensor) -> Tensor:
        return moves_mm[coupled._agreed(costs.clone(), moves_mm, coupling, FINE.together).argmin(dim=1)]

    assert torch.equal(best(_coupling(near, one, FINE)), wanted.expand(3, 3))
    # Another structure, which slides, goes its own way; and so does what is far.
    far = near + np.array([[0.0], [0.0], [300.0]])
    for coupling in (_coupling(near, np.array([0, 0, 1]), replace(FINE, between=0.0)), _coupling(far, one, FINE)):
        assert not best(coupling)[2].any()


@given(st.lists(st.tuples(*[st.floats(-1.45, 1.45)] * 3), min_size=1, max_size=4))
def test_a_parabola_s_vertex_is_found_between_the_steps(vertices: Any) -> None:
    steps = torch.arange(-2.0, 3.0, dtype=torch.float64)
    z, y, x = torch.meshgrid(steps, steps, steps, indexing="ij")
    true = torch.tensor(vertices, dtype=torch.float64)
    total = torch.stack([(x - vx) ** 2 + 2 * (y - vy) ** 2 + 3 * (z - vz) ** 2 for vx, vy, vz in vertices])
    best = total.flatten(1).argmin(dim=1)
    nearest = torch.stack([axis.flatten()[best] for axis in (x, y, z)], dim=1)
    assert torch.allclose(coupled._vertex(total, best), true - nearest, atol=1e-9)


def test_a_best_at_the_end_of_the_reach_stays_there() -> None:
    total = torch.arange(125.0).view(1, 5, 5, 5)
    assert not coupled._vertex(total, total.view(1, -1).argmin(dim=1)).any()
    assert not coupled._vertex(torch.zeros(1, 5, 5, 5), torch.tensor([62])).any()


def test_the_landmarks_of_a_large_structure_hold_together_over_more_of_it() -> None:
    points = np.array([[0.0, 0, 0], [100.0, 0, 0], [0.0, 200, 0], [0.0, 10, 0]])
    one, two = np.zeros(4, dtype=np.int64), np.array([0, 0, 0, 1])
    small = _coupling(points[[0, 3]], one[:2], FINE)
    large, apart = _coupling(points, one, FINE), _coupling(points, two, FINE)
    np.testing.assert_allclose([*small.sum(axis=1), *large.sum(axis=1)], 1)
    assert large[0, 1] > np.exp(-(100**2) / (2 * 25**2))
    assert apart[0, 3] / apart[0, 0] == pytest.approx(FINE.between * large[0, 3] / large[0, 0])


def test_what_moved_before_is_where_the_search_begins() -> None:
    shift = np.array([27.0, -6.0, 3.0])
    far = textured(shift, grid=replace(GRID, origin_mm=(*(np.array(GRID.origin_mm) + shift).tolist(),)))
    surroundings = surroundings_of(textured(), POINTS[:1])
    assert np.abs(surroundings.moves(far, HERE).displacements_mm).max() <= (REACH + 0.5) * STEP_MM
    before = np.array([24.0, -6.0, 0.0])
    moved = np.broadcast_to(before.astype(np.float32), (*surroundings.grid.size[::-1], 3)).copy()
    moves = surroundings.moves(far, HERE, moved)
    np.testing.assert_allclose(moves.displacements_mm, (shift - before)[np.newaxis], atol=1.0)


def test_the_coarse_level_reaches_further() -> None:
    shift = np.array([42.0, 0.0, -24.0])
    grid = replace(GRID, origin_mm=(*(np.array(GRID.origin_mm) + shift).tolist(),))
    moves = surroundings_of(textured(), POINTS, COARSE).moves(textured(shift, grid=grid), HERE)
    np.testing.assert_allclose(moves.displacements_mm, np.broadcast_to(shift, POINTS.shape), atol=3.0)


def test_what_lies_elsewhere_counts_less_and_without_a_mask_as_much() -> None:
    native = Native(
        size=GRID.size, spacing_mm=GRID.spacing_mm, direction=tuple(np.eye(3).ravel()), origin_mm=GRID.origin_mm
    )
    ball = np.linalg.norm(GRID.world(np.stack(np.indices(GRID.size[::-1]), axis=-1)), axis=-1) < 12
    outline = Outline.of(ball)
    assert outline is not None
    points, level = np.array([[12.0, 0, 0], [-12.0, 0, 0]]), replace(FINE, elsewhere=0.0, together=0.0)
    support, room = textured(), Rooms()
    owners = np.array([0, 1])
    own = Surroundings(support, points, owners, level, room, [Shape.of(outline, native), None])
    # The ball and what is beside it moves alone.
    moved = textured((6.0, 0.0, 3.0))
    centre = torch.from_numpy(GRID.world(np.stack(np.indices(GRID.size[::-1]), axis=-1)) - np.array([6.0, 0, 3.0]))
    near = centre.norm(dim=-1) < 12 + 2 * FINE.step_mm + 6
    query = Features(torch.where(near, moved.values, support.values), GRID)
    moves = own.moves(query, HERE)
    np.testing.assert_allclose(moves.displacements_mm[0], [6.0, 0.0, 3.0], atol=0.5)
    plain = Surroundings(support, points, owners, level, Rooms()).moves(query, HERE)
    np.testing.assert_array_equal(moves.displacements_mm[1], plain.displacements_mm[1])
    assert moves.costs[0] < 0.5 * plain.costs[0]
    for kernel in own._kernels():
        # Weights that sum to 1 where all is shown: the least part that a query must show means the same.
        assert float(kernel[-2].sum()) == pytest.approx(1, abs=1e-4)
