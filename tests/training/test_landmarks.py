"""What the student and the ceiling learn: landmarks that move as the tissue does, and only those that are known."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from rprloc.errors import InputError, NothingToLearnError
from rprloc.networks.checkpoint import Model
from rprloc.training import landmarks
from rprloc.training.data import Kept
from rprloc.training.draws import Levels, Turns
from rprloc.training.landmarks import Landmarks, Lesson
from rprloc.training.teaching import Points, true_points
from tests.training.labelled import SPACING, KnowsPlaces, position_map, write_labelled
from tests.training.lessons import lessons_for
from tests.training.scans import write_set_aside

NAMES = ("bright", "dark")


def scan(tmp_path: Path, seed: int, **changes: Any) -> Path:
    """Write a scan with its finer volume, once; return its folder."""
    folder = tmp_path / f"c@s{seed}"
    return folder if folder.exists() else write_labelled(tmp_path, seed, matching=True, **changes)


def objective(folders: list[Path], validation: list[Path] | None = None, **changes: Any) -> Landmarks:
    """Return what is learned from some scans' own labels."""
    known = changes.pop("position_map", position_map())
    lessons = lessons_for("ceiling", folders[0].parent, folders, validation, **changes)
    told = {folder.name[2:]: points for folder in folders if (points := true_points(folder, None))}
    return Landmarks(lessons, told, known)


def still(monkeypatch: pytest.MonkeyPatch, **changes: float) -> None:
    """Let every random change be none, but those given."""
    turns = {name: changes.pop(name, 0.0) for name in ("angle", "scale", "stretch")}
    monkeypatch.setattr(landmarks, "TURNS", Turns(**turns))
    monkeypatch.setattr(landmarks, "LEVELS", Levels(gain=0.0, gamma=0.0, noise=0.0))
    monkeypatch.setattr(landmarks, "SHIFT_MM", changes.pop("SHIFT_MM", 0.0))
    assert not changes


class Says(nn.Module):
    """Answers crops with landmarks in the order in which it was told them."""

    def __init__(self, answers: list[Tensor]) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(()))
        self._answers = answers

    def forward(self, crops: Tensor) -> tuple[Tensor, Tensor]:
        found = torch.stack([self._answers.pop(0) for _ in crops])
        return found + self.weight, torch.zeros(found.shape[:2])


def knowing(asked: Landmarks, monkeypatch: pytest.MonkeyPatch, change: Callable[[Tensor], Tensor]) -> list[Tensor]:
    """Let an objective's network know all landmarks but for a `change`; return its answers of a step to come."""
    answers: list[Tensor] = []
    drawn = asked._view

    def view(*about: Any) -> tuple[Tensor, Tensor]:
        field, true = drawn(*about)
        answers.append(change(true))
        return field, true

    monkeypatch.setattr(asked, "_view", view)
    asked.network = Says(answers)
    return answers


def block_at(shape: tuple[int, ...], at: Any) -> Tensor:
    """Return levels (z, y, x) with a bright block of 3 x 3 x 3 voxels around the voxel whose middle is a place."""
    levels = torch.zeros(*shape)
    z, y, x = (int(value) for value in np.floor(at))
    levels[z - 1 : z + 2, y - 1 : y + 2, x - 1 : x + 2] = 1
    return levels.half()


def centroid(field: Tensor) -> Any:
    """Return the place (z, y, x), in edges, of the middle of what is bright in a field (1, 1, D, H, W)."""
    level = field[0, 0].double().numpy()
    places = np.moveaxis(np.indices(level.shape), 0, -1) + 0.5
    return (places * level[..., None]).sum(axis=(0, 1, 2)) / level.sum()


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize(
    "changes",
    [
        {"angle": math.radians(15)}, {"scale": 0.15}, {"stretch": 0.15}, {"SHIFT_MM": 5.0},
        {"angle": math.radians(12), "scale": 0.1, "stretch": 0.05, "SHIFT_MM": 5.0},
    ],
    ids=lambda changes: ", ".join(changes),
)  # fmt: skip
def test_a_marked_landmark_is_seen_where_the_moved_one_is_said_to_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, float], seed: int
) -> None:
    asked = objective([scan(tmp_path, 1)])
    still(monkeypatch, **changes)
    # The middle is at (19, 21, 22).
    for at in ((15.5, 25.5, 19.5), (20.5, 17.5, 24.5), (23.5, 22.5, 22.5)):
        known = np.full((12, 3), np.nan)
        known[4] = at
        lesson = Lesson(block_at((38, 42, 44), at), known)
        field, moved = asked._view(lesson, np.random.default_rng(seed))
        assert field.shape[2:] == asked.settings.size
        assert bool(moved[[0, 3, 5, 11]].isnan().all())
        np.testing.assert_allclose(centroid(field), moved[4], atol=0.5)


