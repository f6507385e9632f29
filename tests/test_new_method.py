"""A new method is one file and one row: from the plan to the report, with no other file of the package touched."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pandas as pd
import pytest
import torch

from rprloc.catalogue import Family, Method, register, unregister
from rprloc.cohort.plan import Plan, read_plan
from rprloc.cohort.tasks import Folders, Launch, Preprocess, Search, View, from_json, to_json
from rprloc.files import write_json_lines
from rprloc.importers.phantom import write_phantom
from rprloc.methods.localize import localize
from rprloc.pictures.view import ViewFiles, view_scans
from rprloc.results.measure.evaluate import Came, evaluate_cohort
from rprloc.results.report.run import ReportFiles, report_run
from rprloc.results.tables.tabulate import tabulate_cohorts
from rprloc.scans.preprocess import Source, preprocess

ROOT = Path(__file__).parents[1]
ROW = Method(
    name="mean_place",
    family=Family(name="mean_place", make="tests.methods.mean_place:make", gpu=False),
    sentence="A structure moves as the middle of the body does.",
)


@pytest.fixture(scope="module")
def ours() -> Iterator[Method]:
    register(ROW)
    yield ROW
    unregister(ROW)


@pytest.fixture(scope="module")
def sheet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_phantom(tmp_path_factory.mktemp("cohort"), n_train=0, n_validation=2, n_test=1)


@pytest.fixture(scope="module")
def plan(ours: Method, sheet: Path) -> Plan:
    return read_plan(sheet, {"methods": ours.name}, ROOT)


@pytest.fixture(scope="module")
def results(plan: Plan, sheet: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a run of the plan leaves, step by step as the processes do it."""
    work = tmp_path_factory.mktemp("work")
    for task in plan.preprocess:
        told = from_json(to_json(task), Preprocess)
        image, label = (sheet.parent / name for name in (told.image, *told.label))
        source = Source(cohort=told.cohort, subject=told.subject, image=image, label=label)
        assert preprocess(work / "scans", source, told.target).usable
    scans = sorted((work / "scans").iterdir())
    for search in plan.register:
        told = from_json(to_json(search), Search)
        folders = Folders({path.name: path for path in scans})
        rows = localize(told, folders, device=torch.device("cpu"))
        write_json_lines(work / "predictions.jsonl", [row.to_json() for row in rows])
    (measure,) = plan.evaluate
    evaluate_cohort(work / "evaluated" / measure.id, measure, scans, Came([work / "predictions.jsonl"]))
    tabulate_cohorts(work / "results", [work / "evaluated" / measure.id], [])
    launch = Launch(command="nextflow run main.nf", pipeline="0")
    answers = work / "evaluated" / measure.id / "answers"
    for view in plan.view:
        told = from_json(to_json(view), View)
        told = msgspec.structs.replace(told, answers={path.stem: path.read_text() for path in answers.iterdir()})
        images = {one.id: sheet.parent / one.image for one in told.viewed}
        view_scans(work / "results", told, ViewFiles(scans={path.name: path for path in scans}, images=images))
    manifests = [work / "results" / f"{view.id}.json" for view in plan.view]
    report_run(
        work / "results", plan.report, launch, ReportFiles(results=work / "results", scans=scans, manifests=manifests)
    )
    return work / "results"


def test_the_plan_knows_it_from_its_row(plan: Plan) -> None:
    assert plan.faults == ()
    assert plan.tasks == {"PREPROCESS": 3, "REGISTER": 1, "EVALUATE": 1, "VIEW": 2, "TABULATE": 1, "REPORT": 1}
    (search,) = plan.register
    assert (search.make, search.methods) == (ROW.family.make, {"mean_place": ("extreme",)})
    assert search.code


def test_its_predictions_are_measured_and_are_the_boxes_to_use(results: Path) -> None:
    metrics = pd.read_csv(results / "metrics.csv")
    assert set(metrics["method"]) == {"mean_place"} and metrics["main"].all()
    # Two supports, each alone and together, for three structures.
    # What is beside the structure may know it: those of one support are 14 mm off, and are called lost.
    assert len(metrics) == 9 and set(metrics["reason"].dropna()) <= {"lost"}
    assert metrics["failed"].sum() <= 3 and metrics["iou"].mean() > 0.2
    boxes = pd.read_csv(results / "boxes.csv")
    assert sorted(boxes["structure"]) == ["heart", "kidney_left", "kidney_right"]
    assert (boxes["support"] == "*").all()


def test_tables_and_report_call_it_by_its_row(results: Path) -> None:
    assert "mean_place (ours)" in (results / "tables" / "table3.md").read_text("utf-8")
    assert "mean_place (ours)" in (results / "tables" / "table4.md").read_text("utf-8")
    page = (results / "report.html").read_text("utf-8")
    assert "mean_place: mean IoU" in page and "pictures/phantom/test_01/" in page
    assert sorted(path.stem for path in (results / "pictures" / "phantom" / "test_01").iterdir())
