"""Find structures in scans as a program or a notebook does: supports once, then queries, each as it comes."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
import weakref
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, TypedDict, Unpack

import msgspec

from rprloc.catalogue import DEFAULT, method_named, methods
from rprloc.cohort.chosen import Weights, given_weights, shipped_weights, without
from rprloc.cohort.faults import listed, parameter_fault
from rprloc.cohort.settings import Settings
from rprloc.cohort.tasks import AUTO, NO_WEIGHTS, Folders, Preprocess
from rprloc.cohort.weights import SHIPPED, shipped_folder
from rprloc.errors import InputError, nearest
from rprloc.locator.job import Job, Support, read_settings, source_of, unknown_structures, with_structures
from rprloc.locator.names import Named, apart, named
from rprloc.scans import kinds
from rprloc.scans.crops import is_small_crop, usual_crop_mm
from rprloc.scans.preprocess import preprocess
from rprloc.scans.record import ScanRecord
from rprloc.scans.scan import Scan
from rprloc.scans.target import Target, scan_folder

if TYPE_CHECKING:
    from rprloc.exports.query import Query
    from rprloc.locator.results import Located, Results
    from rprloc.methods.answer import Chosen, Prediction
    from rprloc.methods.localize import Localizer
    from rprloc.methods.outlined import Outlines
    from rprloc.networks.checkpoint import Model

Files = str | os.PathLike[str]


class How(TypedDict, total=False):
    """How a Locator finds; what is left out is as in DEFAULTS."""

    settings: str | None
    """A shipped cohort's name or a YAML file, as the pipeline's `--cohort`."""
    structures: Sequence[str] | None
    """Names, or `NAME=VALUE` with the value in the label; None for all that the supports have."""
    method: str
    weights: str
    """Shipped ones by name, a folder, `none`, or `auto`: those that ship where the supports lie in their field."""
    seed: int
    device: str
    """`auto`, `cpu` or `cuda`."""
    series: str | None
    """Of the scans that are DICOM, as in a sample sheet: description, number or UID."""
    outlines: bool
    """Whether outlines are carried as well."""


DEFAULTS: How = {
    "settings": None, "structures": None, "method": DEFAULT, "weights": AUTO, "seed": 1, "device": "auto",
    "series": None, "outlines": False,
}  # fmt: skip


class Locator:
    """Finds in any scan what is annotated in one, or in several.

    `Locator("s001.nii.gz", label="s001_organs.nii.gz").locate("query.nii.gz")` has a box for each structure, LPS mm.
    Scans in model space lie in a temporary folder, which goes with the locator.
    """

    def __init__(
        self,
        support: Files | Sequence[Files],
        *,
        label: Files | Sequence[Files] = (),
        marks: Files | Sequence[Files] = (),
        **how: Unpack[How],
    ) -> None:
        """Take one or several supports with their labels or marks, in the same order, and bring them to model space.

        A label is an image, a folder of masks named after their structures, or a path with `{structure}` in its name;
        marks are a file of boxes or points, or a folder of them.
        Raises InputError where one of them is missing, where none can be used, and for weights or settings that cannot
        be.
        """
        asked: How = {**DEFAULTS, **how}
        job, weights = _asked(_supports(_several(support), _several(label), _several(marks)), asked)
        self._folder = Path(tempfile.mkdtemp(prefix="rprloc-"))
        self._end = weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)
        self._records = self._prepared(job)
        if weights.models and asked["weights"] == AUTO:
            job, weights = self._in_field(job, weights, asked)
        self._job, self.weights, self._asked, self._first = job, weights, asked, True
        self._drawn: Outlines = {}
        structures = [name for record in self._records.values() for name in record.structures]
        if faults := unknown_structures(job.structures, structures):
            raise InputError(faults)

    def __enter__(self) -> Locator:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Remove the temporary folder; the locator finds nothing any more."""
        self._end()

    @property
    def supports(self) -> dict[str, ScanRecord]:
        """What is known of each support, by subject."""
        return dict(self._records)

    def locate(self, query: Files) -> Located:
        """Return what is found in a scan; one that cannot be used has failed answers, which say why.

        Raises InputError for a support, and for a scan that is called as a support is.
        """
        (found,) = self.locate_all([query])
        return found

    def locate_all(self, queries: Iterable[Files], *, jobs: int = 1) -> Iterator[Located]:
        """Return an iterator over what is found in scans, in their order; `jobs` scans are read at the same time.

        Raises InputError as `locate`, and for two scans of one name.
        """
        paths, supports = [Path(query) for query in queries], [one.scan for one in self._job.supports]
        if own := apart(paths, supports)[1]:
            raise InputError(f"{one}: found a support, expected another scan to search." for one in own)
        return self._located(named(paths, supports), jobs)

    def results(self, located: Sequence[Located]) -> Results:
        """Return the results of all that was found, as the pipeline writes them."""
        from rprloc.locator.results import results_of

        rows = [row for one in located for row in one.rows]
        records = self._records | {one.subject: one.record for one in located}
        return results_of(
            self._job.measure([Named(one.subject, Path(one.record.file)) for one in located]),
            records,
            self._localizer.shared([*self._calibrating, *rows]),
            {name: facts for one in located for name, facts in one.facts.items()},
        )

    def _prepared(self, job: Job) -> dict[str, ScanRecord]:
        """Bring the supports to model space and return their records; raises InputError where none can be used."""
        tasks = job.preprocessings(())
        # By this thread alone: what readers load must not be half loaded when another thread asks for it.
        import nibabel  # noqa: F401

        with ThreadPoolExecutor(os.cpu_count()) as pool:
            waiting = [pool.submit(self._preprocessed, task) for task in tasks]
            # Takes as long as the scans do, and lets them go on.
            import rprloc.methods.localize  # noqa: F401

            records = [one.result() for one in waiting]
        if not any(one.structures for one in records):
            given = [one.label or one.marks for one in job.supports]
            raise InputError(_nothing_in(str(file), one) for one, file in zip(records, given, strict=True))
        return {one.subject: one for one in records}

    def _preprocessed(self, task: Preprocess) -> ScanRecord:
        """Bring a scan to model space."""
        return preprocess(self._folder, source_of(task), task.target)

    def _query(self, task: Preprocess) -> ScanRecord:
        """Bring a scan to model space, with its whole field where its crop is much smaller than the supports'."""
        record, usual_mm = self._preprocessed(task), usual_crop_mm(self._records.values())
        if not is_small_crop(record, usual_mm):
            return record
        return self._preprocessed(msgspec.structs.replace(task, usual_mm=usual_mm))

    def _in_field(self, job: Job, weights: Weights, asked: How) -> tuple[Job, Weights]:
        """Return what is asked with the weights where the supports lie in their field, else without."""
        from rprloc.methods.field import chosen_by

        scans = [scan for name in self._records if (scan := Scan.read(self._home(job, name))) is not None]
        chosen = chosen_by(scans, weights.name, _shipped_map())
        if chosen.weights != NO_WEIGHTS:
            return job, replace(weights, why=chosen.why)
        other = without(_settings(asked)[1], job.method, chosen.why)
        own = replace(job, settings=other.settings, weights=other.name)
        if _target(own) != _target(job):
            self._records = self._prepared(own)
        return own, other

    @cached_property
    def _localizer(self) -> Localizer:
        """The supports, taken for all searches."""
        return self._taken(self._job, self.weights.models)

    @cached_property
    def _plain(self) -> Localizer | None:
        """The same without a network, for scans out of the field of weights that nobody asked for; None where there
        are none, where the method cannot do without, and where distances are promised of what the network finds.
        """
        own = replace(self._job, settings=_settings(self._asked)[1], weights=NO_WEIGHTS)
        optional = method_named(own.method).family.optional and not self._calibrating
        asked = self._asked["weights"] == AUTO and bool(self.weights.models)
        return self._taken(own, ()) if asked and optional and _target(own) == _target(self._job) else None

    def _taken(self, job: Job, models: Sequence[Path]) -> Localizer:
        """Take the supports for searches."""
        from rprloc.methods.localize import Localizer
        from rprloc.networks.device import device_of

        folders = Folders({path.name: path for path in self._support_folders}, models)
        keep = self._keep if self._asked["outlines"] else None
        return Localizer(job.search(), folders, device=device_of(self._asked["device"]), keep=keep)

    def _keep(self, _query: Scan, outlines: Outlines) -> None:
        """Keep the outlines of a query until its answers are known."""
        self._drawn = outlines

    @cached_property
    def _calibrating(self) -> list[Prediction]:
        """What is found in supports from the others, where there are enough, so that answers say how sure they are."""
        wanted = [path for path in self._support_folders if path.name in self._job.calibrating()]
        rows: list[Prediction] = []
        for path in wanted:
            rows += self._localizer.predictions(path, first=not rows)
        return self._stamped(rows)

    def _stamped(self, rows: Sequence[Prediction], chosen: Chosen | None = None) -> list[Prediction]:
        """Return predictions with the weights that were chosen for them, if they were."""
        from rprloc.methods.answer import Chosen
        from rprloc.methods.choosing import stamped

        own = Chosen(self.weights.name, self.weights.why)
        return stamped(rows, chosen or own) if self._asked["weights"] == AUTO else list(rows)

    @property
    def _support_folders(self) -> list[Path]:
        return [self._home(self._job, name) for name in self._records]

    def _home(self, job: Job, subject: str) -> Path:
        """Return the folder of a scan in model space."""
        return self._folder / scan_folder(job.cohort, subject)

    def _located(self, queries: Sequence[Named], jobs: int) -> Iterator[Located]:
        """Yield what is found in scans, of which so many are read ahead; each one's files go when it is searched.

        The first is read while the supports are taken.
        """
        tasks = self._job.preprocessings(queries)[len(self._job.supports) :]
        waiting: deque[Future[ScanRecord]] = deque()
        pool = ThreadPoolExecutor(jobs)
        try:
            for number, query in enumerate(queries):
                began = time.perf_counter()
                for task in tasks[number + len(waiting) : number + jobs]:
                    waiting.append(pool.submit(self._query, task))
                yield self._searched(query, waiting.popleft(), began)
                shutil.rmtree(self._home(self._job, query.subject), ignore_errors=True)
        finally:
            pool.shutdown(cancel_futures=True)

    def _searched(self, query: Named, read: Future[ScanRecord], began: float) -> Located:
        """Search a scan as soon as it is in model space."""
        from rprloc.locator.results import Located, answers_of
        from rprloc.methods.choosing import searched
        from rprloc.methods.field import nothing_found

        calibrating, localizer = self._calibrating, self._localizer
        record, self._drawn = read.result(), {}
        home = self._home(self._job, query.subject)
        rows, again = searched(localizer, lambda: self._plain, home, first=self._first)
        other = nothing_found(self.weights.name) if again else None
        rows = self._stamped(rows, other)
        # How the query lies in truth is of it alone, and not to be learnt at the end only.
        said = [*dict.fromkeys(said for row in rows if (said := row.doubt_of_header) is not None)]
        said += [] if other is None else [str(other.finding)]
        record = replace(record, findings=(*record.findings, *said))
        self._first = self._first and not rows
        records = self._records | {query.subject: record}
        located = Located(query.path, record, (), tuple(rows), self._drawn)
        measure, all_rows = self._job.measure([query]), [*calibrating, *rows]
        answers = answers_of(measure, records, all_rows, query.subject, located.facts)
        return replace(located, answers=answers, seconds=time.perf_counter() - began)

    def exported(self, located: Located) -> Query:
        """Return what was found in a query, ready for `rprloc.exports.write.write_exports`."""
        from rprloc.exports.query import Query

        settings = self._job.settings
        return Query(
            record=located.record,
            answers=located.answers,
            outlines=located.outlines,
            image=located.path,
            series=self._asked["series"] if kinds.is_dicom(located.path) else None,
            modality=settings.modality,
            values=settings.structures,
        )


