"""The one training loop: its curve, its words, and what ends it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from rprloc.catalogue import network_named
from rprloc.catalogue.rows import Length
from rprloc.errors import InputError
from rprloc.training import loop
from rprloc.training.optimiser import new_optimiser
from rprloc.training.sharing import WHOLE, Share
from rprloc.training.state import Interrupted, TrainingState
from tests.networks.every import EVERY
from tests.training.lessons import curve, equal, record_of, trained

LENGTH = Length(steps=9, groups=2, patches=4)


class Line:
    """Learns a number that lies 3 above its weight at the start."""

    error, words = "error_mm", "distance: training {:.1f} mm, validation {:.1f} mm"
    settings = EVERY["position_map"]
    scans = 5
    validation: list[str]

    def __init__(self, *, broken: bool = False) -> None:
        self.network: nn.Module = nn.Linear(1, 1, bias=False)
        nn.init.zeros_(self.network.get_parameter("weight"))
        self.validation, self._broken = [], broken

    def loss(self, step: int, share: Share = WHOLE) -> tuple[Tensor, Tensor]:
        away = self.network(torch.ones(1)) - 3.0 - 0.1 * (step % 2)
        return away.square().mean(), away.detach().abs().mean()

    @torch.inference_mode()
    def validation_error(self) -> float:
        return float("nan") if self._broken else float((self.network(torch.ones(1)) - 3.0).abs())


def test_a_finished_training_is_not_done_again(tmp_path: Path) -> None:
    path = tmp_path / "state.safetensors"
    first = trained(Line(), LENGTH, TrainingState(path))
    logged: list[str] = []
    before = path.read_bytes()
    again = trained(Line(), LENGTH, TrainingState(path), logged.append)
    assert equal(first, again) and record_of(first).history == record_of(again).history
    assert logged == ["goes on from step 9 of 9"] and path.stat().st_size == len(before)


def test_a_training_that_is_stopped_between_two_points_of_its_curve_ends_as_an_undisturbed_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "RECORDS", 2)

    whole = trained(Line(), LENGTH)
    path = tmp_path / "state.safetensors"
    rate = Length.learning_rate_at
    state = TrainingState(path)

    def stopped(length: Length, number: int) -> float:
        state.interrupted = number == 5
        return rate(length, number)

    with monkeypatch.context() as patched, pytest.raises(Interrupted, match="stopped at step 6 of 9"):
        patched.setattr(Length, "learning_rate_at", stopped)
        trained(Line(), LENGTH, state)
    assert TrainingState(path).restore(Line().network, new_optimiser(Line().network, LENGTH)) == 6
    again = trained(Line(), LENGTH, TrainingState(path))
    assert equal(whole, again) and curve(whole) == curve(again)


def test_the_record_names_threads_and_device() -> None:
    record = record_of(trained(Line(), LENGTH))
    assert (record.threads, record.device) == (torch.get_num_threads(), "cpu")


def test_the_curve_has_its_points_at_equal_distances_and_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "RECORDS", 5)
    points = curve(trained(Line(), replace(LENGTH, steps=52)))
    assert [point.step for point in points] == [10, 20, 30, 40, 50, 52]
    assert (points[0].steps, points[0].error) == (52, "error_mm")
    assert points[0].learning_rate == pytest.approx(1e-3 * 0.9**8)
    assert points[-1].learning_rate == pytest.approx(1e-3 * 0.9**49)
    errors = [point.validation for point in points]
    assert errors == sorted(errors, reverse=True) and errors[0] < 3


def test_the_learning_rate_falls_as_250_epochs_by_5_do() -> None:
    length = network_named("coarse").lengths["paper"]
    assert length.learning_rate_at(0) == length.learning_rate_at(9_999) == 1e-3
    assert length.learning_rate_at(10_000) == pytest.approx(0.9e-3)
    assert length.learning_rate_at(length.steps - 1) == pytest.approx(1e-3 * 0.9**49)
    assert (length.groups * length.patches, length.groups * length.patches * (length.patches - 1) // 2) == (12, 6)


def test_a_short_trainings_rate_falls_by_half_a_cosine() -> None:
    length = Length(steps=100, groups=1, patches=2, learning_rate=4e-3, decay="cosine")
    assert length.learning_rate_at(0) == pytest.approx(4e-3)
    assert length.learning_rate_at(50) == pytest.approx(2e-3)
    assert 0 < length.learning_rate_at(99) < 1e-5


def test_another_learning_rate_is_another_training() -> None:
    assert not equal(trained(Line(), LENGTH), trained(Line(), replace(LENGTH, learning_rate=2e-3)))


def test_progress_is_told_with_errors_and_the_time_that_is_left() -> None:
    lines: list[str] = []
    model = trained(Line(), LENGTH, log=lines.append)
    assert len(lines) == 1
    assert lines[0].startswith("step 9 of 9   distance: training ") and lines[0].endswith("   0:00 left")
    assert (record_of(model).scans, record_of(model).steps, record_of(model).seed) == (5, 9, 1)
    assert not model.network.training and not any(p.requires_grad for p in model.network.parameters())


def test_a_loss_that_is_no_number_ends_the_training() -> None:
    with pytest.raises(InputError, match="expected a number: its settings do not train"):
        trained(Line(), replace(LENGTH, learning_rate=1e30, steps=5))


def test_a_validation_error_that_is_no_number_ends_the_training() -> None:
    with pytest.raises(InputError, match="validation error is nan at step 1, expected a number"):
        trained(Line(broken=True), LENGTH)
