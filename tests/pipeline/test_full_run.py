"""The phantom cohort from the sheet to the report, and what a second run computes again."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from rprloc.cohort.again import command_of
from rprloc.cohort.image import package_hash
from rprloc.cohort.provenance import tensors_sha256
from rprloc.files import read_json_lines, sha256
from rprloc.seeds import draw_order
from tests.runs import KEY, WITH_LABELS, Run, arguments, run_well

MAIN = "extreme.k10.c1f1"
QUERIES = ["test_01", "test_02", "test_03"]
STRUCTURES = ["heart", "kidney_left", "kidney_right"]
SUPPORTS = ["validation_01", "validation_02"]
ALL = "*"
"""Both supports together."""


def test_every_promised_file_is_there(full: Run) -> None:
    names = {str(path.relative_to(full.results)) for path in full.results.rglob("*") if path.is_file()}
    assert names >= {
        "report.html",
        "boxes.csv",
        "landmarks.csv",
        "predictions.jsonl",
        "metrics.csv",
        "set_aside.csv",
        *(f"tables/table{number}.{ending}" for number in (1, 2, 4) for ending in ("csv", "md")),
        *(f"pictures/phantom/{query}/heart.webp" for query in QUERIES),
        *(f"viewer/phantom/{query}.{ending}" for query in QUERIES for ending in ("html", "js")),
        "viewer/viewer.js",
        "viewer/viewer.css",
        "rprloc_cells_mqc.json",
        "rprloc_mqc.json",
        *(f"models/phantom/{network}.safetensors" for network in ("coarse", "fine")),
        *(f"logs/phantom.{network}.{ending}" for network in ("coarse", "fine") for ending in ("log", "jsonl")),
        *(f"pipeline_info/{name}" for name in ("run.json", "execution_report.html", "execution_timeline.html")),
        *(f"pipeline_info/{name}" for name in ("execution_trace.txt", "pipeline_dag.html")),
    }
    assert not [name for name in names if "/." in f"/{name}"], "a temporary file was published"
    assert f"Open {full.folder}/results/report.html" in full.output


def test_metrics_have_the_promised_columns_and_rows(full: Run) -> None:
    metrics = pd.read_csv(full.results / "metrics.csv")
    rows = read_json_lines(full.results / "predictions.jsonl")
    assert sorted([row[name] for name in KEY] for row in rows) == sorted(metrics[KEY].values.tolist())
    assert not metrics.duplicated(KEY).any()
    assert ",".join(metrics.columns) == (
        "cohort,subject,structure,method,setting,support,drawn,n_supports,"
        "iou,iou_reference,awd_mm,mre_mm,spread_mm,lost,confidence,within_90_mm,covered,"
        "dice,surface_95_mm,surface_dice_2mm,failed,reason,seconds,main"
    )
    metrics = metrics[metrics.method == "regression"]
    assert set(metrics.setting[metrics.main]) == {MAIN}
    main = metrics[metrics.setting == MAIN]
    expected = {
        (query, structure, support) for query in QUERIES for structure in STRUCTURES for support in [*SUPPORTS, ALL]
    }
    assert set(zip(main.subject, main.structure, main.support, strict=True)) == expected
    # The other settings have no answers of both together.
    assert len(metrics) == 13 * 2 * len(expected) // 3 + len(expected) // 3
    # Networks that have learned for seconds may say what is beside the structure, and then know it.
    assert set(metrics.reason.dropna()) <= {"lost"}
    assert metrics.lost.notna().all()
    assert metrics.iou.between(0, 1).all()
    assert set(metrics.support[metrics.drawn]) == {draw_order(1, "phantom", SUPPORTS)[0]}
    assert (full.results / "set_aside.csv").read_text() == "subject,file,reason\n"


def test_a_network_that_had_nothing_to_learn_from_costs_its_own_rows_alone(full: Run) -> None:
    """Its training ends well and leaves no model, and so it has no search."""
    assert "TRAIN (phantom/retina_unet)" in full.names()
    assert not [name for name in full.names() if name.startswith("LOCALIZE (phantom/retina_unet")]
    rows = full.metrics("retina_unet")
    assert len(rows) == len(QUERIES) * len(STRUCTURES)
    assert rows.failed.all()
    assert rows.reason.str.startswith("no training scan has a label of").all()


def test_the_run_says_what_it_was(full: Run, phantom: Path) -> None:
    about = json.loads((full.results / "pipeline_info" / "run.json").read_text())
    assert {"rprloc", "python", "torch", "SimpleITK", "nextflow"} <= set(about["run"]["versions"])
    assert about["parameters"]["training"] == "demo"
    assert about["parameters"]["seed"] == 1
    assert about["sheet"]["sha256"] == hashlib.sha256((phantom / "samples.csv").read_bytes()).hexdigest()
    models = full.results / "models"
    names = [f"phantom/{network}.safetensors" for network in ("coarse", "fine")]
    # Nextflow's hash of the tensors is Python's.
    assert about["weights"] == {name: tensors_sha256(models / name) for name in names}
    (image,) = (phantom / "images").glob("train_02.*")
    assert about["scans"]["phantom@train_02"] == {"image": sha256(image), "label": None}
    assert about["run"]["code"] == package_hash() and about["run"]["training_threads"] == 1
    assert about["run"]["devices"] == ["CPU, 1 thread"] and about["run"]["executor"] == "local"
    assert command_of(full.results) == about["run"]["command"]


def test_each_training_left_its_log_and_its_curve(full: Run) -> None:
    for network in ("coarse", "fine"):
        log = (full.results / "logs" / f"phantom.{network}.log").read_text().splitlines()
        assert log[0].startswith("training on 12 scans, 500 steps")
        assert log[-1].startswith("step 500 of 500")
        curve = [
            json.loads(line) for line in (full.results / "logs" / f"phantom.{network}.jsonl").read_text().splitlines()
        ]
        assert curve[-1]["step"] == curve[-1]["steps"] == 500
        assert curve[-1]["validation_error_mm"] < curve[0]["validation_error_mm"]
    # The default of --checkpoints is relative: it lies where the run was started, not in a work folder.
    assert list((full.folder / ".rprloc" / "checkpoints").glob("phantom.coarse.*.safetensors"))


def test_a_short_training_beats_copying_the_position_by_half(full: Run, phantom: Path) -> None:
    """Mean wall distance at most half of what the support's own box, at its place in the world, would have."""
    truth = json.loads((phantom / "landmarks.json").read_text())
    copied = [
        np.abs(np.subtract(truth[query][name]["box_mm"], truth[support][name]["box_mm"])).mean()
        for query in QUERIES
        for support in SUPPORTS
        for name in STRUCTURES
    ]
    found = full.metrics().xs(MAIN, level="setting").drop(index=ALL, level="support").awd_mm
    assert len(found) == len(copied)
    assert found.mean() < 0.5 * np.mean(copied)


@pytest.fixture(scope="module")
def appended(full: Run, phantom: Path) -> Run:
    """The same run again with a fourth query in the sheet."""
    (phantom / "samples.csv").write_text((phantom / "late.csv").read_text())
    return run_well(full.folder, *arguments(), *WITH_LABELS, "-resume")


def test_one_more_query_runs_only_what_it_touches(full: Run, appended: Run) -> None:
    assert appended.names() == {
        "NAMES (sample sheet)", "CHECK (sample sheet)", "PREPROCESS (phantom@test_04)",
        "LOCALIZE (phantom/regression.batch1)", "EVALUATE (phantom)", "VIEW (phantom.batch1)", "TABULATE",
        "REPORT (1)",
    }  # fmt: skip
    assert appended.tasks("CACHED") == {"PREPROCESS": 17, "TRAIN": 3, "LOCALIZE": 1, "VIEW": 2}
    metrics = appended.metrics()
    assert set(metrics.index.get_level_values("subject")) == {*QUERIES, "test_04"}
    pd.testing.assert_frame_equal(metrics.drop(index="test_04", level="subject"), full.metrics(), check_exact=True)
