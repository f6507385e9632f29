"""The position map, the matching that starts from it, and a student: seconds a scan, by the shipped weights.

`python -m benchmarks.matched SHEET` prints how well they find on a sample sheet's labelled validation scans, each
searched from every other; what three, five and all supports say together, by the robust mean and by the median; then
how well they find in scans that end below the highest of the structures, that begin above the lowest, and 12 mm around
all; and how many scans the map refuses as they are and turned in four ways.
"""

from __future__ import annotations

import itertools
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.bundled import copies, openkbp_learning, openkbp_settings, preprocessed
from benchmarks.measurement import Measurement, seconds_of
from benchmarks.registration import figures, iou_of, labelled_scans, rows_of
from rprloc.catalogue import BY_SUPPORTS, network_named
from rprloc.cohort.tasks import Train
from rprloc.cohort.weights import shipped_folder
from rprloc.geometry import Grid, box_iou, robust_mean
from rprloc.methods.answer import OUTSIDE, Finder, Prediction
from rprloc.methods.body_map import BodyMap
from rprloc.methods.clock import Clock
from rprloc.methods.matched import Matched
from rprloc.methods.position_map import PositionMapMethod
from rprloc.methods.start import MapStart, Start
from rprloc.methods.student import Student
from rprloc.networks.checkpoint import Model, new_network, read_model
from rprloc.networks.device import set_up_cpu
from rprloc.results.measure.metrics import wall_distance
from rprloc.scans.record import ScanRecord
from rprloc.scans.scan import Scan, Volume
from rprloc.scans.target import subject_of
from rprloc.training.landmarks import Landmarks
from rprloc.training.state import TrainingState
from rprloc.training.task import Lessons
from rprloc.training.teaching import true_points

GOAL_SECONDS = {1: 1.5, 5: 3.0}
"""Of a scan by the number of supports, for 24 landmarks on two cores."""
MAP_GOAL_SECONDS = 0.3

_DRAWS = 40
"""Of three or five supports, for each query."""


def measure() -> list[Measurement]:
    """Locate the structures of one and of five supports in one query, networks loaded and supports prepared."""
    set_up_cpu(None)
    settings = openkbp_settings()
    names = list(settings.structures or {})
    with tempfile.TemporaryDirectory() as folder:
        scans = preprocessed(Path(folder), matching=True)
        folders = [scans["test"][0], *copies(scans["validation"], Path(folder) / "copies", max(GOAL_SECONDS))]
        query, *five = [scan for path in folders if (scan := Scan.read(path)) is not None]
        model = read_model(shipped_folder("head-neck-ct") / "position_map.safetensors")
        start = MapStart(model, seed=1)

        def seconds(method: Finder, supports: Sequence[Scan]) -> float:
            method.prepare(supports)
            if any(row.failed for row in rows_of(method, [query])):
                raise RuntimeError("an answer failed")
            return seconds_of(lambda: method.locate(query, Clock()))

        map_seconds = seconds(PositionMapMethod(model, structures=names), five)
        prepared = seconds_of(lambda: matched_from(start).prepare(five[:1]))
        located = {count: seconds(matched_from(start), five[:count]) for count in GOAL_SECONDS}
        student = _untaught(model, scans["validation"], names)
        student_seconds = seconds_of(lambda: student.locate(query, Clock()))
    return [
        Measurement("matched: seconds to prepare a support, once a batch", prepared),
        Measurement("position_map: seconds a scan, five supports", map_seconds, "s", MAP_GOAL_SECONDS),
        *(
            Measurement(f"matched: seconds a scan, supports: {count}", located[count], "s", goal)
            for count, goal in GOAL_SECONDS.items()
        ),
        Measurement("student: seconds a scan, its map included", student_seconds, "s"),
    ]


def _untaught(position_map: Model, supports: Sequence[Path], names: Sequence[str]) -> Student:
    """Return a student that was taught nothing, which takes as long, for the structures of preprocessed supports."""
    network = network_named("student")
    task = Train(
        id="openkbp.student", cohort="openkbp", network=network.name, objective=network.objective,
        length=network.lengths["demo"], settings=openkbp_learning(network.name), training=(), learns=BY_SUPPORTS,
    )  # fmt: skip
    lessons = Lessons(
        task=task, training=tuple(supports), validation=(), supports=tuple(supports), models={},
        device=torch.device("cpu"), scratch=Path(), state=TrainingState(None), log=print,
    )  # fmt: skip
    told = {subject_of(folder): true_points(folder, names) for folder in supports}
    settings = Landmarks(lessons, told, position_map).settings
    return Student("student", Model(new_network(settings, seed=1), settings), position_map, structures=names)


def matched_from(start: Start) -> Matched:
    """Return the default method with openkbp's settings."""
    settings = openkbp_settings()
    structures = list(settings.structures or {})
    return Matched(start, window=settings.window, structures=structures, device=torch.device("cpu"))


def main(sheet: Path) -> None:
    """Print the figures of both methods over all pairs of a sheet's validation scans."""
    settings = openkbp_settings()
    names = list(settings.structures or {})
    model = read_model(shipped_folder("head-neck-ct") / "position_map.safetensors")
    matched = matched_from(MapStart(model, seed=1))
    with tempfile.TemporaryDirectory() as folder:
        scans = labelled_scans(sheet, Path(folder), "validation")
        for name, method in (
            ("position_map", PositionMapMethod(model, structures=names)),
            ("matched", matched),
        ):
            method.prepare(scans)
            rows = rows_of(method, scans)
            print(figures(rows, {scan.subject: scan for scan in scans}, name), flush=True)
            _print_together(rows, scans)
        _print_cut(matched, scans)
        _print_turned(model, scans)


