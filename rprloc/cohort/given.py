"""The scans of a sheet, or of paths, as PREPROCESS is given them, without the rest of a run."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rprloc.cohort.check import is_settings_file
from rprloc.cohort.faults import NAME, NAME_EXPECTED, Fault, listed, parameter_fault
from rprloc.cohort.places import Place, file_faults, files_of, places_beside
from rprloc.cohort.settings import Settings, known_cohorts, load_settings
from rprloc.cohort.sheet import Row, named_files, parse_sheet
from rprloc.errors import InputError, nearest
from rprloc.marks.annotation import Annotated
from rprloc.scans import kinds
from rprloc.scans.preprocess import Source
from rprloc.scans.target import Target

SHEETS = (".csv", ".tsv", ".txt")
"""Endings of sample sheets."""
_ENDING = re.compile(r"(?i)(\.seg)?\.(nii(\.gz)?|nrrd|nhdr|mha|mhd|hdr|img(\.gz)?|dcm|dicom|ima|zip)$")


@dataclass(frozen=True)
class GivenScan:
    """A scan, and what it is to become."""

    source: Source
    target: Target


def scans_of_paths(paths: Sequence[Path], cohort: str, folders: Sequence[Path], series: str | None) -> list[GivenScan]:
    """Return scans at paths, called as their files or folders are, each with the settings of a cohort.

    `cohort` is a name in `folders` of settings, or a settings file; `series` is for those that are DICOM. Raises
    InputError for settings that are none.
    """
    name, settings = named_settings(cohort, folders)
    return [
        GivenScan(
            Source(name, subject_for(path), path, series=series if kinds.is_dicom(path) else None),
            _target(settings),
        )
        for path in paths
    ]


def scans_of_sheet(sheet: Path, cohort: str, folders: Sequence[Path]) -> list[GivenScan]:
    """Return the scans of a sheet with their labels; rows without a cohort have the given one.

    Raises InputError with all faults of the sheet, of the settings and of missing files.
    """
    try:
        content = sheet.read_bytes()
    except OSError as error:
        fault = Fault(file=str(sheet), value=error.strerror, expected="a sample sheet that can be read")
        raise InputError(fault.message) from error
    name, default = named_settings(cohort, folders)
    known = known_cohorts(list(folders))
    found = parse_sheet(content, name=str(sheet), cohort=name, cohorts={*known, name}, training=None)
    settings = {name: default}
    for each in ({row.cohort for row in found.rows} & known.keys()) - {name}:
        _, settings[each] = named_settings(each, folders)
    places = places_beside(sheet.parent, named_files(content))
    faults = [*found.faults]
    for row in found.rows:
        # A cohort without settings is among the faults already.
        structures = settings[row.cohort].structures if row.cohort in settings else None
        faults += file_faults(row, places, structures, sheet=str(sheet), staged=False)
    if faults:
        raise InputError(fault.message for fault in faults)
    return list(_given(found.rows, places, settings, sheet.parent))


def subject_for(path: Path) -> str:
    """Return the subject of a scan that no sheet names: its file's name without the ending, or its folder's.

    Letters lose their accents, and whatever a subject may not hold becomes `_`.
    """
    name = path.name if path.name not in ("", "..") else path.resolve().name
    letters = unicodedata.normalize("NFKD", _ENDING.sub("", name))
    plain = "".join(one for one in letters if not unicodedata.combining(one))
    return re.sub(r"[^A-Za-z0-9._-]+", "_", plain).lstrip("._-")[:64] or "scan"


def _given(
    rows: Sequence[Row], places: Mapping[str, Place], settings: Mapping[str, Settings], folder: Path
) -> Iterator[GivenScan]:
    """Yield the scans of rows; paths are relative to a folder."""
    for row in rows:
        own = settings[row.cohort]
        files = files_of(row, places, own.structures)
        label: Path | dict[str, Path] | None = folder / files.label[0] if files.label else None
        if files.masks is not None:
            label = {name: folder / path for name, path in zip(files.masks, files.label, strict=True)}
        image = folder / files.image
        annotation = Annotated(
            image=image,
            label=label,
            colours=None if files.colours is None else folder / files.colours,
            marks=tuple(folder / name for name in files.marks),
        )
        given = annotation if label is not None or files.marks else None
        yield GivenScan(Source(row.cohort, row.subject, image, given, row.series), _target(own))


def named_settings(cohort: str, folders: Sequence[Path], parameter: str = "cohort") -> tuple[str, Settings]:
    """Return the name and the settings of a cohort that is named, as a file in `folders`, or given as a YAML file.

    Raises InputError, with `parameter` as the one that says `cohort`, for one that is not there or cannot be read.
    """
    known = known_cohorts(list(folders))
    path = Path(cohort) if is_settings_file(cohort) else known.get(cohort)
    name = cohort if path is None or cohort in known else path.stem
    if path is None or not path.is_file():
        expected = f"a cohort with settings: {listed(sorted(known))}{nearest(cohort, known)}, or a YAML file"
        if path is not None:
            expected = "a settings file that exists"
        raise InputError(parameter_fault(parameter, cohort, expected).message)
    if not NAME.fullmatch(name):
        raise InputError(parameter_fault(parameter, cohort, f"a file NAME.yml whose NAME has {NAME_EXPECTED}").message)
    settings, faults = load_settings(path, name=cohort)
    if settings is None:
        raise InputError(fault.message for fault in faults)
    return name, settings


def _target(settings: Settings) -> Target:
    """Return what a cohort's scans become; the finer volume of image matching says nothing about a scan."""
    return Target(modality=settings.modality, spacing=settings.spacing, structures=settings.structures)
