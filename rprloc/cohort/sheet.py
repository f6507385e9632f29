"""Read a sample sheet: which scans there are, and what each is used for."""

from __future__ import annotations

import codecs
import csv
import re
from collections import defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath

from rprloc.cohort.faults import NAME, NAME_EXPECTED, Fault, listed, shown
from rprloc.errors import nearest

COLUMNS = ("subject", "image", "label", "marks", "series", "split", "cohort")
REQUIRED = ("subject", "image")
SPLITS = ("train", "validation", "test")
STRUCTURE = "{structure}"
"""Stands in a label's file name for the structure's where each structure has a mask of its own."""

COLOURS = ("_ColorTable.ctbl", ".ctbl")
"""How a colour table of 3D Slicer is called beside its label, in the place of the label's ending."""

_DELIMITERS = ",;\t"
_LABEL = re.compile(r"(?i)(.+?)(?<!\.seg)(\.nii|\.nii\.gz|\.nrrd|\.mha)")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_WORKBOOKS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1")
"""How the files of spreadsheet programs begin, whatever they are called: zip archives, or OLE's."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One scan of a sheet and what it is used for.

    `image`, `label` and `marks` are as in the sheet (a label may be a folder or a pattern of masks, marks may be a
    folder), `series` says which one of a DICOM image is meant, by its description, number or UID, `line` counts from 1,
    `position` is the query's within its cohort (0 for a scan that is no query): batches are made by it.
    `validation` scans measure the training, `support` scans carry the annotation to find structures by, `query` scans
    are searched.
    """

    cohort: str
    subject: str
    image: str
    label: str | None
    marks: str | None = None
    split: str | None
    line: int
    series: str | None = None
    position: int = 0
    train: bool = False
    validation: bool = False
    support: bool = False
    query: bool = False

    @property
    def annotated(self) -> bool:
        """Whether it has a label, or marks."""
        return self.label is not None or self.marks is not None


@dataclass(frozen=True)
class Sheet:
    """A sheet that was read: its name, the rows that could be, all faults, and sentences on what looks odd."""

    name: str
    rows: tuple[Row, ...] = ()
    faults: tuple[Fault, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass
class _Reading:
    """What gathers while a sheet is read.

    `columns` are those of the header, None for one to be skipped. `sure` ends where a line or a column could not be
    told: what a cohort then lacks may stand there.
    """

    file: str
    sure: bool = True
    columns: list[str | None] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)

    def fault(self, line: int, column: str | None, value: str | None, expected: str, *, sure: bool = True) -> None:
        """Note a fault of this sheet; `sure` is False where it hides what the sheet says."""
        self.sure = self.sure and sure
        self.faults.append(Fault(file=self.file, line=line, column=column, value=value, expected=expected))


def parse_sheet(
    source: bytes,
    *,
    name: str = "sheet",
    cohort: str = "default",
    cohorts: Collection[str] | None = None,
    training: bool | None = True,
) -> Sheet:
    """Read a sample sheet with all its faults; whether the files that it names exist is not asked here.

    name: what messages call the sheet. cohort: that of rows which name none. cohorts: the names that have settings
    (None: not tested). training: whether scans to train on are needed; None where supports and queries are not either.
    """
    reading = _Reading(name)
    rows = [row for line, cells in _written(source, reading) if (row := _row(line, cells, cohort, reading))]
    _check_names(rows, reading, cohorts)
    rows = _with_uses(rows)
    if training is not None:
        _check_uses(rows, reading, training)
    reading.faults.sort(key=_position)
    valid = [row for row in rows if NAME.fullmatch(row.subject) and NAME.fullmatch(row.cohort) and row.image]
    warnings = [*reading.notes, *_same_image(valid, name)]
    return Sheet(name, tuple(_with_positions(valid)), tuple(reading.faults), tuple(warnings))


