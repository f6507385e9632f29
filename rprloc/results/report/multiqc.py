"""The headline's numbers and every answer's verdict for MultiQC, which shows files *_mqc.json."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from html import escape
from typing import Any, Protocol

from rprloc.results.report.answers import AnswerLine

RANK = {"PASS": 0.0, "WARN": 0.5, "FAIL": 1.0}
"""The colour of a cell, from 0, good, to 1."""


class Answering(Protocol):
    """What MultiQC is told of a cohort."""

    @property
    def name(self) -> str:
        """The cohort's."""

    @property
    def glance(self) -> str:
        """The result in a sentence."""

    @property
    def answers(self) -> Sequence[AnswerLine]:
        """Its answers."""


def multiqc_to_json(cohorts: Sequence[Answering]) -> dict[str, Any]:
    """Return the content of a custom table of MultiQC: a line for each query, its answers by verdict, and how likely
    the worst of them is lost. MultiQC shows texts as HTML, so they are escaped.
    """
    lines: dict[str, dict[str, Any]] = {}
    for cohort in cohorts:
        by_query: dict[str, list[AnswerLine]] = {}
        for one in cohort.answers:
            by_query.setdefault(one.subject, []).append(one)
        for subject, own in by_query.items():
            count = Counter(one.doubt.status for one in own)
            known = [one.lost for one in own if one.lost is not None]
            name = subject if len(cohorts) == 1 else f"{cohort.name} {subject}"
            lines[escape(name)] = {
                "status": max((one.doubt.status for one in own), key=RANK.__getitem__),
                **{status.lower(): count[status] for status in RANK},
                **({"lost": round(100 * max(known), 1)} if known else {}),
            }
    return {
        "id": "rprloc",
        "section_name": "rprloc: organs and landmarks",
        "description": " ".join(escape(f"{one.name}: {one.glance}") for one in cohorts),
        "plot_type": "table",
        "pconfig": {"id": "rprloc_answers", "title": "rprloc: answers", "namespace": "rprloc"},
        "headers": {
            "status": {"title": "Worst", "description": "The worst verdict of the query's answers"},
            "pass": {"title": "PASS", "description": "Answers that nothing speaks against", "format": "{:,.0f}"},
            "warn": {"title": "WARN", "description": "Doubtful answers", "format": "{:,.0f}"},
            "fail": {"title": "FAIL", "description": "Missing answers", "format": "{:,.0f}"},
            "lost": {"title": "Lost", "description": "How likely the worst answer is lost", "suffix": " %", "max": 100},
        },
        "data": lines,
    }
