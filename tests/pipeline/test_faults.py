"""One run with trained models in which much goes wrong: nothing is trained, no answer is dropped, the run goes on."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import SimpleITK as sitk

from rprloc.files import read_json_lines
from rprloc.importers.phantom import STRUCTURES
from tests.runs import KEY, PROFILE, Run, run_well
from tests.scans.images import write_thin

MASKS = "masks $(touch pwned)/`touch pwned`'{structure}\"&|.nii.gz"
EVIL = "a, b;$(touch pwned)`touch pwned`'\"&|.nii.gz"
MAIN = "extreme.k10.c1f1"

# PREPROCESS of one query dies, as does the task that it shares with two others, and LOCALIZE of one batch.
BROKEN = """
process {
    withName: 'PREPROCESS' { beforeScript = { id == 'phantom@dead' ? 'exit 1' : '' } }
    withName: 'PREPROCESS_TOGETHER' { beforeScript = { id == 'phantom.scans6' ? 'exit 1' : '' } }
    withName: 'LOCALIZE' { beforeScript = { id == 'phantom/regression.batch2' ? 'exit 1' : '' } }
}
"""


def write_masks(label: Path, pattern: Path, *structures: str) -> None:
    """Write a mask a structure of a phantom's label, where a pattern says."""
    pattern.parent.mkdir()
    image = sitk.ReadImage(str(label))
    for name in structures:
        value = list(STRUCTURES).index(name) + 1
        sitk.WriteImage(image == value, str(pattern).replace("{structure}", name))


