"""The steps as the pipeline calls them: folders and JSON in, files out."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from rprloc.cohort.tasks import to_json
from rprloc.errors import InputError
from rprloc.files import read_json, read_json_lines, write_json_lines
from rprloc.importers.phantom import write_phantom
from rprloc.steps import step
from tests.cohort.planned import COHORTS, ROOT, planned
from tests.exports.queries import query
from tests.methods.fakes import GRID
from tests.scans.dicom import made
from tests.scans.images import patient, write


def run(folder: Path, monkeypatch: pytest.MonkeyPatch, *words: str, task: object = None) -> Result:
    """Run a step in a folder with a task on its standard input."""
    monkeypatch.chdir(folder)
    done = CliRunner().invoke(step, words, input=None if task is None else json.dumps(task))
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done


@pytest.fixture
def given(tmp_path: Path) -> Path:
    """What CHECK is given of a phantom's run: a sheet beside its schema and the shipped settings."""
    (tmp_path / "sheet").mkdir()
    shutil.copytree(COHORTS, tmp_path / "shipped")
    shutil.copy(ROOT / "nextflow_schema.json", tmp_path)
    text = "subject,image,label,cohort\na,a.nii,masks,phantom\nb,b.nii,,phantom\n"
    (tmp_path / "sheet" / "my sheet.csv").write_text(text)
    return tmp_path


