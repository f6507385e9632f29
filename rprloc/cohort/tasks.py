"""What each task of a run is told: the records of the plan, as plain JSON between CHECK, Nextflow and the steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict, TypeVar

import msgspec

from rprloc.catalogue.rows import Length
from rprloc.errors import InputError
from rprloc.scans.target import Target, Triple, scan_folder

Window = tuple[tuple[float, float], ...]
"""Knots (value, grey) of a piecewise linear curve from air, which is 0."""


AUTO, NO_WEIGHTS = "auto", "none"
"""What `--weights` says for those that ship, where the scans lie in their field, and else none; and for none."""
CALIBRATING = "supports"
"""The batch of supports that are searched from each other so that predictions can say how sure they are."""


class Parameters(TypedDict, total=False):
    """The parameters of a run as nextflow_schema.json types them; the Python command has those that it needs."""

    input: str
    outdir: str
    exports: str | None
    margin: int
    tables: bool
    report: str
    figure_query: str | None
    cohort: str
    cohort_folder: str | None
    training: str | None
    weights: str | None
    checkpoints: str
    methods: str
    template_stride: int
    registration_supports: int
    seed: int
    queries_per_task: int | None
    scans_per_task: int | None
    gpus: int
    max_cpus: int | None
    max_memory: str | None
    max_time: str | None
    slurm_account: str | None
    slurm_partition: str | None
    slurm_gres: str
    help: bool


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """What all tasks have."""

    id: str
    """Unique among the tasks of its kind, in messages and file names."""
    cohort: str
    code: str = ""
    """The hash of the code that the task runs (rprloc/cohort/code.py)."""


class Preprocess(Task, frozen=True, kw_only=True):
    """One scan to model space; `id` is the name of its folder."""

    subject: str
    image: str
    """As in the sheet."""
    label: tuple[str, ...] = ()
    """The files of its annotation, all of them."""
    target: Target
    masks: Mapping[str, str] | None = None
    """Structure -> its mask's file name, of a label that is a mask for each structure."""
    colours: str | None = None
    """The file name of a label's colour table."""
    marks: tuple[str, ...] = ()
    """The file names of its marks."""
    series: str | None = None
    """Which one of an image that is DICOM, as in the sheet."""
    voxels: tuple[str, ...] = ()
    """The file that the image needs beside its own, as in the sheet."""
    content: str = ""
    """The hash of an image's files by names, sizes and times where it is a folder: Nextflow adds it for its cache."""
    usual_mm: Triple | None = None
    """What the supports' crops hold (x, y, z), of a scan whose own is much smaller: Nextflow adds it."""


class Together(Task, frozen=True, kw_only=True):
    """Several scans that one task brings to model space."""

    scans: tuple[str, ...]
    """The ids of their tasks."""


class Learning(msgspec.Struct, frozen=True, kw_only=True):
    """The settings of a cohort that a training depends on; what it does not depend on is None. Lengths in mm."""

    modality: str
    window: Window
    spacing: Triple
    """(z, y, x), as all three below."""
    convolution: str
    width: int
    patch: Triple | None = None
    matching_spacing: Triple | None = None
    r: float | None = None
    """The longest offset."""
    structures: Mapping[str, int] | None = None
    """Name -> label value; None also for whatever the labels hold."""


class Train(Task, frozen=True, kw_only=True):
    """One network of a cohort. Scans are the names of their folders."""

    network: str
    objective: str
    """The catalogue's reference to what it learns."""
    length: Length
    settings: Learning
    training: tuple[str, ...]
    validation: tuple[str, ...] = ()
    supports: tuple[str, ...] = ()
    """The scans whose labels it is told beside those of its own, where supports teach."""
    models: tuple[str, ...] = ()
    """The networks that have to be there before: `cohort/network`."""
    learns: str = ""
    """Whose labels it is told, as in the catalogue."""
    seed: int = 1
    threads: int = 1
    """Its weights depend on it, so it is the plan's, whatever a machine would give."""
    checkpoints: str = ""
    """The folder of the trainings' states and logs."""

    @property
    def scans(self) -> tuple[str, ...]:
        """The names of all scans' folders, each once."""
        return tuple(dict.fromkeys((*self.training, *self.validation, *self.supports)))


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """What a model has to agree with, and what methods compare; lengths in mm, (z, y, x)."""

    modality: str
    window: Window
    spacing: Triple
    patch: Triple


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """The weights that ship and that a search takes where its supports lie in their field, else none."""

    name: str
    """As `--weights` takes it; NO_WEIGHTS where it is known beforehand that none can be taken."""
    why: str
    """Why none, where that is known; without a full stop."""
    plain: Seen
    """What its methods see without weights."""
    again: bool = False
    """Whether a query in which nothing is found with the weights is searched without as well."""


