"""What lies at the paths that a sheet names, and the files of each row that a task is to be given.

Nextflow looks the paths up, on whatever storage they are, because files that only a sheet names are not mounted in
CHECK's container; `rprloc plan` looks for itself. Judged they are here, for both.
"""

from __future__ import annotations

import glob
import re
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from posixpath import basename, dirname, join, normpath

import msgspec

from rprloc.cohort.faults import NAME, Fault, listed
from rprloc.cohort.sheet import STRUCTURE, Row, colour_tables, place_of
from rprloc.errors import InputError
from rprloc.scans import detached, kinds

# What Nextflow leaves to the shell of a staged file's path, beside * ? [ ] that fit other files.
_EXPANDED = re.compile(r"\t|\$[\w{\[$!?@#*-]|\{[^{}]*(,|\.\.)[^{}]*\}")
_IMAGES = ".nii.gz, .nii, .mha, .nrrd, .mhd, .nhdr or .hdr"
_IMAGE = r"(?i:\.nii|\.nii\.gz|\.nrrd|\.mha)"
_DICOM = (".dcm", ".dicom", ".ima")
_MARKS = (".json", ".csv")
_MARKS_EXPECTED = "boxes or points (.mrk.json, .csv or .json)"
_SINGLE = re.compile(rf".*({_IMAGE}|(?i:\.json|\.csv))")
_VOLUME = re.compile(rf".*({_IMAGE}|(?i:\.mhd|\.nhdr|\.hdr|\.img))")


class Place(msgspec.Struct, frozen=True):
    """What lies at a path."""

    path: str
    """In full."""
    kind: str = "nothing"
    """`file`, `folder` or `nothing`."""
    files: tuple[str, ...] = ()
    """The names of a folder's images in one file, and of marks, sorted; a series of DICOM has thousands of others."""
    ambiguous: tuple[str, ...] = ()
    """Those of its paths, in full, that the shell would take for others as well."""
    head: str = ""
    """The text of a header whose voxels lie in another file."""
    beside: tuple[str, ...] = ()
    """The files beside such a header that may hold them."""


NOTHING = Place("")


def places_beside(folder: Path, names: Iterable[str]) -> dict[str, Place]:
    """Return what lies at paths that are absolute or relative to a folder; addresses (s3://...) are taken as files."""
    return {name: Place(name, "file") if "://" in name else _place(folder / name) for name in names}


def _place(path: Path) -> Place:
    try:
        kind = "folder" if path.is_dir() else "file" if path.exists() else "nothing"
        files = sorted(one for one in _names_in(path) if _SINGLE.fullmatch(one)) if kind == "folder" else []
        apart = kind == "file" and detached.is_detached(path.name)
        head = detached.head_of(path) if apart else ""
        beside = sorted(_names_in(path.parent)) if apart else []
    # Too long a name, a character that no file name can hold, or a folder that is not ours.
    except (OSError, ValueError):
        return Place(str(path))
    staged = [str(path), *(str(path / name) for name in files)]
    others = [text for text in staged if re.search(r"[*?\[]", text) and set(glob.glob(text)) - {text}]  # noqa: PTH207
    return Place(str(path), kind, tuple(files), tuple(others), head, tuple(beside))


def _names_in(folder: Path) -> list[str]:
    return [each.name for each in folder.iterdir() if not each.is_dir()]


class Files(msgspec.Struct, frozen=True):
    """The files of a row, as in the sheet."""

    image: str
    label: tuple[str, ...] = ()
    masks: Mapping[str, str] | None = None
    """Structure -> its mask's file name, of a label that is a mask for each structure."""
    colours: str | None = None
    """The colour table of a label."""
    marks: tuple[str, ...] = ()
    """The files of boxes and points."""
    voxels: tuple[str, ...] = ()
    """The file that the image needs, of a header or voxels in another file; a label's stands behind it."""


def files_of(row: Row, places: Mapping[str, Place], structures: Collection[str] | None) -> Files:
    """Return the files that a row's task is given; `structures` are those whose masks are looked for, None for all."""
    masks, marks = _masks(row, places, structures), tuple(_mark_files(row, places))
    voxels = _partners(row.image, places)
    if masks is None:
        found = (name for name in colour_tables(row.label or "") if places.get(name, NOTHING).kind == "file")
        label = (row.label, *_partners(row.label, places)) if row.label else ()
        return Files(row.image, label, voxels=voxels, colours=next(found, None), marks=marks)
    folder = place_of(row.label or "")
    names = {structure: found[0] for structure, found in masks.items()}
    files = tuple(f"{folder.rstrip('/')}/{name}" for name in names.values())
    return Files(row.image, files, names, voxels=voxels, marks=marks)


def _mark_files(row: Row, places: Mapping[str, Place]) -> list[str]:
    """Return the files of a row's marks: the one that it names, or those in the folder that it names."""
    if not row.marks:
        return []
    place = places.get(row.marks, NOTHING)
    if place.kind != "folder":
        return [row.marks]
    names = [name for name in place.files if name.lower().endswith(_MARKS) and not name.startswith(".")]
    return [f"{row.marks.rstrip('/')}/{name}" for name in names]


def _partners(name: str, places: Mapping[str, Place]) -> tuple[str, ...]:
    """Return the file that an image needs beside its own, as in the sheet; none where it is whole, or is not there."""
    place = places.get(name, NOTHING)
    if not (place.beside and detached.is_detached(name)):
        return ()
    try:
        return (join(dirname(name), detached.partner(basename(name), place.head, place.beside)),)
    except InputError:
        return ()


def file_faults(
    row: Row, places: Mapping[str, Place], structures: Collection[str] | None, *, sheet: str, staged: bool = True
) -> list[Fault]:
    """Return a fault for each file of a row that does not exist, is a folder that is no DICOM or masks, cannot be
    staged, lacks its voxels, or is not one mask of what is wanted; messages call the sheet `sheet`.

    `staged` says whether Nextflow is to stage the files.
    """
    masks = _masks(row, places, structures)
    columns = [("image", row.image)] + ([("label", row.label)] if row.label and masks is None else [])
    named = [(column, name, places.get(name, NOTHING)) for column, name in columns]
    found = [fault for one in named for fault in _kind_faults(*one)]
    paths = [(column, name, place, place.path) for column, name, place in named]
    for column, name, place in named:
        paths += [
            (column, other, place, join(dirname(place.path), basename(other))) for other in _partners(name, places)
        ]
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
    if row.series and places.get(row.image, NOTHING).kind == "file" and _VOLUME.fullmatch(row.image):
        found.append(("series", row.series, "nothing beside an image of one volume: a series is one of DICOM"))
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


def _kind_faults(column: str, name: str, place: Place) -> list[tuple[str, str, str]]:
    """Return what is wrong with what lies at an image's or a label's path: (column, value, expected) each."""
    if place.kind == "nothing":
        return [(column, name, "a file that exists")]
    # A folder is a series of DICOM or a label's masks.
    if place.kind == "folder":
        return []
    kind = _other_kind(column, name)
    if kind and not (column == "image" and kinds.may_hold_series(name)):
        return [(column, name, f"an image ({_IMAGES}), not {kind}")]
    if place.beside and detached.is_detached(name) and not _partners(name, {name: place}):
        return [(column, name, "a header and its voxels in one file each, side by side")]
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
