"""Colour tables of 3D Slicer: what the values of a label are called."""

from __future__ import annotations

import csv
import re
from pathlib import Path

from rprloc.errors import InputError
from rprloc.marks.names import structure_names
from rprloc.marks.table import text_of

ENDINGS = (".ctbl", "_ColorTable.ctbl", "_ColorTable.txt", "_ColorTable.csv")
"""Of a table beside a label, in the place of the label's own ending."""
_LINE = re.compile(r"(\d+)\s+(.+?)((?:\s+\d+){3,4})")
"""A value, its name (which has no quotes and may hold spaces) and its colour."""


def read_colours(path: Path) -> tuple[dict[str, int], tuple[str, ...]]:
    """Return what the values of a colour table are called, without 0, and what is to be said; raises InputError for a
    file that is none.
    """
    lines = [line.strip() for line in text_of(path).splitlines() if line.strip() and not line.startswith("#")]
    found = _by_columns(lines) if path.name.lower().endswith(".csv") else _by_spaces(lines, path.name)
    values = {value: name for value, name in found if value > 0 and name.lower() not in ("", "(none)", "background")}
    if not values:
        raise InputError(f"{path.name}: found no named value, expected a colour table of 3D Slicer.")
    names, findings = structure_names(list(values.values()), path.name)
    return dict(zip(names, values, strict=True)), findings


def _by_columns(lines: list[str]) -> list[tuple[int, str]]:
    """Return the values and names of a table of Slicer 5.8's, with columns."""
    rows = csv.DictReader(lines)
    return [
        (int(row["LabelValue"]), (row.get("Name") or "").strip()) for row in rows if _is_value(row.get("LabelValue"))
    ]


def _is_value(cell: object) -> bool:
    """Tell whether a cell is a label's value."""
    return isinstance(cell, str) and cell.strip().isdecimal() and len(cell) < 8


def _by_spaces(lines: list[str], file: str) -> list[tuple[int, str]]:
    """Return the values and names of a table whose columns stand between spaces; raises InputError for other lines."""
    found = []
    for line in lines:
        match = _LINE.fullmatch(line)
        if match is None:
            raise InputError(f"{file}: found the line {line[:60]!r}, expected a value, a name and a colour.")
        found.append((int(match[1]), match[2]))
    return found