class Search(Task, frozen=True, kw_only=True):
    """A batch of queries, searched by one family of methods from all supports. Scans are the names of their folders."""

    family: str
    make: str
    """The catalogue's reference to what makes its methods."""
    methods: Mapping[str, tuple[str, ...]]
    """Each method's settings, the one to use last."""
    batch: str
    queries: tuple[str, ...]
    supports: tuple[str, ...] = ()
    """In the order of the draw: the first that can be used is the drawn one."""
    judges: tuple[str, ...] = ()
    """Supports that its answers are judged by where it needs none to find them."""
    most_supports: int | None = None
    """From how many supports it answers, the first that can be used; None for all."""
    bridges: tuple[str, ...] = ()
    """Other scans that are asked where an answer is lost."""
    structures: tuple[str, ...] | None = None
    """Those to find; None for those of the supports."""
    seen: Seen
    parameters: Mapping[str, int] = {}
    """The parameters of the run that the family depends on."""
    models: tuple[str, ...] = ()
    """Its networks: `cohort/network`, or a file of those that ship."""
    choice: Choice | None = None
    """What it decides itself about its models; None where they were asked for."""
    gpu: bool = True
    seed: int = 1

    @property
    def scans(self) -> tuple[str, ...]:
        """The names of all scans' folders, each once."""
        return tuple(dict.fromkeys((*self.supports, *self.judges, *self.bridges, *self.queries)))


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked of one method."""

    name: str
    settings: tuple[str, ...]
    """The one to use last."""
    supports: int | None = None
    """From how many supports it answers, the first of the draw that can be used; None for all, 0 for none."""
    learns: str = ""
    """Whose labels it has learned from in this run, if it has."""
    reason: str | None = None
    """Why it cannot answer, where that is known beforehand."""


class Member(msgspec.Struct, frozen=True, kw_only=True):
    """A scan of a cohort and what it is used for."""

    subject: str
    image: str
    """As in the sheet."""
    labelled: bool = False
    """Whether the sheet gives it a label or marks."""
    train: bool = False
    validation: bool = False
    support: bool = False
    query: bool = False


class Measure(Task, frozen=True, kw_only=True):
    """The answers that one cohort is expected to give."""

    members: tuple[Member, ...]
    """In the order of the sheet."""
    methods: tuple[Asked, ...]
    structures: tuple[str, ...] | None = None
    """The settings'; None for those found in the labels."""
    order: tuple[str, ...] = ()
    """The supports in the order of the draw."""
    tables: bool = True
    """Whether the paper's tables can be made: not without a query whose label tells the truth."""
    searches: tuple[str, ...] = ()
    """The ids of the cohort's searches."""
    seed: int = 1

    @property
    def scans(self) -> tuple[str, ...]:
        """The names of all scans' folders."""
        return tuple(scan_folder(self.cohort, member.subject) for member in self.members)


class Export(Task, frozen=True, kw_only=True):
    """A query's answers as files for other programs; `id` is the name of its folder."""

    subject: str
    image: str
    """As in the sheet."""
    series: str | None = None
    """Which one of an image that is DICOM, as in the sheet."""
    voxels: tuple[str, ...] = ()
    """The file that the image needs beside its own, as in the sheet."""
    modality: str
    kinds: tuple[str, ...]
    margin_mm: int
    values: Mapping[str, int] | None = None
    """Structure -> label value, of the settings."""
    outlines: tuple[str, ...] = ()
    """The search that draws its outlines, if there is one."""
    content: str = ""
    """The hash of an image's files where it is a folder, as PREPROCESS has it."""


