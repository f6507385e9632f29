"""Where the landmarks of training scans lie, as the student and the ceiling are told: by supports or by labels."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch

from rprloc.cohort.methods import CEILING
from rprloc.errors import NothingToLearnError
from rprloc.files import read_json, write_json
from rprloc.geometry import WALLS, FloatArray, robust_mean
from rprloc.methods.matched import Matched
from rprloc.methods.prediction import Scan
from rprloc.methods.start import MapStart
from rprloc.networks.checkpoint import Model
from rprloc.scans.preprocess import subject_of
from rprloc.training.loop import LOG_SECONDS
from rprloc.training.state import Interrupted

Points = dict[str, FloatArray]
"""Structure -> (6, 3), in the order of the walls, (x, y, z) in mm."""


def true_points(folder: Path, structures: Sequence[str] | None) -> Points:
    """Return the landmarks of a preprocessed scan's label, of some structures or of all (None)."""
    about = read_json(folder / f"{subject_of(folder)}.json")
    labelled = about["structures"] if about["status"] == "ok" else {}
    return {
        name: np.array([of["extreme_mm"][wall] for wall in WALLS], dtype=np.float64)
        for name, of in labelled.items()
        if structures is None or name in structures
    }


def taught_points(
    stage: str,
    scans: Sequence[Path],
    *,
    supports: Sequence[Path],
    body_map: Model,
    structures: Sequence[str] | Mapping[str, int] | None,
    kept: Path,
    device: torch.device,
    stopped: Callable[[], bool],
    log: Callable[[str], None],
) -> dict[str, Points]:
    """Return by subject where the landmarks of training scans lie.

    The ceiling is told what their labels say; the student what `matched` finds from the supports, the robust mean of
    their answers, and of a scan that is itself a support what its own label says. `scans` and `supports` are folders of
    preprocessed scans, `body_map` is the position map, `structures` the names that count (None: all). What was found is
    written to the file `kept` on the way, and not sought again by the next start; once `stopped` says so it raises
    Interrupted. Raises NothingToLearnError where there is nothing to tell.
    """
    names = None if structures is None else list(structures)
    logged = time.monotonic()
    if stage == CEILING:
        told = {subject_of(folder): true_points(folder, names) for folder in scans}
    else:
        read = [scan for folder in supports if (scan := Scan.read(folder)) is not None and scan.structures]
        told = read_points(kept) if kept.exists() else {}
        missing = [folder for folder in scans if read and subject_of(folder) not in told]
        for number, (subject, points) in enumerate(_answered(missing, read, body_map, names, device), start=1):
            told[subject] = points
            if stopped() or number == len(missing) or time.monotonic() - logged >= LOG_SECONDS:
                write_points(kept, told)
                log(f"landmarks of {len(read)} supports carried to {len(told)} of {len(scans)} training scans")
                logged = time.monotonic()
            if stopped():
                raise Interrupted("stopped while landmarks were carried; the next start goes on from here")
    told = {subject: points for subject, points in told.items() if points}
    if not told:
        what = "a label of a structure in the training scans" if stage == CEILING else "a support with a label"
        raise NothingToLearnError(f"{stage}: found nothing to learn from, expected {what}.")
    return told


def _answered(
    scans: Sequence[Path],
    supports: Sequence[Scan],
    body_map: Model,
    names: list[str] | None,
    device: torch.device,
) -> Iterator[tuple[str, Points]]:
    """Yield what `matched` finds in each scan from the supports."""
    if not scans:
        return
    start = MapStart(body_map, seed=0)
    matched = Matched(start, window=body_map.settings.window, structures=names, drawn=None, device=device)
    matched.prepare(supports)
    shown = {scan.subject: set(scan.structures) for scan in supports}
    for folder in scans:
        subject = subject_of(folder)
        scan = None if subject in shown else Scan.read(folder)
        if subject in shown:
            yield subject, true_points(folder, names)
        else:
            yield subject, {} if scan is None else _agreed(matched, scan, shown)


def _agreed(matched: Matched, scan: Scan, has: Mapping[str, Collection[str]]) -> Points:
    """Return the robust means of what the supports found in a scan, without structures that most of those that have
    them did not find.
    """
    found: dict[str, list[list[list[float]]]] = {}
    asked: dict[str, int] = {}
    for row in matched.locate(scan):
        if row.structure not in has[row.support]:
            continue
        asked[row.structure] = asked.get(row.structure, 0) + 1
        if row.points_mm is not None:
            found.setdefault(row.structure, []).append([row.points_mm[wall] for wall in WALLS])
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
