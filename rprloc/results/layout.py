"""Tables for people: numbers in words, and lines that become Markdown or part of the report."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from rprloc.files import whole_file, write_text

WIDEST = 8
"""With more structures than this a table for people shows their mean alone; the CSV has each."""


@dataclass(frozen=True)
class Line:
    """One line of a table for people: who answered (`kind` is drawn, all or paper) and the text of each column."""

    label: str
    kind: str
    support: str
    cells: tuple[str, ...]


@dataclass(frozen=True)
class CohortTable:
    """One table of one cohort for people: `lines` under `columns`, and notes to read it; no lines without truth."""

    number: int
    cohort: str
    title: str
    columns: tuple[str, ...]
    lines: tuple[Line, ...]
    notes: tuple[str, ...]


WITHOUT_TRUTH = "No query of this cohort has a label, so there is nothing to compare its answers with."


def without_truth(number: int, cohort: str, title: str) -> CohortTable:
    """Return the sentence that stands for a table where no query has a label."""
    return CohortTable(number, cohort, title, (), (), (WITHOUT_TRUTH,))


def tables_by_cohort(
    number: int,
    title: str,
    tidy: pd.DataFrame,
    cohorts: Iterable[str],
    table: Callable[[str, pd.DataFrame], CohortTable],
    nothing: str = WITHOUT_TRUTH,
) -> list[CohortTable]:
    """Return `table` of each cohort's lines of a tidy table, and the sentence `nothing` for one without lines."""
    lines = {cohort: tidy[tidy["cohort"] == cohort] for cohort in sorted(cohorts)}
    return [
        table(cohort, own) if len(own) else CohortTable(number, cohort, title, (), (), (nothing,))
        for cohort, own in lines.items()
    ]


def structures_of(metrics: pd.DataFrame) -> list[str]:
    """Return the structures of metrics rows in the order of the settings, which is the order they come in."""
    return [str(name) for name in metrics["structure"].unique()]


def drawn_supports(metrics: pd.DataFrame) -> dict[str, str]:
    """Return the name of each cohort's drawn support, from metrics.csv of all cohorts."""
    rows = metrics[metrics["drawn"] & (metrics["n_supports"] == 1)].drop_duplicates("cohort")
    return {str(cohort): str(name) for cohort, name in zip(rows["cohort"], rows["support"], strict=True)}


def pair(iou: float, awd_mm: float) -> str:
    """Return `46.1, 8.34`, as the paper writes IoU in % and AWD in mm; a dash for what is not known."""
    return f"{number_text(100 * iou, 1)}, {number_text(awd_mm, 2)}" if not math.isnan(iou) else "–"


def number_text(value: float, digits: int) -> str:
    """Return a number with so many digits after the point, or a dash where it is not known."""
    return "–" if math.isnan(value) else f"{value:.{digits}f}"


def markdown(tables: Sequence[CohortTable]) -> str:
    """Return the tables as Markdown whose columns are aligned, so that it also reads well in a terminal."""
    blocks: list[str] = []
    title = None
    for table in tables:
        if table.title != title:
            title = table.title
            blocks.append(f"# {title}")
        blocks.append(f"## {escape(table.cohort)}")
        if table.lines:
            head = ["", "support", *table.columns]
            blocks.append(grid([head, *([line.label, line.support, *line.cells] for line in table.lines)]))
        blocks.extend(escape(note) for note in table.notes)
    return "\n\n".join(blocks) + "\n"


def grid(rows: Sequence[Sequence[str]]) -> str:
    """Return rows of texts, the first of which is the head, as an aligned Markdown table."""
    texts = [[escape(cell) for cell in row] for row in rows]
    widths = [max(3, *(len(row[i]) for row in texts)) for i in range(len(texts[0]))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in texts
    ]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)


def escape(text: str) -> str:
    """Return text in which no character is Markdown or HTML of its own."""
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace("\n", " ")
    return re.sub(r"([\\|`*\[])", r"\\\1", text)


def write_csv(path: Path, tidy: pd.DataFrame) -> None:
    """Write a table for programs as CSV, numbers with six digits, whole."""
    with whole_file(path) as temporary:
        tidy.to_csv(temporary, index=False, float_format="%.6g")


def write_table(folder: Path, name: str, tidy: pd.DataFrame, tables: Sequence[CohortTable]) -> None:
    """Write `name`.csv for programs and `name`.md for people to `folder`, each whole."""
    write_csv(folder / f"{name}.csv", tidy)
    write_text(folder / f"{name}.md", markdown(tables))
