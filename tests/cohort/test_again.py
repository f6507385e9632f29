"""The command that makes results again, and what is otherwise now."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from rprloc.cli import command
from rprloc.cohort.again import command_of, differences
from rprloc.cohort.image import package_hash
from rprloc.cohort.provenance import versions
from rprloc.errors import InputError
from rprloc.files import sha256

COMMAND = "nextflow run main.nf --input s.csv --outdir 'my results'"


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """A results folder beside its sheet and two scans, one of them a folder."""
    for name in ("s.csv", "a.nii", "l.nii"):
        (tmp_path / name).write_text(name)
    (tmp_path / "series").mkdir()
    hashes = {"c@a": {"image": sha256(tmp_path / "a.nii"), "label": sha256(tmp_path / "l.nii")}}
    hashes["c@b"] = {"image": "0" * 64, "label": None}  # type: ignore[dict-item]
    run = {"command": COMMAND, "commit": "", "code": package_hash(), "versions": versions() | {"nextflow": "25"}}
    about = {"run": run, "sheet": {"file": "s.csv", "sha256": sha256(tmp_path / "s.csv")}, "scans": hashes}
    tasks = [
        {"id": "c@a", "image": "a.nii", "voxels": [], "label": ["l.nii"]},
        {"id": "c@b", "image": "series", "voxels": [], "label": []},
        {"id": "c@died", "image": "none", "voxels": [], "label": []},
    ]
    folder = tmp_path / "results" / "pipeline_info"
    folder.mkdir(parents=True)
    (folder / "run.json").write_text(json.dumps(about))
    (folder / "plan.json").write_text(json.dumps({"preprocess": tasks}))
    return tmp_path / "results"


def changed(results: Path, **values: Any) -> None:
    path = results / "pipeline_info" / "run.json"
    about = json.loads(path.read_text())
    about["run"] |= values
    path.write_text(json.dumps(about))


def found(results: Path) -> list[str]:
    return list(differences(results, pipeline=results, here=results.parent))


def test_what_is_as_it_was_is_not_told(results: Path) -> None:
    assert command_of(results) == COMMAND
    assert found(results) == ["1 scans or labels of several files: not compared"]


def test_what_is_otherwise_is_a_line_each(results: Path) -> None:
    here = results.parent
    (here / "s.csv").write_text("more rows")
    (here / "a.nii").write_text("another scan")
    (here / "l.nii").unlink()
    changed(results, code="abc", commit="def", versions=versions() | {"torch": "1.0"})
    assert found(results) == [
        "commit: was def, is unknown",
        f"code: was abc, is {package_hash()}",
        f"torch: was 1.0, is {versions()['torch']}",
        f"sample sheet: {here / 's.csv'} has another content",
        f"c@a, image: {here / 'a.nii'} has another content",
        f"c@a, label: {here / 'l.nii'} is no longer there",
        "1 scans or labels of several files: not compared",
    ]


def test_the_command_prints_what_can_be_started_and_says_the_rest_beside(
    results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(results.parent)
    done = CliRunner().invoke(command, ["again", "results"])
    assert done.exit_code == 0 and done.stdout == f"{COMMAND}\n"
    assert done.stderr == "1 scans or labels of several files: not compared\n"


def test_another_folder_is_a_sentence(results: Path) -> None:
    (results / "pipeline_info" / "run.json").write_text("{}")
    with pytest.raises(InputError, match=r"run\.json: found no record of a run"):
        command_of(results)
