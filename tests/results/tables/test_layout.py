"""Numbers in words, and tables as aligned Markdown."""

from __future__ import annotations

import math
from pathlib import Path

import pandas as pd
import pytest

from rprloc.results.shown import CohortTable, Line
from rprloc.results.tables import layout
from rprloc.results.tables.layout import CohortFacts, Columns, Kind


def test_names_cannot_break_a_table() -> None:
    assert layout.escape("a|b<script>*`[x](y)\nz\\") == r"a\|b&lt;script>\*\`\[x](y) z\\"


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (0.000123, "0.0001"), (0.1234, "0.123"), (1.234, "1.23"), (45.67, "45.7"), (999.4, "999"),
     (26586, "26,586"), (math.nan, "–")],
)  # fmt: skip
def test_seconds_in_words(value: float, text: str) -> None:
    assert layout.seconds_text(value) == text


def test_numbers_in_words() -> None:
    assert layout.pair(0.4611, 8.336) == "46.1, 8.34" and layout.pair(math.nan, 1.0) == "–"
    assert layout.pair(0.0, math.nan) == "0.0, –" and layout.number_text(1.25, 1) == "1.2"
    entry = {"iou_low": 0.4, "iou_high": 0.6, "awd_low_mm": 1.0, "awd_high_mm": 4.0, "failures": 1, "answers": 9}
    assert (layout.half_widths(entry), layout.failed(entry)) == ("10.0, 1.50", "1 of 9")


@pytest.mark.parametrize(
    ("size", "count", "text"),
    [(1, 5, "1 of 5, each alone"), (3, 5, "3 of 5, 20 draws"), (5, 5, "all 5"), (1, 1, "1"), (0, 0, "none")],
)
def test_supports_in_words(size: int, count: int, text: str) -> None:
    assert layout.supports_text({"supports": size, "of_supports": count, "draws": 20}) == text


def test_a_table_of_many_structures_shows_their_mean() -> None:
    few = Columns.of(pd.DataFrame({"structure": ["heart", "liver", "mean", "heart"]}))
    assert few.shown == ("heart", "liver", "mean") and few.notes == ()
    many = Columns(tuple(f"label_{i}" for i in range(9)))
    assert many.shown == ("mean",) and many.notes == ("Mean over 9 structures; the CSV has a line for each.",)


def test_each_cohort_has_a_table_or_a_sentence() -> None:
    kind = Kind(3, "T", nothing="Nothing.", unknown="Unknown.")
    cohorts = [CohortFacts("a", True, "s0"), CohortFacts("b", True, "s0"), CohortFacts("c", False, "drawn")]
    tidy = pd.DataFrame({"cohort": ["a", "a"], "iou": [0.5, 0.6]})

    def table(cohort: CohortFacts, lines: pd.DataFrame) -> CohortTable:
        return kind.of(cohort.name, ("n",), [Line("x", "all", cohort.drawn, (str(len(lines)),))], ())

    first, second, third = layout.by_cohort(kind, tidy, cohorts, table)
    assert (first.cohort, first.lines[0].cells) == ("a", ("2",))
    assert (second.lines, second.notes, third.notes) == ((), ("Nothing.",), ("Unknown.",))


def test_markdown_is_aligned(tmp_path: Path) -> None:
    line = Line("a|b", "all", "s0", ("1.00",))
    tables = [
        CohortTable(1, "one", "Title", ("heart",), (line,), ("Note.",)),
        CohortTable(1, "two", "Title", (), (), ("No.",)),
    ]
    layout.write_table(tmp_path, "t", pd.DataFrame({"mm": [1 / 3]}), tables)
    text = (tmp_path / "t.md").read_text(encoding="utf-8")
    assert text.startswith("# Title\n\n## one\n\n|") and text.count("# Title") == 1
    assert text.endswith("Note.\n\n## two\n\nNo.\n")
    rows = [row for row in text.splitlines() if row.startswith("|")]
    assert len(rows) == 3 and len({len(row) for row in rows}) == 1
    assert (tmp_path / "t.csv").read_text(encoding="utf-8") == "mm\n0.333333\n"
