"""Tiny trainings of every network of the catalogue: tasks, their lessons, and what is compared."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import torch

from rprloc.catalogue import load, network_named
from rprloc.catalogue.rows import Length
from rprloc.cohort.tasks import Train
from rprloc.geometry import Grid
from rprloc.networks.checkpoint import Model
from rprloc.networks.training_record import CurvePoint, TrainingRecord
from rprloc.scans.record import ScanRecord
from rprloc.scans.scan import KINDS, volume_path, write_scan_volume
from rprloc.scans.volume import read_model_volume
from rprloc.training.loop import train
from rprloc.training.objective import Objective
from rprloc.training.state import TrainingState
from rprloc.training.task import Lessons
from rprloc.training.teaching import true_points, write_points
from tests.methods.fakes import structure
from tests.training import labelled, scans

CPU = torch.device("cpu")
_WHOLE = Length(steps=3, groups=1, patches=1, decay="cosine", optimiser="muon")


def length_for(network: str) -> Length:
    """Return a very short training, by each of the optimisers."""
    patches = {"coarse": "muon", "fine": "adam", "autoencoder": "adam"}
    return Length(steps=3, groups=2, patches=4, optimiser=patches[network]) if network in patches else _WHOLE


def task_for(network: str, **changes: Any) -> Train:
    """Return a task of cohort `c` without scans; scans may be given as their folders."""
    row = network_named(network)
    asked: dict[str, Any] = {
        "id": f"c.{network}", "cohort": "c", "network": network, "objective": row.objective, "learns": row.learns,
        "length": length_for(network), "settings": labelled.COHORT if row.learns else scans.COHORT, "training": (),
        "models": tuple(f"c/{name}" for name in row.needs),
    } | changes  # fmt: skip
    for part in ("training", "validation", "supports"):
        asked[part] = tuple(folder if isinstance(folder, str) else folder.name for folder in asked.get(part, ()))
    return Train(**asked)


def write_scan_for(network: str, parent: Path, seed: int) -> Path:
    """Write a scan from which a network can learn."""
    if network_named(network).learns:
        return labelled.write_labelled(parent, seed, matching=True)
    return scans.write_scan(parent, seed)


def write_slab_for(network: str, parent: Path, seed: int, planes: int) -> Path:
    """Write a few planes, from the tenth on, of a scan from which a network can learn."""
    folder = write_scan_for(network, parent, seed)
    record = ScanRecord.read(folder)
    assert record.model is not None
    size, origin = (*record.model.size[:2], planes), tuple(record.model.world([10, 0, 0]).tolist())
    grid = Grid(size, record.model.spacing_mm, origin)
    # Its structures end where it does, and those that it does not show are absent.
    boxes = {name: np.clip(one.box_mm, *grid.box_mm) for name, one in record.structures.items()}
    structures = {
        name: structure(*box, value=record.structures[name].value)
        for name, box in boxes.items()
        if np.all(box[1] > box[0])
    }
    matching = None if record.matching is None else grid
    replace(record, model=grid, matching=matching, structures=structures).write(parent)
    for kind in KINDS:
        path = volume_path(folder, kind)
        if path.exists():
            write_scan_volume(folder, read_model_volume(path)[10 : 10 + planes], grid, kind)
    return folder


def lessons_for(
    network: str, place: Path, training: list[Path], validation: list[Path] | None = None, **changes: Any
) -> Lessons:
    """Return the lessons of a task with `changes` in a folder of its own.

    What the student is told by its supports, the first scan alone, is kept there as if it had been sought before.
    """
    place.mkdir(parents=True, exist_ok=True)
    supports = training[:1] if network == "student" else []
    state = TrainingState(place / "state.safetensors")
    device = changes.pop("device", CPU)
    if network == "student":
        told = {folder.name[2:]: true_points(folder, None) for folder in training}
        write_points(place / "state.landmarks.json", told)
    return Lessons(
        task=task_for(network, training=training, validation=validation or [], supports=supports, **changes),
        training=tuple(training),
        validation=tuple(validation or []),
        supports=tuple(supports),
        models={"position_map": labelled.position_map()},
        device=device,
        scratch=place,
        state=state,
        log=lambda _line: None,
    )


def objective_of(lessons: Lessons) -> Any:
    """Return what a task's network learns."""
    objective: Objective = load(lessons.task.objective)(lessons)
    return objective


def trained(
    objective: Objective, length: Length, state: TrainingState | None = None, log: Callable[[str], None] | None = None
) -> Model:
    """Return an objective's trained network."""
    return train(objective, length, seed=1, state=state or TrainingState(None), log=log or (lambda _line: None))


class StopAt(TrainingState):
    """A state whose training is asked to stop at a step, as a signal would."""

    def __init__(self, path: Path | None, step: int) -> None:
        super().__init__(path)
        self.stop_at = step

    def save_when_due(self, step: int, *others: Any) -> None:
        self.interrupted = step >= self.stop_at
        super().save_when_due(step, *others)


def equal(one: Model, two: Model) -> bool:
    """Return whether two networks have the same weights, bit by bit."""
    pairs = zip(one.network.state_dict().values(), two.network.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


def record_of(model: Model) -> TrainingRecord:
    """Return what is known of a training."""
    assert model.record is not None
    return model.record


def curve(model: Model) -> list[CurvePoint]:
    """Return a training's curve without its times."""
    return [msgspec.structs.replace(point, seconds=0.0) for point in record_of(model).history]
