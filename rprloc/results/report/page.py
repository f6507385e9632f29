"""The page: what it says of the run and of each cohort, and the HTML that it becomes.

It runs one script of its own, which the policy in its head names by its hash; what comes from a sheet, a header or a
file's name reaches it as JSON and becomes text alone.
"""

from __future__ import annotations

import base64
import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import jinja2
import msgspec
import pandas as pd

from rprloc.catalogue import in_order
from rprloc.cohort.tasks import Cohort, Member
from rprloc.pictures.manifest import Pictured
from rprloc.results.frame import alone
from rprloc.results.report import plots
from rprloc.results.report.answers import AnswerLine, Pictures, answer_lines
from rprloc.results.report.curves import Log, draw_training
from rprloc.results.report.failures import Failures, failures
from rprloc.results.report.images import data_uri
from rprloc.results.report.material import Gallery, Material
from rprloc.results.report.method_pictures import MethodPictures, method_pictures
from rprloc.results.report.risk import draw_risks
from rprloc.results.report.words import glance, headline
from rprloc.results.shown import CohortTable
from rprloc.scans.sides import said_of_sides

EMBEDDED = 200
"""A page that holds its pictures itself holds those of so many queries."""


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


class QueryLine(msgspec.Struct, frozen=True, kw_only=True):
    """A query and what was found of its scan."""

    subject: str
    status: str
    findings: str


class SupportPicture(NamedTuple):
    """A structure as it was shown."""

    structure: str
    source: str


class SupportShown(NamedTuple):
    """The annotated scan that is shown beside the queries."""

    subject: str
    pictures: tuple[SupportPicture, ...]


@dataclass(frozen=True, kw_only=True)
class CohortPage:
    """What the page says of one cohort."""

    name: str
    glance: str
    """The result in a sentence."""
    sizes: tuple[Count, ...]
    settings: tuple[Fact, ...]
    methods: tuple[str, ...]
    main_method: str
    headline: str
    weights: tuple[str, ...]
    """Those that the program chose, in words."""
    support: SupportShown | None
    answers: tuple[AnswerLine, ...]
    queries: tuple[QueryLine, ...]
    unsearched: tuple[str, ...]
    """The queries without any answer."""
    tables: tuple[CohortTable, ...]
    costs: plots.Costs | None
    plots: tuple[plots.Plot, ...]
    risk: Path | None
    curves: Path | None
    figure4: MethodPictures | None
    failures: Failures


@dataclass(frozen=True, kw_only=True)
class Page:
    """What the page says."""

    command: str
    facts: tuple[Fact, ...]
    parameters: tuple[Fact, ...]
    scans: Scans
    cohorts: tuple[CohortPage, ...]
    single: bool = False
    """Whether it holds its pictures itself."""
    embedded: Mapping[str, str]
    """The pictures that it holds, data URIs, by their addresses."""

    @property
    def sides(self) -> str:
        """What is to be known of left and right."""
        return said_of_sides({line.structure for one in self.cohorts for line in one.answers})


def html(page: Page) -> str:
    """Return the page as one HTML document."""
    script = _script("page.js")
    return _template().render(
        page=page,
        data=_to_json(page),
        style=_beside("page.css"),
        script=script,
        script_hash=f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'",
        layout={"left": plots.LEFT, "width": plots.WIDTH, "line": plots.LINE, "height": plots.HEIGHT},
    )


def _to_json(page: Page) -> dict[str, Any]:
    """Return what the page's script is told."""
    return {
        "cohorts": [{"name": one.name, "queries": msgspec.to_builtins(one.queries)} for one in page.cohorts],
        "answers": [_answer_to_json(line) for one in page.cohorts for line in one.answers],
        "embedded": dict(page.embedded),
    }


def _answer_to_json(line: AnswerLine) -> dict[str, Any]:
    """Return an answer without what is not known of it."""
    values: dict[str, Any] = msgspec.to_builtins(line)
    return {name: value for name, value in values.items() if value is not None}


def _beside(name: str) -> str:
    """Return the text of a file beside this module."""
    return resources.files("rprloc.results.report").joinpath(name).read_text(encoding="utf-8")