def test_names_lists_what_the_sheet_names(given: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(given, monkeypatch, "names", "--sheet-folder", "sheet", "--output", "names.json")
    assert read_json(given / "names.json") == ["a.nii", "masks", "b.nii"]
    run(given, monkeypatch, "names", "--sheet-folder", "none", "--output", "names.json")
    assert read_json(given / "names.json") == []


def test_check_writes_the_plan_from_what_lies_where(given: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    there = {"kind": "file", "files": [], "ambiguous": []}
    places = {name: {"path": f"/data/{name}", **there} for name in ("a.nii", "b.nii")}
    masks = {"path": "/data/masks", "kind": "folder", "files": ["heart.nii", "liver.nii"], "ambiguous": []}
    parameters = {"input": "my sheet.csv", "methods": "affine", "outdir": "results", "weights": "none"}
    task = {"parameters": parameters, "name": "my sheet.csv", "places": places | {"masks": masks}, "own_folder": True}
    run(given, monkeypatch, "check", task=task)
    plan = read_json(given / "plan.json")
    assert plan["faults"] == []
    assert (given / "versions.yml").read_text().startswith("CHECK:\n  rprloc: ")
    assert plan["preprocess"][0]["masks"] == {"heart": "heart.nii"}
    assert plan["report"]["sheet"]["file"] == "my sheet.csv" and len(plan["report"]["sheet"]["sha256"]) == 64
    # A fault does not fail the task.
    task["places"]["b.nii"]["kind"] = "nothing"  # type: ignore[index]
    run(given, monkeypatch, "check", task=task)
    assert read_json(given / "faults.json")["faults"] == [
        "my sheet.csv, line 3, column 'image': found 'b.nii', expected a file that exists."
    ]


def test_from_a_scan_to_predictions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sheet = write_phantom(tmp_path / "cohort", n_train=0, n_validation=1, n_test=1)
    target = {"modality": "ct", "spacing": [8, 8, 8], "patch": [96, 96, 96], "structures": {"heart": 1}}
    for subject, ending in (("validation_01", ".nii.gz"), ("test_01", ".nii.gz")):
        for kind in ("image", "label"):
            (tmp_path / subject / kind).mkdir(parents=True)
            shutil.copy(sheet.parent / f"{kind}s" / f"{subject}{ending}", tmp_path / subject / kind)
        task = {"id": f"phantom@{subject}", "cohort": "phantom", "subject": subject, "image": "x", "target": target}
        words = ("preprocess", "--image", f"{subject}/image", "--label", f"{subject}/label", "--folder", "scans")
        done = run(tmp_path, monkeypatch, *words, task=task)
        assert done.output == f"phantom {subject}: ok\n"
    search = {
        "id": "phantom/grey.batch0", "cohort": "phantom", "family": "grey", "make": "rprloc.methods.grey:make",
        "methods": {"grey_mse": ["extreme.s4"]}, "batch": "0", "queries": ["phantom@test_01"],
        "supports": ["phantom@validation_01"], "parameters": {"template_stride": 4},
        "seen": {"modality": "ct", "window": [[-1000, 0], [1000, 1]], "spacing": [8, 8, 8], "patch": [24, 24, 24]},
    }  # fmt: skip
    words = ("localize", "--scans", "scans", "--models", "none", "--threads", "1", "--output", "found.jsonl")
    run(tmp_path, monkeypatch, *words, task=search)
    (row,) = read_json_lines(tmp_path / "found.jsonl")
    assert (row["subject"], row["structure"], row["support"], row["drawn"]) == (
        "test_01", "heart", "validation_01", True,
    )  # fmt: skip


def test_an_image_may_be_two_files_or_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    image, label = patient()
    write(image, tmp_path / "a" / "image" / "a z.mhd")
    write(label, tmp_path / "a" / "label" / "b.hdr")
    made.write_series(tmp_path / "b" / "image" / "series", image, series="one")
    made.write_series(tmp_path / "b" / "image" / "series" / "two", image, series="two")
    target = {"modality": "ct", "spacing": [3, 2.5, 2], "structures": {"organ": 1}}
    about = {"cohort": "c", "target": target, "image": "x"}
    one = about | {"id": "c@a", "subject": "a", "voxels": ["s/a z.raw"], "label": ["s/b.hdr", "s/b.img"]}
    two = about | {"id": "c@b", "subject": "b", "series": "body two", "content": "abc"}
    for task in (one, two):
        words = ("preprocess", "--image", f"{task['subject']}/image", "--label", f"{task['subject']}/label")
        assert run(tmp_path, monkeypatch, *words, task=task).output == f"c {task['subject']}: ok\n"
    assert read_json(tmp_path / "c@a" / "a.json")["structures"]["organ"]["value"] == 1
    assert read_json(tmp_path / "c@b" / "b.json")["file"] == "series"


def test_a_task_that_is_none_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="measure: expected what the plan says of a task"):
        words = [f"--{name}=none" for name in ("scans", "predictions", "outlines")]
        run(tmp_path, monkeypatch, "evaluate", *words, task={"id": 3})


def test_export_writes_files_and_says_what_it_could_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = query(tmp_path)
    for folder in ("image", "found", "scans"):
        (tmp_path / folder).mkdir()
    one.image.rename(tmp_path / "image" / "scan.nii.gz")
    replace(one.record, model=GRID).write(tmp_path / "scans")
    write_json_lines(tmp_path / "found" / "q1.jsonl", [answer.to_json() for answer in one.answers])
    task = {
        "id": "c@q1", "cohort": "c", "subject": "q1", "image": "scan.nii.gz", "modality": "ct", "margin_mm": 3,
        "kinds": ["slicer", "masks", "csv", "crops"],
    }  # fmt: skip
    words = [f"--{name}={name}" for name in ("image", "found", "scans")]
    run(tmp_path, monkeypatch, "export", *words, task=task)
    assert sorted(path.name for path in (tmp_path / "exports").iterdir()) == ["crops", "csv", "slicer"]
    said = (tmp_path / "said.txt").read_text(encoding="utf-8")
    assert said.startswith("q1: no answer has an outline, ") and said.endswith(", so there is no mask.\n")


def test_marks_and_a_colour_table_go_from_the_sheet_to_the_record(given: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sheet = write_phantom(given / "cohort", n_train=0, n_validation=1, n_test=1)
    folder = sheet.parent
    (folder / "labels" / "validation_01.ctbl").write_text("0 Background 0 0 0 0\n2 Left kidney 1 1 1 255\n")
    (folder / "m").mkdir()
    (folder / "m" / "a.csv").write_text("structure,x_mm,y_mm,z_mm,space\napex,0,0,0,LPS\n")
    rows = ["subject,image,label,marks", "validation_01,images/validation_01.nii.gz,labels/validation_01.nii.gz,m"]
    sheet.write_text("\n".join([*rows, "test_01,images/test_01.nii.gz,,"]) + "\n")
    plan = planned(sheet, methods="affine", weights="none")
    task = plan.preprocess[0]
    assert (task.colours, task.marks) == ("validation_01.ctbl", ("a.csv",))
    assert task.label == ("labels/validation_01.nii.gz", "labels/validation_01.ctbl", "m/a.csv")
    assert plan.preprocess[1].label == () and plan.preprocess[1].marks == ()
    for name, files in (("image", [task.image]), ("label", task.label)):
        (given / name).mkdir()
        for file in files:
            shutil.copy(folder / file, given / name)
    run(given, monkeypatch, "preprocess", "--image", "image", "--label", "label", "--folder", "s", task=to_json(task))
    structures = read_json(given / "s" / task.id / "validation_01.json")["structures"]
    assert list(structures) == ["Left_kidney", "apex"]
    assert structures["apex"]["extreme_mm"] == {"point": [0, 0, 0]}
