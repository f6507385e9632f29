"""Train one network of a cohort, or go on with it: the TRAIN step."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import msgspec
import torch

from rprloc.catalogue.rows import BY_SUPPORTS, load
from rprloc.cohort.tasks import Folders, Train
from rprloc.files import sha256, write_json_lines, write_text
from rprloc.networks.checkpoint import Model, write_model
from rprloc.scans.record import ScanRecord
from rprloc.scans.scan import surface_path
from rprloc.training.loop import train
from rprloc.training.objective import Objective
from rprloc.training.state import TrainingState, at_work, one_writer
from rprloc.training.task import Lessons, folders_of, read_models


def train_network(
    task: Train, folders: Folders, output: Path, *, device: torch.device, log: Callable[[str], None] = print
) -> Model:
    """Train one of a cohort's networks; write it to `output`/<cohort> and its curve and log to `output`.

    The folder task.checkpoints keeps the state, in a file named by the hash of everything that the weights depend on,
    and beside it a log to follow; the next start with the same inputs goes on from the state. Raises what
    `rprloc.training.loop.train` and the task's objective raise.
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

        lessons = Lessons(
            task=task,
            training=folders_of(task.training, folders),
            validation=folders_of(task.validation, folders),
            supports=folders_of(task.supports, folders),
            models=read_models(task, folders, device),
            device=device,
            scratch=Path(scratch),
            state=state,
            log=say,
        )
        objective: Objective = load(task.objective)(lessons)
        length = task.length
        batch = f"{length.groups} x {length.patches} patches" if length.patches > 1 else f"{length.groups} scans"
        say(
            f"training on {objective.scans} scans, {length.steps:,} steps of {batch}, "
            f"on {device}, {torch.get_num_threads()} threads"
        )
        model = train(objective, length, seed=task.seed, state=state, log=say)
    write_model(output / task.cohort / f"{task.network}.safetensors", model)
    write_json_lines(output / f"{name}.jsonl", (point.to_json() for point in state.history))
    write_text(output / f"{name}.log", log_path.read_text(encoding="utf-8"))
    return model


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
