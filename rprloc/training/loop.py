"""The one training loop of every network, top to bottom."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import numpy as np
import torch
from msgspec.structs import replace
from torch import Tensor

from rprloc.catalogue.rows import Length
from rprloc.errors import InputError
from rprloc.networks.checkpoint import Model
from rprloc.networks.training_record import CurvePoint, TrainingRecord
from rprloc.training.objective import Objective
from rprloc.training.optimiser import Optimiser, new_optimiser
from rprloc.training.sharing import Worker
from rprloc.training.state import Interrupted, TrainingState

RECORDS = 40
"""Points of a training curve."""
LOG_SECONDS = 10.0


def train(
    objective: Objective,
    length: Length,
    *,
    seed: int,
    state: TrainingState,
    log: Callable[[str], None] = print,
    processes: int = 1,
) -> Model:
    """Train an objective's network and return it with its record.

    Everything random in a step comes from the objective's seed and the step's number: a training that `state` takes up
    again after a kill ends with the same weights. `processes` share each step's work (`rprloc.training.sharing`), of
    which this one has the rank 0 and alone keeps the state. Raises InputError where the loss is no number, and
    `Interrupted` once a signal has asked to stop and the state is saved.
    """
    network = objective.network
    optimiser = new_optimiser(network, length)
    worker = Worker(length.groups, processes=processes)
    record_every = max(1, length.steps // RECORDS)
    step = state.restore(network, optimiser)
    if step:
        log(f"goes on from step {step} of {length.steps}")
    started = logged = time.monotonic()
    first = step
    while step < length.steps:
        parts = worker.parts
        loss, error = take_step(objective, length, optimiser, step, worker)
        if worker.parts > parts:
            log(f"the GPU's memory holds a step in {worker.parts} parts; the batch as a whole stays as it is")
        step += 1
        state.losses.append(loss.detach())
        state.errors.append(error.detach())
        if step % record_every == 0 or step == length.steps:
            seconds = round(state.seconds + time.monotonic() - started, 1)
            state.history.append(_point(objective, step, length, state, seconds))
            state.losses, state.errors = [], []
        # Before a line is said: whoever asked to stop may not listen any more.
        state.save_when_due(step, network, optimiser, time.monotonic() - started)
        now = time.monotonic()
        if now - logged >= LOG_SECONDS or step == length.steps:
            left = (now - started) / (step - first) * (length.steps - step)
            log(_log_line(objective, step, length, state.history, left))
            logged = now
        if state.interrupted:
            raise Interrupted(f"stopped at step {step} of {length.steps}; the next start goes on from here")
    state.save(step, network, optimiser, time.monotonic() - started)
    record = _training_record(objective, length, seed, state)
    if processes > 1:
        record = replace(record, processes=processes)
    network.requires_grad_(False)
    return Model(network.eval(), objective.settings, record)


def take_step(
    objective: Objective, length: Length, optimiser: Optimiser, step: int, worker: Worker | None = None
) -> tuple[Tensor, Tensor]:
    """Move the network by one step, this process's part of the work or all of it; return the loss and the error that
    it had before.
    """
    for group in optimiser.param_groups:
        group["lr"] = length.learning_rate_at(step)
    loss, error = (worker or Worker(length.groups)).gradients(objective, step)
    optimiser.step()
    return loss, error


def _point(objective: Objective, step: int, length: Length, state: TrainingState, seconds: float) -> CurvePoint:
    """Return one point of the training curve: means since the last; raises InputError for one that is no number."""
    loss, train = (float(torch.stack(values).mean()) for values in (state.losses, state.errors))
    validation = objective.validation_error() if np.isfinite(loss) else np.nan
    for what, value in (("loss", loss), ("training error", train), ("validation error", validation)):
        if not np.isfinite(value):
            raise InputError(
                f"The training's {what} is {value} at step {step}, expected a number: its settings do not train."
            )
    return CurvePoint(
        step=step,
        steps=length.steps,
        loss=loss,
        error=objective.error,
        train=round(train, 5),
        validation=round(validation, 5),
        learning_rate=length.learning_rate_at(step - 1),
        seconds=seconds,
    )


def _log_line(
    objective: Objective, step: int, length: Length, history: Sequence[CurvePoint], seconds_left: float
) -> str:
    """Return a line for a person who waits."""
    text = f"step {step:,} of {length.steps:,}"
    if history:
        text += f"   {objective.words.format(history[-1].train, history[-1].validation)}"
    minutes, seconds = divmod(int(seconds_left), 60)
    return f"{text}   {minutes}:{seconds:02d} left"


def _training_record(objective: Objective, length: Length, seed: int, state: TrainingState) -> TrainingRecord:
    """Return what a model file tells about its training."""
    return TrainingRecord(
        steps=length.steps,
        groups=length.groups,
        patches=length.patches,
        learning_rate=length.learning_rate,
        seed=seed,
        scans=objective.scans,
        validation=tuple(objective.validation) or "fixed data of the training scans",
        history=tuple(state.history),
        torch=str(torch.__version__),
        threads=torch.get_num_threads(),
        device=next(objective.network.parameters()).device.type,
    )
