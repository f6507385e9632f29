"""Does an answer know that it is lost? `python -m benchmarks.lost SHEET,SETTINGS[,SPLIT...] ... [--write FOLDER]`.

Each argument is a cohort: its sample sheet, its settings file and the splits to take (all without one; never `test`).
Every scan is searched by `matched`, without a network, from the first three others that are labelled; some are searched
once more turned in ten ways, cut above and below the structures or to where none is, with a bias field or with other
units, with noise; and the scans of the other cohorts are. An answer is lost where its walls are more than 20 mm off in
the mean, or where the structure is not there.

The weights of `rprloc.methods.lost` are fitted on these answers, those before a repair of the frame among them. What is
printed of a cohort is by weights, and by a threshold, from the others alone: how often a lost answer has the larger
probability (AUROC), how many of the lost are called so, and of the good; by one support alone, and by three that agree
or not. Left and right structures of scans of which it is said that their sides cannot be told, or that are exchanged
left to right alone and not found to be, are counted apart. With --write all answers go to FOLDER, and `--read FOLDER`
prints the same of them once more.
"""

from __future__ import annotations

import csv
import sys
import tempfile
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from benchmarks.bundled import target_of
from benchmarks.lost_told import ELSEWHERE, NEARBY, TURNS, told
from rprloc.cohort.settings import Settings, load_settings
from rprloc.geometry import FloatArray, Grid, box_of_points
from rprloc.methods.answer import Answers, Finder, Found
from rprloc.methods.clock import Clock
from rprloc.methods.images import Window
from rprloc.methods.judged import Court, Judged
from rprloc.methods.lost import SIGNS, apart_mm
from rprloc.methods.matched import Matched
from rprloc.methods.start import LaidStart
from rprloc.networks.device import set_up_cpu
from rprloc.results.measure.metrics import wall_distance
from rprloc.scans.preprocess import Source, preprocess
from rprloc.scans.scan import Scan, Volume
from rprloc.scans.target import Target, scan_folder
from rprloc.scans.turned import turned
from rprloc.seeds import generator_of

SUPPORTS = 3
_PLAIN, _CHANGED, _FOREIGN = 20, 2, 3
"""Scans of a cohort that are searched as they are, in all changed ways, and by each other cohort's supports."""

Boxes = Mapping[str, FloatArray]


@dataclass(frozen=True)
class Cohort:
    """A cohort's scans in model space."""

    name: str
    settings: Settings
    folder: Path
    own: tuple[str, ...]
    """Its subjects; the first ones are the supports."""
    foreign: tuple[str, ...]

    def scan(self, subject: str) -> Scan | None:
        """Read a scan; None for one that was set aside."""
        return Scan.read(self.folder / scan_folder(self.name, subject))


def main(arguments: Sequence[str]) -> None:
    """Search, fit and print."""
    if "--read" in arguments:
        told(pd.read_csv(Path(arguments[arguments.index("--read") + 1]) / "answers.csv"))
        return
    write = Path(arguments[arguments.index("--write") + 1]) if "--write" in arguments else None
    asked = [one for one in arguments if "," in one]
    with tempfile.TemporaryDirectory() as folder:
        cohorts = prepared([one.split(",") for one in asked], write or Path(folder))
        tasks = [(cohort, subject) for cohort in cohorts for subject in (*cohort.own, *cohort.foreign)]
        with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
            rows: list[dict[str, Any]] = []
            for number, found in enumerate(pool.map(_searched, tasks), start=1):
                rows += found
                print(f"{number} of {len(tasks)} scans searched", file=sys.stderr, flush=True)
    answers = pd.DataFrame(rows)
    if write is not None:
        answers.to_csv(write / "answers.csv", index=False)
    told(answers)


def annotated(sheet: Path, file: str, splits: Sequence[str] = ()) -> tuple[Settings, list[tuple[str, Path, Path]]]:
    """Return a cohort's settings, of a file, and subject, image and label of each annotated scan of its sheet, of some
    splits where they are named.
    """
    settings, faults = load_settings(Path(file), name=file)
    assert settings is not None, faults
    with sheet.open(encoding="utf-8", newline="") as stream:
        lines = [row for row in csv.DictReader(stream) if row["label"] and (not splits or row["split"] in splits)]
    return settings, [(row["subject"], sheet.parent / row["image"], sheet.parent / row["label"]) for row in lines]


