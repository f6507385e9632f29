"""Runs that are checked and planned from a sheet in a folder, without Nextflow."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rprloc.cohort.check import Checked, Given, check
from rprloc.cohort.parameters import read_schema
from rprloc.cohort.places import places_beside
from rprloc.cohort.plan import Plan, plan_of
from rprloc.cohort.sheet import named_files
from rprloc.cohort.tasks import SheetFile

ROOT = Path(__file__).parents[2]
COHORTS = ROOT / "assets" / "cohorts"
DEMO = ROOT / "assets" / "demo" / "samples.csv"
SCHEMA = read_schema(ROOT / "nextflow_schema.json")


def given(sheet: Path, *, folders: Sequence[Path] = (COHORTS,), **parameters: object) -> Given:
    """Return what a run of a sheet is given, files beside it."""
    names = named_files(sheet.read_bytes()) if sheet.is_file() else []
    return Given(
        parameters={"input": "x", **parameters},
        schema=SCHEMA,
        sheet=sheet,
        name=sheet.name,
        places=places_beside(sheet.parent, names),
        folders=folders,
    )


def checked(sheet: Path, **parameters: object) -> Checked:
    """Return the check of a run of a sheet."""
    return check(given(sheet, **parameters))


def faults(sheet: Path, **parameters: object) -> list[str]:
    """Return what is wrong with a run of a sheet."""
    return [fault.message for fault in checked(sheet, **parameters).faults]


def planned(sheet: Path, **parameters: object) -> Plan:
    """Return the plan of a run of a sheet, which has to be without fault."""
    run = given(sheet, **parameters)
    plan = plan_of(check(run), sheet=SheetFile(file=sheet.name), places=run.places)
    assert plan.faults == ()
    return plan


def sheet_of(folder: Path, *rows: str, columns: str = "subject,image,label,split") -> Path:
    """Write a sheet whose files `a.nii` and `l.nii` exist."""
    folder.mkdir(exist_ok=True)
    for name in ("a.nii", "l.nii"):
        (folder / name).touch()
    path = folder / "s.csv"
    path.write_text("\n".join([columns, *rows]) + "\n")
    return path