def named_files(source: bytes) -> list[str]:
    """Return every image, label and file of marks that a sheet's rows name, each once, and the colour tables that there
    may be: all that has to be looked up before it is judged.

    Of a pattern of masks it is their folder.
    """
    reading = _Reading("sheet")
    named: list[str] = []
    for _, record in _written(source, reading):
        label = record.get("label", "")
        named += [record.get("image", ""), label, *colour_tables(label), record.get("marks", "")]
    return list(dict.fromkeys(place_of(cell) for cell in named if cell))


def colour_tables(label: str) -> list[str]:
    """Return the paths at which a label of numbers may have a colour table."""
    match = None if STRUCTURE in label else _LABEL.fullmatch(label)
    return [match[1] + ending for ending in COLOURS] if match else []


def place_of(path: str) -> str:
    """Return the path that is looked up for one of a sheet: of a pattern of masks their folder."""
    return path if STRUCTURE not in path else path.rpartition("/")[0] or ("/" if path.startswith("/") else ".")


def _written(source: bytes, reading: _Reading) -> list[tuple[int, dict[str, str]]]:
    """Return line number and cells by column of the lines below the header that hold anything."""
    if source.startswith(_WORKBOOKS):
        expected = "comma-separated values: save the sheet as CSV in the spreadsheet program"
        reading.fault(1, None, "a workbook (.xlsx, .xls, .ods)", expected, sure=False)
        return []
    text = decode(source)
    if control := _CONTROL.search(text):
        line = len(re.split(r"\r\n|\r|\n", text[: control.start()]))
        reading.fault(line, None, control[0], "a text file of comma-separated values", sure=False)
        return []
    found = [(line, cells) for line, cells in _records(text, reading) if any(cells.values())]
    if reading.columns and not found and not reading.faults:
        reading.fault(1, None, None, "a row for each scan below the header")
    return found


def _position(fault: Fault) -> tuple[int, int]:
    """Return where a fault stands in the sheet: its line, then its column in the order of COLUMNS."""
    return fault.line or 0, COLUMNS.index(fault.column) if fault.column in COLUMNS else -1