def viewer_files() -> dict[str, str]:
    """Return the viewer's script and style, by name, which all its pages share."""
    return {"viewer.js": _script("viewer.js"), "viewer.css": _beside("viewer.css")}


def _script(name: str) -> str:
    """Return a script with what all of them make their parts by."""
    return _beside("made.js") + _beside(name)


def _template() -> jinja2.Template:
    """Return the page's template, which escapes whatever is put into it."""
    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    environment.filters["data_uri"] = data_uri
    return environment.from_string(_beside("page.html.j2"))


def facts(values: Mapping[str, object]) -> tuple[Fact, ...]:
    """Return names and values in words; a value that is a mapping is a group of them."""
    return tuple(Fact(name, _in_words(value)) for name, value in values.items())


def _in_words(value: object) -> str:
    """Return a value in words."""
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {entry}" for key, entry in value.items())
    return "–" if value is None else str(value)


@dataclass(frozen=True)
class Shared:
    """What the pages of all cohorts are made of beside their answers."""

    scans: pd.DataFrame
    """scans.csv."""
    pictures: Pictures
    embedded: Mapping[str, str]
    """The pictures that the page holds itself, by their addresses."""


def cohort_page(
    cohort: Cohort,
    material: Material,
    gallery: Gallery,
    seen: Shared,
    logs: Mapping[str, Log],
    figure_query: str | None,
) -> CohortPage:
    """Return what the page says of one cohort, and draw its curves into the gallery's folder.

    `gallery` holds the scans of figure 4, `logs` the training curves by network, `figure_query` the query of figure 4
    that was asked for.
    """
    main, shown = material.main, material.shown
    queries = [member.subject for member in cohort.members if member.query]
    scans = seen.scans[seen.scans["cohort"] == cohort.name]
    answers = answer_lines(material, seen.pictures)
    searched = {one.subject for one in answers}
    return CohortPage(
        name=cohort.name,
        glance=glance(answers),
        sizes=_sizes(cohort.members, int((scans["status"] == "FAIL").sum())),
        settings=facts(cohort.settings),
        methods=tuple(in_order(material.metrics["method"])),
        main_method=shown.method,
        headline=headline(main, shown),
        weights=tuple(map(str, shown.weights)),
        support=_support([one for one in seen.pictures.values() if one.cohort == cohort.name], seen),
        answers=tuple(answers),
        queries=_queries(queries, scans),
        unsearched=tuple(name for name in queries if name not in searched),
        tables=shown.tables,
        plots=plots.plots_of(material, seen.pictures),
        costs=plots.costs_of(material) if material.several else None,
        risk=_risk(material, gallery.folder),
        curves=_curves(logs, gallery.folder),
        figure4=method_pictures(figure_query, material, gallery) if material.several else None,
        failures=failures(alone(material.metrics)),
    )


def _sizes(members: Sequence[Member], aside: int) -> tuple[Count, ...]:
    """Return the number of scans of each kind in the sheet, and how many of all were set aside."""
    return (
        Count("training", sum(member.train for member in members)),
        Count("validation", sum(member.validation for member in members)),
        Count("support", sum(member.support for member in members)),
        Count("query", sum(member.query for member in members)),
        Count("set aside", aside),
    )


def _queries(queries: Sequence[str], scans: pd.DataFrame) -> tuple[QueryLine, ...]:
    """Return the queries in the sheet's order with what was found of their scans."""
    known = {str(row["subject"]): row for row in scans.to_dict("records")}
    return tuple(
        QueryLine(subject=name, status=str(row.get("status", "FAIL")), findings=str(row.get("findings", "")))
        for name in queries
        for row in [known.get(name, {})]
    )


def _support(pictured: Sequence[Pictured], seen: Shared) -> SupportShown | None:
    """Return the support that most viewers show beside their query, with its pictures; None without any."""
    names = Counter(one.support for one in pictured if one.support)
    first = next((name for name, _ in names.most_common(1)), None)
    own = next((one for one in pictured if one.subject == first), None)
    if own is None:
        return None
    shown = [
        SupportPicture(structure, seen.embedded.get(quote(path), quote(path)))
        for structure, path in own.pictures.items()
        if structure in own.true_mm
    ]
    return SupportShown(own.subject, tuple(shown)) if shown else None


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
