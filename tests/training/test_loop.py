"""The training: it learns, and the same seed gives the same weights bit by bit, also after a kill."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from rprloc.errors import InputError
from rprloc.networks.checkpoint import Model, ModelSettings
from rprloc.training import loop, position
from rprloc.training.loop import train
from rprloc.training.plan import PLANS, TrainingPlan
from rprloc.training.position import RelativePosition
from rprloc.training.state import Interrupted, TrainingState
from tests.training.scans import COHORT, SETTINGS, scan

CPU = torch.device("cpu")
PLAN = TrainingPlan(steps=9, groups=2, patches=4)
SCANS = [scan(seed) for seed in range(3)]


@pytest.fixture(autouse=True)
def few_validation_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the measuring, of which the tests do much, short."""
    monkeypatch.setattr(position, "_VALIDATION_GROUPS", 4)


class StopAt(TrainingState):
    """A state whose training is asked to stop at a step, as a signal would."""

    def __init__(self, path: Path | None, step: int) -> None:
        super().__init__(path)
        self.stop_at = step

    def save_when_due(self, step: int, *others: Any) -> None:
        self.interrupted = step >= self.stop_at
        super().save_when_due(step, *others)


def trained(
    state: TrainingState | None = None,
    *,
    plan: TrainingPlan = PLAN,
    settings: ModelSettings = SETTINGS,
    scans: Any = None,
    validation: Any = (),
    seed: int = 1,
) -> Model:
    """Return a trained model."""
    objective = RelativePosition(
        SCANS if scans is None else scans, list(validation), settings, plan, seed=seed, device=CPU
    )
    return train(objective, plan, seed=seed, state=state or TrainingState(None), log=lambda _line: None)


def equal(one: Model, two: Model) -> bool:
    """Return whether two networks have the same weights, bit by bit."""
    pairs = zip(one.network.state_dict().values(), two.network.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


def curve(model: Model) -> list[Any]:
    """Return a training's curve without its times."""
    return [{key: value for key, value in point.items() if key != "seconds"} for point in model.record["history"]]


def test_the_same_seed_gives_the_same_weights_bit_by_bit() -> None:
    one, two, other = trained(), trained(), trained(seed=2)
    assert equal(one, two) and curve(one) == curve(two)
    assert not equal(one, other)


@pytest.mark.parametrize("stage", ["coarse", "fine"])
@pytest.mark.parametrize("stop", [1, 4, 9])
@pytest.mark.parametrize("optimiser", ["adam", "muon"])
def test_a_training_that_is_stopped_and_gone_on_with_ends_with_the_same_weights(
    tmp_path: Path, stop: int, stage: str, optimiser: str
) -> None:
    settings = ModelSettings.of_cohort(COHORT, stage)
    plan = replace(PLAN, optimiser=optimiser)
    whole = trained(settings=settings, plan=plan)
    path = tmp_path / "state.safetensors"
    with pytest.raises(Interrupted, match=f"stopped at step {stop} of 9"):
        trained(StopAt(path, stop), settings=settings, plan=plan)
    assert path.exists()
    again = trained(TrainingState(path), settings=settings, plan=plan)
    assert equal(whole, again)
    assert curve(whole) == curve(again)


def test_a_finished_training_is_not_done_again(tmp_path: Path) -> None:
    path = tmp_path / "state.safetensors"
    first = trained(TrainingState(path))
    logged: list[str] = []
    before = path.stat().st_size
    objective = RelativePosition(SCANS, [], SETTINGS, PLAN, seed=1, device=CPU)
    again = train(objective, PLAN, seed=1, state=TrainingState(path), log=logged.append)
    assert equal(first, again) and first.record == again.record
    assert logged == ["goes on from step 9 of 9"] and path.stat().st_size == before


def test_the_curve_has_its_points_at_equal_distances_and_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "RECORDS", 5)
    points = curve(trained(plan=replace(PLAN, steps=52, groups=1, patches=2)))
    assert [point["step"] for point in points] == [10, 20, 30, 40, 50, 52]
    assert set(points[0]) == {"step", "steps", "loss", "train_error_mm", "validation_error_mm", "learning_rate"}
    assert points[0]["learning_rate"] == pytest.approx(1e-3 * 0.9**8)
    assert points[-1]["learning_rate"] == pytest.approx(1e-3 * 0.9**49)


