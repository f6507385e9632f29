"""Registration by affine, B-spline and ConvexAdam: seconds a pair, and how well, on validation scans only.

`python -m benchmarks.registration SHEET [SUPPORTS]` prints the figures of docs/results/trials.md for a sample sheet.
"""

from __future__ import annotations

import csv
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.bundled import openkbp_settings, preprocessed, target_of
from benchmarks.measurement import Measurement
from rprloc.geometry import FloatArray, box_iou
from rprloc.methods.answer import Finder, Prediction
from rprloc.methods.clock import Clock
from rprloc.methods.localize import predictions_of
from rprloc.methods.registration import METHODS, Registration
from rprloc.networks.device import set_up_cpu
from rprloc.results.measure.metrics import wall_distance
from rprloc.scans.preprocess import Source, preprocess
from rprloc.scans.scan import Scan
from rprloc.scans.target import scan_folder

GOAL_SECONDS = {"affine": 4.0, "bspline": 14.0, "convex": 8.0}
"""Of a pair on two cores, the affine included."""


def measure() -> list[Measurement]:
    """Register the two bundled validation scans to each other, after a pair that warms up."""
    set_up_cpu(None)
    with tempfile.TemporaryDirectory() as folder:
        scans = _read(preprocessed(Path(folder), matching=True)["validation"])
        located(scans[1:], scans[:1])
        rows = located(scans[:1], scans[1:]) + located(scans[1:], scans[:1])
    return [
        Measurement(f"registration: {name}, seconds a pair", seconds_a_pair(rows, name), "s", GOAL_SECONDS[name])
        for name in METHODS
    ]


def located(supports: list[Scan], queries: list[Scan]) -> list[Prediction]:
    """Return the rows of all methods for every query and support."""
    settings = openkbp_settings()
    names = list(settings.structures or {})
    method = Registration(dict.fromkeys(METHODS, "extreme"), window=settings.window, structures=names, seed=1)
    method.prepare(supports)
    return rows_of(method, queries)


def rows_of(method: Finder, queries: Sequence[Scan]) -> list[Prediction]:
    """Return the rows of a method that knows its supports for every query."""
    return [row for query in queries for row in predictions_of(method, query, Clock())]


def seconds_a_pair(rows: list[Prediction], name: str) -> float:
    """Return the mean seconds of a query and support by a method."""
    own = [row for row in rows if row.method == name]
    pairs = {(row.subject, row.support) for row in own}
    return sum(sum(row.seconds.values()) for row in own) / len(pairs)


def figures(rows: list[Prediction], truth: dict[str, Scan], name: str) -> str:
    """Return a method's line: pairs, failed rows, IoU and wall distance (mean, each structure's) and seconds a pair."""
    own = [row for row in rows if row.method == name and row.structure in truth[row.subject].structures]
    ious: dict[str, list[float]] = {}
    walls: dict[str, list[float]] = {}
    for row in own:
        true = truth[row.subject].structures[row.structure].box_mm
        ious.setdefault(row.structure, []).append(iou_of(true, row))
        if row.box_mm is not None:
            walls.setdefault(row.structure, []).append(float(wall_distance(true, row.box_mm)))
    each = ", ".join(f"{s} {100 * np.mean(ious[s]):.1f} / {np.mean(walls[s]):.2f}" for s in walls)
    iou, awd = (np.mean([np.mean(of) for of in table.values()]) for table in (ious, walls))
    pairs = len({(row.subject, row.support) for row in own})
    failed = sum(row.failed for row in own)
    seconds = seconds_a_pair(rows, name)
    return f"{name:<8} {pairs} pairs, {failed} rows failed: {100 * iou:.1f} % / {awd:.2f} mm, {seconds:.1f} s; {each}"


def iou_of(true_mm: FloatArray, row: Prediction) -> float:
    """Return the IoU of a row's box with the true one (2, 3), 0 for a miss."""
    return 0.0 if row.box_mm is None else float(box_iou(true_mm, row.box_mm))


def main(sheet: Path, supports: int) -> None:
    """Print each method's figures over a sheet's validation scans, each with the next `supports` ones as supports."""
    with tempfile.TemporaryDirectory() as folder:
        scans = labelled_scans(sheet, Path(folder), "validation")
        rows = []
        for place, query in enumerate(scans):
            chosen = [scans[(place + step) % len(scans)] for step in range(1, min(supports, len(scans) - 1) + 1)]
            rows += located(chosen, [query])
        for name in METHODS:
            print(figures(rows, {scan.subject: scan for scan in scans}, name), flush=True)


def labelled_scans(sheet: Path, folder: Path, *splits: str) -> list[Scan]:
    """Preprocess the scans of a sample sheet's splits that have a label into `folder` and return them."""
    settings = openkbp_settings()
    target = target_of(settings)
    folders = []
    with sheet.open(encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream):
            if row["split"] in splits and row["label"]:
                image, label = sheet.parent / row["image"], sheet.parent / row["label"]
                source = Source(cohort="openkbp", subject=row["subject"], image=image, label=label)
                preprocess(folder, source, target)
                folders.append(folder / scan_folder("openkbp", row["subject"]))
    return _read(folders)


def _read(folders: list[Path]) -> list[Scan]:
    """Read preprocessed scans."""
    return [scan for folder in folders if (scan := Scan.read(folder)) is not None]


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 3)