def decode(data: bytes) -> str:
    """Return a sheet's text, whichever of UTF-8 (with or without mark), UTF-16 with mark or Western Latin it is in."""
    for mark, encoding in ((codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16")):
        if data.startswith(mark):
            return data.decode(encoding, errors="replace")
    for encoding in ("utf-8-sig", "cp1252"):
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    return data.decode("latin-1")


def _records(text: str, reading: _Reading) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield line number and cells by column for each line below the header, which is noted in `reading`.

    Each line is parsed by itself: no cell may hold a line break, and so a quote that is never closed spoils one line
    only and every other line's faults are found as well.
    """
    delimiter = ""
    for line, content in enumerate(re.split(r"\r\n|\r|\n", text), start=1):
        if not content.strip(_DELIMITERS + " ") or (not delimiter and re.fullmatch(r"sep=[,;\t]", content.strip(" "))):
            continue
        if not delimiter:
            delimiter = max(_DELIMITERS, key=lambda each: _header_score(content, each))
            cells = _cells(content, delimiter)
            _note_header(cells or [], line, reading, content if cells is None else None)
            # Nothing can be said of the rows below columns none of which is known.
            if not any(reading.columns):
                return
            continue
        cells = _cells(content, delimiter)
        if cells is None:
            reading.fault(line, None, content, "cells whose quotes are closed and doubled within", sure=False)
            continue
        extra = [cell for cell in cells[len(reading.columns) :] if cell]
        if extra:
            expected = f"as many cells as in the header, {len(reading.columns)} (quote a path that holds {delimiter!r})"
            reading.fault(line, None, content, expected, sure=False)
            continue
        yield line, {column: cell for column, cell in zip(reading.columns, cells, strict=False) if column}
    if not delimiter:
        reading.fault(1, None, None, f"a header with the columns {listed(REQUIRED, 'and')}")


def _cells(content: str, delimiter: str) -> list[str] | None:
    """Return the cells of one line, or None where its quotes do not match."""
    try:
        rows = list(csv.reader([content], delimiter=delimiter, strict=True, skipinitialspace=delimiter != "\t"))
    except csv.Error:
        return None
    return [cell.strip() for row in rows for cell in row]


def _header_score(content: str, delimiter: str) -> tuple[int, int]:
    """Return how well a delimiter cuts a header: known columns, then columns."""
    cells = _cells(content, delimiter) or []
    return len(set(cells) & set(COLUMNS)), len(cells)


def _note_header(cells: list[str], line: int, reading: _Reading, unreadable: str | None) -> None:
    """Note the header's columns and what is wrong with them.

    Columns of the user's own are passed over with one note; one that is near to a column that is missing is a fault.
    """
    if unreadable is not None:
        reading.fault(line, None, unreadable, "cells whose quotes are closed and doubled within", sure=False)
    missing = [column for column in COLUMNS if column not in cells]
    own: dict[str, None] = {}
    for number, cell in enumerate(cells, start=1):
        known = cell in COLUMNS and cell not in reading.columns
        reading.columns.append(cell if known else None)
        if cell in COLUMNS and not known:
            reading.fault(line, cell, cell, "every column once")
        elif cell and not known and (hint := nearest(cell, missing)):
            reading.fault(line, cell, cell, f"one of the columns {listed(COLUMNS)}{hint}", sure=False)
        elif cell and not known:
            own[cell] = None
        elif not cell and any(cells[number:]):
            reading.fault(line, None, f"column {number} without a name", f"one of the columns {listed(COLUMNS)}")
    if own:
        columns = f"column{'s' * (len(own) > 1)} {listed(map(shown, own), 'and')}"
        reading.notes.append(f"{reading.file}, line {line}: passed over the {columns}, which rprloc does not use.")
    for column in REQUIRED:
        if column in missing and unreadable is None:
            reading.fault(line, column, ", ".join(own) or None, f"a column named {column}", sure=False)


def _row(line: int, cells: dict[str, str], cohort: str, reading: _Reading) -> Row | None:
    """Return one line's row, with the faults of its cells noted; None where nothing can be said of it."""
    for column, expected in (("subject", NAME_EXPECTED), ("cohort", NAME_EXPECTED)):
        value = cells.get(column, "")
        if column in reading.columns and not NAME.fullmatch(value) and (value or column == "subject"):
            reading.fault(line, column, value, expected)
    if "image" in reading.columns and not cells.get("image"):
        reading.fault(line, "image", "", "the path of a scan")
    split = cells.get("split") or None
    if split is not None and split not in SPLITS:
        reading.fault(line, "split", split, f"{listed(SPLITS)}{nearest(split, SPLITS)}")
    for column in ("label", "marks"):
        if cells.get(column) and cells.get(column) == cells.get("image"):
            reading.fault(line, column, cells[column], "another file than the image")
    masks = [part.count(STRUCTURE) for part in PurePosixPath(cells.get("label", "")).parts]
    if any(masks[:-1]) or sum(masks) > 1:
        reading.fault(line, "label", cells["label"], f"{STRUCTURE} once, in the file's name and not in a folder's")
    return Row(
        cohort=cells.get("cohort") or cohort,
        subject=cells.get("subject", ""),
        image=cells.get("image", ""),
        label=cells.get("label") or None,
        marks=cells.get("marks") or None,
        split=split,
        line=line,
        series=cells.get("series") or None,
    )


def _check_names(rows: list[Row], reading: _Reading, cohorts: Collection[str] | None) -> None:
    """Note subjects that occur twice and cohorts that differ only by case or have no settings."""
    subjects: dict[tuple[str, str], Row] = {}
    folded: dict[str, str] = {}
    for row in rows:
        if row.subject:
            first = subjects.setdefault((row.cohort, row.subject.casefold()), row)
            if first is not row:
                expected = f"a subject that line {first.line} does not have (case does not count)"
                reading.fault(row.line, "subject", row.subject, expected)
        if not NAME.fullmatch(row.cohort):
            continue
        if folded.setdefault(row.cohort.casefold(), row.cohort) != row.cohort:
            expected = f"{folded[row.cohort.casefold()]} as in a row above (case counts)"
            reading.fault(row.line, "cohort", row.cohort, expected, sure=False)
        elif cohorts is not None and row.cohort not in cohorts:
            expected = f"a cohort with settings: {listed(sorted(cohorts))}{nearest(row.cohort, cohorts)}"
            reading.fault(row.line, "cohort", row.cohort, expected, sure=False)


def _by_cohort(rows: list[Row]) -> dict[str, list[Row]]:
    """Return the rows of each cohort, in the sheet's order."""
    cohorts: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        cohorts[row.cohort].append(row)
    return cohorts


def _with_uses(rows: list[Row]) -> list[Row]:
    """Return the rows with their uses; a cohort with no split at all uses every scan for everything."""
    divided = {cohort for cohort, members in _by_cohort(rows).items() if any(row.split for row in members)}
    return [_with_use(row, row.cohort in divided) for row in rows]


def _with_use(row: Row, divided: bool) -> Row:
    """Return a row with its uses; `divided` tells whether its cohort has splits."""
    return replace(
        row,
        train=row.split == "train" or not divided,
        validation=row.split == "validation",
        support=(row.split == "validation" or not divided) and row.annotated,
        query=row.split == "test" or not divided,
    )


def _with_positions(rows: list[Row]) -> Iterator[Row]:
    """Yield the rows with the position of each query: appended queries change none of those before."""
    position: dict[str, int] = defaultdict(int)
    for row in rows:
        yield replace(row, position=position[row.cohort] if row.query else 0)
        position[row.cohort] += row.query


def _check_uses(rows: list[Row], reading: _Reading, training: bool) -> None:
    """Note rows without a split among others with one, and cohorts that lack a scan to train on, support or query.

    An empty split is a fault there and not "for everything": that scan would train in silence what is tested on
    others. A cohort in whose rows a split is faulty or empty is not tested for what it lacks.
    """
    for cohort, members in _by_cohort(rows).items():
        empty = [row for row in members if row.split is None]
        if empty and len(empty) < len(members):
            for row in empty:
                reading.fault(row.line, "split", "", f"{listed(SPLITS)}, as other rows of cohort {shown(cohort)} have")
        elif reading.sure and all(row.split in (None, *SPLITS) for row in members):
            _check_lacks(cohort, members, reading, training)


def _check_lacks(cohort: str, members: list[Row], reading: _Reading, training: bool) -> None:
    """Note what a cohort lacks, at its first row."""
    line = members[0].line
    divided = any(row.split for row in members)
    found = ", ".join(f"{sum(row.split == split for row in members)} {split}" for split in SPLITS)
    if not divided:
        found = f"{len(members)} row{'s' * (len(members) > 1)} without a split"
    name = shown(cohort)
    supports = {row.subject for row in members if row.support}
    queries = {row.subject for row in members if row.query}
    if training and not any(row.train for row in members):
        expected = f"a scan to train on in cohort {name}: a row with split train (or trained weights)"
        reading.fault(line, "split", found, expected)
    if not supports:
        where = f"a row with {'split validation and ' if divided else ''}a label or marks"
        labels = f"{found}, {sum(row.annotated for row in members)} with a label or marks"
        reading.fault(line, "label", labels, f"a support in cohort {name}: {where}")
    if not queries:
        reading.fault(line, "split", found, f"a query in cohort {name}: a row with split test")
    elif supports == queries and len(supports) == 1:
        expected = f"a query in cohort {name} beside the only support, which is not searched by itself"
        reading.fault(line, "subject", found, expected)


def _same_image(rows: list[Row], file: str) -> list[str]:
    """Return a sentence for each image that a cohort holds under two subjects.

    A warning and no fault: repeated scans are used on purpose in tests of speed and memory.
    """
    seen: dict[tuple[str, str, str | None], Row] = {}
    warnings = []
    for row in rows:
        first = seen.setdefault((row.cohort, str(PurePosixPath(row.image)), row.series), row)
        if first is not row:
            warnings.append(
                f"{file}, line {row.line}, column image: {shown(row.image)} is also that of line {first.line}."
            )
    return warnings
