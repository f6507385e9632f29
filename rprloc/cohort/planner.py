"""The planner: what a cohort's tasks are, on which scans, with which models and settings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath

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
from rprloc.cohort.check import Checked, measured, own_weights, trained
from rprloc.cohort.chosen import Weights
from rprloc.cohort.code import code_hash
from rprloc.cohort.places import Place, files_of
from rprloc.cohort.requests import JOB_SECONDS, LOCAL_SECONDS, batch_size, training_threads
from rprloc.cohort.seen import learning_of, seen_by
from rprloc.cohort.sheet import Row
from rprloc.cohort.tasks import (
    CALIBRATING,
    NO_WEIGHTS,
    Asked,
    Choice,
    Export,
    Measure,
    Member,
    Preprocess,
    Search,
    Together,
    Train,
    View,
    Viewed,
)
from rprloc.scans.target import Target, scan_folder
from rprloc.seeds import draw_order

MOST_CALIBRATING = 20
"""Supports that are searched from the others so that predictions can say how sure they are: more tell no more."""
BRIDGES, MOST_BRIDGED = 4, 3
"""Scans of which the best are asked where an answer is lost; more supports than so many tell enough together."""
SINGLE = "single"
"""The value of --report of a page that holds its pictures itself."""
MOST_BESIDE = 3
"""Supports of which pictures are made: the drawn one, and others in case that it is set aside or itself a query."""
VIEWED_TOGETHER = 20
"""Queries of which one task makes pictures: two seconds each for a CT scan of 512 x 512 x 200 voxels."""

FIRST_ALONE, TOGETHER = 100, 20
"""Scans of a cohort that have a task each, and how many of the others share one: a fork takes a tenth of a second, the
start of a command nearly one."""


def threads_of(checked: Checked) -> int:
    """Return how many threads each training has."""
    return training_threads(most=checked.parameters["max_cpus"], processors=checked.processors)


def member_of(row: Row) -> Member:
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


def shipped_id(path: Path) -> str:
    """Return the id of a model that ships, which no cohort's is: a cohort's name has no slash."""
    return f"rprloc/weights/{path.parent.name}/{path.stem}"


class Planner:
    """The tasks of one cohort."""

    def __init__(
        self, checked: Checked, cohort: str, members: Sequence[Row], places: Mapping[str, Place], *, hashed: bool = True
    ) -> None:
        """Take a checked run, a cohort of it with its rows, and what lies at the paths that these name; `hashed` says
        whether tasks hold the hash of their code.
        """
        self._checked, self._cohort, self._members, self._places = checked, cohort, members, places
        self._settings, self._parameters = checked.cohorts[cohort], checked.parameters
        self._seed = checked.parameters["seed"]
        self._unable = checked.unable[cohort]
        self._families = [family for family in families_of(checked.methods) if family.name not in self._unable]
        self._tables = self._parameters["tables"] and measured(members)
        self._hashed = hashed
        self._hashes: dict[tuple[str, ...], str] = {}
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
        asked = self._parameters["scans_per_task"]
        first, size = (0, asked) if asked else (FIRST_ALONE, TOGETHER)
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
            settings=learning_of(self._settings, network),
            training=self._folders(row.subject for row in self._members if row.train),
            validation=self._folders(row.subject for row in self._members if row.validation),
            supports=self._folders(self._order) if network.learns == BY_SUPPORTS else (),
            models=tuple(f"{self._cohort}/{name}" for name in network.needs),
            learns=network.learns,
            seed=self._seed,
            threads=threads_of(self._checked),
            checkpoints=self._parameters["checkpoints"],
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
        most = self._most_supports(family)
        size = self._parameters.get("queries_per_task") or batch_size(
            asked,
            supports=min(most or len(self._order), len(self._order)) if family.supports else 1,
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
            most_supports=self._most_supports(family),
            bridges=self._bridges(family),
            structures=None if settings.structures is None else tuple(settings.structures),
            seen=seen_by(settings if chosen is None else chosen.settings),
            parameters={name: self._number(name) for name in family.parameters},
            models=tuple(f"{self._cohort}/{network.name}" for network in networks)
            if chosen is None
            else tuple(map(shipped_id, chosen.models)),
            choice=None if chosen is None else self._choice(chosen),
            # Without its network an optional one has little for a GPU to do.
            gpu=family.gpu and bool(networks or not family.optional),
            seed=self._seed,
            code=self._code(
                ["rprloc.steps:localize", family.make, *(n.build for n in networks), *(n.settings for n in networks)],
                [*map(method_named, names), *networks],
            ),
        )

    def _bridges(self, family: Family) -> tuple[str, ...]:
        """Return the scans that are asked where an answer is lost: the first of the sheet that are no supports, so
        that neither other queries of a task nor appended rows change an answer.
        """
        if not family.bridged or len(self._order) > MOST_BRIDGED:
            return ()
        return self._folders([row.subject for row in self._members if row.subject not in self._order][:BRIDGES])

    def _choice(self, chosen: Weights) -> Choice:
        """Return what a search decides itself; of calibrated answers all come with the same weights."""
        again = bool(chosen.models) and len(self._order) < CALIBRATION_IMAGES
        why = "" if chosen.models else chosen.why
        return Choice(name=chosen.name, why=why, plain=seen_by(self._settings), again=again)

    def measure(self, searches: Sequence[Search]) -> Measure:
        """Return the task that measures the cohort's predictions."""
        return Measure(
            id=self._cohort,
            cohort=self._cohort,
            members=tuple(map(member_of, self._members)),
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
                    margin_mm=self._parameters["margin"],
                    values=settings.structures,
                    outlines=(drawn[name],) if name in drawn else (),
                    code=code,
                )
            )
        return tasks

    def _asked(self, name: str) -> Asked:
        family = method_named(name).family
        return Asked(
            name=name,
            settings=self._settings_of(name),
            supports=0 if family.learns else self._most_supports(family),
            learns="" if own_weights(self._parameters["weights"]) else family.learns,
            reason=self._unable.get(family.name),
        )

    def _most_supports(self, family: Family) -> int | None:
        """Return from how many supports a family answers; None for all."""
        return self._number(family.most_supports) if family.most_supports else None

    def _number(self, name: str) -> int:
        """Return a parameter that is a whole number."""
        values: Mapping[str, object] = self._parameters
        value = values[name]
        assert isinstance(value, int), name
        return value

    def _settings_of(self, name: str) -> tuple[str, ...]:
        """Return the settings of a method, the one to use last."""
        values = {**self._parameters, "starts": self._settings.starts}
        return tuple(settings_of(method_named(name), values, tables=self._tables))

    def _calibrates(self) -> bool:
        """Tell whether supports are to be searched from each other so that predictions can say how sure they are: there
        have to be enough of them, and supports that are queries are searched anyway.
        """
        return len(self._order) >= CALIBRATION_IMAGES and not any(row.support and row.query for row in self._members)

    def _code(self, references: Sequence[str], rows: Sequence[object] = ()) -> str:
        """Return the hash of a task's code, which all batches of a family share."""
        asked = (*references, *map(repr, rows))
        if asked not in self._hashes:
            self._hashes[asked] = code_hash(references, rows) if self._hashed else ""
        return self._hashes[asked]

    def _folders(self, subjects: Iterable[str]) -> tuple[str, ...]:
        """Return the names of scans' folders."""
        return tuple(scan_folder(self._cohort, subject) for subject in subjects)
