"""The one training loop of every network, top to bottom."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from rprloc.errors import InputError
from rprloc.networks.checkpoint import Model, ModelSettings, new_network
from rprloc.training.data import TrainingScan
from rprloc.training.optimiser import new_optimiser
from rprloc.training.plan import TrainingPlan
from rprloc.training.state import Interrupted, TrainingState

RECORDS = 40
"""Points of a training curve."""
LOG_SECONDS = 10.0


class Objective(Protocol):
    """What a network learns: its loss on the data of a step, and how good it is on data that stay the same."""

    network: nn.Module
    settings: ModelSettings
    error: str
    """What the curve calls the error, such as `error_mm`: its keys are `train_<error>` and `validation_<error>`."""
    words: str
    """How the log tells it, with places for the training's and the validation's."""
    scans: int
    """How many scans the network learns from."""
    validation: list[str]
    """The subjects of the validation scans; empty where the error is one of the training scans."""

    def loss(self, step: int) -> tuple[Tensor, Tensor]:
        """Return the loss of a step's own data and their error; random draws depend on the seed and the step only."""

    def validation_error(self) -> float:
        """Return the error on the fixed data."""


class FromScans:
    """What the objectives share that draw from whole training scans, none of which has to have a label."""

    def __init__(
        self,
        scans: Sequence[TrainingScan],
        validation: Sequence[TrainingScan],
        settings: ModelSettings,
        plan: TrainingPlan,
        *,
        seed: int,
        device: torch.device,
    ) -> None:
        """Take the scans to draw from and those of the fixed data, which are the same where there are no others; raises
        InputError without scans to draw from.
        """
        if not scans:
            raise InputError("No scan to train on: every scan of the training split was set aside.")
        self.network: nn.Module = new_network(settings, seed=seed).to(device)
        self.settings = settings
        self.scans = len(scans)
        self.validation = [scan.subject for scan in validation]
        self._scans, self._plan, self._seed = scans, plan, seed
        self._fix(validation or scans)

    def _fix(self, scans: Sequence[TrainingScan]) -> None:
        """Draw the data of the validation error from some scans, once."""
        raise NotImplementedError


def train(
    objective: Objective,
    plan: TrainingPlan,
    *,
    seed: int,
    state: TrainingState,
    log: Callable[[str], None] = print,
) -> Model:
    """Train an objective's network and return it with its record.

    Everything random in a step comes from the objective's seed and the step's number: a training that `state` takes up
    again after a kill ends with the same weights. Raises InputError where the loss is no number, and `Interrupted`
    once a signal has asked to stop and the state is saved.
    """
    network = objective.network
    optimiser = new_optimiser(network, plan)
    record_every = max(1, plan.steps // RECORDS)
    step = state.restore(network, optimiser)
    if step:
        log(f"goes on from step {step} of {plan.steps}")
    started = logged = time.monotonic()
    first, losses, errors = step, [], []
    while step < plan.steps:
        loss, error = take_step(objective, plan, optimiser, step)
        step += 1
        losses.append(loss.detach())
        errors.append(error.detach())
        if step % record_every == 0 or step == plan.steps:
            seconds = time.monotonic() - started
            state.history.append(_record(objective, step, plan, losses, errors))
            state.history[-1]["seconds"] = round(state.seconds + seconds, 1)
            losses, errors = [], []
        now = time.monotonic()
        if now - logged >= LOG_SECONDS or step == plan.steps:
            left = (now - started) / (step - first) * (plan.steps - step)
            log(_log_line(objective, step, plan, state.history, left))
            logged = now
        if state.interrupted or step % record_every == 0:
            state.save_when_due(step, network, optimiser, time.monotonic() - started)
        if state.interrupted:
            raise Interrupted(f"stopped at step {step} of {plan.steps}; the next start goes on from here")
    state.save(step, network, optimiser, time.monotonic() - started)
    record = _training_record(objective, plan, seed, state)
    network.requires_grad_(False)
    return Model(network.eval(), objective.settings, record)


def take_step(
    objective: Objective, plan: TrainingPlan, optimiser: torch.optim.Optimizer, step: int
) -> tuple[Tensor, Tensor]:
    """Move the network by one step; return the loss and the error that it had before."""
    for group in optimiser.param_groups:
        group["lr"] = plan.learning_rate_at(step)
    loss, error = objective.loss(step)
    optimiser.zero_grad(set_to_none=True)
    loss.backward()
    optimiser.step()
    return loss, error


def _record(
    objective: Objective, step: int, plan: TrainingPlan, losses: list[Tensor], errors: list[Tensor]
) -> dict[str, Any]:
    """Return one point of the training curve: means since the last; raises InputError for one that is no number."""
    loss, train = (float(torch.stack(values).mean()) for values in (losses, errors))
    validation = objective.validation_error() if np.isfinite(loss) else np.nan
    for what, value in (("loss", loss), ("training error", train), ("validation error", validation)):
        if not np.isfinite(value):
            raise InputError(
                f"The training's {what} is {value} at step {step}, expected a number: its settings do not train."
            )
    return {
        "step": step,
        "steps": plan.steps,
        "loss": loss,
        f"train_{objective.error}": round(train, 5),
        f"validation_{objective.error}": round(validation, 5),
        "learning_rate": plan.learning_rate_at(step - 1),
    }


def _log_line(
    objective: Objective, step: int, plan: TrainingPlan, history: list[dict[str, Any]], seconds_left: float
) -> str:
    """Return a line for a person who waits."""
    text = f"step {step:,} of {plan.steps:,}"
    if history:
        trained, fixed = (history[-1][f"{which}_{objective.error}"] for which in ("train", "validation"))
        text += f"   {objective.words.format(trained, fixed)}"
    minutes, seconds = divmod(int(seconds_left), 60)
    return f"{text}   {minutes}:{seconds:02d} left"


def _training_record(objective: Objective, plan: TrainingPlan, seed: int, state: TrainingState) -> dict[str, Any]:
    """Return what a model file tells about its training."""
    return {
        "steps": plan.steps,
        "groups": plan.groups,
        "patches": plan.patches,
        "learning_rate": plan.learning_rate,
        "seed": seed,
        "scans": objective.scans,
        "validation": list(objective.validation) or "fixed data of the training scans",
        "history": state.history,
        "torch": torch.__version__,
    }
