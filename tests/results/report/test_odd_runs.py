"""The whole way from odd predictions to the page: EVALUATE, TABULATE and REPORT agree on what they hand on."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from rprloc.cohort.tasks import Cohort, Report, SheetFile
from rprloc.files import write_json_lines
from rprloc.results.measure.evaluate import Came, evaluate_cohort
from rprloc.results.report.run import ReportFiles, report_run
from rprloc.results.shown import read_shown
from rprloc.results.tables.tabulate import tabulate_cohorts
from tests.results import cohorts
from tests.results.report.html import Html
from tests.results.report.made import LAUNCH
from tests.scans.written import write_scan

pytestmark = pytest.mark.usefixtures("blank")


def page_of(folder: Path, *made: cohorts.Cohort) -> Html:
    """Go the way from predictions to the page, which has each cohort and every query."""
    for one in made:
        name = one.measure.cohort
        scans = [write_scan(folder / "scans", record) for record in one.scans.values()]
        write_json_lines(folder / f"{name}.jsonl", [prediction.to_json() for prediction in one.predictions])
        evaluate_cohort(folder / "evaluated" / name, one.measure, scans, Came([folder / f"{name}.jsonl"]))
    tabulate_cohorts(folder / "results", sorted((folder / "evaluated").iterdir()), [])
    asked = tuple(Cohort(name=one.measure.cohort, modality="ct", members=one.measure.members) for one in made)
    shown = {name for one in read_shown(folder / "results" / "tables" / "shown.json") for name in one.figure}
    given = ReportFiles(
        results=folder / "results", scans=[path for path in (folder / "scans").iterdir() if path.name in shown]
    )
    report_run(folder / "page", Report(cohorts=asked, sheet=SheetFile(file="samples.csv")), LAUNCH, given)
    page = Html((folder / "page" / "report.html").read_text(encoding="utf-8"))
    queries = [
        member.subject
        for one in sorted(made, key=lambda one: one.measure.cohort)
        for member in one.measure.members
        if member.query
    ]
    assert [query["subject"] for cohort in page.data["cohorts"] for query in cohort["queries"]] == queries
    assert all(f"Cohort {one.measure.cohort}" in page.text for one in made)
    return page


def test_a_supervised_method_may_find_what_no_support_shows(tmp_path: Path) -> None:
    made = cohorts.many_methods(queries=1)
    made.measure = msgspec.structs.replace(made.measure, structures=None)
    made.predictions += [
        cohorts.replace(one, structure="larynx")
        for one in made.predictions
        if (one.method, one.structure) == ("retina_unet", "mandible")
    ]
    page_of(tmp_path, made)
    assert (tmp_path / "page" / "figures" / "demo" / "_methods~larynx.png").exists()


def test_a_cohort_without_labels_or_queries_stands_beside_one_with(tmp_path: Path) -> None:
    one, two = cohorts.cohort("one", queries=1, tables=False), cohorts.many_methods("two", queries=1)
    two.show("q0", {})
    two.keep(lambda one: one.method != "retina_unet")
    page = page_of(tmp_path, one, two, cohorts.cohort("bare", queries=0))
    assert page.text.count("No query of this cohort has a label") == 2
    assert page.text.count("There is nothing to report") == 2 and "no answer: its task died" in page.text
    assert "coarse + fine, K = 15: mean IoU" in page.text and "Table 3, seconds" in page.text


def test_every_scan_is_support_and_query_and_none_was_searched(tmp_path: Path) -> None:
    made = cohorts.many_methods(queries=1)
    made.use(s0={"query": True}, s1={"query": True})
    assert "Table 3: every method" in page_of(tmp_path, made).text


def test_nothing_can_be_used(tmp_path: Path) -> None:
    made = cohorts.many_methods(queries=2)
    for name in made.scans:
        made.set_aside(name, "nothing but air")
    made.predictions = []
    page = page_of(tmp_path, made)
    assert "There is no query to draw." in page.text and "scan set aside: nothing but air" in page.text
    assert "mean IoU 0.0 %" in page.text
