"""What lies at the paths that a sheet names, and the files of each row that a task is to be given.

Nextflow looks the paths up, on whatever storage they are, because files that only a sheet names are not mounted in
CHECK's container; `rprloc plan` looks for itself. Judged they are here, for both.
"""

from __future__ import annotations

import glob
import re
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from posixpath import basename, normpath

import msgspec

from rprloc.cohort.faults import NAME, Fault, listed
from rprloc.cohort.sheet import STRUCTURE, Row, colour_tables, place_of
from rprloc.scans import kinds

# What Nextflow leaves to the shell of a staged file's path, beside * ? [ ] that fit other files.
_EXPANDED = re.compile(r"\t|\$[\w{\[$!?@#*-]|\{[^{}]*(,|\.\.)[^{}]*\}")
_IMAGES = ".nii.gz, .nii, .mha or .nrrd"
_IMAGE = r"(?i:\.nii|\.nii\.gz|\.nrrd|\.mha)"
_DICOM = (".dcm", ".dicom", ".ima")
_MARKS = (".json", ".csv")
_MARKS_EXPECTED = "boxes or points (.mrk.json, .csv or .json)"


class Place(msgspec.Struct, frozen=True):
    """What lies at a path."""

    path: str
    """In full."""
    kind: str = "nothing"
    """`file`, `folder` or `nothing`."""
    files: tuple[str, ...] = ()
    """The names of a folder's files, sorted."""
    ambiguous: tuple[str, ...] = ()
    """Those of its paths, in full, that the shell would take for others as well."""


NOTHING = Place("")


def places_beside(folder: Path, names: Iterable[str]) -> dict[str, Place]:
    """Return what lies at paths that are absolute or relative to a folder; addresses (s3://...) are taken as files."""
    return {name: Place(name, "file") if "://" in name else _place(folder / name) for name in names}


def _place(path: Path) -> Place:
    try:
        kind = "folder" if path.is_dir() else "file" if path.exists() else "nothing"
        files = sorted(each.name for each in path.iterdir() if not each.is_dir()) if kind == "folder" else []
    # Too long a name, a character that no file name can hold, or a folder that is not ours.
    except (OSError, ValueError):
        return Place(str(path))
    staged = [str(path)] if kind == "file" else [str(path / name) for name in files]
    others = [text for text in staged if re.search(r"[*?\[]", text) and set(glob.glob(text)) - {text}]  # noqa: PTH207
    return Place(str(path), kind, tuple(files), tuple(others))


class Files(msgspec.Struct, frozen=True):
    """The files of a row, as in the sheet."""

    image: str
    label: tuple[str, ...] = ()
    masks: Mapping[str, str] | None = None
    """Structure -> its mask's file name, of a label that is a mask for each structure."""
    colours: str | None = None
    """The colour table of a label."""
    marks: tuple[str, ...] = ()


def files_of(row: Row, places: Mapping[str, Place], structures: Collection[str] | None) -> Files:
    """Return the files that a row's task is given; `structures` are those whose masks are looked for, None for all."""
    masks, marks = _masks(row, places, structures), tuple(_mark_files(row, places))
    if masks is None:
        found = (name for name in colour_tables(row.label or "") if places.get(name, NOTHING).kind == "file")
        return Files(row.image, (row.label,) if row.label else (), colours=next(found, None), marks=marks)
    folder = place_of(row.label or "")
    names = {structure: found[0] for structure, found in masks.items()}
    return Files(row.image, tuple(f"{folder.rstrip('/')}/{name}" for name in names.values()), names, marks=marks)


def _mark_files(row: Row, places: Mapping[str, Place]) -> list[str]:
    """Return the files of a row's marks: the one that it names, or those in the folder that it names."""
    if not row.marks:
        return []
    place = places.get(row.marks, NOTHING)
    if place.kind != "folder":
        return [row.marks]
    names = [name for name in place.files if name.lower().endswith(_MARKS) and not name.startswith(".")]
    return [f"{row.marks.rstrip('/')}/{name}" for name in names]


