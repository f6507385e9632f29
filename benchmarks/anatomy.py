"""How well `matched` finds without a network in any anatomy, beside registrations.

    python -m benchmarks.anatomy SHEET,SETTINGS[,SPLIT...] ... [--methods affine,bspline,convex,syn] [--supports 3]

Of each sheet up to 20 labelled scans (of the splits, if any are named) are searched from each of its first ones, by
`matched`, which lays them over each other, and by the registrations that are named (affine; none for ""). A line has a
number of supports' IoU and wall distance with their 95 % intervals over the queries, failures, and seconds a pair;
another one how many answers are far off, and how well `lost` tells them.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch

from benchmarks.ablation import supports_lines
from benchmarks.lost import Cohort, prepared
from rprloc.geometry import box_of_points
from rprloc.methods.answer import DOUBTFUL, Answers, Finder, Found, prediction_of
from rprloc.methods.clock import Clock
from rprloc.methods.judged import Judged
from rprloc.methods.lost import LOST_AT, OFF_MM, Judge
from rprloc.methods.matched import Matched
from rprloc.methods.registration import Registration
from rprloc.methods.start import LaidStart
from rprloc.networks.device import set_up_cpu
from rprloc.results.measure.metrics import wall_distance
from rprloc.results.tables.calibration import auroc
from rprloc.scans.scan import Scan

_FAR_MM = 40.0


def main(asked: Sequence[str], methods: Sequence[str], supports: int) -> None:
    """Print the lines of each cohort and method, for so many supports."""
    with tempfile.TemporaryDirectory() as folder:
        for cohort in prepared([one.split(",") for one in asked], Path(folder)):
            scans = [scan for subject in cohort.own if (scan := cohort.scan(subject)) is not None]
            judge = Judge(scans[:supports], cohort.settings.window, seed=1)
            for finder in _finders(cohort, methods):
                finder.prepare(scans[:supports])
                for line in _lines(finder, scans, judge):
                    print(f"{cohort.name:<12} {line}", flush=True)


def _finders(cohort: Cohort, methods: Sequence[str]) -> list[Finder]:
    """Return `matched`, and what registers by some methods."""
    window, names = cohort.settings.window, cohort.settings.structures
    wanted = None if names is None else list(names)
    registered = dict.fromkeys(methods, "extreme")
    matched = Matched(LaidStart(window, seed=1), window=window, device=torch.device("cpu"), structures=wanted)
    return [matched, Registration(registered, window=window, structures=wanted, seed=1)] if methods else [matched]


def _lines(finder: Finder, scans: Sequence[Scan], judge: Judge) -> Iterator[str]:
    """Yield the lines of each of a prepared finder's methods."""
    clocks = [Clock() for _ in scans]
    found = [finder.locate(query, clock) for query, clock in zip(scans, clocks, strict=True)]
    for method in sorted({key.method for answers in found for key in answers}):
        own = [{key: answer for key, answer in answers.items() if key.method == method} for answers in found]
        pairs = sum(len({key.support for key in answers}) for answers in own)
        spent = sum(taken for clock in clocks for part, taken in clock.seconds.items() if part.method in ("", method))
        yield from _lines_of(f"{method:<8}", scans, own, spent / pairs, judge)


def _lines_of(
    name: str, scans: Sequence[Scan], answers: Sequence[Answers], seconds: float, judge: Judge
) -> Iterator[str]:
    """Yield a method's line for each number of supports, and one of how well its lost answers are told."""
    rows = [
        prediction_of(query, key, answer, drawn=None)
        for query, own in zip(scans, answers, strict=True)
        for key, answer in own.items()
    ]
    records = {scan.subject: scan.record for scan in scans}
    yield from supports_lines(name, rows, records, seconds)
    off, lost = np.array([one for query, own in zip(scans, answers, strict=True) for one in _told(query, own, judge)]).T
    wrong = off > OFF_MM
    parts = [
        f"from {at:g} on {100 * (lost >= at)[wrong].mean() if wrong.any() else 0:.0f} % of them and "
        f"{100 * (lost >= at)[~wrong].mean():.0f} % of the others"
        for at in (LOST_AT, DOUBTFUL)
    ]
    tells = f"AUROC {auroc(lost, wrong):.3f}" if wrong.any() else "none to be told"
    yield (
        f"{name} of {len(off)} answers {wrong.sum()} more than {OFF_MM:.0f} mm off, {(off > _FAR_MM).sum()} more "
        f"than {_FAR_MM:.0f} mm; by `lost`: {tells}, {'; '.join(parts)}"
    )


def _told(query: Scan, answers: Answers, judge: Judge) -> Iterator[tuple[float, float]]:
    """Yield how far each answer is off, of a structure that is there, and the probability that it is lost."""
    lost = Judged(answers, judge.signs(query, answers)).lost
    for key, answer in answers.items():
        true = query.structures.get(key.structure)
        if true is not None and isinstance(answer, Found):
            off = float(wall_distance(true.box_mm, box_of_points(answer.points_mm)))
            yield off, lost.get(key, 0.0)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.anatomy")
    parser.add_argument("cohorts", nargs="+", metavar="SHEET,SETTINGS[,SPLIT...]")
    parser.add_argument("--methods", default="affine")
    parser.add_argument("--supports", type=int, default=3)
    given = parser.parse_args()
    set_up_cpu(None)
    main(given.cohorts, [name for name in given.methods.split(",") if name], given.supports)