def _several(files: Files | Sequence[Files]) -> list[Path]:
    """Return one file or several as paths."""
    return [Path(files)] if isinstance(files, str | os.PathLike) else [Path(one) for one in files]


def _nothing_in(file: str, record: ScanRecord) -> str:
    """Return why a support has no structure: what was said of its annotation when that was read."""
    if record.reason is not None:
        return record.reason
    # What is said of the annotation begins with its file's name.
    said = [one.partition(": ")[2] for one in record.findings if one.partition(": ")[0] in file]
    return f"{file}: found no structure, expected one to look for{': ' if said else ''}{'; '.join(said)}."


def _supports(scans: Sequence[Path], labels: Sequence[Path], marks: Sequence[Path]) -> tuple[Support, ...]:
    """Return supports with their annotation; raises InputError where their numbers differ or two have one name."""
    counts = {len(labels), len(marks)} - {0}
    if counts != {len(scans)}:
        found = f"{len(labels)} labels and {len(marks)} marks beside {len(scans)} supports"
        raise InputError(parameter_fault("label", found, "one for each support, in their order").message)
    return tuple(
        Support(scan, str(labels[number]) if labels else None, str(marks[number]) if marks else None)
        for number, scan in enumerate(named(scans))
    )


def _asked(supports: tuple[Support, ...], asked: How) -> tuple[Job, Weights]:
    """Return what is asked, with the weights that are to be tried; raises InputError for what cannot be."""
    known = [method.name for method in methods()]
    method = asked["method"]
    if method not in known:
        raise InputError(parameter_fault("method", method, f"{listed(known)}{nearest(method, known)}").message)
    if absent := method_named(method).absent:
        expected = f"a method whose package is installed: {absent}"
        raise InputError(parameter_fault("method", method, expected).message)
    cohort, settings, structures = _settings(asked)
    weights = (
        shipped_weights(settings, cohort, method)
        if asked["weights"] == AUTO
        else given_weights(asked["weights"], settings, cohort, method)
    )
    job = Job(
        cohort=cohort, settings=weights.settings, supports=supports, method=method, weights=weights.name,
        seed=asked["seed"], series=asked["series"], structures=structures,
    )  # fmt: skip
    if faults := job.faults():
        raise InputError(faults)
    return job, weights


def _shipped_map() -> Model:
    """Return the position map that ships, on the CPU."""
    from rprloc.methods.field import MAP
    from rprloc.networks.checkpoint import read_model
    from rprloc.networks.device import device_of

    paths = [shipped_folder(name) / f"{MAP}.safetensors" for name in SHIPPED]
    return read_model(next(path for path in paths if path.is_file()), device=device_of("cpu"))


def _settings(asked: How) -> tuple[str, Settings, tuple[str, ...] | None]:
    """Return the cohort, the settings without those of weights, and the structures that are asked for."""
    cohort, settings = read_settings(asked["settings"])
    return cohort, *with_structures(settings, asked["structures"])


def _target(job: Job) -> Target:
    """Return what scans become for a job."""
    return job.preprocessings(())[0].target