class Viewed(msgspec.Struct, frozen=True, kw_only=True):
    """A scan of which pictures are made; `id` is the name of its folder."""

    id: str
    subject: str
    image: str
    """As in the sheet."""
    series: str | None = None
    """Which one of an image that is DICOM, as in the sheet."""
    voxels: tuple[str, ...] = ()
    """The files that the image needs beside its own, as in the sheet."""


class View(Task, frozen=True, kw_only=True):
    """Pictures of a batch of queries with their answers to use, or of supports."""

    modality: str
    viewed: tuple[Viewed, ...]
    queries: tuple[str, ...] = ()
    """Those of them that were searched, by the names of their folders."""
    beside: tuple[str, ...] = ()
    """The supports that may be shown beside a query, by the names of their folders: the first that can be used is."""
    outlines: tuple[str, ...] = ()
    """The search that draws outlines, if there is one."""
    embedded: bool = False
    """Whether the report is to hold the pictures itself."""
    answers: Mapping[str, str] = {}
    """The answers to use of each query, by subject, as JSON lines: Nextflow adds them for its cache."""
    contents: tuple[str, ...] = ()
    """The hash of each image's files where it is a folder, as PREPROCESS has it."""

    @property
    def scans(self) -> tuple[str, ...]:
        """The names of all scans' folders, each once."""
        return tuple(dict.fromkeys((*(one.id for one in self.viewed), *self.beside)))


class Cohort(msgspec.Struct, frozen=True, kw_only=True):
    """What the report says of a cohort."""

    name: str
    modality: str
    members: tuple[Member, ...]
    settings: Mapping[str, object] = {}
    """As a settings file has them, to be shown."""


class SheetFile(msgspec.Struct, frozen=True, kw_only=True):
    """The sample sheet as the user knows it."""

    file: str
    sha256: str | None = None


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What the plan tells the report."""

    cohorts: tuple[Cohort, ...]
    parameters: Parameters = {}
    sheet: SheetFile
    threads: int = 1
    """Of each training."""
    code: str = ""


class Launch(msgspec.Struct, frozen=True, kw_only=True):
    """What Nextflow tells the report of the run."""

    command: str = ""
    """Without -resume: a resumed run is the same run."""
    profile: str = ""
    pipeline: str = ""
    """The pipeline's version."""
    nextflow: str = ""
    commit: str = ""
    """Of the checkout, with `, changed` where its files are not the commit's."""
    code: str = ""
    """The hash of the checkout's package."""
    executor: str = ""
    config: Mapping[str, str] = {}
    """The content of each configuration file of the user's (-c)."""
    image: str = ""
    """Of the containers, if there were any, and the engine's own name for its content."""
    digest: str = ""
    weights: Mapping[str, str] = {}
    """A model's name in the results folder -> the SHA-256 of its tensors."""
    scans: Mapping[str, Mapping[str, str | None]] = {}
    """A scan's id -> the SHA-256 of its `image` and of its `label`."""


class ReportTask(msgspec.Struct, frozen=True):
    """What REPORT is told."""

    report: Report
    launch: Launch


@dataclass(frozen=True)
class Folders:
    """Where the scans and the models of a task are."""

    scans: Mapping[str, Path]
    """By the name of a scan's folder; a scan whose task died has none."""
    models: Sequence[Path] = ()


T = TypeVar("T", bound=msgspec.Struct)


def to_json(record: msgspec.Struct) -> dict[str, Any]:
    """Return a record as plain values, with `scans`, the names of the scans' folders that its task needs."""
    values: dict[str, Any] = msgspec.to_builtins(record)
    return values | ({"scans": list(record.scans)} if isinstance(record, Train | Search | Measure | View) else {})


def from_json(values: Any, kind: type[T]) -> T:
    """Return the record of plain values; raises InputError where they are none."""
    try:
        return msgspec.convert(values, kind)
    except msgspec.ValidationError as error:
        raise InputError(f"{kind.__name__.lower()}: expected what the plan says of a task, found: {error}.") from error
