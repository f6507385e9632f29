"""The auto-encoder's training: it learns, and ends with the same weights after a kill."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from rprloc.errors import InputError
from rprloc.networks.autoencoder import HALO, Autoencoder
from rprloc.networks.checkpoint import Model, ModelSettings, read_model
from rprloc.networks.patches import apply_window
from rprloc.training import reconstruction
from rprloc.training.loop import train
from rprloc.training.plan import PLANS, PLANS_OF, TrainingPlan, plan_of
from rprloc.training.reconstruction import CROP_VOXELS, Reconstruction
from rprloc.training.run import train_stage
from rprloc.training.state import Interrupted, TrainingState
from tests.training.scans import COHORT, scan, write_scan
from tests.training.test_loop import StopAt, curve, equal

CPU = torch.device("cpu")
SETTINGS = ModelSettings.of_cohort(COHORT, "autoencoder")
PLAN = TrainingPlan(steps=5, groups=2, patches=2)
PADDED = replace(SETTINGS, patch_voxels=CROP_VOXELS)
SCANS = [scan(seed, PADDED) for seed in range(3)]


@pytest.fixture(autouse=True)
def few_validation_crops(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the measuring short."""
    monkeypatch.setattr(reconstruction, "_VALIDATION_CROPS", 6)


def objective(plan: TrainingPlan = PLAN, *, seed: int = 1, scans: Any = None, validation: Any = ()) -> Reconstruction:
    """Return what is learned."""
    return Reconstruction(SCANS if scans is None else scans, list(validation), SETTINGS, plan, seed=seed, device=CPU)


def trained(state: TrainingState | None = None, **changes: Any) -> Model:
    """Return a trained auto-encoder."""
    plan = changes.get("plan", PLAN)
    asked = objective(**changes)
    return train(asked, plan, seed=changes.get("seed", 1), state=state or TrainingState(None), log=lambda _line: None)


def test_the_same_seed_gives_the_same_weights_bit_by_bit() -> None:
    one, two, other = trained(), trained(), trained(seed=2)
    assert equal(one, two) and curve(one) == curve(two)
    assert not equal(one, other)


@pytest.mark.parametrize("stop", [1, 3, 5])
def test_a_training_that_is_stopped_and_gone_on_with_ends_with_the_same_weights(tmp_path: Path, stop: int) -> None:
    path = tmp_path / "state.safetensors"
    with pytest.raises(Interrupted):
        trained(StopAt(path, stop))
    again, whole = trained(TrainingState(path)), trained()
    assert equal(whole, again) and curve(whole) == curve(again)


def test_a_step_draws_by_its_seed_and_number_alone() -> None:
    asked = objective()
    losses = [float(asked.loss(step)[0].detach()) for step in (0, 1, 0)]
    assert losses[0] == losses[2] != losses[1]
    loss, error = asked.loss(0)
    assert float(error) ** 2 == pytest.approx(float(loss.detach()))


def test_the_loss_is_the_error_of_the_decoded_inside() -> None:
    asked = objective()
    fixed = apply_window(asked._fixed, SETTINGS.window)
    assert fixed.shape[1:] == CROP_VOXELS
    inside = fixed[:, HALO:-HALO, HALO:-HALO, HALO:-HALO]
    with torch.inference_mode():
        expected = (asked.network(fixed) - inside).square().mean().sqrt()
    assert asked.validation_error() == pytest.approx(float(expected), abs=1e-6)


def test_the_validation_crops_are_drawn_once_from_validation_scans_and_never_trained_on() -> None:
    validation = [scan(10, PADDED), scan(11, PADDED)]
    one, two = (objective(validation=validation) for _ in range(2))
    assert one.validation == ["s10", "s11"] and len(one._fixed) == 6
    assert torch.equal(one._fixed, two._fixed)
    assert one.validation_error() == two.validation_error()
    assert equal(trained(), trained(validation=validation))
    assert objective().validation == [] and objective().scans == 3


def test_a_short_training_beats_the_mean_grey_value_by_far() -> None:
    plan = TrainingPlan(steps=150, groups=2, patches=2, learning_rate=3e-3, decay="cosine")
    validation = [scan(10, PADDED)]
    model = trained(plan=plan, validation=validation)
    inside = apply_window(objective(validation=validation)._fixed, SETTINGS.window)[
        :, HALO:-HALO, HALO:-HALO, HALO:-HALO
    ]
    found = model.record["history"][-1]["validation_error_grey"]
    assert found < 0.75 * float(inside.std()), f"{found:.3f} against {float(inside.std()):.3f}"


def test_no_scan_to_train_on_is_told_in_one_sentence() -> None:
    with pytest.raises(InputError, match="No scan to train on"):
        objective(scans=[])


def test_every_training_has_a_plan_for_the_autoencoder() -> None:
    assert PLANS_OF["autoencoder"].keys() == PLANS.keys()
    assert plan_of("quick", "autoencoder") != plan_of("quick", "coarse") == PLANS["quick"]


def test_the_train_step_leaves_an_autoencoder_and_its_curve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PLANS_OF["autoencoder"], "tiny", PLAN)
    logged: list[str] = []
    train_stage(
        tmp_path / "out",
        cohort="c",
        stage="autoencoder",
        scans=[write_scan(tmp_path, 1)],
        validation=[write_scan(tmp_path, 9)],
        settings={key: value for key, value in COHORT.items() if key != "r"},
        training="tiny",
        seed=1,
        checkpoints=tmp_path / "states",
        code="abc",
        device=CPU,
        log=logged.append,
    )
    model = read_model(tmp_path / "out" / "c" / "autoencoder.safetensors")
    assert isinstance(model.network, Autoencoder) and model.settings.patch_voxels == SETTINGS.patch_voxels
    assert model.record["validation"] == ["s9"]
    assert "c autoencoder: step 5 of 5   root mean square error of grey values: training 0." in logged[-1]
    assert (tmp_path / "out" / "c.autoencoder.jsonl").exists()
