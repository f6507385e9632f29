"""The page: what it says of the run and of each cohort, and the HTML that it becomes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import NamedTuple

import jinja2

from rprloc.catalogue import in_order
from rprloc.cohort.tasks import Cohort, Member
from rprloc.results.frame import alone, together
from rprloc.results.report.curves import Log, draw_training
from rprloc.results.report.images import data_uri
from rprloc.results.report.material import Gallery, Material
from rprloc.results.report.method_pictures import MethodPictures, method_pictures
from rprloc.results.report.overview import Failures, Overview, doubtful, failures, overview
from rprloc.results.report.query_pictures import QueryPictures, query_pictures
from rprloc.results.report.risk import draw_risks
from rprloc.results.report.words import headline, how_in_words
from rprloc.results.shown import CohortTable

EMBEDDED = 200
"""So many pictures are put into the page (some 100 kB each); all are in the folder."""


@dataclass(frozen=True)
class Fact:
    """A name and its value in words."""

    name: str
    value: str


@dataclass(frozen=True)
class Count:
    """How many scans there are of a kind."""

    words: str
    scans: int


class DoubtedScan(NamedTuple):
    """A scan of which something was found odd, or that was set aside (FAIL)."""

    cohort: str
    subject: str
    file: str
    status: str
    findings: str
    done: str


@dataclass(frozen=True)
class Scans:
    """What was found of the scans themselves."""

    counts: Mapping[str, int]
    """Scans of each status, PASS, WARN and FAIL."""
    doubted: tuple[DoubtedScan, ...]
    """FAIL first, as far as they are shown."""
    more: int
    """Scans with findings that are not shown."""


@dataclass(frozen=True, kw_only=True)
class CohortPage:
    """What the page says of one cohort."""

    name: str
    sizes: tuple[Count, ...]
    settings: tuple[Fact, ...]
    methods: tuple[str, ...]
    main_method: str
    how: str
    """How the predictions to use were made."""
    given: str
    """From what they were made."""
    headline: str
    weights: tuple[str, ...]
    """Those that the program chose, in words."""
    tables: tuple[CohortTable, ...]
    risk: Path | None
    curves: Path | None
    figure4: MethodPictures | None
    overview: Overview
    doubtful: tuple[str, ...]
    failures: Failures
    queries: tuple[QueryPictures, ...]

    @property
    def pictures(self) -> list[Path]:
        """The pictures of queries, in the order of the page."""
        first = self.figure4.pictures if self.figure4 else ()
        return [*first, *(path for query in self.queries for path in query.pictures)]


@dataclass(frozen=True)
class Page:
    """What the page says."""

    facts: tuple[Fact, ...]
    parameters: tuple[Fact, ...]
    scans: Scans
    cohorts: tuple[CohortPage, ...]


def html(page: Page) -> str:
    """Return the page as one HTML document that fetches nothing, with its first EMBEDDED pictures of queries."""
    pictures = [path for cohort in page.cohorts for path in cohort.pictures]
    return _template().render(page=page, embedded=EMBEDDED, inside=frozenset(pictures[:EMBEDDED]))


def _template() -> jinja2.Template:
    """Return the page's template, which escapes whatever is put into it."""
    source = resources.files("rprloc.results.report").joinpath("page.html.j2").read_text(encoding="utf-8")
    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    environment.filters["data_uri"] = data_uri
    return environment.from_string(source)


def facts(values: Mapping[str, object]) -> tuple[Fact, ...]:
    """Return names and values in words; a value that is a mapping is a group of them."""
    return tuple(Fact(name, _in_words(value)) for name, value in values.items())


def _in_words(value: object) -> str:
    """Return a value in words."""
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {entry}" for key, entry in value.items())
    return "–" if value is None else str(value)


def cohort_page(
    cohort: Cohort, material: Material, gallery: Gallery, logs: Mapping[str, Log], figure_query: str | None
) -> CohortPage:
    """Return what the page says of one cohort, and draw its pictures into the gallery's folder.

    `logs` are the training curves by network, `figure_query` the query of figure 4 that was asked for.
    """
    main, shown, to_use = material.main, material.shown, material.to_use()
    queries = [member.subject for member in cohort.members if member.query]
    return CohortPage(
        name=cohort.name,
        sizes=_sizes(cohort.members, gallery),
        settings=facts(cohort.settings),
        methods=tuple(in_order(material.metrics["method"])),
        main_method=shown.method,
        how=how_in_words(shown.method, shown.setting),
        given="all supports together" if len(together(main)) else "the drawn support",
        headline=headline(main, shown),
        weights=tuple(map(str, shown.weights)),
        tables=shown.tables,
        risk=_risk(material, gallery.folder),
        curves=_curves(logs, gallery.folder),
        figure4=method_pictures(queries, figure_query, material, gallery) if material.several else None,
        overview=overview(main, queries),
        doubtful=doubtful(main),
        failures=failures(alone(material.metrics)),
        queries=tuple(query_pictures(name, to_use.get(name, []), main, gallery) for name in queries),
    )


def _sizes(members: Sequence[Member], gallery: Gallery) -> tuple[Count, ...]:
    """Return the number of scans of each kind in the sheet, and how many of all were set aside."""
    return (
        Count("training", sum(member.train for member in members)),
        Count("validation", sum(member.validation for member in members)),
        Count("support", sum(member.support for member in members)),
        Count("query", sum(member.query for member in members)),
        Count("set aside", sum(not gallery.usable(member.subject) for member in members)),
    )


def _risk(material: Material, folder: Path) -> Path | None:
    """Draw a cohort's risk-coverage curves; None where no prediction has truth and spread."""
    if not material.shown.risks:
        return None
    # No subject begins with an underscore, so the name is free.
    path = folder / "_risk.png"
    draw_risks(path, material.shown.risks)
    return path


def _curves(logs: Mapping[str, Log], folder: Path) -> Path | None:
    """Draw a cohort's training curves; None where nothing was trained."""
    if not logs:
        return None
    path = folder / "_training.png"
    draw_training(path, logs)
    return path
