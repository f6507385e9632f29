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
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from rprloc.results.metrics import box_iou, wall_distance
from rprloc.training.plan import plan_of

from benchmarks.bundled import copies, openkbp_settings, preprocessed
from benchmarks.measurement import Measurement, seconds_of
from benchmarks.registration import figures, labelled_scans
from rprloc.cohort.weights import shipped_folder
from rprloc.geometry import Grid, robust_mean
from rprloc.methods.body_map import BodyMap
from rprloc.methods.matched import Matched
from rprloc.methods.position_map import PositionMapMethod
from rprloc.methods.prediction import OUTSIDE, MatchingVolume, Method, Prediction, Scan
from rprloc.methods.start import MapStart, Start
from rprloc.methods.student import Student
from rprloc.networks.checkpoint import Model, ModelSettings, new_network, read_model
from rprloc.networks.device import set_up_cpu
from rprloc.scans.target import subject_of
from rprloc.training.landmarks import Landmarks
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

        def seconds(method: Method, supports: Sequence[Scan]) -> float:
            method.prepare(supports)
            if any(row.failed for row in method.locate(query)):
                raise RuntimeError("an answer failed")
            return seconds_of(lambda: method.locate(query))

        map_seconds = seconds(PositionMapMethod(model, structures=names, drawn=None), five)
        prepared = seconds_of(lambda: matched_from(start).prepare(five[:1]))
        located = {count: seconds(matched_from(start), five[:count]) for count in GOAL_SECONDS}
        student = _untaught(model, scans["validation"], names)
        student_seconds = seconds_of(lambda: student.locate(query))
    return [
        Measurement("matched: seconds to prepare a support, once a batch", prepared),
        Measurement("position_map: seconds a scan, five supports", map_seconds, "s", MAP_GOAL_SECONDS),
        *(
            Measurement(f"matched: seconds a scan, supports: {count}", located[count], "s", goal)
            for count, goal in GOAL_SECONDS.items()
        ),
        Measurement("student: seconds a scan, its map included", student_seconds, "s"),
    ]


def _untaught(model: Model, supports: Sequence[Path], names: Sequence[str]) -> Student:
    """Return a student that was taught nothing, which takes as long, for the structures of preprocessed supports."""
    settings = ModelSettings.of_cohort(openkbp_settings().train("student"), "student")
    told = {subject_of(folder): true_points(folder, names) for folder in supports}
    lessons = Landmarks(
        supports, [], settings, plan_of("demo", "student"), told=told, tellers=supports, body_map=model,
        spacing=openkbp_settings().matching_spacing, seed=1, device=torch.device("cpu"),
    )  # fmt: skip
    return Student("student", Model(new_network(lessons.settings, seed=1), lessons.settings), model, structures=names)


def matched_from(start: Start) -> Matched:
    """Return the default method with openkbp's settings."""
    settings = openkbp_settings()
    structures = list(settings.structures or {})
    return Matched(start, window=settings.window, structures=structures, drawn=None, device=torch.device("cpu"))


def main(sheet: Path) -> None:
    """Print the figures of both methods over all pairs of a sheet's validation scans."""
    settings = openkbp_settings()
    names = list(settings.structures or {})
    model = read_model(shipped_folder("head-neck-ct") / "position_map.safetensors")
    matched = matched_from(MapStart(model, seed=1))
    with tempfile.TemporaryDirectory() as folder:
        scans = labelled_scans(sheet, Path(folder), "validation")
        for name, method in (
            ("position_map", PositionMapMethod(model, structures=names, drawn=None)),
            ("matched", matched),
        ):
            method.prepare(scans)
            rows = [row for query in scans for row in method.locate(query)]
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
                true = query.structures[structure]["box_mm"]
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
            boxes = {name: np.array(about["box_mm"]) for name, about in scan.structures.items()}
            tops = [box[1, 2] for box in boxes.values()]
            lows = [box[0, 2] for box in boxes.values()]
            # Below the structure whose bottom is highest, above the one whose top is lowest.
            ends = {"below": (-np.inf, max(lows) - 6), "above": (min(tops) + 6, np.inf)}
            query = _Cut.of(scan, *ends.get(what.split()[0], (min(lows) - 12, max(tops) + 12)))
            field = query.field_mm()
            for row in method.locate(query):
                box = boxes[row.structure]
                if box[0, 2] >= field[1, 2] or box[1, 2] <= field[0, 2]:
                    outside += 1
                    recognised += row.reason == OUTSIDE
                elif field[0, 2] <= box[0, 2] and box[1, 2] <= field[1, 2]:
                    ious.append(0.0 if row.failed else float(box_iou(box, row.box_mm)))
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
            other = replace(scan, values=values, body=body, grid=replace(scan.grid, size=(x, y, z)))
            refused += BodyMap(model, other).fault() is not None
        print(f"{words}: {refused} of {len(scans)} scans refused", flush=True)


@dataclass(frozen=True)
class _Cut(Scan):
    """Some slices of a scan."""

    part: MatchingVolume | None = None

    @classmethod
    def of(cls, scan: Scan, low_mm: float, high_mm: float) -> _Cut:
        """Keep the slices between two heights."""
        volume = scan.matching()
        (kept, grid), (fine, finer) = (_slices(each, low_mm, high_mm) for each in (scan.grid, volume.grid))
        return cls(
            scan.cohort, scan.subject, grid, scan.structures, scan.values[kept], scan.body[kept], scan.folder,
            MatchingVolume(volume.values[fine], finer),
        )  # fmt: skip

    def matching(self) -> MatchingVolume:
        """Return the slices of the volume for image matching."""
        assert self.part is not None
        return self.part


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