def _print_together(rows: Sequence[Prediction], scans: Sequence[Scan]) -> None:
    """Print IoU and wall distance, mean over structures, of what drawn supports say together."""
    found = {(row.subject, row.structure, row.support): row.box_mm for row in rows if not row.failed}
    generator = np.random.default_rng(1)
    for size in sorted({3, 5, len(scans) - 1}):
        scores: dict[tuple[str, str], list[tuple[float, float]]] = {}
        for query in scans:
            others = [scan.subject for scan in scans if scan is not query]
            draws = [generator.choice(others, size, replace=False) for _ in range(_DRAWS if size < len(others) else 1)]
            for structure, draw in itertools.product(query.structures, draws):
                keys = [(query.subject, structure, support) for support in draw]
                boxes = np.array([found[key] for key in keys if key in found], dtype=np.float64)
                true = query.structures[structure].box_mm
                for name, box in (("robust mean", robust_mean(boxes)), ("median", np.median(boxes, axis=0))):
                    score = (100 * float(box_iou(true, box)), float(wall_distance(true, box)))
                    scores.setdefault((name, structure), []).append(score)
        for name in ("robust mean", "median"):
            means = [np.mean(of, axis=0) for (by, _), of in scores.items() if by == name]
            iou, awd = np.mean(means, axis=0)
            print(f"  {size} supports together, {name}: {iou:.1f} % / {awd:.2f} mm", flush=True)


def _print_cut(method: Matched, scans: Sequence[Scan]) -> None:
    """Print what prepared supports find in cut queries: how many structures outside are known to be, and IoU inside."""
    for what in ("below the highest structure", "above the lowest structure", "12 mm around all structures"):
        outside, recognised = 0, 0
        ious: list[float] = []
        for scan in scans:
            boxes = {name: about.box_mm for name, about in scan.structures.items()}
            tops = [box[1, 2] for box in boxes.values()]
            lows = [box[0, 2] for box in boxes.values()]
            # Below the structure whose bottom is highest, above the one whose top is lowest.
            ends = {"below": (-np.inf, max(lows) - 6), "above": (min(tops) + 6, np.inf)}
            query = _cut(scan, *ends.get(what.split()[0], (min(lows) - 12, max(tops) + 12)))
            field = query.grid.box_mm
            for row in rows_of(method, [query]):
                box = boxes[row.structure]
                if box[0, 2] >= field[1, 2] or box[1, 2] <= field[0, 2]:
                    outside += 1
                    recognised += row.reason == OUTSIDE
                elif field[0, 2] <= box[0, 2] and box[1, 2] <= field[1, 2]:
                    ious.append(iou_of(box, row))
        inside = f"{100 * np.mean(ious):.1f} % of {len(ious)} answers" if ious else "none"
        print(f"cut {what}: {recognised} of {outside} outside recognised; whole ones inside: {inside}", flush=True)


def _print_turned(model: Model, scans: Sequence[Scan]) -> None:
    """Print how many scans the position map refuses, as they are and turned."""
    turns: dict[str, Callable[[NDArray[Any]], NDArray[Any]]] = {
        "as they are": np.ascontiguousarray,
        "upside down": partial(np.flip, axis=0),
        "front and back exchanged": partial(np.flip, axis=1),
        "left and right exchanged": partial(np.flip, axis=2),
        "x and y exchanged": partial(np.swapaxes, axis1=1, axis2=2),
    }
    for words, turned in turns.items():
        refused = 0
        for scan in scans:
            values, body = (np.ascontiguousarray(turned(voxels)) for voxels in (scan.values, scan.body))
            z, y, x = values.shape
            other = replace(scan, values=values, body=body, record=_on(scan, replace(scan.grid, size=(x, y, z))))
            refused += BodyMap(model, other).fault() is not None
        print(f"{words}: {refused} of {len(scans)} scans refused", flush=True)


def _on(scan: Scan, grid: Grid) -> ScanRecord:
    """Return a scan's record with another grid."""
    return replace(scan.record, model=grid)


def _cut(scan: Scan, low_mm: float, high_mm: float) -> Scan:
    """Keep a scan's slices between two heights."""
    volume = scan.matching()
    (kept, grid), (fine, finer) = (_slices(each, low_mm, high_mm) for each in (scan.grid, volume.grid))
    part = Volume(volume.values[fine], finer)
    return Scan(_on(scan, grid), scan.values[kept], scan.body[kept], scan.folder, part)


def _slices(grid: Grid, low_mm: float, high_mm: float) -> tuple[slice, Grid]:
    """Return which slices of a grid lie between two heights, and their grid."""
    heights = grid.origin_mm[2] + np.arange(grid.size[2]) * grid.spacing_mm[2]
    kept = np.flatnonzero((heights >= low_mm) & (heights <= high_mm))
    first, count = int(kept[0]), len(kept)
    origin = (*grid.origin_mm[:2], float(heights[first]))
    return slice(first, first + count), Grid((*grid.size[:2], count), grid.spacing_mm, origin)


if __name__ == "__main__":
    set_up_cpu(None)
    main(Path(sys.argv[1]))
