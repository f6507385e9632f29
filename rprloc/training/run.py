"""Train one network of a cohort, or go on with it: the TRAIN step."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec
import torch

from rprloc.catalogue.rows import BY_SUPPORTS, load
from rprloc.cohort.tasks import Folders, Train
from rprloc.files import sha256, write_json_lines, write_text
from rprloc.networks.checkpoint import Model, write_model
from rprloc.networks.device import set_up_cpu
from rprloc.scans.record import ScanRecord
from rprloc.scans.scan import surface_path
from rprloc.training.loop import take_step, train
from rprloc.training.objective import Objective
from rprloc.training.optimiser import new_optimiser
from rprloc.training.sharing import Worker, device_of_rank, ignore_requests, joined, sharing
from rprloc.training.state import ASKING, TrainingState, at_work, one_writer
from rprloc.training.task import Lessons, folders_of, read_models


def train_network(
    task: Train,
    folders: Folders,
    output: Path,
    *,
    device: torch.device,
    log: Callable[[str], None] = print,
    processes: int = 1,
) -> Model:
    """Train one of a cohort's networks; write it to `output`/<cohort> and its curve and log to `output`.

    The folder task.checkpoints keeps the state, in a file named by the hash of everything that the weights depend on,
    and beside it a log to follow; the next start with the same inputs goes on from the state, with as many `processes`
    as it is given, a GPU each. Raises what `rprloc.training.loop.train`, `rprloc.training.sharing.sharing` and the
    task's objective raise.
    """
    name = f"{task.cohort}.{task.network}"
    state_path = Path(task.checkpoints) / f"{name}.{_key(task, folders)}.safetensors"
    log_path = state_path.with_suffix(".log")
    state = TrainingState(state_path)
    output.mkdir(parents=True, exist_ok=True)
    with (
        at_work(output / ".training"),
        one_writer(state_path, log),
        state.stop_on_signal(),
        tempfile.TemporaryDirectory(dir=output, prefix=".scans-") as scratch,
    ):
        if not state_path.exists():
            log_path.write_text("", encoding="utf-8")

        def say(line: str) -> None:
            # A scheduler that asks to stop closes the pipe first.
            with suppress(BrokenPipeError):
                log(f"{task.cohort} {task.network}: {line}")
            with log_path.open("a", encoding="utf-8") as stream:
                stream.write(line + "\n")

        objective = _objective(task, folders, state, device=device, scratch=Path(scratch), log=say)
        length = task.length
        batch = f"{length.groups} x {length.patches} patches" if length.patches > 1 else f"{length.groups} scans"
        say(
            f"training on {objective.scans} scans, {length.steps:,} steps of {batch}, "
            f"on {device}, {torch.get_num_threads()} threads"
            + (f", shared by {processes} processes" if processes > 1 else "")
        )
        # What an objective keeps beside the state it has written by now: the others find it there.
        with sharing(processes, device, _Help(task, folders, state_path, device, processes)):
            model = train(objective, length, seed=task.seed, state=state, log=say, processes=processes)
    write_model(output / task.cohort / f"{task.network}.safetensors", model)
    write_json_lines(output / f"{name}.jsonl", (point.to_json() for point in state.history))
    write_text(output / f"{name}.log", log_path.read_text(encoding="utf-8"))
    return model


def _objective(
    task: Train,
    folders: Folders,
    state: TrainingState,
    *,
    device: torch.device,
    scratch: Path,
    log: Callable[[str], None],
) -> Objective:
    """Return what a task's network learns."""
    lessons = Lessons(
        task=task,
        training=folders_of(task.training, folders),
        validation=folders_of(task.validation, folders),
        supports=folders_of(task.supports, folders),
        models=read_models(task, folders, device),
        device=device,
        scratch=scratch,
        state=state,
        log=log,
    )
    objective: Objective = load(task.objective)(lessons)
    return objective


@dataclass(frozen=True)
class _Help:
    """What another process does: its part of every step of a training, whose state is kept by the one of rank 0."""

    task: Train
    folders: Folders
    state_path: Path
    device: torch.device
    processes: int

    def __call__(self, rank: int, place: Path) -> None:
        """Work until the last step."""
        ignore_requests(ASKING)
        set_up_cpu(max(1, self.task.threads // self.processes))
        device, length = device_of_rank(self.device, rank), self.task.length
        with joined(rank, self.processes, place, device), tempfile.TemporaryDirectory() as scratch:
            state = TrainingState(self.state_path)
            objective = _objective(self.task, self.folders, state, device=device, scratch=Path(scratch), log=_nothing)
            optimiser = new_optimiser(objective.network, length)
            worker = Worker(length.groups, rank=rank, processes=self.processes)
            for step in range(state.restore(objective.network, optimiser), length.steps):
                take_step(objective, length, optimiser, step, worker)


def _nothing(_line: str) -> None:
    """Say nothing: the process of rank 0 does."""


def _key(task: Train, folders: Folders) -> str:
    """Return a short hash of everything that a training's weights depend on."""
    training, validation, supports = (
        [ScanRecord.read(folder).to_json() for folder in folders_of(names, folders)]
        for names in (task.training, task.validation, task.supports)
    )
    everything = [
        [task.network, msgspec.to_builtins(task.settings), task.length.to_json(), task.seed, task.code, task.threads],
        [[_part(record, "subject", "source_sha256", "model") for record in part] for part in (training, validation)],
        torch.__version__,
    ]
    if task.learns:
        # Whom supports teach looks at no label of a training scan.
        told = [validation, supports] if task.learns == BY_SUPPORTS else [training, validation]
        everything.append([[_part(record, "structures") for record in part] for part in told])
    if task.settings.matching_spacing is not None:
        parts = (training, validation, supports)
        everything.append([[_part(record, "matching") for record in part] for part in parts])
    surfaces = [surface_path(folder) for folder in folders_of(task.supports, folders)]
    everything.append([_part(record, "subject", "source_sha256", "model") for record in supports])
    everything.append([sha256(path) for path in (*sorted(folders.models), *surfaces) if path.exists()])
    return hashlib.sha256(json.dumps(everything, sort_keys=True).encode()).hexdigest()[:16]


def _part(record: dict[str, object], *keys: str) -> list[object]:
    """Return some values of a scan's record; None for what one that was set aside does not have."""
    return [record.get(key) for key in keys]
