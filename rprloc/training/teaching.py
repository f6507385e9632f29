"""Where the landmarks of training scans lie, as the student and the ceiling are told: by supports or by labels."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from rprloc.catalogue.rows import BY_LABELS
from rprloc.errors import NothingToLearnError
from rprloc.files import read_json, write_json
from rprloc.geometry import WALLS, FloatArray, robust_mean
from rprloc.methods.answer import Answers, Found
from rprloc.methods.clock import Clock
from rprloc.methods.matched import Matched
from rprloc.methods.start import MapStart
from rprloc.networks.checkpoint import Model
from rprloc.scans.record import ScanRecord
from rprloc.scans.scan import Scan
from rprloc.scans.target import subject_of
from rprloc.training.loop import LOG_SECONDS
from rprloc.training.state import Interrupted
from rprloc.training.task import Lessons

Points = dict[str, FloatArray]
"""Structure -> (6, 3), in the order of the walls, (x, y, z) in mm."""


def true_points(folder: Path, structures: Collection[str] | None) -> Points:
    """Return the landmarks of a preprocessed scan's label, of some structures or of all (None) that are no points."""
    return {
        name: structure.extreme_mm
        for name, structure in ScanRecord.read(folder).structures.items()
        if not structure.is_point and (structures is None or name in structures)
    }


def taught_points(lessons: Lessons, position_map: Model) -> dict[str, Points]:
    """Return by subject where the landmarks of training scans lie.

    Where labels teach it is what those of the scans say; where supports do, what `matched` finds from them: the robust
    mean of their answers, and of a scan that is itself a support what its own label says. What was found is written
    beside the state on the way, and not sought again by the next start; once a signal has asked to stop it raises
    Interrupted. Raises NothingToLearnError where there is nothing to tell.
    """
    by_labels = lessons.task.learns == BY_LABELS
    told = _labelled(lessons) if by_labels else _carried(lessons, position_map)
    told = {subject: points for subject, points in told.items() if points}
    if not told:
        what = "a label of a structure in the training scans" if by_labels else "a support with a label"
        raise NothingToLearnError(f"{lessons.task.network}: found nothing to learn from, expected {what}.")
    return told


def _labelled(lessons: Lessons) -> dict[str, Points]:
    """Return what the labels of the training scans say."""
    return {subject_of(folder): true_points(folder, lessons.task.settings.structures) for folder in lessons.training}


def _carried(lessons: Lessons, position_map: Model) -> dict[str, Points]:
    """Return what `matched` finds in the training scans from the supports; raises Interrupted."""
    state, scans = lessons.state, lessons.training
    assert state.path is not None
    kept = state.path.with_suffix(".landmarks.json")
    supports = [scan for folder in lessons.supports if (scan := Scan.read(folder)) is not None and scan.structures]
    told = read_points(kept) if kept.exists() else {}
    missing = [folder for folder in scans if supports and subject_of(folder) not in told]
    logged = time.monotonic()
    for number, (subject, points) in enumerate(_answered(missing, supports, lessons, position_map), start=1):
        told[subject] = points
        if state.interrupted or number == len(missing) or time.monotonic() - logged >= LOG_SECONDS:
            write_points(kept, told)
            lessons.log(f"landmarks of {len(supports)} supports carried to {len(told)} of {len(scans)} training scans")
            logged = time.monotonic()
        if state.interrupted:
            raise Interrupted("stopped while landmarks were carried; the next start goes on from here")
    return told


def _answered(
    scans: Sequence[Path], supports: Sequence[Scan], lessons: Lessons, position_map: Model
) -> Iterator[tuple[str, Points]]:
    """Yield what `matched` finds in each scan from the supports."""
    if not scans:
        return
    asked = lessons.task.settings.structures
    names = None if asked is None else list(asked)
    start = MapStart(position_map, seed=0)
    matched = Matched(start, window=position_map.settings.window, structures=names, device=lessons.device)
    matched.prepare(supports)
    own = {scan.subject for scan in supports}
    for folder in scans:
        subject = subject_of(folder)
        if subject in own:
            yield subject, true_points(folder, names)
        else:
            scan = Scan.read(folder)
            yield subject, {} if scan is None else _agreed(matched.locate(scan, Clock()))


def _agreed(answers: Answers) -> Points:
    """Return the robust means of what the supports found in a scan, without single landmarks and without structures
    that most of those that have them did not find.
    """
    found: dict[str, list[FloatArray]] = {}
    asked: dict[str, int] = {}
    for key, answer in answers.items():
        asked[key.structure] = asked.get(key.structure, 0) + 1
        if isinstance(answer, Found) and len(answer.points_mm) == len(WALLS):
            found.setdefault(key.structure, []).append(answer.points_mm)
    return {name: robust_mean(points) for name, points in found.items() if 2 * len(points) >= asked[name]}


def write_points(path: Path, told: Mapping[str, Points]) -> None:
    """Write what scans are said to have as JSON, whole."""
    write_json(path, {subject: {name: p.tolist() for name, p in points.items()} for subject, points in told.items()})


def read_points(path: Path) -> dict[str, Points]:
    """Read what `write_points` wrote."""
    return {
        subject: {name: np.array(p, dtype=np.float64) for name, p in points.items()}
        for subject, points in read_json(path).items()
    }
