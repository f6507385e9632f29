"""The headline, a line for each query and a cell for each answer for MultiQC, which shows files *_mqc.json."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, Protocol

from rprloc.results.report.answers import AnswerLine

RANK = {"PASS": 0.0, "WARN": 0.5, "FAIL": 1.0}
"""The colour of a cell, from 0, good, to 1."""
_COLOURS = [[0, "#a8dccb"], [0.5, "#e69f00"], [1, "#a33c00"]]
"""Of cells as of the report's, which colour-blind readers tell apart by how dark they are."""


Queries = Mapping[str, Sequence[AnswerLine]]
"""The answers of each query, by its name."""


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


def multiqc_to_json(cohorts: Sequence[Answering]) -> dict[str, dict[str, Any]]:
    """Return by file's name what MultiQC is to show: a table with a line for each query, its answers by verdict and how
    likely the worst of them is lost; and a cell for each answer. MultiQC shows texts as HTML, so they are escaped.
    """
    queries = {
        escape(subject if len(cohorts) == 1 else f"{cohort.name} {subject}"): own
        for cohort in cohorts
        for subject, own in _by_query(cohort.answers).items()
    }
    said = " ".join(escape(f"{one.name}: {one.glance}") for one in cohorts)
    parent = {"parent_id": "rprloc", "parent_name": "rprloc", "parent_description": said}
    return {
        "rprloc_mqc.json": parent | _table_to_json(queries),
        "rprloc_cells_mqc.json": parent | _cells_to_json(queries),
    }


def _by_query(answers: Sequence[AnswerLine]) -> dict[str, list[AnswerLine]]:
    """Return a cohort's answers by query."""
    found: dict[str, list[AnswerLine]] = {}
    for one in answers:
        found.setdefault(one.subject, []).append(one)
    return found


def _table_to_json(queries: Queries) -> dict[str, Any]:
    """Return the table's content."""
    return {
        "id": "rprloc_queries",
        "section_name": "Queries",
        "description": "How many answers of each verdict a query has.",
        "plot_type": "table",
        "pconfig": {"id": "rprloc_answers", "title": "rprloc: answers", "namespace": "rprloc"},
        "headers": {
            "status": {"title": "Worst", "description": "The worst verdict of the query's answers"},
            "pass": {
                "title": "PASS",
                "description": "Answers that nothing speaks against",
                "format": "{:,.0f}",
                "scale": False,
            },
            "warn": {"title": "WARN", "description": "Doubtful answers", "format": "{:,.0f}", "scale": False},
            "fail": {"title": "FAIL", "description": "Missing answers", "format": "{:,.0f}", "scale": False},
            "lost": {"title": "Lost", "description": "How likely the worst answer is lost", "suffix": " %", "max": 100},
        },
        "data": {name: _line(own) for name, own in queries.items()},
    }


def _line(own: Sequence[AnswerLine]) -> dict[str, str | float]:
    """Return a query's line."""
    count = Counter(one.doubt.status for one in own)
    known = [one.lost for one in own if one.lost is not None]
    return {
        "status": max((one.doubt.status for one in own), key=RANK.__getitem__),
        **{status.lower(): count[status] for status in RANK},
        **({"lost": round(100 * max(known), 1)} if known else {}),
    }


def _cells_to_json(queries: Queries) -> dict[str, Any]:
    """Return the cells' content; what was not searched is left out."""
    return {
        "id": "rprloc_cells",
        "section_name": "Every answer",
        "description": "0: PASS, nothing speaks against it. 0.5: WARN, doubtful. 1: FAIL, no answer.",
        "plot_type": "heatmap",
        "pconfig": {
            "id": "rprloc_cells_plot", "title": "rprloc: every answer", "xlab": "structure", "ylab": "query",
            "min": 0, "max": 1, "square": False, "xcats_samples": False, "colstops": _COLOURS, "tt_decimals": 1,
            "display_values": False, "legend": False, "cluster_rows": False, "cluster_cols": False,
        },
        "data": {
            name: {escape(one.structure): RANK[one.doubt.status] for one in own} for name, own in queries.items()
        },
    }  # fmt: skip
