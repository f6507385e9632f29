"""How well `matched` finds without a network in any anatomy: `python -m benchmarks.anatomy SHEET,SETTINGS[,SPLIT…] …`

Of each sheet up to 20 labelled scans (of the splits, if any are named) are searched from each of its first three, by
`matched`, which lays them over each other, and by an affine registration. A line has a number of supports' IoU and wall
distance with their 95 % intervals over the queries, failures, and seconds a pair; another one how many answers are far
off, and how well `lost` tells them.
"""

from __future__ import annotations

import sys
import tempfile
import time
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

_SUPPORTS = 3
_FAR_MM = 40.0


def main(asked: Sequence[str]) -> None:
    """Print the lines of each cohort and method."""
    with tempfile.TemporaryDirectory() as folder:
        for cohort in prepared([one.split(",") for one in asked], Path(folder)):
            scans = [scan for subject in cohort.own if (scan := cohort.scan(subject)) is not None]
            for name, finder in _finders(cohort).items():
                judge = Judge(scans[:_SUPPORTS], cohort.settings.window, seed=1)
                for line in _lines(name, finder, scans, judge):
                    print(f"{cohort.name:<12} {line}", flush=True)


def _finders(cohort: Cohort) -> dict[str, Finder]:
    window, names = cohort.settings.window, cohort.settings.structures
    wanted = None if names is None else list(names)
    return {
        "matched": Matched(
            LaidStart(window, seed=1), window=window, device=torch.device("cpu"), structures=wanted
        ),
        "affine": Registration({"affine": "extreme"}, window=window, structures=wanted, seed=1),
    }  # fmt: skip


def _lines(name: str, finder: Finder, scans: Sequence[Scan], judge: Judge) -> Iterator[str]:
    """Yield a method's line for each number of supports, and one of how well its lost answers are told."""
    finder.prepare(scans[:_SUPPORTS])
    began = time.perf_counter()
    answers = [finder.locate(query, Clock()) for query in scans]
    seconds = time.perf_counter() - began
    rows = [
        prediction_of(query, key, answer, drawn=None)
        for query, own in zip(scans, answers, strict=True)
        for key, answer in own.items()
    ]
    seconds /= len({(row.subject, row.support) for row in rows})
    records = {scan.subject: scan.record for scan in scans}
    yield from supports_lines(f"{name:<8}", rows, records, seconds)
    off, lost = np.array([one for query, own in zip(scans, answers, strict=True) for one in _told(query, own, judge)]).T
    wrong = off > OFF_MM
    parts = [
        f"from {at:g} on {100 * (lost >= at)[wrong].mean() if wrong.any() else 0:.0f} % of them and "
        f"{100 * (lost >= at)[~wrong].mean():.0f} % of the others"
        for at in (LOST_AT, DOUBTFUL)
    ]
    tells = f"AUROC {auroc(lost, wrong):.3f}" if wrong.any() else "none to be told"
    yield (
        f"{name:<8} of {len(off)} answers {wrong.sum()} more than {OFF_MM:.0f} mm off, {(off > _FAR_MM).sum()} more "
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
    set_up_cpu(None)
    main(sys.argv[1:])
