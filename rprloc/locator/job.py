"""The tasks of the pipeline for scans that are named one by one, made by the planner of the pipeline itself."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

import rprloc
from rprloc.catalogue import method_named
from rprloc.cohort.check import Checked
from rprloc.cohort.faults import NAME, Fault, listed, parameter_fault
from rprloc.cohort.given import named_settings
from rprloc.cohort.places import Place, file_faults, places_beside
from rprloc.cohort.planner import Planner
from rprloc.cohort.settings import Settings
from rprloc.cohort.sheet import Row, colour_tables, place_of
from rprloc.cohort.tasks import Measure, Parameters, Preprocess, Search
from rprloc.errors import InputError, nearest
from rprloc.locator.names import Named
from rprloc.marks.annotation import Annotated
from rprloc.scans import kinds
from rprloc.scans.labels import MOST_LABEL
from rprloc.scans.preprocess import Source

COHORT = "default"
"""The cohort of scans without a settings file."""
PARAMETERS: Parameters = {"template_stride": 1, "registration_supports": 3}
"""Parameters of the pipeline on which methods depend, at their defaults."""

_COHORTS = Path(rprloc.__file__).parents[1] / "assets" / "cohorts"
"""The shipped settings, beside the package in a checkout."""


@dataclass(frozen=True)
class Support:
    """An annotated scan; `label` and `marks` are as in a sample sheet, one of them at least is there."""

    scan: Named
    label: str | None = None
    """A file, a folder of masks, or a pattern with `{structure}`."""
    marks: str | None = None
    """A file of boxes or points, or a folder of them."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """What is asked: which structures of which supports are to be found, and how."""

    cohort: str
    settings: Settings
    """As the models need them."""
    supports: tuple[Support, ...]
    method: str
    weights: str
    """As `--weights` names them."""
    seed: int = 1
    series: str | None = None
    """Of the scans that are DICOM, as in a sample sheet."""
    structures: tuple[str, ...] | None = None
    """Those to find; None for all that the supports have."""

    def faults(self) -> list[str]:
        """Return a sentence for each file of a support that is not there, or is not what is expected."""
        found: list[Fault] = []
        for support, row in zip(self.supports, self._rows(()), strict=True):
            places = self._places([support])
            found += file_faults(row, places, self.settings.structures, sheet="command line", staged=False)
        options = {"image": "support"}
        return [
            replace(
                one,
                line=None,
                column=options.get(one.column or "", one.column),
                kind="option",
                expected=re.sub(r"the column '(\w+)'", r"--\1", one.expected),
            ).message
            for one in found
        ]

    def preprocessings(self, queries: Sequence[Named]) -> list[Preprocess]:
        """Return the tasks that bring supports, which come first, and queries to model space."""
        return self._planner(queries).preprocessings()

    def search(self) -> Search:
        """Return the task that finds structures, without a query."""
        task = self._planner(()).search(method_named(self.method).family, "0", ())
        return task if self.structures is None else msgspec.structs.replace(task, structures=self.structures)

    def calibrating(self) -> tuple[str, ...]:
        """Return the folders of supports that are searched from the others, so that answers say how sure they are."""
        return tuple(name for task in self._planner(()).searches() for name in task.queries)

    def measure(self, queries: Sequence[Named]) -> Measure:
        """Return the task that completes the answers for queries."""
        task = self._planner(queries).measure(())
        return task if self.structures is None else msgspec.structs.replace(task, structures=self.structures)

    def _planner(self, queries: Sequence[Named]) -> Planner:
        checked = Checked(
            parameters={**PARAMETERS, "weights": self.weights, "seed": self.seed, "tables": False},
            methods=(self.method,),
            cohorts={self.cohort: self.settings},
            unable={self.cohort: {}},
        )
        return Planner(checked, self.cohort, self._rows(queries), self._places(self.supports), hashed=False)

    def _rows(self, queries: Sequence[Named]) -> list[Row]:
        """Return the lines of the sheet that one would have written."""
        supports = [
            replace(self._row(one.scan, "validation"), label=one.label, marks=one.marks, validation=True, support=True)
            for one in self.supports
        ]
        return supports + [replace(self._row(one, "test"), query=True) for one in queries]

    def _row(self, scan: Named, split: str) -> Row:
        series = self.series if kinds.is_dicom(scan.path) else None
        image = str(scan.path)
        return Row(
            cohort=self.cohort, subject=scan.subject, image=image, label=None, series=series, split=split, line=0
        )  # fmt: skip

    @staticmethod
    def _places(supports: Sequence[Support]) -> Mapping[str, Place]:
        """Return what lies at the paths of supports."""
        names = []
        for one in supports:
            label = one.label or ""
            names += [str(one.scan.path), place_of(label), *colour_tables(label), one.marks or ""]
        return places_beside(Path(), filter(None, names))


def source_of(task: Preprocess) -> Source:
    """Return the files of a scan's task where the user has them: nothing is staged."""
    files = [Path(name) for name in task.label]
    # Behind the label stands its colour table, if any, then the marks.
    rest, marks = files[: len(files) - len(task.marks)], files[len(files) - len(task.marks) :]
    colours = rest.pop() if task.colours else None
    label: Path | dict[str, Path] | None = rest[0] if rest else None
    if task.masks is not None:
        label = dict(zip(task.masks, rest, strict=True))
    image = Path(task.image)
    annotation = Annotated(image=image, label=label, colours=colours, marks=tuple(marks))
    marked = annotation if files else None
    return Source(task.cohort, task.subject, image, marked, series=task.series, usual_mm=task.usual_mm)


def read_settings(name: str | None) -> tuple[str, Settings]:
    """Return a cohort's name and settings, given as the pipeline's `--cohort` is: a shipped name or a YAML file.

    None is the cohort COHORT with nothing set, so that a model brings its own along. Raises InputError.
    """
    if name is None:
        return COHORT, Settings()
    return named_settings(name, [_COHORTS], "settings")


def with_structures(settings: Settings, asked: Sequence[str] | None) -> tuple[Settings, tuple[str, ...] | None]:
    """Return settings that name the structures which are asked for as `NAME=VALUE`, the value in the label, and the
    names of those to find; None and settings as they are where none is asked for.

    Plain names are those of the settings or of the supports' annotation. Raises InputError for a value that is none,
    and for values beside names without one.
    """
    if not asked:
        return settings, None
    names = tuple(one.partition("=")[0].strip() for one in asked)
    values = [one.partition("=")[2].strip() for one in asked if "=" in one]
    if not values:
        return settings, tuple(dict.fromkeys(names))
    whole = len(values) == len(names) == len(set(names)) == len(set(values)) and all(map(NAME.fullmatch, names))
    if not whole or not all(value.isdecimal() and 0 < int(value) <= MOST_LABEL for value in values):
        expected = f"names alone, or a value of the label from 1 to {MOST_LABEL} for each, such as liver=1,spleen=2"
        raise InputError(parameter_fault("structures", ",".join(asked), expected).message)
    return replace(settings, structures=dict(zip(names, map(int, values), strict=True))), names


def unknown_structures(asked: Iterable[str] | None, known: Iterable[str]) -> list[str]:
    """Return a sentence for each structure that is asked for and that no support has."""
    there = sorted(set(known))
    # Values of a label that nothing names.
    unnamed = any(re.fullmatch(r"label_\d+", name) for name in there)
    more = ", or NAME=VALUE with the value in the label" if unnamed else ""
    return [
        parameter_fault(
            "structures", name, f"structures of the supports: {listed(there)}{more}{nearest(name, there)}"
        ).message
        for name in asked or ()
        if name not in there
    ]
