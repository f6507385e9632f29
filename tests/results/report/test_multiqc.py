"""What MultiQC is told: a line for each query, texts escaped."""

from __future__ import annotations

from dataclasses import dataclass

from rprloc.results.report.answers import AnswerLine
from rprloc.results.report.multiqc import multiqc_to_json
from rprloc.results.report.verdict import Verdict


@dataclass(frozen=True)
class Page:
    """A cohort's."""

    name: str
    glance: str
    answers: list[AnswerLine]


def line(subject: str, status: str, lost: float | None) -> AnswerLine:
    return AnswerLine(cohort="c", subject=subject, structure="x", doubt=Verdict(status, ""), lost=lost)


def test_each_query_has_a_line_with_its_worst_answer() -> None:
    answers = [line("a", "PASS", 0.1), line("a", "FAIL", 0.91234), line("a", "WARN", None), line("b", "PASS", None)]
    told = multiqc_to_json([Page("c", "All is <well>.", answers)])["rprloc_mqc.json"]
    assert told["data"] == {
        "a": {"status": "FAIL", "pass": 1, "warn": 1, "fail": 1, "lost": 91.2},
        "b": {"status": "PASS", "pass": 1, "warn": 0, "fail": 0},
    }
    assert set(told["headers"]) == set(told["data"]["a"])
    assert told["parent_description"] == "c: All is &lt;well&gt;." and told["plot_type"] == "table"


def test_queries_of_several_cohorts_are_told_apart() -> None:
    told = multiqc_to_json([Page(name, "", [line("a", "PASS", None)]) for name in ("one", "two")])
    assert [list(content["data"]) for content in told.values()] == [["one a", "two a"]] * 2


def test_each_answer_has_a_cell() -> None:
    answers = [line("a", "PASS", 0.1), line("b", "FAIL", None), line("<b>", "WARN", None)]
    told = multiqc_to_json([Page("c", "", answers)])["rprloc_cells_mqc.json"]
    assert told["plot_type"] == "heatmap"
    assert told["data"] == {"a": {"x": 0.0}, "b": {"x": 1.0}, "&lt;b&gt;": {"x": 0.5}}
