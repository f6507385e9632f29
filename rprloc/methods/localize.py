"""Find the structures of all supports in a batch of queries by one family of methods: the LOCALIZE step."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from rprloc.errors import InputError
from rprloc.methods.prediction import Method, Prediction, Scan, draw_order, main_setting, table_settings, timed
from rprloc.networks.checkpoint import Model, check_conflicts, read_model
from rprloc.scans.preprocess import subject_of


@dataclass(frozen=True)
class Task:
    """What a LOCALIZE task hands to a method beside scans."""

    settings: dict[str, Any]
    """The cohort's settings for the family; `methods` names those of its methods that are asked."""
    models: dict[str, Model]
    """By network."""
    drawn: str | None
    """The drawn support."""
    tables: bool
    seed: int
    device: torch.device
    threads: int | None

    @property
    def structures(self) -> list[str] | None:
        """The structures to find; None for those of the supports."""
        return list(self.settings["structures"]) if self.settings["structures"] else None


def localize(
    family: str,
    *,
    supports: Sequence[Path],
    queries: Sequence[Path],
    models: Sequence[Path],
    settings: dict[str, Any],
    tables: bool,
    seed: int,
    device: torch.device,
    threads: int | None = None,
) -> list[Prediction]:
    """Return a family's answers for every query that can be used, in the queries' sorted order.

    `supports` and `queries` are folders of preprocessed scans of one cohort, `models` its network files and
    `settings` its settings for the family. `tables` asks regression for the settings of tables 1 and 2 as well. Each
    row's seconds hold its share of reading (`read`) and of the supports' preparation (`support`). Raises InputError
    where a model is no model, does not fit the settings, or one is missing.
    """
    networks = {}
    for path in models:
        model = read_model(path, device=device)
        check_conflicts(path.name, model.settings, settings)
        networks[model.settings.stage] = model
    if not queries:
        raise InputError("Found no query, expected at least one scan to search.")
    cohort = sorted(queries)[0].name.partition("@")[0]
    folders = {subject_of(folder): folder for folder in supports}
    # In the order of the draw: a method that takes some of the supports takes the first.
    order = draw_order(seed, cohort, list(folders))
    read = [scan for name in order if (scan := Scan.read(folders[name])) is not None]
    task = Task(settings, networks, read[0].subject if read else None, tables, seed, device, threads)
    method = _METHODS[family](task)
    began = time.perf_counter()
    method.prepare(read)
    prepared = time.perf_counter() - began
    by_subject = {scan.subject: scan for scan in read}
    answers: list[list[Prediction]] = []
    for folder in sorted(queries):
        began = time.perf_counter()
        query = by_subject.get(subject_of(folder)) or Scan.read(folder)
        reading = time.perf_counter() - began
        if query is not None:
            answers.append(_finished(method.locate(query), reading, first=not answers, device=_name(device)))
    return timed([row for rows in answers for row in rows], {"support": prepared})


def _finished(rows: list[Prediction], reading: float, *, first: bool, device: str) -> list[Prediction]:
    """Return a query's rows with their share of its reading."""
    return [replace(row, first=first, device=device) for row in timed(rows, {"read": reading})]


def _name(device: torch.device) -> str:
    """Return what computes, as a person calls it."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    threads = torch.get_num_threads()
    return f"CPU, {threads} thread{'s' if threads > 1 else ''}"


# Each imports its method itself, because some take seconds: a method that is not asked for costs nothing.


def _regression(task: Task) -> Method:
    """Return the paper's method."""
    from rprloc.methods.regression import Regression

    starts = task.settings["starts"]
    grid = table_settings(starts) if task.tables else [main_setting(starts)]
    return Regression(task.models, grid, structures=task.structures, drawn=task.drawn, seed=task.seed)


def _position_map(task: Task) -> Method:
    """Return the position map alone."""
    from rprloc.methods.position_map import PositionMapMethod

    if "position_map" not in task.models:
        raise InputError("Found no position_map network, expected one.")
    return PositionMapMethod(task.models["position_map"], structures=task.structures, drawn=task.drawn)


def _matched(task: Task) -> Method:
    """Return matching from the position map or, without one, from a registration."""
    from rprloc.methods.matched import Matched
    from rprloc.methods.start import MapStart, RegistrationStart, Start

    window, model = _knots(task.settings), task.models.get("position_map")
    start: Start = (
        RegistrationStart(window, seed=task.seed, threads=task.threads or os.cpu_count() or 1)
        if model is None
        else MapStart(model, seed=task.seed)
    )
    return Matched(start, window=window, structures=task.structures, drawn=task.drawn, device=task.device)


def _feature(task: Task) -> Method:
    """Return template matching by features."""
    from rprloc.methods.feature import Feature

    if "autoencoder" not in task.models:
        raise InputError("Found no autoencoder network, expected one.")
    model = task.models["autoencoder"]
    return Feature(task.settings["methods"], model, structures=task.structures, drawn=task.drawn)


def _retina_unet(task: Task) -> Method:
    """Return the supervised detector."""
    from rprloc.methods.retina_unet import RetinaUnet

    model = task.models.get("retina_unet")
    return RetinaUnet(model=model, structures=task.structures, device=task.device, drawn=task.drawn)


def _student(task: Task) -> Method:
    """Return the network that learned from supports or labels."""
    from rprloc.methods.student import Student

    (name,) = task.settings["methods"]
    for network in ("position_map", name):
        if network not in task.models:
            raise InputError(f"Found no {network} network, expected one.")
    return Student(name, task.models[name], task.models["position_map"], structures=task.structures)


def _grey(task: Task) -> Method:
    """Return template matching by grey values."""
    from rprloc.methods.grey import Grey

    settings = task.settings
    patch = [max(1, round(mm / step)) for mm, step in zip(settings["patch"], settings["spacing"], strict=True)]
    return Grey(
        settings["methods"],
        structures=task.structures,
        drawn=task.drawn,
        patch_voxels=(patch[0], patch[1], patch[2]),
        window=_knots(settings),
        modality=settings["modality"],
        stride=settings["template_stride"],
        device=task.device,
    )


def _registration(task: Task) -> Method:
    """Return the registrations."""
    from rprloc.methods.registration import Registration

    settings = task.settings
    return Registration(
        settings["methods"],
        window=_knots(settings),
        structures=task.structures,
        drawn=task.drawn,
        seed=task.seed,
        n_supports=settings["registration_supports"],
        threads=task.threads,
    )


def _knots(settings: dict[str, Any]) -> tuple[tuple[float, float], ...]:
    """Return the knots of the cohort's window."""
    return tuple((float(value), float(level)) for value, level in settings["window"])


_METHODS = {
    "regression": _regression,
    "position_map": _position_map,
    "matched": _matched,
    "grey": _grey,
    "feature": _feature,
    "retina_unet": _retina_unet,
    "student": _student,
    "ceiling": _student,
    "registration": _registration,
}
"""By the families of rprloc.cohort.methods."""
