"""Random views of labelled fields: boxes that stay exact, sides that stay sides."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from rprloc.networks.field import STRIDE
from rprloc.training import augmentation
from rprloc.training.augmentation import LabelledField, plain_view, random_view
from rprloc.training.draws import Levels, Turns

SHAPE = (26, 30, 34)
LOW, HIGH = np.array([8.0, 9, 10]), np.array([16.0, 19, 22])


def block(seed: int = 0) -> LabelledField:
    """Return a field with one structure, a bright block whose true box reaches a quarter of a voxel beyond it."""
    voxels = np.zeros(SHAPE, dtype=np.int16)
    voxels[8:16, 9:19, 10:22] = 1
    levels = torch.from_numpy(np.where(voxels, 0.8, 0.3).astype(np.float32))
    return LabelledField(f"s{seed}", levels.half(), voxels, {0: np.stack([LOW - 0.25, HIGH + 0.25])})


def still(monkeypatch: pytest.MonkeyPatch, **changes: float) -> None:
    """Let every random change be none, but those given."""
    turns = {name: changes.pop(name, 0.0) for name in ("angle", "scale", "stretch")}
    monkeypatch.setattr(augmentation, "TURNS", Turns(**turns))
    monkeypatch.setattr(augmentation, "LEVELS", Levels(gain=0.0, gamma=0.0, noise=0.0))
    for name in ("SHIFT", "CUT_BELOW", "CUT_ABOVE"):
        monkeypatch.setattr(augmentation, name, changes.pop(name, 0.0))
    assert not changes


def test_a_plain_view_is_the_field_with_air_beyond_its_end() -> None:
    view = plain_view(block())
    assert view.field.shape == (1, 1, 32, 32, 40)
    assert torch.equal(view.field[0, 0, :26, :30, :34], block().levels.float())
    assert not view.field[0, 0, 26:].any() and not view.voxels[:, 30:].any()
    assert np.array_equal(view.boxes[0], block().boxes[0])


def test_a_view_without_changes_is_the_field_in_the_middle(monkeypatch: pytest.MonkeyPatch) -> None:
    still(monkeypatch)
    view = random_view(block(), np.random.default_rng(0))
    moved = (np.array(view.field.shape[2:]) - SHAPE) // 2
    inside = tuple(slice(a, a + n) for a, n in zip(moved, SHAPE, strict=True))
    assert torch.allclose(view.field[0, 0][inside], block().levels.float(), atol=1e-3)
    assert np.array_equal(view.voxels[inside].numpy(), block().voxels)
    assert np.allclose(view.boxes[0], block().boxes[0] + moved)


@pytest.mark.parametrize("seed", range(6))
def test_the_box_of_a_moved_and_scaled_block_is_where_its_levels_change(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    still(monkeypatch, scale=0.08, stretch=0.05, SHIFT=3.0)
    view = random_view(block(), np.random.default_rng(seed))
    level = view.field[0, 0].numpy()
    for axis in range(3):
        others = tuple(other for other in range(3) if other != axis)
        profile = level.max(axis=others)
        inside = np.flatnonzero(profile > 0.55)
        # A quarter of a voxel that the truth has more than its voxels, scaled, and half a voxel of the profile.
        assert abs(view.boxes[0][0, axis] - inside[0]) < 1.0
        assert abs(view.boxes[0][1, axis] - (inside[-1] + 1)) < 1.0


def test_a_scaled_box_is_exact(monkeypatch: pytest.MonkeyPatch) -> None:
    still(monkeypatch)
    monkeypatch.setattr(Turns, "draw", lambda _turns, _generator: np.diag([1.1, 0.9, 1.0]))
    size = random_view(block(), np.random.default_rng(0)).boxes[0]
    # The voxels' centres are scaled; the rest of the box, a half voxel and the quarter on each side, is carried.
    assert np.allclose(size[1] - size[0], (HIGH - LOW - 1) * [1.1, 0.9, 1.0] + 1.5)


def test_a_turned_box_is_larger_and_its_voxels_lie_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    still(monkeypatch, angle=0.3)
    for seed in range(4):
        view = random_view(block(), np.random.default_rng(seed))
        places = np.argwhere(view.voxels.numpy() == 1)
        assert np.all(places + 1 >= view.boxes[0][0] - 0.8) and np.all(places <= view.boxes[0][1] + 0.8)
        assert np.allclose([places.min(axis=0), places.max(axis=0) + 1], view.boxes[0], atol=1.8)


def test_left_stays_left_and_up_stays_up() -> None:
    voxels = np.zeros(SHAPE, dtype=np.int16)
    voxels[4:9, 10:20, 4:9], voxels[17:22, 10:20, 25:30] = 1, 2
    boxes = {0: np.array([[4.0, 10, 4], [9, 20, 9]]), 1: np.array([[17.0, 10, 25], [22, 20, 30]])}
    scan = LabelledField("s", torch.zeros(SHAPE).half(), voxels, boxes)
    for seed in range(30):
        view = random_view(scan, np.random.default_rng(seed))
        first, second = (np.argwhere(view.voxels.numpy() == number).mean(axis=0) for number in (1, 2))
        assert second[0] - first[0] > 2 and second[2] - first[2] > 10


def test_cuts_never_go_through_a_structure_and_shorten_the_view(monkeypatch: pytest.MonkeyPatch) -> None:
    still(monkeypatch, CUT_BELOW=1.0, CUT_ABOVE=1.0)
    depths = set()
    for seed in range(20):
        view = random_view(block(), np.random.default_rng(seed))
        depths.add(view.field.shape[2])
        assert np.allclose(view.boxes[0][1] - view.boxes[0][0], HIGH - LOW + 0.5)
        assert int((view.voxels == 1).sum()) == 8 * 10 * 12
    assert len(depths) > 1 and all(depth % STRIDE == 0 for depth in depths)


def test_a_structure_that_leaves_the_view_is_not_known(monkeypatch: pytest.MonkeyPatch) -> None:
    still(monkeypatch, SHIFT=40.0)
    views = [random_view(block(), np.random.default_rng(seed)) for seed in range(20)]
    assert 0 < sum(0 in view.boxes for view in views) < 20
    for view in views:
        for box in view.boxes.values():
            assert np.all(box >= 0) and np.all(box <= view.field.shape[2:])


def test_a_structure_too_thin_for_its_voxels_keeps_its_box(monkeypatch: pytest.MonkeyPatch) -> None:
    still(monkeypatch)
    scan = block()
    thin = LabelledField("s", scan.levels, np.zeros_like(scan.voxels), {0: np.array([[8.0, 9, 10], [8.3, 12, 14]])})
    size = np.ptp(random_view(thin, np.random.default_rng(0)).boxes[0], axis=0)
    assert np.allclose(size, [0.3, 3, 4])


def test_a_view_depends_on_its_generator_only() -> None:
    first, again, other = (random_view(block(), np.random.default_rng([1, step])) for step in (5, 5, 6))
    assert torch.equal(first.field, again.field) and np.array_equal(first.boxes[0], again.boxes[0])
    assert not torch.equal(first.field, other.field)
