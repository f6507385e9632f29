"""The position map's training: what its error is, that it learns, and the same weights after a kill."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from rprloc.errors import InputError
from rprloc.networks.checkpoint import Model, ModelSettings, read_model
from rprloc.networks.position_map import PositionMap
from rprloc.training import body_positions
from rprloc.training.body_positions import BARE, BodyPositions
from rprloc.training.loop import train
from rprloc.training.plan import PLANS, PLANS_OF, TrainingPlan, plan_of
from rprloc.training.run import train_stage
from rprloc.training.sampling import BodyVoxels
from rprloc.training.state import Interrupted, TrainingState
from rprloc.training.views import BodyView, random_body_view
from tests.training.scans import COHORT, scan, write_scan
from tests.training.test_loop import StopAt, curve, equal

CPU = torch.device("cpu")
TRAINED = {key: value for key, value in COHORT.items() if key != "r"}
SETTINGS = ModelSettings.of_cohort(TRAINED, "position_map")
PLAN = TrainingPlan(steps=3, groups=1, patches=1, optimiser="muon")
UNPADDED = replace(SETTINGS, patch_voxels=BARE)
SCANS = [scan(seed, UNPADDED) for seed in range(3)]


@pytest.fixture(autouse=True)
def few_validation_views(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the measuring short."""
    monkeypatch.setattr(body_positions, "_FIXED", 2)


def objective(plan: TrainingPlan = PLAN, *, seed: int = 1, scans: Any = None, validation: Any = ()) -> BodyPositions:
    """Return what is learned."""
    return BodyPositions(SCANS if scans is None else scans, list(validation), SETTINGS, plan, seed=seed, device=CPU)


def trained(state: TrainingState | None = None, **changes: Any) -> Model:
    """Return a trained position map."""
    plan = changes.get("plan", PLAN)
    asked = objective(**changes)
    return train(asked, plan, seed=changes.get("seed", 1), state=state or TrainingState(None), log=lambda _line: None)


class Knowing(nn.Module):
    """Knows the places of every view's voxels but for a constant of its own: those given, in turn."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, constants_mm: Sequence[Sequence[float]]) -> None:
        super().__init__()
        self._constants = constants_mm
        self._views: list[BodyView] = []
        monkeypatch.setattr(body_positions, "random_body_view", self._seen)

    def _seen(self, *about: Any) -> BodyView:
        self._views.append(random_body_view(*about))
        return self._views[-1]

    def forward(self, field: Tensor) -> Tensor:
        (number,) = [n for n, view in enumerate(self._views) if view.field is field]
        constant = torch.tensor(self._constants[number % len(self._constants)])
        return (self._views[number].source_mm + constant).movedim(-1, 0)[None]


@pytest.mark.parametrize(
    ("constants", "error"),
    [([[0.0, 0.0, 0.0]], 0.0), ([[40.0, -70.0, 9.0]], 0.0), ([[3.0, 0.0, 0.0], [0.0, 4.0, 0.0]], 2.5)],
)
def test_only_where_voxels_lie_to_each_other_counts(
    monkeypatch: pytest.MonkeyPatch, constants: list[list[float]], error: float
) -> None:
    network = Knowing(monkeypatch, constants)
    asked = objective()
    asked.network = network
    # Views of a scan that differ by 5 mm are each half of that off their mean, however many voxels they have.
    loss, found = asked.loss(0)
    for value in (float(found), asked.validation_error()):
        assert value == pytest.approx(error, abs=5e-3)
    assert float(loss) == pytest.approx((error / 10) ** 2 / 6, abs=1e-4)


def test_a_step_draws_by_its_seed_and_number_alone() -> None:
    asked = objective()
    losses = [float(asked.loss(step)[0].detach()) for step in (0, 1, 0)]
    assert losses[0] == losses[2] != losses[1]
    assert float(objective().loss(1)[0].detach()) == losses[1] != float(objective(seed=2).loss(1)[0].detach())


def test_the_same_seed_gives_the_same_weights_bit_by_bit() -> None:
    one, two, other = trained(), trained(), trained(seed=2)
    assert equal(one, two) and curve(one) == curve(two)
    assert not equal(one, other)


@pytest.mark.parametrize("stop", [1, 3])
def test_a_training_that_is_stopped_and_gone_on_with_ends_with_the_same_weights(tmp_path: Path, stop: int) -> None:
    path = tmp_path / "state.safetensors"
    with pytest.raises(Interrupted):
        trained(StopAt(path, stop))
    again, whole = trained(TrainingState(path)), trained()
    assert equal(whole, again) and curve(whole) == curve(again)


def test_the_validation_views_are_drawn_once_from_validation_scans_and_never_trained_on() -> None:
    validation = [scan(seed, UNPADDED) for seed in range(10, 15)]
    one, two = (objective(validation=validation) for _ in range(2))
    assert one.validation == [f"s{seed}" for seed in range(10, 15)]
    assert len(one._fixed) == 2 and all(len(views) == 2 for views in one._fixed)
    assert one.validation_error() == two.validation_error()
    assert equal(trained(), trained(validation=validation))
    assert objective().validation == [] and objective().scans == 3


def test_a_short_training_lowers_the_error() -> None:
    plan = TrainingPlan(steps=40, groups=1, patches=1, learning_rate=1e-2, decay="cosine", optimiser="muon", warm_up=5)
    validation = [scan(10, UNPADDED)]
    before = objective(validation=validation).validation_error()
    after = trained(plan=plan, validation=validation).record["history"][-1]["validation_error_mm"]
    assert after < 0.7 * before, f"{after:.1f} mm against {before:.1f} mm"


@pytest.mark.parametrize("rows", [slice(4, 8), slice(5, 6)])
def test_a_body_of_a_few_voxels_or_of_none_in_the_field_ends_no_training(rows: slice) -> None:
    # No row 5 is the middle of a voxel of the field, which averages two.
    mask = np.zeros(SCANS[0].body.mask.shape, dtype=bool)
    mask[4:6, rows, 4:8] = True
    loss, error = objective(scans=[replace(SCANS[0], body=BodyVoxels.of(mask))]).loss(0)
    assert torch.isfinite(loss) and torch.isfinite(error)


def test_no_scan_to_train_on_is_told_in_one_sentence() -> None:
    with pytest.raises(InputError, match="No scan to train on"):
        objective(scans=[])


def test_every_training_has_a_plan_for_the_position_map() -> None:
    assert PLANS_OF["position_map"].keys() == PLANS.keys()
    assert all(plan_of(name, "position_map").patches == 1 for name in PLANS)


def test_the_train_step_leaves_a_position_map_and_its_curve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PLANS_OF["position_map"], "tiny", PLAN)
    logged: list[str] = []
    train_stage(
        tmp_path / "out",
        cohort="c",
        stage="position_map",
        scans=[write_scan(tmp_path, 1)],
        validation=[write_scan(tmp_path, 9)],
        settings=TRAINED,
        training="tiny",
        seed=1,
        checkpoints=tmp_path / "states",
        code="abc",
        device=CPU,
        log=logged.append,
    )
    model = read_model(tmp_path / "out" / "c" / "position_map.safetensors")
    assert isinstance(model.network, PositionMap) and model.settings == SETTINGS
    assert model.record["validation"] == ["s9"]
    assert "training on 1 scans, 3 steps of 1 scans" in logged[0]
    assert "c position_map: step 3 of 3   position error: training " in logged[-1]
    assert (tmp_path / "out" / "c.position_map.jsonl").exists()