def prepared(asked: Sequence[Sequence[str]], folder: Path) -> list[Cohort]:
    """Preprocess the scans of all cohorts, each also the others' first ones."""
    sheets: dict[str, tuple[Settings, list[tuple[str, Path, Path]]]] = {}
    for sheet, file, *splits in asked:
        sheets[Path(sheet).parent.name] = annotated(Path(sheet), file, splits)
    cohorts = []
    for name, (settings, scans) in sheets.items():
        target = target_of(settings)
        own = scans[:_PLAIN]
        foreign = [one for other, (_, some) in sheets.items() if other != name for one in some[:_FOREIGN]]
        for subject, image, label in own:
            _preprocess_once(folder, Source(cohort=name, subject=subject, image=image, label=label), target)
        for subject, image, _ in foreign:
            _preprocess_once(folder, Source(cohort=name, subject=subject, image=image), target)
        names = tuple(subject for subject, _, _ in own)
        cohorts.append(Cohort(name, settings, folder, names, tuple(subject for subject, _, _ in foreign)))
    return cohorts


def _preprocess_once(folder: Path, source: Source, target: Target) -> None:
    if not (folder / scan_folder(source.cohort, source.subject) / f"{source.subject}.json").exists():
        preprocess(folder, source, target)


def _searched(task: tuple[Cohort, str]) -> list[dict[str, Any]]:
    """Return the answers for a scan, as it is and changed, each with what it is judged by."""
    cohort, subject = task
    set_up_cpu(1)
    query = cohort.scan(subject)
    others = [name for name in cohort.own if name != subject][:SUPPORTS]
    supports = [scan for name in others if (scan := cohort.scan(name)) is not None]
    if query is None or not supports:
        return []
    window = cohort.settings.window
    method = _Remembering(matched(window))
    method.prepare(supports)
    court = Court(supports, window, seed=1)
    rows: list[dict[str, Any]] = []
    changed = subject in cohort.own[SUPPORTS : SUPPORTS + _CHANGED]
    for kind, scan, truth in _changes(query, changed=changed, foreign=subject in cohort.foreign):
        bare = without_label(scan)
        about = {"cohort": cohort.name, "subject": subject, "kind": kind}
        judged = court.answered(method, bare, Clock())
        known = (
            set(query.structures)
            if kind != "another body part"
            else {name for scan in supports for name in scan.structures}
        )
        rows += _rows(about, judged, truth, known, repaired=judged.turned is not None)
        if kind == "as it is":
            for moved, far_mm in ((ELSEWHERE, 60.0), (NEARBY, 16.0)):
                generator = generator_of(1, cohort.name, subject, moved)
                off = _moved(judged.answers, far_mm, generator, together=moved == ELSEWHERE)
                rows += _rows(
                    about | {"kind": moved}, Judged(off, court.signs(bare, off)), truth, known, repaired=False
                )
        if judged.turned is not None:
            first = Judged(method.locate(bare, Clock()))
            first = replace(first, signs=court.signs(bare, first.answers))
            rows += _rows(about | {"before": True}, first, truth, known, repaired=False)
    return rows


def matched(window: Window) -> Matched:
    """Return `matched` without a network."""
    return Matched(LaidStart(window, seed=1), window=window, device=torch.device("cpu"))


def without_label(scan: Scan) -> Scan:
    """Return a scan of which no structure is known."""
    return replace(scan, record=replace(scan.record, structures={}))


class _Remembering:
    """A method that knows what it said of the last two scans: a repair's first answers are looked at once more."""

    def __init__(self, finder: Finder) -> None:
        self._finder = finder
        self._last: deque[tuple[Scan, Answers]] = deque(maxlen=2)

    def prepare(self, supports: Sequence[Scan]) -> None:
        """Take the supports."""
        self._finder.prepare(supports)

    def locate(self, query: Scan, clock: Clock) -> Answers:
        """Return the answers for a query."""
        for scan, answers in self._last:
            if scan is query:
                return answers
        self._last.append((query, self._finder.locate(query, clock)))
        return self._last[-1][1]


def _moved(answers: Answers, far_mm: float, generator: np.random.Generator, *, together: bool) -> Answers:
    """Return answers that lie further by so much, all of them the same way or each its own."""
    ways = generator.normal(size=(1 if together else len(answers), 3))
    moves = np.broadcast_to(far_mm * ways / np.linalg.norm(ways, axis=1, keepdims=True), (len(answers), 3))
    return {
        key: answer if isinstance(answer, str) else replace(answer, points_mm=answer.points_mm + move)
        for (key, answer), move in zip(answers.items(), moves, strict=True)
    }


