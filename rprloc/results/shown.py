"""What TABULATE computes for people and REPORT shows: laid-out tables, headline numbers and curves of each cohort."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from rprloc.cohort.tasks import NO_WEIGHTS
from rprloc.errors import InputError
from rprloc.files import read_json, write_json


class Line(msgspec.Struct, frozen=True):
    """One line of a table for people: who predicted (`kind` is drawn, all or paper) and the text of each column."""

    label: str
    kind: str
    support: str
    cells: tuple[str, ...]


class CohortTable(msgspec.Struct, frozen=True):
    """One table of one cohort for people: `lines` under `columns`, and notes to read it; no lines without truth."""

    number: int
    cohort: str
    title: str
    columns: tuple[str, ...]
    lines: tuple[Line, ...]
    notes: tuple[str, ...]


class WeightsShown(msgspec.Struct, frozen=True):
    """Weights that the program chose for a method, why, and for how many queries."""

    method: str
    weights: str
    why: str
    queries: int

    def __str__(self) -> str:
        """Return it in words."""
        scans = "query" if self.queries == 1 else "queries"
        taken = "no weights" if self.weights == NO_WEIGHTS else f"the weights {self.weights}"
        return f"{self.method} took {taken} for {self.queries} {scans}: {self.why}"


class CohortShown(msgspec.Struct, frozen=True, kw_only=True):
    """What is shown of one cohort."""

    cohort: str
    weights: tuple[WeightsShown, ...] = ()
    """Those that the program chose."""
    method: str
    """The method whose predictions are the ones to use, and its setting."""
    setting: str
    numbers: Mapping[str, Mapping[str, float | None]]
    """Of that method: `drawn`, `alone` (all supports, each alone) and `together`, as far as there are any, each what
    `rprloc.results.statistics.describe` returns; null for NaN."""
    tables: tuple[CohortTable, ...]
    """In the order in which they are shown; one without a title is a sentence alone, its note."""
    figure: tuple[str, ...] = ()
    """The scans of figure 4, by the names of their folders: the query in the middle of all and the support drawn for
    it; none without several methods."""
    risks: Mapping[str, Sequence[Sequence[float]]]
    """The risk-coverage curves of the structures by which supports predicted, in words."""


def write_shown(path: Path, cohorts: Sequence[CohortShown]) -> None:
    """Write what is shown as JSON, whole."""
    write_json(path, msgspec.to_builtins(list(cohorts)))


def read_shown(path: Path) -> list[CohortShown]:
    """Read what `write_shown` wrote; raises InputError for another file."""
    try:
        return msgspec.convert(read_json(path), list[CohortShown])
    except msgspec.ValidationError as error:
        raise InputError(f"{path.name}: expected what TABULATE shows, found: {error}.") from error
