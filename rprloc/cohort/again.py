"""What one has to know to make a run's results again: its command, and what is otherwise now."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

from rprloc.cohort.image import package_hash
from rprloc.cohort.provenance import commit_of, versions
from rprloc.cohort.tasks import SheetFile
from rprloc.errors import InputError
from rprloc.files import read_json, sha256


class _Run(msgspec.Struct, frozen=True):
    """How a run was started, and by what."""

    command: str
    versions: Mapping[str, str]
    commit: str = ""
    code: str = ""


class _About(msgspec.Struct, frozen=True):
    """What the report has kept of a run, as far as it is looked at here."""

    run: _Run
    sheet: SheetFile
    scans: Mapping[str, Mapping[str, str | None]] = {}


def command_of(results: Path) -> str:
    """Return the command that made a results folder; raises InputError where its record is missing or damaged."""
    return _about(results).run.command


def differences(results: Path, *, pipeline: Path, here: Path) -> Iterator[str]:
    """Yield what is otherwise now than when a results folder was made, a sentence each; `pipeline` is the checkout, and
    `here` the folder in which the command was given, to which its sheet's path is relative.

    Scans and labels that are one file are compared by content; folders are counted. Raises InputError as `command_of`.
    """
    about = _about(results)
    now = (("commit", about.run.commit, commit_of(pipeline)), ("code", about.run.code, package_hash()))
    for name, then, value in now:
        if then and then != value:
            yield f"{name}: was {then}, is {value or 'unknown'}"
    installed = versions()
    for name, value in about.run.versions.items():
        if name in installed and installed[name] != value:
            yield f"{name}: was {value}, is {installed[name]}"
    sheet = here / about.sheet.file
    yield from _file("sample sheet", sheet, about.sheet.sha256)
    yield from _scans(results, about.scans, sheet.parent)


def _scans(results: Path, hashes: Mapping[str, Mapping[str, str | None]], folder: Path) -> Iterator[str]:
    """Yield what is otherwise of scans and their labels, whose paths are relative to the sheet's folder."""
    passed = 0
    for task in read_json(results / "pipeline_info" / "plan.json")["preprocess"]:
        then = hashes.get(task["id"], {})
        for what, names in (("image", [task["image"], *task["voxels"]]), ("label", task["label"])):
            if not names or then.get(what) is None:
                continue
            if len(names) > 1 or (folder / names[0]).is_dir():
                passed += 1
                continue
            yield from _file(f"{task['id']}, {what}", folder / names[0], then[what])
    if passed:
        yield f"{passed} scans or labels of several files: not compared"


def _file(what: str, path: Path, then: str | None) -> Iterator[str]:
    """Yield what is otherwise of a file."""
    if not path.is_file():
        yield f"{what}: {path} is no longer there"
    elif then is not None and sha256(path) != then:
        yield f"{what}: {path} has another content"


def _about(results: Path) -> _About:
    """Return what the report has kept of a run."""
    path = results / "pipeline_info" / "run.json"
    try:
        return msgspec.convert(read_json(path), _About)
    except msgspec.ValidationError as error:
        expected = "expected what the pipeline's report has written"
        raise InputError(f"{path}: found no record of a run ({error}), {expected}.") from error