def file_faults(
    row: Row, places: Mapping[str, Place], structures: Collection[str] | None, *, sheet: str, staged: bool = True
) -> list[Fault]:
    """Return a fault for each file of a row that does not exist, is a folder, cannot be staged, or is not one mask of
    what is wanted; messages call the sheet `sheet`, and `staged` says whether Nextflow is to stage the files.
    """
    masks = _masks(row, places, structures)
    columns = [("image", row.image)] + ([("label", row.label)] if row.label and masks is None else [])
    named = [(column, name, places.get(name, NOTHING)) for column, name in columns]
    found = [(column, name, "a file that exists") for column, name, place in named if place.kind == "nothing"]
    found += [
        (column, name, f"a file and not a folder ({kinds.CONVERT})")
        for column, name, place in named
        if place.kind == "folder"
    ]
    found += [
        (column, name, f"an image ({_IMAGES}), not {kind}")
        for column, name, place in named
        if place.kind == "file" and (kind := _other_kind(column, name))
    ]
    paths = [(column, name, place, place.path) for column, name, place in named]
    if masks is not None:
        folder = places.get(place_of(row.label or ""), NOTHING)
        files = [f"{folder.path.rstrip('/')}/{name}" for names in masks.values() for name in names]
        paths += [("label", path, folder, path) for path in files]
    paths += _staged_marks(row, places)
    expected = "a path without what the shell would expand: tab, $NAME, {a,b}, or * ? [ ] that fit other files"
    found += [
        (column, value, expected)
        for column, value, place, path in paths
        if staged and (_EXPANDED.search(path) or path in place.ambiguous)
    ]
    if masks is not None:
        found += [("label", value, expected) for value, expected in _mask_faults(row.label or "", masks, structures)]
    found += _mark_faults(row, places)
    return [
        Fault(file=sheet, line=row.line, column=column, value=value, expected=expected)
        for column, value, expected in found
    ]


def _other_kind(column: str, name: str) -> str | None:
    """Return what a file's name says that it is, where that is nothing for its column."""
    if column == "label" and name.lower().endswith(_MARKS):
        return f"{_MARKS_EXPECTED}, which belong in the column 'marks'"
    return None if column == "label" and name.lower().endswith(_DICOM) else kinds.of_name(name)


def _staged_marks(row: Row, places: Mapping[str, Place]) -> list[tuple[str, str, Place, str]]:
    """Return the files of marks that are staged: column, value, place and full path each."""
    place = places.get(row.marks or "", NOTHING)
    folder = place.kind == "folder"
    return [
        ("marks", name, place, f"{place.path.rstrip('/')}/{basename(name)}" if folder else place.path)
        for name in _mark_files(row, places)
    ]


def _mark_faults(row: Row, places: Mapping[str, Place]) -> list[tuple[str, str, str]]:
    """Return what is wrong with a row's marks: (column, value, expected) each."""
    if not row.marks:
        return []
    place = places.get(row.marks, NOTHING)
    if place.kind == "nothing":
        return [("marks", row.marks, "a file that exists")]
    if not _mark_files(row, places):
        return [("marks", row.marks, f"a folder that holds {_MARKS_EXPECTED}")]
    if place.kind == "file" and not row.marks.lower().endswith(_MARKS):
        return [("marks", row.marks, f"{_MARKS_EXPECTED}; what is drawn belongs in the column 'label'")]
    return []


def _masks(row: Row, places: Mapping[str, Place], structures: Collection[str] | None) -> dict[str, list[str]] | None:
    """Return the masks of a label that is a pattern with `{structure}` in the file's name, or a folder of files named
    after their structures: structure -> files, of which there should be one. None for any other label.

    Hidden files, files that are no images and the scan itself are no masks.
    """
    if not row.label:
        return None
    place = places.get(place_of(row.label), NOTHING)
    # A pattern that is none is a fault of the sheet, and no such file exists.
    pattern = row.label.count(STRUCTURE) == 1 and STRUCTURE in basename(row.label)
    if not pattern and (STRUCTURE in row.label or place.kind != "folder"):
        return None
    head, tail = basename(row.label).split(STRUCTURE) if pattern else ("", "")
    form = re.compile(f"{re.escape(head)}(.+?){re.escape(tail) if tail else _IMAGE}")
    scan = normpath(places.get(row.image, NOTHING).path or row.image)
    masks: dict[str, list[str]] = {}
    for name in place.files:
        fits = form.fullmatch(name)
        own = normpath(f"{place.path}/{name}") == scan
        if fits and not name.startswith(".") and not own and (structures is None or fits[1] in structures):
            masks.setdefault(fits[1], []).append(name)
    return dict(sorted(masks.items()))


def _mask_faults(
    label: str, masks: Mapping[str, list[str]], structures: Collection[str] | None
) -> list[tuple[str, str]]:
    """Return what is wrong with masks: (value, expected) each."""
    if not masks:
        names = "any structure" if structures is None else listed(structures)
        return [(label, f"a file that exists, or a folder or pattern with a mask of {names}, named after it")]
    folded: dict[str, list[str]] = {}
    for structure, names_of in masks.items():
        folded.setdefault(structure.lower(), []).extend(names_of)
    faults = [
        (" and ".join(sorted(same)), "one mask a structure (case does not count)")
        for same in folded.values()
        if len(same) > 1
    ]
    expected = "a mask whose structure has 1 to 64 of the characters A-Z a-z 0-9 . _ - as its name"
    return faults + [(names_of[0], expected) for name, names_of in masks.items() if not NAME.fullmatch(name)]
