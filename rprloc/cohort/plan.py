"""The plan of a run: what each task does, on which scans, with which models and settings."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from rprloc.catalogue import (
    methods,
)
from rprloc.cohort.check import Checked, Given, check, is_settings_file
from rprloc.cohort.chosen import Weights
from rprloc.cohort.code import code_hash
from rprloc.cohort.parameters import read_schema
from rprloc.cohort.places import Place, places_beside
from rprloc.cohort.planner import Planner, member_of, shipped_id, threads_of
from rprloc.cohort.provenance import Provenance, commit_of, provenance
from rprloc.cohort.requests import Request, requests_of
from rprloc.cohort.settings import Settings
from rprloc.cohort.sheet import Row, named_files
from rprloc.cohort.tasks import (
    AUTO,
    Cohort,
    Export,
    Measure,
    Preprocess,
    Report,
    Search,
    SheetFile,
    Together,
    Train,
    View,
    to_json,
)
from rprloc.cohort.weights import weights_folder
from rprloc.files import sha256


class GivenModel(msgspec.Struct, frozen=True):
    """A trained model of the folder of weights."""

    id: str
    """`cohort/network`, or of one that ships `rprloc/weights/NAME/network`."""
    file: str
    """Its path within the folder of weights."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """All tasks of a run, or what is wrong with it."""

    faults: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    """What is decided and nothing to worry about, a sentence each."""
    tasks: Mapping[str, int] = {}
    """How many tasks each process has."""
    requests: Mapping[str, Request] = {}
    """What the tasks of a process ask a scheduler for, by process."""
    models: tuple[GivenModel, ...] = ()
    preprocess: tuple[Preprocess, ...] = ()
    together: tuple[Together, ...] = ()
    """Those of them that share a task."""
    train: tuple[Train, ...] = ()
    teach: tuple[Train, ...] = ()
    """The trainings that others come before."""
    localize: tuple[Search, ...] = ()
    register: tuple[Search, ...] = ()
    """The searches that have no use for a GPU."""
    evaluate: tuple[Measure, ...] = ()
    view: tuple[View, ...] = ()
    export: tuple[Export, ...] = ()
    tabulate: str = ""
    """The hash of the code that TABULATE runs."""
    report: Report
    provenance: Provenance = Provenance()
    """What the run is made of beside its parameters, its sheet and its scans."""

    def to_json(self) -> dict[str, Any]:
        """Return plain values, as Nextflow and people read them."""
        values: dict[str, Any] = msgspec.to_builtins(self)
        kinds = ("preprocess", "together", "train", "teach", "localize", "register", "evaluate", "view", "export")
        return values | {kind: [to_json(task) for task in getattr(self, kind)] for kind in kinds}


def plan_of(checked: Checked, *, sheet: SheetFile, places: Mapping[str, Place]) -> Plan:
    """Return the plan of a checked run: with faults there are no tasks."""
    faults = tuple(fault.message for fault in checked.faults)
    members = {cohort: [row for row in checked.rows if row.cohort == cohort] for cohort in checked.cohorts}
    report = Report(
        cohorts=tuple(_cohort(name, checked.cohorts[name], members[name]) for name in sorted(members)),
        parameters=checked.parameters,
        sheet=sheet,
        threads=threads_of(checked),
        code="" if faults else _code("rprloc.steps:report"),
    )
    if faults:
        return Plan(faults=faults, warnings=checked.warnings, report=report)
    planned = [Planner(checked, name, members[name], places) for name in members]
    trainings = [task for one in planned for task in one.trainings()]
    searches = [task for one in planned for task in one.searches()]
    plan = Plan(
        warnings=checked.warnings,
        notes=tuple(_notes(checked.chosen)),
        models=tuple(_given_models(checked)),
        preprocess=tuple(task for one in planned for task in one.preprocessings()),
        together=tuple(task for one in planned for task in one.together()),
        train=tuple(task for task in trainings if not task.models),
        teach=tuple(task for task in trainings if task.models),
        localize=tuple(task for task in searches if task.gpu),
        register=tuple(task for task in searches if not task.gpu),
        evaluate=tuple(one.measure(searches) for one in planned),
        view=tuple(task for one in planned for task in one.views(searches)),
        export=tuple(task for one in planned for task in one.exports(searches)),
        tabulate=_code("rprloc.steps:tabulate"),
        requests=requests_of(trainings, searches, str(checked.parameters["training"])),
        report=report,
    )
    return msgspec.structs.replace(plan, tasks=_counts(plan))


def read_plan(sheet: Path, parameters: Mapping[str, object], pipeline: Path) -> Plan:
    """Return the plan of a run of a sheet with the pipeline's parameters; `pipeline` is the folder of main.nf.

    Raises InputError where that folder is none.
    """
    own = parameters.get("cohort_folder")
    folders = [Path(str(own))] if own else []
    content = sheet.read_bytes() if sheet.is_file() else None
    cohort = str(parameters.get("cohort") or "")
    given = Given(
        parameters={**parameters, "input": str(sheet)},
        schema=read_schema(pipeline / "nextflow_schema.json"),
        sheet=sheet,
        name=str(sheet),
        places=places_beside(sheet.parent, named_files(content) if content else []),
        folders=[*folders, pipeline / "assets" / "cohorts"],
        settings_file=Path(cohort) if is_settings_file(cohort) and Path(cohort).is_file() else None,
        own_folder=all(folder.is_dir() for folder in folders),
        processors=len(os.sched_getaffinity(0)),
    )
    about = SheetFile(file=str(sheet), sha256=sha256(sheet) if content is not None else None)
    plan = plan_of(check(given), sheet=about, places=given.places)
    folder = weights_folder(str(parameters.get("weights") or AUTO))
    return made_of(plan, folder, commit=commit_of(pipeline))


def made_of(plan: Plan, weights: Path, *, commit: str) -> Plan:
    """Return a plan with what the run is made of; `weights` is the folder of given models."""
    models = {model.id: weights / model.file for model in plan.models}
    return msgspec.structs.replace(plan, provenance=provenance(commit=commit, models=models))


def _given_models(checked: Checked) -> Iterator[GivenModel]:
    """Yield the models that are not trained: those of the folder of weights, or those that searches may choose."""
    for cohort, files in checked.models.items():
        for network, file in files.items():
            yield GivenModel(f"{cohort}/{network}", file)
    chosen = {path for families in checked.chosen.values() for one in families.values() for path in one.models}
    for path in sorted(chosen):
        yield GivenModel(shipped_id(path), f"{path.parent.name}/{path.name}")


def _notes(chosen: Mapping[str, Mapping[str, Weights]]) -> Iterator[str]:
    """Yield what is known before the run of the weights that searches choose."""
    for cohort, families in chosen.items():
        for family, one in families.items():
            tried = f"the weights {one.name} if the supports lie in their field, else none"
            yield f"cohort {cohort}: {family} takes {tried if one.models else f'no weights, as {one.why}'}."


def _counts(plan: Plan) -> dict[str, int]:
    """Return how many tasks each process has."""
    kinds = ("train", "teach", "localize", "register", "evaluate", "view", "export")
    shared = sum(len(task.scans) for task in plan.together)
    counts = {"PREPROCESS": len(plan.preprocess) - shared, "PREPROCESS_TOGETHER": len(plan.together)}
    counts |= {kind.upper(): len(getattr(plan, kind)) for kind in kinds} | {"TABULATE": 1, "REPORT": 1}
    return {process: count for process, count in counts.items() if count}


def _code(reference: str) -> str:
    """Return the hash of the code of a task that knows every method."""
    return code_hash([reference], methods())


def _cohort(name: str, settings: Settings, members: Sequence[Row]) -> Cohort:
    """Return what the report says of a cohort."""
    return Cohort(
        name=name, modality=settings.modality, members=tuple(map(member_of, members)), settings=settings.to_json()
    )
