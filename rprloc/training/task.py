"""What an objective is made of: the task that CHECK planned, with its scans and models at hand."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch

from rprloc.cohort.tasks import Folders, Train
from rprloc.errors import InputError
from rprloc.networks.checkpoint import Model, check_conflicts, read_model
from rprloc.training.state import TrainingState


@dataclass(frozen=True, kw_only=True)
class Lessons:
    """A training task at work. Folders are those of preprocessed scans, sorted by name."""

    task: Train
    training: tuple[Path, ...]
    validation: tuple[Path, ...]
    supports: tuple[Path, ...]
    models: Mapping[str, Model]
    """The networks that were trained before, by name."""
    device: torch.device
    scratch: Path
    """A folder for what does not fit into memory."""
    state: TrainingState
    """What goes on after a kill, beside whose file an objective may keep files of its own."""
    log: Callable[[str], None]

    def model(self, network: str) -> Model:
        """Return a network that was trained before; raises InputError where it is missing."""
        if network not in self.models:
            raise InputError(f"{self.task.network}: found no {network} network, expected one.")
        return self.models[network]


def folders_of(names: Iterable[str], folders: Folders) -> tuple[Path, ...]:
    """Return the folders of some scans, sorted by name, without those whose task died."""
    return tuple(folders.scans[name] for name in sorted(set(names)) if name in folders.scans)


def read_models(task: Train, folders: Folders, device: torch.device) -> dict[str, Model]:
    """Return the networks that were trained before; raises InputError for one that does not fit the task's settings."""
    found = {}
    for path in folders.models:
        model = read_model(path, device=device)
        check_conflicts(model.settings.network, model.settings, task.settings)
        found[model.settings.network] = model
    return found