def test_the_learning_rate_falls_as_250_epochs_by_5_do() -> None:
    plan = PLANS["paper"]
    assert plan.learning_rate_at(0) == plan.learning_rate_at(9_999) == 1e-3
    assert plan.learning_rate_at(10_000) == pytest.approx(0.9e-3)
    assert plan.learning_rate_at(plan.steps - 1) == pytest.approx(1e-3 * 0.9**49)
    assert (plan.groups * plan.patches, plan.groups * plan.patches * (plan.patches - 1) // 2) == (12, 6)


def test_a_short_trainings_rate_falls_by_half_a_cosine() -> None:
    plan = TrainingPlan(steps=100, groups=1, patches=2, learning_rate=4e-3, decay="cosine")
    assert plan.learning_rate_at(0) == pytest.approx(4e-3)
    assert plan.learning_rate_at(50) == pytest.approx(2e-3)
    assert 0 < plan.learning_rate_at(99) < 1e-5


def test_mistake_12_the_validation_pairs_are_drawn_once_and_do_not_depend_on_the_training() -> None:
    validation = [scan(10), scan(11)]
    expected = position._fixed_groups(validation, SETTINGS, 1)
    assert len(expected) == position._VALIDATION_GROUPS
    assert {group[0].subject for group in expected} == {"s10", "s11"}
    np.random.default_rng(0).random(100)
    for one, two in zip(expected, position._fixed_groups(validation, SETTINGS, 1), strict=True):
        assert one[0] is two[0]
        np.testing.assert_array_equal(one[1], two[1])
    # A scan's pairs do not depend on the others or on their order.
    turned = position._fixed_groups(validation[::-1], SETTINGS, 1)
    np.testing.assert_array_equal(expected[0][1], turned[len(turned) // 2][1])
    other = position._fixed_groups(validation, SETTINGS, 2)
    assert any((one[1] != two[1]).any() for one, two in zip(expected, other, strict=True))


def test_mistake_12_a_networks_validation_error_is_the_same_number_each_time() -> None:
    validation = [scan(10)]
    model = trained(validation=validation)
    fixed = [position._cropped(position._fixed_groups(validation, SETTINGS, 1), SETTINGS)]
    errors = {round(position._validation_error_mm(model.network, fixed, SETTINGS), 5) for _ in range(3)}
    assert errors == {model.record["history"][-1]["validation_error_mm"]}
    assert model.record["validation"] == ["s10"]


def test_mistake_12_every_step_draws_from_a_stream_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[Any] = []
    original = position._draw_groups

    def spy(*arguments: Any) -> Any:
        groups = original(*arguments)
        drawn.append([(one.subject, centres.tolist()) for one, centres in groups])
        return groups

    monkeypatch.setattr(position, "_draw_groups", spy)
    trained()
    first, drawn[:] = list(drawn), []
    assert len({str(step) for step in first}) == 9
    # The validation and the length of the training have no say in what a step draws.
    trained(plan=replace(PLAN, steps=5), validation=[scan(10)])
    assert drawn == first[:5]
    # Each group of a step is drawn anew.
    assert all(groups[0] != groups[1] for groups in first)


def test_very_many_scans_are_measured_on_a_few_of_them() -> None:
    many = [replace(SCANS[0], subject=f"s{number}") for number in range(4 * position._VALIDATION_GROUPS)]
    measured = [group[0].subject for group in position._fixed_groups(many, SETTINGS, 1)]
    assert measured == [f"s{number}" for number in range(0, len(many), 4)]


def test_validation_scans_are_never_trained_on() -> None:
    assert equal(trained(), trained(validation=[scan(10)]))


def test_without_validation_scans_the_fixed_pairs_are_the_training_scans() -> None:
    model = trained()
    assert model.record["validation"] == "fixed data of the training scans"
    assert model.record["scans"] == 3 and model.record["steps"] == 9


def test_mistake_12_offsets_are_true_in_x_y_z_order_on_anisotropic_spacing() -> None:
    assert SETTINGS.spacing == (3.0, 2.0, 2.0)
    settings = replace(SETTINGS, spacing=(3.0, 2.0, 1.0))
    centres = np.array([[4, 5, 6], [5, 7, 11]])
    network = trained(plan=replace(PLAN, steps=1)).network
    _, true = position._offsets_mm(network, position._cropped([(SCANS[0], centres)], settings), settings)
    np.testing.assert_array_equal(true, [[5 * 1.0, 2 * 2.0, 1 * 3.0]])


@pytest.mark.parametrize(
    "stage,r_mm,optimiser,rate,share",
    [
        ("coarse", 60, "adam", 1e-3, 0.65),
        ("fine", 20, "adam", 5e-3, 0.75),
        ("coarse", 60, "muon", 1.5e-2, 0.5),
        ("fine", 20, "muon", 1.5e-2, 0.65),
    ],
)
def test_a_short_training_beats_predicting_zero_by_far(
    stage: str, r_mm: float, optimiser: str, rate: float, share: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "RECORDS", 1)
    monkeypatch.setattr(position, "_VALIDATION_GROUPS", 24)
    settings = ModelSettings.of_cohort(COHORT | {"r": r_mm}, stage)
    validation = [scan(10), scan(11)]
    plan = TrainingPlan(steps=120, groups=3, patches=8, learning_rate=rate, optimiser=optimiser)
    model = trained(settings=settings, plan=plan, validation=validation)
    fixed = position._cropped(position._fixed_groups(validation, settings, 1), settings)
    _, true = position._offsets_mm(model.network, fixed, settings)
    zero = float(true.norm(dim=1).mean())
    found = model.record["history"][-1]["validation_error_mm"]
    assert found < share * zero, f"{found:.1f} mm against {zero:.1f} mm"
    assert not model.network.training and not any(p.requires_grad for p in model.network.parameters())


def test_progress_is_told_with_errors_and_the_time_that_is_left() -> None:
    lines: list[str] = []
    objective = RelativePosition(SCANS, [], SETTINGS, PLAN, seed=1, device=CPU)
    train(objective, PLAN, seed=1, state=TrainingState(None), log=lines.append)
    assert len(lines) == 1
    assert lines[0].startswith("step 9 of 9   pair error: training ") and lines[0].endswith("   0:00 left")


def test_no_scan_to_train_on_is_told_in_one_sentence() -> None:
    with pytest.raises(InputError, match="No scan to train on"):
        trained(scans=[])


def test_a_loss_that_is_no_number_ends_the_training() -> None:
    with pytest.raises(InputError, match="expected a number: its settings do not train"):
        trained(plan=replace(PLAN, learning_rate=1e30, steps=5))


def test_a_validation_error_that_is_no_number_ends_the_training(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(RelativePosition, "validation_error", lambda _self: float("nan"))
    with pytest.raises(InputError, match="validation error is nan at step"):
        trained()


def test_another_learning_rate_is_another_training() -> None:
    assert not equal(trained(), trained(plan=replace(PLAN, learning_rate=2e-3)))
