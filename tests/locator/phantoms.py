"""A phantom cohort and the same scans through the steps of the pipeline, as the modules of Nextflow call them."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

from click.testing import CliRunner

from rprloc.cohort.plan import Plan
from rprloc.cohort.tasks import to_json
from rprloc.importers.phantom import write_phantom
from rprloc.steps import step
from tests.cohort.planned import planned

QUERIES = ("test_01.nii.gz", "broken.nii.gz")
SUPPORTS = ("validation_01.nii.gz", "validation_02.nrrd")


def write_cohort(folder: Path) -> Path:
    """Write two supports, a query and a file that is no scan, in images/ and labels/; return the sheet of them all."""
    sheet = write_phantom(folder, n_train=0, n_validation=2, n_test=1)
    (folder / "images" / "broken.nii.gz").write_bytes(b"no scan")
    rows = list(csv.DictReader(sheet.read_text().splitlines()))
    rows.append({"subject": "broken", "image": "images/broken.nii.gz", "split": "test", "cohort": "phantom"})
    lines = ["subject,image,label,split,cohort"]
    for row in rows:
        label = row["label"] if row["split"] == "validation" else ""
        lines.append(",".join([row["subject"], row["image"], label, row["split"], row["cohort"]]))
    sheet.write_text("\n".join(lines) + "\n")
    return sheet


def run_pipeline(sheet: Path, folder: Path, **parameters: object) -> Path:
    """Run every task of a sheet's plan by its command; return the folder of results."""
    plan = planned(sheet, outdir="results", **parameters)
    _preprocess(plan, sheet, folder)
    for task in (*plan.localize, *plan.register):
        output = folder / "predictions" / f"{task.id.replace('/', '.')}.jsonl"
        _step("localize", "--scans", folder / "scans", "--models", folder, "--output", output, task=to_json(task))
    (measure,) = plan.evaluate
    own = folder / "evaluated" / measure.cohort
    # Each search's outlines lie beside its predictions.
    came = ("--predictions", folder / "predictions", "--outlines", folder / "predictions")
    _step("evaluate", "--scans", folder / "scans", *came, "--folder", own, task=to_json(measure))
    words = ("--evaluated", folder / "evaluated", "--logs", folder / "logs", "--folder", folder / "results")
    _step("tabulate", *words)
    return folder / "results"


def _preprocess(plan: Plan, sheet: Path, folder: Path) -> None:
    for task in plan.preprocess:
        staged = folder / "staged" / task.id
        for kind, files in (("image", [task.image]), ("label", task.label)):
            (staged / kind).mkdir(parents=True)
            for name in files:
                shutil.copy(sheet.parent / name, staged / kind)
        words = ("--image", staged / "image", "--label", staged / "label", "--folder", folder / "scans")
        _step("preprocess", *words, task=to_json(task))


def _step(*words: object, task: object = None) -> None:
    done = CliRunner().invoke(step, [str(word) for word in words], input=json.dumps(task), catch_exceptions=False)
    assert done.exit_code == 0, done.output
