"""The plan of a run: what each task does, on which scans, with which models and settings."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import msgspec

from rprloc.catalogue import (
    BY_SUPPORTS,
    DEFAULT,
    Family,
    Network,
    families_of,
    method_named,
    methods,
    network_named,
    settings_of,
)
from rprloc.catalogue.rows import CALIBRATION_IMAGES
from rprloc.cohort.check import Checked, Given, check, is_settings_file, measured, own_weights, trained
from rprloc.cohort.chosen import Weights
from rprloc.cohort.code import code_hash
from rprloc.cohort.parameters import read_schema
from rprloc.cohort.places import Place, files_of, places_beside
from rprloc.cohort.provenance import Provenance, commit_of, provenance
from rprloc.cohort.requests import JOB_SECONDS, LOCAL_SECONDS, Request, batch_size, requests_of, training_threads
from rprloc.cohort.settings import Settings
from rprloc.cohort.sheet import Row, named_files
from rprloc.cohort.tasks import (
    AUTO,
    CALIBRATING,
    NO_WEIGHTS,
    Asked,
    Choice,
    Cohort,
    Export,
    Learning,
    Measure,
    Member,
    Preprocess,
    Report,
    Search,
    Seen,
    Sheet,
    Together,
    Train,
    View,
    Viewed,
    to_json,
)
from rprloc.cohort.weights import weights_folder
from rprloc.files import sha256
from rprloc.scans.target import Target, scan_folder
from rprloc.seeds import draw_order

MOST_CALIBRATING = 20
"""Supports that are searched from the others so that predictions can say how sure they are: more tell no more."""


SINGLE = "single"
"""The value of --report of a page that holds its pictures itself."""
MOST_BESIDE = 3
"""Supports of which pictures are made: the drawn one, and others in case that it is set aside or itself a query."""
VIEWED_TOGETHER = 20
"""Queries of which one task makes pictures: two seconds each for a CT scan of 512 x 512 x 200 voxels."""


FIRST_ALONE, TOGETHER = 100, 20
"""Scans of a cohort that have a task each, and how many of the others share one: a fork takes a tenth of a second, the
start of a command nearly one."""


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


def plan_of(checked: Checked, *, sheet: Sheet, places: Mapping[str, Place]) -> Plan:
    """Return the plan of a checked run: with faults there are no tasks."""
    faults = tuple(fault.message for fault in checked.faults)
    members = {cohort: [row for row in checked.rows if row.cohort == cohort] for cohort in checked.cohorts}
    report = Report(
        cohorts=tuple(_cohort(name, checked.cohorts[name], members[name]) for name in sorted(members)),
        parameters=checked.parameters,
        sheet=sheet,
        threads=_threads(checked),
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
        requests=requests_of(trainings, searches, checked.parameters["training"]),
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
    about = Sheet(file=str(sheet), sha256=sha256(sheet) if content is not None else None)
    plan = plan_of(check(given), sheet=about, places=given.places)
    folder = weights_folder(str(parameters.get("weights") or AUTO))
    return made_of(plan, folder, commit=commit_of(pipeline))


def _threads(checked: Checked) -> int:
    """Return how many threads each training has."""
    return training_threads(most=checked.parameters["max_cpus"], processors=checked.processors)


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
        yield GivenModel(_shipped_id(path), f"{path.parent.name}/{path.name}")


def _shipped_id(path: Path) -> str:
    """Return the id of a model that ships, which no cohort's is: a cohort's name has no slash."""
    return f"rprloc/weights/{path.parent.name}/{path.stem}"


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
        name=name, modality=settings.modality, members=tuple(map(_member, members)), settings=settings.as_dict()
    )


def _member(row: Row) -> Member:
    """Return a row as later tasks know it."""
    return Member(
        subject=row.subject,
        image=row.image,
        labelled=row.annotated,
        train=row.train,
        validation=row.validation,
        support=row.support,
        query=row.query,
    )


class Planner:
    """The tasks of one cohort."""

    def __init__(
        self, checked: Checked, cohort: str, members: Sequence[Row], places: Mapping[str, Place], *, hashed: bool = True
    ) -> None:
        """Take a checked run, a cohort of it with its rows, and what lies at the paths that these name; `hashed` says
        whether tasks hold the hash of their code.
        """
        self._checked, self._cohort, self._members, self._places = checked, cohort, members, places
        self._settings = checked.cohorts[cohort]
        self._parameters = checked.parameters
        self._seed = int(checked.parameters["seed"])
        self._unable = checked.unable[cohort]
        self._families = [family for family in families_of(checked.methods) if family.name not in self._unable]
        self._tables = bool(self._parameters["tables"]) and measured(members)
        self._hashed = hashed
        supports = [row.subject for row in members if row.support]
        self._order = tuple(draw_order(self._seed, cohort, supports))

    def preprocessings(self) -> list[Preprocess]:
        """Return a task for each scan."""
        settings = self._settings
        finer = any(family.matching for family in families_of(self._checked.methods))
        target = Target(
            modality=settings.modality,
            spacing=settings.spacing,
            structures=settings.structures,
            matching_spacing=settings.matching_spacing if finer else None,
        )
        # Alone or with others: as a scan that a shared task has lost comes back alone.
        code = self._code(["rprloc.steps:preprocess", "rprloc.steps:together"])
        tasks = []
        for row in self._members:
            files = files_of(row, self._places, settings.structures)
            tasks.append(
                Preprocess(
                    id=scan_folder(self._cohort, row.subject),
                    cohort=self._cohort,
                    subject=row.subject,
                    image=files.image,
                    label=(*files.label, *([files.colours] if files.colours else []), *files.marks),
                    masks=files.masks,
                    colours=None if files.colours is None else PurePosixPath(files.colours).name,
                    marks=tuple(PurePosixPath(name).name for name in files.marks),
                    series=row.series,
                    voxels=files.voxels,
                    target=target,
                    code=code,
                )
            )
        return tasks

    def together(self) -> list[Together]:
        """Return the tasks that several scans share: whole batches by the place in the sheet, so that appended rows
        change none of those before, and have a task each until they are as many as one.
        """
        asked = self._parameters.get("scans_per_task")
        first, size = (0, int(asked)) if asked else (FIRST_ALONE, TOGETHER)
        names = self._folders(row.subject for row in self._members)
        starts = range(first, len(names) - size + 1, size) if size > 1 else ()
        return [
            Together(id=f"{self._cohort}.scans{start}", cohort=self._cohort, scans=names[start : start + size])
            for start in starts
        ]

    def trainings(self) -> list[Train]:
        """Return a task for each network that the run trains."""
        return [self._training(network_named(name)) for name in trained(self._parameters["weights"], self._families)]

    def _training(self, network: Network) -> Train:
        needed = [network_named(name) for name in network.needs]
        modules = ["rprloc.steps:train", network.objective, network.build, network.settings]
        return Train(
            id=f"{self._cohort}/{network.name}",
            cohort=self._cohort,
            network=network.name,
            objective=network.objective,
            length=network.lengths[str(self._parameters["training"])],
            settings=_learning(self._settings, network),
            training=self._folders(row.subject for row in self._members if row.train),
            validation=self._folders(row.subject for row in self._members if row.validation),
            supports=self._folders(self._order) if network.learns == BY_SUPPORTS else (),
            models=tuple(f"{self._cohort}/{name}" for name in network.needs),
            learns=network.learns,
            seed=self._seed,
            threads=_threads(self._checked),
            checkpoints=str(self._parameters["checkpoints"]),
            code=self._code([*modules, *(one.build for one in needed)], [network, *needed]),
        )

    def searches(self) -> list[Search]:
        """Return a task for each family and batch of queries, and for supports that are searched from each other."""
        found = []
        for family in self._families:
            own = self._batches(family)
            if family.calibrated and self._calibrates():
                own[CALIBRATING] = sorted(self._order)[:MOST_CALIBRATING]
            found += [self.search(family, batch, queries) for batch, queries in own.items()]
        return found

    def _batches(self, family: Family) -> dict[str, list[str]]:
        """Return the queries of each batch that a family searches."""
        asked = {name: self._settings_of(name) for name in self._checked.methods if method_named(name).family == family}
        most = int(self._parameters[family.most_supports]) if family.most_supports else len(self._order)
        size = self._parameters.get("queries_per_task") or batch_size(
            asked,
            supports=min(most, len(self._order)) if family.supports else 1,
            structures=None if self._settings.structures is None else len(self._settings.structures),
            seconds=LOCAL_SECONDS if self._checked.processors else JOB_SECONDS,
        )
        batches: dict[str, list[str]] = {}
        for row in self._members:
            if row.query:
                batches.setdefault(str(row.position // size), []).append(row.subject)
        return batches

    def search(self, family: Family, batch: str, queries: Sequence[str]) -> Search:
        """Return the task that searches a batch of queries, given by subject, by one family of methods."""
        settings, parameters = self._settings, self._parameters
        names = [name for name in self._checked.methods if method_named(name).family == family]
        chosen = self._checked.chosen.get(self._cohort, {}).get(family.name)
        nothing = parameters["weights"] == NO_WEIGHTS or (chosen is not None and not chosen.models)
        networks = [] if nothing else [network_named(name) for name in family.networks]
        rows = [*(method_named(name) for name in names), *networks]
        return Search(
            id=f"{self._cohort}/{family.name}.batch{batch}",
            cohort=self._cohort,
            family=family.name,
            make=family.make,
            methods={name: self._settings_of(name) for name in names},
            batch=batch,
            queries=self._folders(queries),
            supports=self._folders(self._order) if family.supports else (),
            judges=() if family.supports else self._folders(self._order[:1]),
            most_supports=parameters[family.most_supports] if family.most_supports else None,
            structures=None if settings.structures is None else tuple(settings.structures),
            seen=_seen(settings if chosen is None else chosen.settings),
            parameters={name: int(parameters[name]) for name in family.parameters},
            models=tuple(f"{self._cohort}/{network.name}" for network in networks)
            if chosen is None
            else tuple(map(_shipped_id, chosen.models)),
            choice=None if chosen is None else self._choice(chosen),
            # Without its network an optional one has little for a GPU to do.
            gpu=family.gpu and bool(networks or not family.optional),
            seed=self._seed,
            code=self._code(
                ["rprloc.steps:localize", family.make, *(n.build for n in networks), *(n.settings for n in networks)],
                rows,
            ),
        )

    def _choice(self, chosen: Weights) -> Choice:
        """Return what a search decides itself; of calibrated answers all come with the same weights."""
        again = bool(chosen.models) and len(self._order) < CALIBRATION_IMAGES
        why = "" if chosen.models else chosen.why
        return Choice(name=chosen.name, why=why, plain=_seen(self._settings), again=again)

    def measure(self, searches: Sequence[Search]) -> Measure:
        """Return the task that measures the cohort's predictions."""
        return Measure(
            id=self._cohort,
            cohort=self._cohort,
            members=tuple(map(_member, self._members)),
            methods=tuple(self._asked(name) for name in self._checked.methods),
            structures=None if self._settings.structures is None else tuple(self._settings.structures),
            order=self._order,
            tables=self._tables,
            searches=tuple(task.id for task in searches if task.cohort == self._cohort),
            seed=self._seed,
            code=self._code(["rprloc.steps:evaluate"], methods()),
        )

    def views(self, searches: Sequence[Search]) -> list[View]:
        """Return a task for each batch of queries, and for the supports that are shown beside them."""
        beside, drawn = self._order[:MOST_BESIDE], self._outlined(searches)
        rows = {row.subject: row for row in self._members}
        size = int(self._parameters.get("queries_per_task") or VIEWED_TOGETHER)
        batches: dict[str, list[Row]] = {}
        for row in self._members:
            if row.query:
                batches.setdefault(str(row.position // size), []).append(row)
        if batches and (supports := [rows[name] for name in beside if not rows[name].query]):
            batches["supports"] = supports
        code = self._code(["rprloc.steps:view"])
        tasks = []
        for batch, own in batches.items():
            queries = self._folders(row.subject for row in own if row.query)
            tasks.append(
                View(
                    id=f"{self._cohort}.batch{batch}",
                    cohort=self._cohort,
                    modality=self._settings.modality,
                    viewed=tuple(map(self._viewed, own)),
                    queries=queries,
                    beside=self._folders(beside),
                    embedded=self._parameters["report"] == SINGLE,
                    outlines=tuple(sorted({drawn[name] for name in queries if name in drawn})),
                    code=code,
                )
            )
        return tasks

    def _viewed(self, row: Row) -> Viewed:
        """Return a scan of which pictures are made."""
        files = files_of(row, self._places, self._settings.structures)
        return Viewed(
            id=scan_folder(self._cohort, row.subject),
            subject=row.subject,
            image=files.image,
            series=row.series,
            voxels=files.voxels,
        )

    def _outlined(self, searches: Sequence[Search]) -> dict[str, str]:
        """Return by query, the name of its folder, the search that draws the outlines of its answers to use."""
        main = method_named(DEFAULT if DEFAULT in self._checked.methods else self._checked.methods[0]).family
        return {
            query: task.id
            for task in searches
            if task.cohort == self._cohort and task.family == main.name and main.outlines
            for query in task.queries
            if task.batch != CALIBRATING
        }

    def exports(self, searches: Sequence[Search]) -> list[Export]:
        """Return a task for each query where files for other programs are asked for."""
        kinds, settings = self._checked.exports, self._settings
        if not kinds:
            return []
        code, drawn = code_hash(["rprloc.steps:export"]), self._outlined(searches)
        tasks = []
        for row in self._members:
            if not row.query:
                continue
            name, files = scan_folder(self._cohort, row.subject), files_of(row, self._places, settings.structures)
            tasks.append(
                Export(
                    id=name,
                    cohort=self._cohort,
                    subject=row.subject,
                    image=files.image,
                    series=row.series,
                    voxels=files.voxels,
                    modality=settings.modality,
                    kinds=kinds,
                    margin_mm=int(self._parameters["margin"]),
                    values=settings.structures,
                    outlines=(drawn[name],) if name in drawn else (),
                    code=code,
                )
            )
        return tasks

    def _asked(self, name: str) -> Asked:
        family = method_named(name).family
        count = int(self._parameters[family.most_supports]) if family.most_supports else None
        return Asked(
            name=name,
            settings=self._settings_of(name),
            supports=0 if family.learns else count,
            learns="" if own_weights(self._parameters["weights"]) else family.learns,
            reason=self._unable.get(family.name),
        )

    def _settings_of(self, name: str) -> tuple[str, ...]:
        """Return the settings of a method, the one to use last."""
        values = {**self._parameters, "starts": self._settings.starts}
        return tuple(settings_of(method_named(name), values, tables=self._tables))

    def _calibrates(self) -> bool:
        """Tell whether supports are to be searched from each other so that predictions can say how sure they are: there
        have to be enough of them, and supports that are queries are searched anyway.
        """
        return len(self._order) >= CALIBRATION_IMAGES and not any(row.support and row.query for row in self._members)

    def _code(self, references: Sequence[str], rows: Iterable[object] = ()) -> str:
        """Return the hash of a task's code."""
        return code_hash(references, rows) if self._hashed else ""

    def _folders(self, subjects: Iterable[str]) -> tuple[str, ...]:
        """Return the names of scans' folders."""
        return tuple(scan_folder(self._cohort, subject) for subject in subjects)


def _seen(settings: Settings) -> Seen:
    """Return what a model has to agree with, and what methods compare."""
    return Seen(modality=settings.modality, window=settings.window, spacing=settings.spacing, patch=settings.patch)


def _learning(settings: Settings, network: Network) -> Learning:
    """Return the settings that a network's training depends on."""
    reach = {"r.coarse": settings.r.coarse, "r.fine": settings.r.fine}
    return Learning(
        modality=settings.modality,
        window=settings.window,
        spacing=settings.spacing,
        convolution=settings.network.convolution,
        width=settings.network.width,
        patch=settings.patch if "patch" in network.keys else None,
        matching_spacing=settings.matching_spacing if "matching_spacing" in network.keys else None,
        r=next((reach[key] for key in network.keys if key in reach), None),
        structures=settings.structures if "structures" in network.keys else None,
    )
