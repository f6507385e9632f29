"""Tables for people: numbers in words, and lines that become Markdown or part of the report."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from rprloc.files import write_text
from rprloc.results.frame import DIGITS, structures_of, write_frame
from rprloc.results.shown import CohortTable, Line
from rprloc.results.statistics import MEAN

WIDEST = 8
"""With more structures than this a table for people shows their mean alone; the CSV has each."""

WITHOUT_TRUTH = "No query of this cohort has a label, so there is nothing to compare its answers with."

LEARNED_NOTE = (
    "A method with the support “none” has learned before it answers: student from all supports, whose landmarks "
    "matched carries to the training scans, the others from the labels of the training scans."
)
"""What a table says of methods that answer without a support."""

Entry = Mapping[Hashable, Any]
"""A line of a tidy table: its value by column."""


@dataclass(frozen=True)
class CohortFacts:
    """What the tables of a cohort have to know of it."""

    name: str
    known: bool
    """Whether any of its predictions can be compared with the truth."""
    drawn: str
    """The drawn support."""


@dataclass(frozen=True)
class Kind:
    """One of the tables that each cohort has."""

    number: int
    title: str
    nothing: str = WITHOUT_TRUTH
    """The sentence that stands for it where a cohort has no lines."""
    unknown: str = WITHOUT_TRUTH
    """The sentence that stands for it where no query of a cohort has a label."""

    def of(self, cohort: str, columns: Sequence[str], lines: Iterable[Line], notes: Sequence[str]) -> CohortTable:
        """Return a cohort's table."""
        return CohortTable(self.number, cohort, self.title, tuple(columns), tuple(lines), tuple(notes))


@dataclass(frozen=True)
class Columns:
    """Which structures a table of a cohort shows."""

    structures: tuple[str, ...]
    """All, in the order of the settings."""

    @classmethod
    def of(cls, tidy: pd.DataFrame) -> Columns:
        """Return those of a cohort's tidy lines."""
        return cls(tuple(name for name in structures_of(tidy) if name != MEAN))

    @property
    def shown(self) -> tuple[str, ...]:
        """Those that have a column, and the mean."""
        return (*(self.structures if len(self.structures) <= WIDEST else ()), MEAN)

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader has to know of those that have none."""
        if len(self.structures) <= WIDEST:
            return ()
        return (f"Mean over {len(self.structures)} structures; the CSV has a line for each.",)


def by_cohort(
    kind: Kind,
    tidy: pd.DataFrame,
    cohorts: Iterable[CohortFacts],
    table: Callable[[CohortFacts, pd.DataFrame], CohortTable],
) -> list[CohortTable]:
    """Return `table` of each cohort's lines of a tidy table, and a sentence for a cohort without lines."""
    tables = []
    for cohort in cohorts:
        own = tidy[tidy["cohort"] == cohort.name]
        sentence = kind.nothing if cohort.known else kind.unknown
        tables.append(table(cohort, own) if len(own) else kind.of(cohort.name, (), (), (sentence,)))
    return tables


def entries_by(
    tidy: pd.DataFrame, *columns: str, by: str = "structure"
) -> Iterator[tuple[list[str], dict[str, Entry]]]:
    """Yield a cohort's tidy lines that share the values of `columns`: these values, and the lines by structure."""
    for values, rows in tidy.groupby(list(columns), sort=False):
        yield [str(value) for value in values], {str(entry[by]): entry for entry in rows.to_dict("records")}


def cells_of(entries: Mapping[str, Entry], shown: Iterable[str], text: Callable[[Entry], str]) -> list[str]:
    """Return the texts of a line's structures, a dash for one without numbers."""
    return [text(entries[name]) if name in entries else "–" for name in shown]


def accuracy(entry: Entry) -> str:
    """Return IoU and AWD of a tidy line in words."""
    return pair(entry["iou"], entry["awd_mm"])


def half_widths(entry: Entry) -> str:
    """Return half the intervals of IoU and AWD of a tidy line in words."""
    return pair((entry["iou_high"] - entry["iou_low"]) / 2, (entry["awd_high_mm"] - entry["awd_low_mm"]) / 2)


def failed(entry: Entry) -> str:
    """Return how many predictions of a tidy line failed in words."""
    return f"{entry['failures']} of {entry['answers']}"


def pair(iou: float, awd_mm: float) -> str:
    """Return `46.1, 8.34`, as the paper writes IoU in % and AWD in mm; a dash for what is not known."""
    return f"{number_text(100 * iou, 1)}, {number_text(awd_mm, 2)}" if not math.isnan(iou) else "–"


def number_text(value: float, digits: int) -> str:
    """Return a number with so many digits after the point, or a dash where it is not known."""
    return "–" if math.isnan(value) else f"{value:.{digits}f}"


def error_and_rates(entry: Entry, rates: Iterable[str]) -> str:
    """Return `4.81; 20.3, 55.0, 88.1`: MRE in mm; the success detection rates of some columns in %."""
    shown = ", ".join(number_text(100 * entry[name], 1) for name in rates)
    return f"{number_text(entry['mre_mm'], 2)}; {shown}"


def seconds_text(value: float) -> str:
    """Return seconds with three digits, at most to the tenth of a millisecond, or a dash where they are not known."""
    if math.isnan(value):
        return "–"
    if value >= 1000:
        return f"{value:,.0f}"
    digits = 0 if value == 0 else min(4, max(0, 2 - math.floor(math.log10(value))))
    return f"{value:.{digits}f}"


def supports_text(entry: Entry) -> str:
    """Return in words which supports the predictions of a line of table 4 or 5 come from."""
    size, count = entry["supports"], entry["of_supports"]
    if size < count:
        return f"{size} of {count}, " + ("each alone" if size == 1 else f"{entry['draws']} draws")
    return f"all {size}" if size > 1 else "1" if size else "none"


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


def write_table(folder: Path, name: str, tidy: pd.DataFrame, tables: Sequence[CohortTable]) -> None:
    """Write `name`.csv for programs and `name`.md for people to `folder`, each whole."""
    write_frame(folder / f"{name}.csv", tidy, digits=DIGITS)
    write_text(folder / f"{name}.md", markdown(tables))
