"""What `rprloc locate` says: a bar and a line a scan on the error stream, the answers on the output."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from rprloc.cohort.chosen import Weights
from rprloc.locator.results import Located, Results
from rprloc.methods.answer import Prediction
from rprloc.scans.record import ScanRecord
from rprloc.scans.sides import said_of_sides

WIDE = 200
"""Columns of a table that is written to a file or a pipe."""
_STYLES = {"PASS": "green", "WARN": "yellow", "FAIL": "red"}


def plain(text: str) -> str:
    """Return a text with what cannot be printed, such as a terminal's commands in a file's name, as `?`."""
    return "".join(one if one.isprintable() else "?" for one in text)


class Teller:
    """Says how the search goes; `quiet` says nothing."""

    def __init__(self, count: int, *, quiet: bool) -> None:
        """Take how many scans are to be searched."""
        self._console = Console(stderr=True, quiet=quiet, highlight=False, soft_wrap=True)
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        self._bar = Progress(
            *columns, console=self._console, transient=True, disable=quiet or not self._console.is_terminal
        )
        self._count, self._done = count, 0
        self._task = self._bar.add_task("supports", total=count)

    def __enter__(self) -> Teller:
        self._bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._bar.stop()

    def begun(self, weights: Weights, supports: Mapping[str, ScanRecord]) -> None:
        """Say what is searched with, and what is odd about the supports."""
        self._say("", f"weights: {weights.name} ({weights.why})")
        if sides := said_of_sides({name for record in supports.values() for name in record.structures}):
            self._say("", sides)
        for subject, record in supports.items():
            self._findings(subject, record)
        self._bar.update(self._task, description="scans")

    def found(self, one: Located) -> None:
        """Say what was found in a scan: a line, and one for each thing that is odd or missing."""
        self._done += 1
        self._bar.update(self._task, advance=1)
        there = len(one.answers) - len(one.missing)
        doubtful = f", {len(one.doubtful)} doubtful" if one.doubtful else ""
        counts = f"{there} of {len(one.answers)} found{doubtful}, {one.seconds:.1f} s"
        head = f"[{self._done}/{self._count}] {one.subject}: "
        self._say(one.record.status, head, f"{one.record.status}, {counts}" if one.record.usable else "FAIL")
        self._findings(one.subject, one.record)
        # Those of a scan that was set aside fail for its reason, which is said.
        for answer in one.missing if one.record.usable else ():
            self._say("", f"  {one.subject}: {answer.structure} not found: {answer.reason}")
        for answer in one.doubtful:
            self._say("", f"  {one.subject}: {answer.structure} is doubtful, lost with {answer.lost:.0%}")

    def note(self, sentence: str) -> None:
        """Say a sentence."""
        self._say("", sentence)

    def _findings(self, subject: str, record: ScanRecord) -> None:
        if record.reason:
            self._say("", f"  {subject}: {record.reason}")
        for finding in record.findings:
            self._say("", f"  {subject}: {finding}")

    def _say(self, status: str, head: str, rest: str = "") -> None:
        self._console.print(Text(plain(head)).append(plain(rest), style=_STYLES.get(status, "")))


def print_json(results: Results, weights: Weights) -> None:
    """Print weights, answers and scans as one JSON object."""
    chosen = {"name": weights.name, "why": weights.why}
    print(json.dumps({"weights": chosen, **results.to_json()}, indent=1, ensure_ascii=False, allow_nan=False))


def print_table(located: Sequence[Located]) -> None:
    """Print the answers: a line each, in the scans' order, mm in LPS."""
    console = Console(highlight=False)
    table = Table("scan", "structure", *(f"{axis} mm (LPS)" for axis in "xyz"), "90 % mm", "lost", "why not", box=None)
    for one in located:
        cells = [_cells(one.subject, answer) for answer in one.answers]
        if one.record.reason:
            cells = [(one.subject, "", "", "", "", "", "", one.record.reason)]
        for line in cells:
            table.add_row(*(Text(plain(cell)) for cell in line))
    if not sys.stdout.isatty():
        console.width = WIDE
    console.print(table)


def _cells(subject: str, answer: Prediction) -> Iterable[str]:
    """Return the texts of an answer's line."""
    sides = [""] * 3
    if answer.point and answer.points_mm:
        sides = [f"{mm:.1f}" for mm in answer.points_mm["point"]]
    elif answer.box_mm:
        sides = [f"{low:.1f} to {high:.1f}" for low, high in zip(*answer.box_mm, strict=True)]
    walls = answer.within_90_mm
    within = f"{sum(walls.values()) / len(walls):.1f}" if walls else ""
    lost = "" if answer.lost is None else f"{answer.lost:.2f}"
    return (subject, answer.structure, *sides, within, lost, answer.reason or "")