def write_sheet(folder: Path, phantom: Path) -> None:
    """The full run's supports and queries and some faulty ones; cohort `free` has no split and one label.

    One of the supports has a mask a structure, by a pattern, and that of `free` has them in a folder.
    """
    folder.mkdir()
    images, labels = phantom / "images", phantom / "labels"
    shutil.copy(images / "test_01.nii.gz", folder / EVIL)
    content = (images / "test_02.nii.gz").read_bytes()
    (folder / "cut short.nii.gz").write_bytes(content[: len(content) // 2])
    write_masks(labels / "validation_01.nii.gz", folder / MASKS, "heart", "kidney_left", "kidney_right")
    write_masks(labels / "validation_01.nii.gz", folder / "of two" / "{structure}.mha", "heart")
    write_thin(images / "train_01.nii.gz", folder / "thin.nii.gz")
    rows = [["subject", "image", "label", "split", "cohort"]]
    rows.append(["validation_01", f"{images}/validation_01.nii.gz", MASKS, "validation", "phantom"])
    rows.append(
        ["validation_02", f"{images}/validation_02.nrrd", f"{labels}/validation_02.nrrd", "validation", "phantom"]
    )
    for subject in ("test_01", "test_02", "test_03"):
        rows.append([subject, f"{images}/{subject}.nii.gz", f"{labels}/{subject}.nii.gz", "test", "phantom"])
    rows += [
        ["strange", EVIL, "", "test", "phantom"],
        ["unreadable", "cut short.nii.gz", f"{labels}/test_02.nii.gz", "test", "phantom"],
        ["dead", f"{images}/test_02.nii.gz", "", "test", "phantom"],
        ["lost", f"{images}/test_03.nii.gz", "", "test", "phantom"],
        ["one", f"{images}/train_01.nii.gz", "", "", "free"],
        ["two", f"{images}/validation_01.nii.gz", "of two", "", "free"],
        ["three", f"{images}/test_01.nii.gz", "", "", "free"],
        ["thin", "thin.nii.gz", "", "", "free"],
    ]
    with (folder / "samples.csv").open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows(rows)


@pytest.fixture(scope="module")
def run(full: Run, phantom: Path, place: Path) -> Run:
    """Parameters as texts, other batches than the full run's, models and settings from folders."""
    folder = place / "faulty run"
    write_sheet(folder, phantom)
    for cohort in ("phantom", "free"):
        shutil.copytree(full.results / "models" / "phantom", folder / "weights" / cohort)
    shutil.copytree(phantom / "settings", folder / "own")
    (folder / "own" / "free.yml").write_text("structures: {heart: 1, spleen: 9}\nstarts: 4\n")
    (folder / "broken.config").write_text(BROKEN)
    parameters = {"tables": "false", "seed": "1", "weights": "weights", "cohort_folder": "own"}
    parameters |= {"queries_per_task": "3", "scans_per_task": "3"}
    (folder / "parameters.json").write_text(json.dumps(parameters))
    files = ("-params-file", "parameters.json", "-c", "broken.config")
    return run_well(folder, *PROFILE, "--input", "samples.csv", *files)


def rows_of(run: Run, cohort: str = "phantom") -> dict[tuple[str, str, str], pd.Series]:
    """The metrics' rows of a cohort by subject, structure and support."""
    metrics = pd.read_csv(run.results / "metrics.csv", keep_default_na=False)
    metrics = metrics[metrics.cohort == cohort]
    return {(row.subject, row.structure, row.support): row for _, row in metrics.iterrows()}


def test_trained_weights_train_nothing(run: Run) -> None:
    assert "TRAIN" not in run.tasks()
    about = json.loads((run.results / "pipeline_info" / "run.json").read_text())
    assert sorted(about["weights"]) == [f"{c}/{s}.safetensors" for c in ("free", "phantom") for s in ("coarse", "fine")]


def answered(row: Any) -> bool:
    """Tell whether a row's method answered, be it that the answer is lost."""
    return not row.failed or row.reason == "lost"


def test_parameters_as_texts_mean_what_typed_ones_do(run: Run) -> None:
    about = json.loads((run.results / "pipeline_info" / "run.json").read_text())
    assert (about["parameters"]["tables"], about["parameters"]["seed"]) == (False, 1)
    assert {row.setting for row in rows_of(run).values()} == {MAIN}


def test_another_batch_size_gives_the_same_positions(run: Run, full: Run) -> None:
    def boxes(results: Path) -> dict[tuple[str, ...], list[list[float]]]:
        rows = read_json_lines(results / "predictions.jsonl")
        return {tuple(row[name] for name in KEY): row["box_mm"] for row in rows if row["setting"] == MAIN}

    expected, found = boxes(full.results), boxes(run.results)
    assert len(expected) == 3 * 3 * 3
    for key, box in expected.items():
        assert (found[key] is None) == (box is None)
        if box is not None:
            np.testing.assert_allclose(found[key], box, atol=0.01)


def test_every_expected_answer_is_there(run: Run) -> None:
    queries = ("test_01", "test_02", "test_03", "strange", "unreadable", "dead", "lost")
    structures, supports = ("heart", "kidney_left", "kidney_right"), ("validation_01", "validation_02", "*")
    assert set(rows_of(run)) == {(q, name, s) for q in queries for name in structures for s in supports}


def test_scans_that_cannot_be_used_are_set_aside_with_the_reason(run: Run) -> None:
    aside = pd.read_csv(run.results / "set_aside.csv").set_index("subject")
    assert set(aside.index) == {"unreadable", "dead"}
    assert aside.file["unreadable"] == "cut short.nii.gz"
    assert "cut short.nii.gz" in aside.reason["unreadable"]
    assert aside.reason["dead"] == "its preprocessing task died"
    for (subject, _, _), row in rows_of(run).items():
        if subject in aside.index:
            assert row.failed
            assert row.reason == f"scan set aside: {aside.reason[subject]}"
    # The sheet gives a label, so it is a miss.
    assert float(rows_of(run)["unreadable", "heart", "validation_01"].iou) == 0


def test_scans_of_a_shared_task_that_died_have_one_each(run: Run) -> None:
    assert run.tasks()["PREPROCESS_TOGETHER"] == 3
    assert {name for name in run.names() if name.startswith("PREPROCESS (")} == {
        "PREPROCESS (phantom@unreadable)", "PREPROCESS (phantom@lost)", "PREPROCESS (free@thin)",
    }  # fmt: skip


def test_a_crop_much_smaller_than_those_of_the_supports_is_made_again_of_the_whole_field(run: Run) -> None:
    assert [name for name in run.names() if name.startswith("WIDEN")] == ["WIDEN (free@thin)"]
    scans = pd.read_csv(run.results / "scans.csv", dtype=str).set_index(["cohort", "subject"])
    assert scans.findings["free", "thin"] == "the crop to the body keeps much less than those of the supports, " + (
        "which hold 228 x 168 x 240 mm (x, y, z)"
    )
    assert scans.done["free", "thin"] == "the whole field is kept"


def test_a_dead_task_leaves_failed_rows(run: Run) -> None:
    row = rows_of(run)["lost", "heart", "validation_01"]
    assert (row.failed, row.reason) == (True, "no answer: its task died")


def test_nothing_in_a_file_name_reaches_the_shell(run: Run) -> None:
    assert answered(rows_of(run)["strange", "heart", "validation_01"])
    assert not list(run.folder.rglob("pwned"))
    assert not list(run.folder.glob("work/*/*/pwned"))


def test_a_cohort_without_splits_answers_every_scan_but_its_support(run: Run) -> None:
    rows = rows_of(run, "free")
    assert set(rows) == {(query, name, "two") for query in ("one", "three", "thin") for name in ("heart", "spleen")}
    assert {row.setting for row in rows.values()} == {"extreme.k4.c1f1"}
    assert answered(rows["one", "heart", "two"])


def test_a_structure_that_the_support_lacks_fails_with_that_reason(run: Run) -> None:
    row = rows_of(run, "free")["one", "spleen", "two"]
    assert row.failed
    assert "spleen" in row.reason
    assert "two" in row.reason