def _rows(
    about: Mapping[str, Any], judged: Judged, truth: Boxes, known: set[str], *, repaired: bool
) -> Iterator[dict[str, Any]]:
    """Yield a line for each answer for a structure that the query's label says something of."""
    apart = apart_mm(judged.answers)
    for key, answer in judged.answers.items():
        if key.structure not in known:
            continue
        row = dict(about) | {"support": key.support, "structure": key.structure, "found": isinstance(answer, Found)}
        row["repaired"] = repaired
        row["sided"] = judged.turned is None or judged.turned.sided
        row["reason"] = answer if isinstance(answer, str) else ""
        if isinstance(answer, Found) and key in judged.signs:
            true = truth.get(key.structure)
            off = np.inf if true is None else float(wall_distance(true, box_of_points(answer.points_mm)))
            row |= {"off_mm": off, "spread_mm": answer.spread_mm, "apart": apart.get(key, np.nan)}
            row |= dict(zip(SIGNS, judged.signs[key].tolist(), strict=True))
        yield row


def _changes(query: Scan, *, changed: bool, foreign: bool) -> Iterator[tuple[str, Scan, Boxes]]:
    """Yield a query as it is and, where asked, in all changed ways, with the true boxes that it shows then."""
    truth = {name: structure.box_mm for name, structure in query.structures.items()}
    if foreign:
        yield "another body part", query, {}
        return
    yield "as it is", query, truth
    if not changed:
        return
    for kind, turn in TURNS.items():
        yield kind, turned(query, turn), {n: np.sort(box @ turn.matrix.T, axis=0) for n, box in truth.items()}
    boxes = np.stack(list(truth.values()))
    low, high = boxes[:, 0, 2].min(), boxes[:, 1, 2].max()
    ends = query.grid.box_mm[:, 2]
    parts = {
        "lower half": (ends[0], (low + high) / 2), "upper half": ((low + high) / 2, ends[1]),
        "below all": (ends[0], low), "above all": (high, ends[1]),
    }  # fmt: skip
    for kind, (start, end) in parts.items():
        if end - start > 40:
            yield kind, _cut(query, start, end), _shown(truth, start, end)
    for kind, change in _value_changes(query).items():
        volume = query.matching()
        finer = Volume(change(volume.values), volume.grid)
        yield kind, Scan(query.record, change(query.values), query.body, finer=finer), truth


def _shown(truth: Boxes, start: float, end: float) -> Boxes:
    """Return what a scan between two heights shows of boxes; what it does not show is found wrongly wherever it is."""
    seen = {name: box.copy() for name, box in truth.items() if box[1, 2] > start and box[0, 2] < end}
    for box in seen.values():
        box[:, 2] = np.clip(box[:, 2], start, end)
    return seen


def _value_changes(query: Scan) -> dict[str, Callable[[NDArray[np.int16]], NDArray[np.int16]]]:
    """Return ways of changing a scan's values."""
    low, high = int(query.values.min()), int(query.values.max())
    random = np.random.default_rng(1)

    def limited(values: NDArray[Any]) -> NDArray[np.int16]:
        return np.rint(np.clip(values, low, high)).astype(np.int16)

    def field(values: NDArray[np.int16]) -> NDArray[np.int16]:
        slope = np.exp(np.linspace(-0.9, 0.9, values.shape[1]))[:, np.newaxis]
        return limited(low + (values.astype(np.float32) - low) * slope)

    return {
        "noise": lambda values: limited(values + random.normal(0, 0.1 * (high - low) / 2, values.shape)),
        "bias field": field,
        "half as bright": lambda values: limited(low + (values.astype(np.float32) - low) / 2),
    }


def _cut(scan: Scan, start: float, end: float) -> Scan:
    """Return a scan between two heights in mm."""

    def part(values: NDArray[Any], grid: Grid) -> tuple[NDArray[Any], Grid]:
        places = grid.origin_mm[2] + np.arange(grid.size[2]) * grid.spacing_mm[2]
        chosen = np.flatnonzero((places >= start) & (places <= end))
        x, y, _ = grid.origin_mm
        size = (grid.size[0], grid.size[1], len(chosen))
        return values[chosen[0] : chosen[-1] + 1], Grid(size, grid.spacing_mm, (x, y, float(places[chosen[0]])))

    values, grid = part(scan.values, scan.grid)
    body, _ = part(scan.body, scan.grid)
    finer = Volume(*part(scan.matching().values, scan.matching().grid))
    return Scan(replace(scan.record, model=grid, matching=finer.grid), values, body, finer=finer)


if __name__ == "__main__":
    main(sys.argv[1:])
