"""Random views of unlabelled scans: each voxel knows where it comes from, whatever is done to the scan."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from rprloc.networks.field import padded_size
from rprloc.networks.position_map import SHORTEST_MM
from rprloc.training import views
from rprloc.training.draws import Levels, Turns
from rprloc.training.views import BodyField, random_body_view

SPACING = np.array([6.0, 5.0, 4.0])
SHAPE = (40, 26, 30)
LENGTH_MM = SHAPE[0] * SPACING[0]
SEEDS = range(6)


def scan(levels: Any = None, *, shape: tuple[int, int, int] = SHAPE) -> BodyField:
    """Return a scan of one level, or of levels (z, y, x), whose body is all but two voxels at each edge."""
    body = torch.zeros(shape, dtype=torch.bool)
    body[2:-2, 2:-2, 2:-2] = True
    field = torch.full(shape, 0.5) if levels is None else torch.as_tensor(levels, dtype=torch.float32)
    return BodyField(field, body, SPACING)


def ramp(axis: int) -> BodyField:
    """Return a scan whose level is the place of a voxel's centre along an axis, in parts of the scan's length."""
    centres = (np.arange(SHAPE[axis]) + 0.5) / SHAPE[axis]
    return scan(np.broadcast_to(centres.reshape([-1 if n == axis else 1 for n in range(3)]), SHAPE).copy())


def view_of(scan_: BodyField, seed: int) -> views.BodyView:
    """Return a view."""
    return random_body_view(scan_, np.random.default_rng(seed))


@pytest.fixture
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let levels be what they are."""
    monkeypatch.setattr(views, "LEVELS", Levels(gain=0.0, gamma=0.0, noise=0.0))
    monkeypatch.setattr(views, "HOLES", 0)


@pytest.mark.usefixtures("plain")
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_voxel_of_the_body_shows_the_level_of_its_source(axis: int) -> None:
    for seed in SEEDS:
        view = view_of(ramp(axis), seed)
        place = view.source_mm[..., axis] / (SHAPE[axis] * SPACING[axis])
        assert torch.allclose(view.field[0, 0][view.body], place[view.body], atol=1e-4)


@pytest.mark.usefixtures("plain")
def test_the_body_of_a_view_is_that_of_its_sources() -> None:
    for seed in SEEDS:
        view = view_of(scan(), seed)
        source = view.source_mm[view.body].numpy() / SPACING
        assert len(source) > 1000
        # Nearest voxels: an edge may count to either side of it.
        assert np.all(source > 2 - 1e-3) and np.all(source < np.array(SHAPE) - 2 + 1e-3)


@pytest.mark.usefixtures("plain")
def test_nothing_beyond_a_cut_is_body_or_tissue(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(views, "CUT", 1.0)
    lengths = []
    for seed in SEEDS:
        low, high = (edge[0] * SPACING[0] for edge in views._slices(scan(), np.random.default_rng(seed)))
        lengths.append(high - low)
        view = view_of(scan(), seed)
        z = view.source_mm[..., 0]
        outside = (z < low - 1e-3) | (z > high + 1e-3)
        assert outside.any() and not view.body[outside].any() and not view.field[0, 0][outside].any()
        shown = z[view.body]
        assert float(shown.min()) < low + 25 and float(shown.max()) > high - 25
    assert min(lengths) >= SHORTEST_MM - 1e-6 and max(lengths) <= LENGTH_MM and max(lengths) - min(lengths) > 20


@pytest.mark.parametrize("planes", [1, 5, 18])
def test_a_short_scan_is_never_cut(planes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(views, "CUT", 1.0)
    low, high = views._slices(scan(shape=(planes, 26, 30)), np.random.default_rng(1))
    assert low.tolist() == [0, 0, 0] and high.tolist() == [planes, 26, 30]


@pytest.mark.parametrize("shape", [SHAPE, (5, 30, 12)])
def test_a_view_is_of_a_size_that_the_network_takes(shape: tuple[int, int, int]) -> None:
    for seed in SEEDS:
        view = view_of(scan(shape=shape), seed)
        size = tuple(view.field.shape[2:])
        assert view.field.shape[:2] == (1, 1) and size == padded_size(size)
        assert view.body.shape == size and view.source_mm.shape == (*size, 3)
        assert torch.isfinite(view.field).all() and torch.isfinite(view.source_mm).all()
        assert int(view.body.sum()) > 50


def test_a_view_without_changes_is_the_field_in_the_middle(monkeypatch: pytest.MonkeyPatch, plain: None) -> None:
    monkeypatch.setattr(views, "TURNS", Turns(angle=0.0, scale=0.0, stretch=0.0))
    for name in ("SHIFT", "BEND_MM", "CUT"):
        monkeypatch.setattr(views, name, 0.0)
    levels = np.random.default_rng(0).random(SHAPE)
    view = view_of(scan(levels), 1)
    moved = (np.array(view.field.shape[2:]) - SHAPE) // 2
    inside = tuple(slice(a, a + n) for a, n in zip(moved, SHAPE, strict=True))
    assert np.allclose(view.field[0, 0][inside].numpy(), levels, atol=1e-4)
    assert torch.equal(view.body[inside], scan().body) and view.body.sum() == scan().body.sum()
    corner = view.source_mm[tuple(moved)].numpy()
    assert np.allclose(corner, SPACING / 2, atol=1e-4)


def test_a_view_is_turned_and_scaled_by_the_matrix_that_is_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    matrix = np.array([[1.1, 0.2, -0.1], [0.0, 0.9, 0.3], [0.05, -0.2, 1.05]])
    monkeypatch.setattr(Turns, "draw", lambda _turns, _generator: matrix)
    monkeypatch.setattr(views, "BEND_MM", 0.0)
    source = view_of(scan(), 1).source_mm.double().numpy() / SPACING
    # What lies a step of the scan further is seen a column of the matrix further.
    steps = np.stack([source[1, 0, 0], source[0, 1, 0], source[0, 0, 1]], axis=-1) - source[0, 0, 0][:, None]
    assert np.allclose(steps @ matrix, np.eye(3), atol=1e-3)


def test_space_is_never_folded_or_mirrored() -> None:
    for seed in range(20):
        source = view_of(scan(), seed).source_mm.double() / torch.from_numpy(SPACING)
        steps = [source.diff(dim=axis)[:-1 if axis else None, :-1 if axis != 1 else None, :-1 if axis != 2 else None]
                 for axis in range(3)]  # fmt: skip
        assert float(torch.linalg.det(torch.stack(steps, dim=-1)).min()) > 0.1


def test_at_most_two_blocks_are_filled_with_a_level_each(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(views, "LEVELS", Levels(gain=0.0, gamma=0.0, noise=0.0))
    monkeypatch.setattr(views, "HOLES", 2)
    found = set()
    for seed in range(12):
        view = view_of(scan(), seed)
        filled = view.field[0, 0][view.body]
        filled = filled[(filled - 0.5).abs() > 1e-3]
        found.add(len(filled.unique()))
        assert len(filled) < 0.3 * int(view.body.sum())
    assert found == {0, 1, 2}


def test_a_view_depends_on_its_generator_only() -> None:
    first, again, other = (view_of(scan(), seed) for seed in (5, 5, 6))
    for name in ("field", "body", "source_mm"):
        assert torch.equal(getattr(first, name), getattr(again, name))
    assert first.field.shape != other.field.shape or not torch.equal(first.field, other.field)
