"""Methods beside the paper's, in one run: what is trained, what answers, and what the results folder tells of it.

A method for each way through the pipeline; tests/methods has them all.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import SimpleITK as sitk

from rprloc.importers.phantom import write_phantom
from tests.pipeline.conftest import write_settings
from tests.runs import PROFILE, Run, run_well

OTHERS = ["position_map", "matched", "student", "grey_ncc", "affine"]
SHEET = """subject,image,label,split
a,images/test_01.nii.gz,labels/test_01.nii.gz,train
b,images/test_02.nii.gz,labels/test_02.nii.gz,train
c,images/test_03.nii.gz,labels/test_03.nii.gz,train
d,images/validation_01.nii.gz,labels/validation_01.nii.gz,validation
e,images/test_04.nii.gz,labels/test_04.nii.gz,validation
f,images/validation_02.nrrd,labels/validation_02.nrrd,test
"""


@pytest.fixture(scope="module")
def others(place: Path) -> Run:
    """A run on scans that have a label to train from."""
    sheet = write_phantom(place / "labelled cohort", n_train=0, n_test=4)
    sheet.write_text(SHEET)
    named = ("--input", sheet, "--cohort_folder", write_settings(sheet.parent), "--methods", ",".join(OTHERS))
    asked = ("--registration_supports", "1", "--exports", "slicer,masks")
    return run_well(place / "other methods", *PROFILE, *named, *asked, parser="v2")


def test_only_what_the_methods_need_is_trained_and_each_family_is_a_task(others: Run) -> None:
    assert others.tasks() == {
        "NAMES": 1, "CHECK": 1, "PREPROCESS": 6, "TRAIN": 1, "TEACH": 1, "LOCALIZE": 4, "REGISTER": 1,
        "EVALUATE": 1, "EXPORT": 1, "TABULATE": 1, "REPORT": 1,
    }  # fmt: skip
    models = {path.stem for path in (others.results / "models" / "phantom").iterdir()}
    assert models == {"position_map", "student"}


def test_every_method_answers_for_every_structure_and_support(others: Run) -> None:
    metrics = pd.read_csv(others.results / "metrics.csv")
    assert not metrics.duplicated(["subject", "structure", "method", "setting", "support"]).any()
    supports = {method: set(found) for method, found in metrics.groupby("method")["support"]}
    assert sorted(supports) == sorted(OTHERS)
    assert supports.pop("affine") == set(metrics.support[metrics.drawn & (metrics.method == "matched")])
    assert supports.pop("student") == {"-"}
    assert all(found == {"d", "e", "*"} for found in supports.values())
    assert (metrics.groupby(["method", "support"])["structure"].nunique() == 3).all()


def test_what_only_copies_its_support_finds_the_structures(others: Run) -> None:
    metrics = pd.read_csv(others.results / "metrics.csv")
    found = metrics[metrics["method"].isin(["grey_ncc", "affine"])]
    assert not found[found["method"] == "affine"]["failed"].any()
    assert set(found["reason"].dropna()) <= {"lost"}
    assert found.groupby("method")["iou"].mean().min() > 0.4
    assert found[found["method"] == "affine"]["iou"].min() > 0.6


def test_what_supports_teach_learns_after_the_position_map_and_finds_something(others: Run) -> None:
    metrics = pd.read_csv(others.results / "metrics.csv")
    found = metrics[metrics["method"] == "student"]
    assert len(found) == 3 and set(found["reason"].dropna()) <= {"lost"}
    assert set(found["n_supports"]) == {0}
    # What the student was told comes from both supports; a scan that is none has no say.
    log = (others.results / "logs" / "phantom.student.log").read_text(encoding="utf-8")
    assert "landmarks of 2 supports carried to 3 of 3 training scans" in log


def test_answers_and_their_outlines_are_files_for_other_programs(others: Run) -> None:
    mask = sitk.ReadImage(others.results / "exports" / "masks" / "phantom" / "f.nii.gz")
    assert set(np.unique(sitk.GetArrayFromImage(mask))) == {0, 1, 2, 3}
    assert list((others.results / "exports" / "slicer" / "phantom" / "f").glob("*.mrk.json"))


def test_the_tables_name_every_method_and_the_report_shows_figure_4(others: Run) -> None:
    tables = others.results / "tables"
    for name in ("table3.md", "table3.csv", "table3_seconds.csv", "summary.md"):
        text = (tables / name).read_text(encoding="utf-8")
        assert all(method in text for method in OTHERS), name
    figures = {path.name for path in (others.results / "figures" / "phantom").glob("_methods~*.png")}
    assert figures == {f"_methods~{name}.png" for name in ("heart", "kidney_left", "kidney_right")}