def test_turns_keep_distances_in_mm_though_voxels_are_longer_than_wide(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = objective([scan(tmp_path, 1)])
    still(monkeypatch, angle=math.radians(20), SHIFT_MM=8.0)
    lesson = asked._train[0]
    for seed in range(4):
        _, moved = asked._view(lesson, np.random.default_rng(seed))
        before, after = lesson.landmarks * SPACING, moved.numpy() * SPACING
        assert np.abs(after - before).max() > 3
        np.testing.assert_allclose(*(np.linalg.norm(some[:1] - some[1:], axis=1) for some in (before, after)))


def test_a_view_without_changes_is_the_crop_that_the_network_is_tested_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = objective([scan(tmp_path, 1)])
    still(monkeypatch)
    field, moved = asked._view(asked._train[0], np.random.default_rng(0))
    (plain,) = asked._fixed
    torch.testing.assert_close(field[0, 0], plain.levels.float(), atol=2e-3, rtol=0)
    np.testing.assert_allclose(moved, plain.landmarks, atol=1e-9)


def test_crops_lie_around_the_structures_with_some_margin(tmp_path: Path) -> None:
    folders = [scan(tmp_path, n) for n in range(4)]
    asked = objective(folders)
    size = np.array(asked.settings.size)
    assert np.all(size % 8 == 0) and np.all(size >= 24) and asked.settings.matching_spacing == SPACING
    for lesson in asked._fixed:
        assert tuple(lesson.levels.shape) == tuple(size)
        # 20 mm, less what rounding to voxels takes.
        assert np.all(np.minimum(lesson.landmarks, size - lesson.landmarks) * SPACING > 20 - np.array(SPACING))
    # The middle of the box around both structures, each at its median over the scans, as the map says it.
    boxes = [[points[name] for points in map(told, folders)] for name in NAMES]
    middles = [np.median([(p.min(axis=0) + p.max(axis=0)) / 2 for p in of], axis=0) for of in boxes]
    origin = np.array([-40.0, 30.0, 100.0])
    expected = (np.min(middles, axis=0) + np.max(middles, axis=0)) / 2 - origin
    np.testing.assert_allclose(asked.settings.middle_latent_mm, expected, atol=1e-3)


def told(folder: Path) -> Points:
    """Return a scan's landmarks."""
    return true_points(folder, None)


def test_a_crop_s_landmarks_are_on_the_walls_of_its_blocks(tmp_path: Path) -> None:
    (lesson,) = objective([scan(tmp_path, 1)])._fixed
    levels = lesson.levels.float().numpy()
    for inside, points in ((levels > 0.8, lesson.landmarks[:6]), (levels < 0.2, lesson.landmarks[6:])):
        # Beyond the scan there is air, as dark as the dark block.
        places = np.argwhere(inside)
        places = places[np.all(np.abs(places + 0.5 - points.mean(axis=0)) <= 5, axis=1)]
        np.testing.assert_allclose(points.min(axis=0), places.min(axis=0), atol=1e-6)
        np.testing.assert_allclose(points.max(axis=0), places.max(axis=0) + 1, atol=1e-6)


@pytest.mark.parametrize(
    ("change_mm", "error", "loss"),
    [
        ((0.0, 0.0, 0.0), 0.0, 0.0),
        # Two of the six walls lie across z; along the others a coordinate counts a fifth. Huber: (6 / 5) - 1 / 2.
        ((6.0, 0.0, 0.0), 2.0, (2 + 4 * 0.2) * 0.7 / (6 + 12 * 0.2)),
        ((0.0, -3.0, 0.0), 1.0, (2 + 4 * 0.2) * 0.18 / (6 + 12 * 0.2)),
        ((3.0, 3.0, -3.0), 3.0, 0.18),
    ],
)
def test_the_error_is_that_of_the_walls_in_mm_and_0_for_a_network_that_knows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change_mm: tuple[float, ...], error: float, loss: float
) -> None:
    asked = objective([scan(tmp_path, n) for n in (1, 2)])
    change = torch.tensor(change_mm) / torch.tensor(SPACING)
    answers = knowing(asked, monkeypatch, lambda true: (true + change).float())
    found, seen = asked.loss(0)
    assert float(found.detach()) == pytest.approx(loss, abs=1e-5) and float(seen) == pytest.approx(error, abs=1e-4)
    answers += [(torch.from_numpy(lesson.landmarks) + change).float() for lesson in asked._fixed]
    assert asked.validation_error() == pytest.approx(error, abs=1e-4)
    assert answers == []


