"""What odd runs leave: tables, boxes and a page all the same, and no answer dropped."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from rprloc.files import read_json_lines, write_json, write_json_lines
from rprloc.geometry import Grid
from rprloc.results.collect import evaluate_cohort, report_run, tabulate_cohorts
from rprloc.scans.volume import write_volume
from tests.results import cohorts

Parts = tuple[dict[str, Any], dict[str, dict[str, Any]], list[dict[str, Any]]]


def run(folder: Path, *parts: Parts) -> tuple[pd.DataFrame, list[dict[str, Any]], str]:
    """Go the way from predictions to the report; return metrics.csv, the answers and the page."""
    every: dict[str, Any] = {"parameters": {}, "rows": [], "cohorts": {}}
    folders: list[Path] = []
    for check, scans, answers in parts:
        (name,) = check["cohorts"]
        every["rows"] += check["rows"]
        every["cohorts"] |= check["cohorts"]
        own = []
        for subject, about in scans.items():
            own.append(folder / "scans" / f"{name}@{subject}")
            write_json(own[-1] / f"{subject}.json", about)
            if about["status"] == "ok":
                grid = Grid.from_json(about["model"])
                write_volume(own[-1] / f"{subject}.nii.gz", np.zeros(grid.size[::-1], dtype=np.int16), grid)
        folders += own
        write_json_lines(folder / f"{name}.jsonl", answers)
        evaluate_cohort(
            folder / "evaluated" / name, check, cohort=name, scans=own, batches=[folder / f"{name}.jsonl"], seed=0,
            tables=False,
        )  # fmt: skip
    starts = {name: settings["starts"] for name, settings in every["cohorts"].items()}
    tabulate_cohorts(folder / "results", starts, sorted((folder / "evaluated").iterdir()))
    report_run(folder / "page", {"run": {}, "check": every}, results=folder / "results", scans=folders, logs=[])
    metrics = pd.read_csv(folder / "results" / "metrics.csv", keep_default_na=False, na_values=[""])
    rows = read_json_lines(folder / "results" / "predictions.jsonl")
    assert len(metrics) == len(rows)
    for name in (
        "table3.md",
        "table3_seconds.csv",
        "table4.csv",
        "table4.md",
        "table5.csv",
        "table5.md",
        "error_sources.csv",
        "error_sources.md",
        "calibration.csv",
        "calibration.md",
        "comparison.md",
        "summary.md",
    ):
        assert (folder / "results" / "tables" / name).exists()
    return metrics, rows, (folder / "page" / "report.html").read_text(encoding="utf-8")


def only(parts: Parts, *methods: str) -> Parts:
    """Return a cohort of some of its methods."""
    check, scans, answers = parts
    (settings,) = check["cohorts"].values()
    settings["methods"] = [entry for entry in settings["methods"] if entry["name"] in methods]
    return check, scans, [row for row in answers if row["method"] in methods]


@pytest.mark.parametrize("truth", [True, False])
def test_a_supervised_method_may_find_what_no_support_shows(tmp_path: Path, truth: bool) -> None:
    check, scans, answers = cohorts.many_methods(queries=2)
    check["cohorts"]["demo"]["structures"] = None
    for row in [row for row in answers if row["method"] == "retina_unet" and row["structure"] == "mandible"]:
        answers.append(copy.deepcopy(row) | {"structure": "larynx"})
        if truth:
            structures = scans[row["subject"]]["structures"]
            structures["larynx"] = structures["mandible"]
    metrics, _, page = run(tmp_path, (check, scans, answers))
    larynx = metrics[metrics["structure"] == "larynx"]
    assert set(larynx["method"]) == {"retina_unet"} and len(larynx) == 2 and larynx["iou"].notna().all() == truth
    assert (tmp_path / "page" / "figures" / "demo" / "_methods~larynx.png").exists()
    assert ("larynx" in page) == truth


def test_a_method_that_never_answers_has_its_rows_in_every_table(tmp_path: Path) -> None:
    check, scans, answers = cohorts.many_methods(queries=2)
    metrics, _, page = run(
        tmp_path, (check, scans, [row for row in answers if row["method"] in ("regression", "affine")])
    )
    lost = metrics[~metrics["method"].isin(["regression", "affine"])]
    assert lost["failed"].all() and (lost["iou"] == 0).all() and set(lost["method"]) == {"grey_ncc", "retina_unet"}
    table = (tmp_path / "results" / "tables" / "table3.md").read_text(encoding="utf-8")
    assert "grey_ncc" in table and "retina_unet" in table and "no answer: its task died" in page


@pytest.mark.parametrize("methods", [("affine",), ("retina_unet",), ("affine", "retina_unet")])
def test_methods_without_the_paper_s_have_boxes_tables_and_a_page(tmp_path: Path, methods: tuple[str, ...]) -> None:
    metrics, _, page = run(tmp_path, only(cohorts.many_methods(queries=2), *methods))
    assert set(metrics["method"]) == set(methods) and not metrics["failed"].any()
    boxes = pd.read_csv(tmp_path / "results" / "boxes.csv")
    assert set(boxes["support"]) == ({"*"} if "affine" in methods and len(methods) == 1 else {"-"})
    assert len(boxes) == 2 * len(cohorts.ORGANS) and boxes["x_min_mm"].notna().all()
    assert all(method in page for method in methods)


def test_one_scan_is_one_query_with_one_structure(tmp_path: Path) -> None:
    check, scans, answers = cohorts.many_methods(queries=1, supports=1)
    check["cohorts"]["demo"]["structures"] = {"mandible": 1}
    answers = [row for row in answers if row["structure"] == "mandible"]
    metrics, _, _ = run(tmp_path, (check, scans, answers))
    assert len(metrics) == 4 and not metrics["failed"].any()


def test_a_cohort_without_labels_stands_beside_one_with(tmp_path: Path) -> None:
    first, second = cohorts.many_methods("one", queries=2), cohorts.many_methods("two", queries=2)
    check, scans, answers = second
    for row in check["rows"]:
        row["label"] = row["label"] if row["support"] else None
    for name in ("q0", "q1"):
        scans[name]["structures"] = {}
    entry = cohorts.OTHERS[-1] | {"reason": "no training scan of two has a label"}
    check["cohorts"]["two"]["methods"][-1] = entry
    metrics, _, page = run(tmp_path, first, (check, scans, [row for row in answers if row["method"] != "retina_unet"]))
    assert metrics[metrics["cohort"] == "two"]["iou"].isna().all()
    assert metrics[metrics["cohort"] == "one"]["iou"].notna().all()
    lost = metrics[metrics["failed"]]
    assert set(lost["reason"]) == {"no training scan of two has a label"} and len(lost) == 2 * len(cohorts.ORGANS)
    assert "no training scan of two has a label" in page


def test_every_scan_is_support_and_query(tmp_path: Path) -> None:
    check, scans, answers = cohorts.many_methods(queries=2, supports=2)
    for row in check["rows"]:
        row["query"] = row["query"] or row["support"]
    metrics, _, _ = run(tmp_path, (check, scans, answers))
    # Of its own answers alone a query that is a support has those from the other one; none were given here.
    own = metrics[metrics["subject"].isin(["s0", "s1"])]
    assert own["failed"].all() and own.groupby("method").size().to_dict() == {
        "affine": 8, "grey_ncc": 8, "regression": 8, "retina_unet": 8,
    }  # fmt: skip


def test_nothing_can_be_used(tmp_path: Path) -> None:
    check, scans, _ = cohorts.many_methods(queries=2, supports=2)
    nothing = {name: cohorts.aside("demo", name, "nothing but air") for name in scans}
    metrics, _, page = run(tmp_path, (check, nothing, []))
    assert metrics["failed"].all() and len(metrics) == 2 * 4 * (2 + 2 + 2 + 1)
    assert "nothing but air" in page
