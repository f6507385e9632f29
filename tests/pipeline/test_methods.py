"""Methods beside the paper's, in one run: what is trained, what answers, and what the results folder tells of it."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from rprloc.cohort.methods import METHODS, TAUGHT
from rprloc.files import read_json_lines
from tests.runs import ROOT, Run, run_well

OTHERS = [method for method in METHODS if method != "regression"]
SHEET = """subject,image,label,split
a,images/test_01.nii.gz,labels/test_01.nii.gz,train
b,images/test_02.nii.gz,labels/test_02.nii.gz,train
c,images/test_03.nii.gz,labels/test_03.nii.gz,train
d,images/validation_01.nii.gz,labels/validation_01.nii.gz,validation
e,images/test_04.nii.gz,labels/test_04.nii.gz,validation
f,images/validation_02.nrrd,labels/validation_02.nrrd,test
"""


@pytest.fixture(scope="module")
def others(place: Path, phantom: Path) -> Run:
    """A run of all methods but the paper's, on scans that have a label to train from."""
    sheet = phantom / "labelled.csv"
    sheet.write_text(SHEET)
    arguments = ("-profile", "test", "--input", sheet, "--methods", ",".join(OTHERS), "--registration_supports", "1")
    return run_well(place / "other methods", *arguments)


def test_only_what_the_methods_need_is_trained_and_each_family_is_a_task(others: Run) -> None:
    assert others.tasks() == {
        "CHECK": 1, "PREPROCESS": 6, "TRAIN": 3, "TEACH": 2, "LOCALIZE": 7, "REGISTER": 1,
        "EVALUATE": 1, "TABULATE": 1, "REPORT": 1,
    }  # fmt: skip
    models = {path.stem for path in (others.results / "models" / "phantom").iterdir()}
    assert models == {"autoencoder", "position_map", "retina_unet", *TAUGHT}


def test_every_method_answers_for_every_structure_and_support(others: Run) -> None:
    metrics = pd.read_csv(others.results / "metrics.csv")
    assert not metrics.duplicated(["subject", "structure", "method", "setting", "support"]).any()
    supports = metrics.groupby("method")["support"].agg(set).to_dict()
    assert list(supports) == sorted(OTHERS)
    assert all(supports.pop(method) == {"-"} for method in ("retina_unet", *TAUGHT))
    assert all(len(supports.pop(method)) == 1 for method in ("affine", "bspline", "convex"))
    assert all(found == {"d", "e", "*"} for found in supports.values())
    assert (metrics.groupby(["method", "support"])["structure"].nunique() == 3).all()


def test_what_only_copies_its_support_finds_the_structures(others: Run) -> None:
    metrics = pd.read_csv(others.results / "metrics.csv")
    found = metrics[~metrics["method"].isin(["retina_unet", "position_map", "matched", *TAUGHT])]
    assert not found["failed"].any()
    assert found.groupby("method")["iou"].mean().min() > 0.4
    assert found[found["method"].isin(["affine", "bspline", "convex"])]["iou"].min() > 0.6


def test_what_is_taught_learns_after_the_position_map_and_finds_something(others: Run) -> None:
    metrics = pd.read_csv(others.results / "metrics.csv")
    for method in TAUGHT:
        found = metrics[metrics["method"] == method]
        assert len(found) == 3 and not found["failed"].any(), found["reason"]
        assert (others.results / "logs" / f"phantom.{method}.jsonl").exists()
        assert set(metrics[metrics["method"] == method]["n_supports"]) == {0}
    # What the student was told comes from both supports; a scan that is none has no say.
    log = (others.results / "logs" / "phantom.student.log").read_text(encoding="utf-8")
    assert "landmarks of 2 supports carried to 3 of 3 training scans" in log


def test_the_tables_name_every_method_and_the_report_shows_figure_4(others: Run) -> None:
    tables = others.results / "tables"
    for name in ("table3.md", "table3.csv", "table3_seconds.csv", "summary.md"):
        text = (tables / name).read_text(encoding="utf-8")
        assert all(method in text for method in OTHERS), name
    figures = {path.name for path in (others.results / "figures" / "phantom").glob("_methods~*.png")}
    assert figures == {f"_methods~{name}.png" for name in ("heart", "kidney_left", "kidney_right")}


def test_another_stride_runs_grey_matching_alone_again(others: Run) -> None:
    arguments = ("-profile", "test", "--input", "../phantom cohort/labelled.csv", "--registration_supports", "1")
    again = run_well(others.folder, *arguments, "--methods", ",".join(OTHERS), "--template_stride", "2", "-resume")
    assert again.tasks() == {"CHECK": 1, "LOCALIZE": 1, "EVALUATE": 1, "TABULATE": 1, "REPORT": 1}
    metrics = pd.read_csv(again.results / "metrics.csv")
    assert set(metrics[metrics["method"] == "grey_ncc"]["setting"]) == {"extreme.s2"}


def test_without_weights_the_default_method_finds_structures_and_trains_nothing(place: Path, phantom: Path) -> None:
    arguments = ("-profile", "test", "--input", phantom / "labelled.csv", "--weights", "none")
    done = run_well(place / "no weights", *arguments, "--methods", "matched")
    assert done.tasks() == {"CHECK": 1, "PREPROCESS": 6, "LOCALIZE": 1, "EVALUATE": 1, "TABULATE": 1, "REPORT": 1}
    metrics = pd.read_csv(done.results / "metrics.csv")
    assert set(metrics["support"]) == {"d", "e", "*"}
    assert not metrics["failed"].any()
    assert metrics["iou"].min() > 0.6
    # Two supports are too few to say how sure an answer is.
    answers = read_json_lines(done.results / "predictions.jsonl")
    assert all(row["within_90_mm"] is None for row in answers) and metrics["within_90_mm"].isna().all()


def test_training_labels_without_the_structures_cost_the_supervised_rows_alone(place: Path, phantom: Path) -> None:
    settings = (ROOT / "assets" / "cohorts" / "phantom.yml").read_text(encoding="utf-8")
    for value in (1, 2, 3):
        settings = settings.replace(f": {value}\n", f": {value + 10}\n", 1)
    folder = place / "unlabelled methods"
    folder.mkdir()
    (folder / "phantom.yml").write_text(settings, encoding="utf-8")
    arguments = ("-profile", "test", "--input", "../phantom cohort/labelled.csv", "--cohort", "phantom.yml")
    done = run_well(folder, *arguments, "--methods", "grey_ncc,retina_unet")
    assert done.tasks()["TRAIN"] == 1
    metrics = pd.read_csv(done.results / "metrics.csv")
    assert metrics["failed"].all()
    reasons = metrics[metrics["method"] == "retina_unet"]["reason"]
    assert len(reasons) == 3 and reasons.str.startswith("no training scan has a label of").all()
