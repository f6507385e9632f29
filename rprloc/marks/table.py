"""Marks as a table: a CSV of `structure,x_mm,y_mm,z_mm,space`, or JSON of the same."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from rprloc.errors import InputError, nearest
from rprloc.marks.mark import SPACES, Marks, NamedPoint, lps, marks_of
from rprloc.marks.names import printable

COLUMNS = ("structure", "x_mm", "y_mm", "z_mm", "space")
_MOST_BYTES = 10_000_000
_ENCODINGS = ("utf-8-sig", "cp1252")


def read_table(path: Path) -> Marks:
    """Return the marks of a CSV file: comma, semicolon or tab, and a line a place. Raises InputError as `marks_of`
    does, for a column that is missing, and for a cell that is no number or no space.
    """
    lines = text_of(path).splitlines()
    header = next((line for line in lines if line.strip()), "")
    delimiter = max(",;\t", key=header.count)
    if header.startswith("# Markups fiducial file"):
        raise InputError(f"{path.name}: found points in the form of Slicer 4, expected them saved as .mrk.json.")
    rows = csv.DictReader(io.StringIO("\n".join(lines)), delimiter=delimiter, skipinitialspace=True)
    columns = [printable((name or "").strip()) for name in rows.fieldnames or ()]
    for column in COLUMNS:
        if column not in columns:
            hint = nearest(column, columns)
            raise InputError(f"{path.name}: found no column {column}, expected the columns {', '.join(COLUMNS)}{hint}.")
    rows.fieldnames = columns
    return _marks(((f"line {rows.line_num}", row) for row in rows), path.name)


def read_rows(content: Any, path: Path) -> Marks:
    """Return the marks of JSON: a list of objects with the columns of the CSV. Raises InputError as `read_table`."""
    if not isinstance(content, list) or not all(isinstance(row, dict) for row in content):
        expected = f"markups of 3D Slicer, or a list of objects with {', '.join(COLUMNS)}"
        raise InputError(f"{path.name}: found other JSON, expected {expected}.")
    for number, row in enumerate(content, start=1):
        if missing := [column for column in COLUMNS if column not in row]:
            raise InputError(f"{path.name}, entry {number}: found no {missing[0]}, expected {', '.join(COLUMNS)}.")
    return _marks(((f"entry {number}", row) for number, row in enumerate(content, start=1)), path.name)


def text_of(path: Path) -> str:
    """Return the text of a file of marks; raises InputError where it is none, cannot be read or is huge."""
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise InputError(f"{path.name}: found {path.stat().st_size:,} bytes, expected a file of marks.")
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path.name}: found '{error.strerror}', expected a file of marks.") from error
    for encoding in _ENCODINGS:
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise InputError(f"{path.name}: found no text, expected a file of marks.")


def _marks(rows: Iterable[tuple[str, Mapping[str, object]]], name: str) -> Marks:
    """Return the marks of rows, each with where it stands in the file."""
    places = [_place(row, f"{name}, {where}") for where, row in rows if any(_text(cell) for cell in row.values())]
    if not places:
        raise InputError(f"{name}: found no place, expected one at least.")
    return marks_of(places, (), name)


def _place(row: Mapping[str, object], where: str) -> NamedPoint:
    """Return the place of a row; raises InputError for a cell that cannot be used."""
    structure, space = _text(row["structure"]), _text(row["space"]).upper()
    if not structure:
        raise InputError(f"{where}: found no structure, expected its name.")
    if space not in SPACES:
        raise InputError(f"{where}: found the space {_text(row['space'])[:20]!r}, expected LPS or RAS.")
    point = [_number(row[column], f"{where}, column {column}") for column in COLUMNS[1:4]]
    return NamedPoint(structure, np.asarray(lps(point, space)))


def _number(cell: object, where: str) -> float:
    """Return a cell as a number; raises InputError for one that is none. A decimal comma is a comma to Excel alone."""
    try:
        value = math.nan if isinstance(cell, bool) else float(_text(cell).replace(",", "."))
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise InputError(f"{where}: found {_text(cell)[:20]!r}, expected a number of mm.")
    return value


def _text(cell: object) -> str:
    """Return a cell's text; what lies beyond the header's columns is a list."""
    return "" if cell is None else printable(str(cell).strip())
