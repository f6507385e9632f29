"""What every objective of the catalogue promises: it learns, by seed and step alone, also after a kill."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import torch
from msgspec.structs import replace

from rprloc.catalogue import network_named, networks, trainings
from rprloc.catalogue.rows import Length
from rprloc.errors import InputError
from rprloc.networks.checkpoint import read_model, write_model
from rprloc.training import augmentation, body_positions, landmarks, loop, position, reconstruction, views
from rprloc.training.draws import Levels, Turns
from rprloc.training.state import Interrupted, TrainingState
from tests.training.labelled import write_labelled
from tests.training.lessons import (
    StopAt,
    curve,
    equal,
    length_for,
    lessons_for,
    objective_of,
    record_of,
    task_for,
    trained,
    write_scan_for,
    write_slab_for,
)
from tests.training.scans import write_set_aside

NAMES = [row.name for row in networks()]
pytestmark = pytest.mark.parametrize("network", NAMES)


@pytest.fixture(autouse=True)
def little_to_measure(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the measuring short."""
    for module, name, number in (
        (position, "_VALIDATION_GROUPS", 4), (reconstruction, "_VALIDATION_CROPS", 6), (body_positions, "_FIXED", 2),
    ):  # fmt: skip
        monkeypatch.setattr(module, name, number)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of all scans."""
    return tmp_path_factory.mktemp("scans")


@pytest.fixture
def scans(place: Path, network: str) -> list[Path]:
    """Two scans to train on and one for validation."""
    parent = place / ("labelled" if task_for(network).learns else "plain")
    made = [parent / f"c@s{seed}" for seed in (1, 2, 9)]
    return [folder if folder.exists() else write_scan_for(network, parent, int(folder.name[3:])) for folder in made]


def test_it_is_offered_in_every_length(network: str) -> None:
    (row,) = (row for row in networks() if row.name == network)
    assert list(row.lengths) == trainings()
    assert all((length.patches == 1) == (length_for(network).patches == 1) for length in row.lengths.values())


def test_the_same_seed_gives_the_same_weights_bit_by_bit_also_after_a_kill(
    network: str, scans: list[Path], tmp_path: Path
) -> None:
    length = length_for(network)

    def made(seed: int = 1) -> Any:
        return objective_of(lessons_for(network, tmp_path, scans[:2], seed=seed))

    whole = trained(made(), length)
    path = tmp_path / "kept.safetensors"
    for stop in (1, 2):
        with pytest.raises(Interrupted, match=f"stopped at step {stop} of 3"):
            trained(made(), length, StopAt(path, stop))
    again = trained(made(), length, TrainingState(path))
    assert equal(whole, again) and curve(whole) == curve(again)
    assert record_of(whole).validation == "fixed data of the training scans" and record_of(whole).scans == 2
    assert not equal(whole, trained(made(seed=2), length))


def test_a_step_draws_by_its_seed_and_number_alone(network: str, scans: list[Path], tmp_path: Path) -> None:
    asked = objective_of(lessons_for(network, tmp_path, scans[:2]))
    losses = [float(asked.loss(step)[0].detach()) for step in (0, 1, 0)]
    assert losses[0] == losses[2] != losses[1]
    other = objective_of(lessons_for(network, tmp_path, scans[:2], seed=2))
    assert float(other.loss(1)[0].detach()) != losses[1]


@pytest.mark.parametrize("planes", [1, 3])
def test_a_slab_among_the_scans_ends_no_training(network: str, scans: list[Path], tmp_path: Path, planes: int) -> None:
    slab = write_slab_for(network, tmp_path / "slab", 5, planes)
    asked = objective_of(lessons_for(network, tmp_path, [scans[0], slab], [slab]))
    # The position map does not know one plane, which then teaches no other network.
    assert asked.scans == (1 if planes == 1 and "position_map" in network_named(network).needs else 2)
    model = trained(asked, length_for(network))
    assert all(torch.isfinite(values).all() for values in model.network.state_dict().values())


def test_validation_is_fixed_and_never_trained_on(network: str, scans: list[Path], tmp_path: Path) -> None:
    broken = write_set_aside(tmp_path, "broken")
    one, two = (objective_of(lessons_for(network, tmp_path, scans[:2], [scans[2], broken])) for _ in range(2))
    without = objective_of(lessons_for(network, tmp_path, [*scans[:2], broken]))
    assert (one.scans, one.validation, without.scans, without.validation) == (2, ["s9"], 2, [])
    errors = [one.validation_error(), two.validation_error(), one.validation_error()]
    assert errors[0] == errors[1] == errors[2] != without.validation_error()
    losses = [float(asked.loss(0)[0].detach()) for asked in (one, without)]
    assert losses[0] == losses[1]
    assert one.words.format(1.0, 2.0) and one.error.startswith("error_")


def test_nothing_to_learn_from_is_told_in_one_sentence(network: str, tmp_path: Path) -> None:
    folders = [write_set_aside(tmp_path, "broken")]
    if task_for(network).learns:
        folders.append(write_labelled(tmp_path, 1, labelled=(), matching=True))
    with pytest.raises(InputError, match=r"expected (at least one|a .*label)|No scan to train on") as caught:
        objective_of(lessons_for(network, tmp_path, folders))
    (sentence,) = caught.value.errors
    assert sentence.endswith(".") and "\n" not in sentence


def test_mistake_1_scans_of_another_spacing_are_refused(network: str, scans: list[Path], tmp_path: Path) -> None:
    other = replace(task_for(network).settings, spacing=(6.0, 5.0, 7.0))
    with pytest.raises(InputError, match=r"spacing of \[\d.0, \d.0, \d.0\] mm"):
        objective_of(lessons_for(network, tmp_path, scans[:2], settings=other))


HEART = Length(steps=24, groups=1, patches=1, learning_rate=1e-2, decay="cosine", optimiser="muon", warm_up=3)
_PAIRS = dataclasses.replace(HEART, steps=40, groups=3, patches=8)
BY_HEART = {
    "coarse": _PAIRS, "fine": _PAIRS,
    "autoencoder": Length(steps=60, groups=1, patches=2, learning_rate=5e-3, decay="cosine"),
}  # fmt: skip


def test_two_scans_are_learnt_by_heart_in_some_dozens_of_steps(
    network: str, scans: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (augmentation, landmarks, views):
        monkeypatch.setattr(module, "TURNS", Turns(angle=0.0, scale=0.0, stretch=0.0))
        monkeypatch.setattr(module, "LEVELS", Levels(gain=0.0, gamma=0.0, noise=0.0))
    for module, names in ((augmentation, ("SHIFT", "CUT_BELOW", "CUT_ABOVE")), (landmarks, ("SHIFT_MM",))):
        for name in names:
            monkeypatch.setattr(module, name, 0.0)
    monkeypatch.setattr(loop, "RECORDS", 2)
    length = BY_HEART.get(network, HEART)
    found = objective_of(lessons_for(network, tmp_path, scans[:2], length=length))
    before = found.validation_error()
    model = trained(found, length)
    after = found.validation_error()
    # Of pairs of patches, of which every scan has thousands, some dozens of steps show a part.
    assert after < (0.65 if length.patches == 8 else 0.5) * before, f"{after:.3g} against {before:.3g}"
    assert after == pytest.approx(record_of(model).history[-1].validation, abs=1e-4)
    assert not model.network.training and not any(p.requires_grad for p in model.network.parameters())
    path = tmp_path / f"{network}.safetensors"
    write_model(path, model)
    read = read_model(path)
    assert read.settings == model.settings == found.settings and equal(read, model)
    assert torch.isfinite(torch.tensor([point.loss for point in record_of(model).history])).all()