def test_what_is_not_known_counts_nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folders = [scan(tmp_path, 1), scan(tmp_path, 2, labelled=("bright",))]
    asked = objective(folders)
    answers = knowing(asked, monkeypatch, lambda true: torch.where(true.isnan(), 999.0, true).float())
    for step in range(4):
        loss, error = asked.loss(step)
        assert float(loss.detach()) == pytest.approx(0, abs=1e-6) and float(error) == pytest.approx(0, abs=1e-4)
    answers += [torch.from_numpy(np.nan_to_num(lesson.landmarks, nan=999.0)).float() for lesson in asked._fixed]
    assert asked.validation_error() == pytest.approx(0, abs=1e-4)


def test_an_unknown_structure_gets_exactly_no_gradient(tmp_path: Path) -> None:
    whole, partly = scan(tmp_path, 1), scan(tmp_path, 2, labelled=("bright",))
    asked = objective([whole, partly])
    lesson = asked._train[1]
    assert np.isnan(lesson.landmarks[6:]).all() and np.isfinite(lesson.landmarks[:6]).all()
    asked._train = Kept([partly], lambda _folder: lesson)
    asked.loss(0)[0].backward()
    network: Any = asked.network
    for head, each in ((network.weights, 1), (network.ways, 3)):
        gradient = head.weight.grad.flatten(1)
        assert gradient[: 6 * each].any(dim=1).all() and not gradient[6 * each :].any()
        assert not head.bias.grad[6 * each :].any()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in network.parameters())


def test_validation_is_by_the_validation_scans_own_labels(tmp_path: Path) -> None:
    train_scans = [scan(tmp_path, n) for n in (1, 2)]
    validation = [write_set_aside(tmp_path, "b"), scan(tmp_path, 7, labelled=()), scan(tmp_path, 8), scan(tmp_path, 9)]
    asked = objective(train_scans, validation)
    assert (asked.scans, asked.validation) == (2, ["s8", "s9"]) and len(asked._fixed) == 2
    assert asked.validation_error() == objective(train_scans, validation).validation_error()
    assert asked.validation_error() != objective(train_scans).validation_error()
    # It is never trained on.
    assert float(asked.loss(0)[0].detach()) == float(objective(train_scans).loss(0)[0].detach())


def test_no_more_than_some_scans_are_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(landmarks, "_FIXED", 2)
    folders = [scan(tmp_path, n) for n in range(5)]
    assert len(objective(folders)._fixed) == 2
    assert len(objective(folders[:1], folders[1:])._fixed) == 2


def test_scans_that_nobody_told_about_and_structures_without_a_label_are_left_out(tmp_path: Path) -> None:
    folders = [scan(tmp_path, 1), scan(tmp_path, 2, labelled=("bright",)), scan(tmp_path, 3, labelled=())]
    asked = objective([*folders, write_set_aside(tmp_path, "broken")])
    assert asked.scans == 2 and asked.settings.structures == NAMES
    assert asked.settings.half_voxel_mm == dict.fromkeys(NAMES, (0.5, 0.75, 1.5))
    alone = objective([folders[1]])
    assert alone.settings.structures == ("bright",)


def test_scans_that_the_map_does_not_know_are_left_out_with_what_they_alone_show(tmp_path: Path) -> None:
    known, lost = scan(tmp_path, 1, labelled=("bright",)), scan(tmp_path, 2, body=False)
    asked = objective([known, lost], [lost])
    assert (asked.scans, asked.validation) == (1, [])
    assert asked.settings.structures == ("bright",)


def test_a_map_that_knows_no_training_scan_leaves_nothing_to_learn(tmp_path: Path) -> None:
    with pytest.raises(NothingToLearnError, match="no training scan that the position map knows"):
        objective([scan(tmp_path, 1, body=False)])


def test_a_map_that_says_nothing_sensible_leaves_nothing_to_learn(tmp_path: Path) -> None:
    class Shrunk(KnowsPlaces):
        def forward(self, fields: Tensor) -> Tensor:
            return 0.3 * super().forward(fields)

    wrong = Model(Shrunk(width=4), position_map().settings)
    with pytest.raises(NothingToLearnError, match="no training scan that the position map knows"):
        objective([scan(tmp_path, 1)], position_map=wrong)


def test_a_scan_without_its_finer_volume_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="s2: found no volume for image matching"):
        objective([write_labelled(tmp_path, 2)])
