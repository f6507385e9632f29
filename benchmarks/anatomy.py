"""How well `matched` finds without a network in any anatomy, beside registrations.

    python -m benchmarks.anatomy SHEET,SETTINGS[,SPLIT...] ... [--methods affine,bspline,convex,syn] [--supports 3]

Of each sheet up to 20 labelled scans (of the splits, if any are named) are searched from each of its first ones, by
`matched`, which lays them over each other and asks lost answers again by way of other scans, and by the registrations
that are named (affine; none for ""). A line has a number of supports' IoU and wall distance with their 95 % intervals
over the queries, failures, and seconds a pair; another one how many answers are far off, and how well `lost` tells
them.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import msgspec
import numpy as np
import torch

from benchmarks.ablation import supports_lines
from benchmarks.lost import Cohort, prepared
from rprloc.cohort.planner import BRIDGES
from rprloc.geometry import box_of_points
from rprloc.methods.answer import DOUBTFUL, Finder, Found, prediction_of
from rprloc.methods.bridges import Bridges
from rprloc.methods.clock import Clock
from rprloc.methods.coupled import Rooms
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
            searching = _Searching(cohort, scans, scans[:supports])
            for found in searching.found(methods):
                for line in searching.lines(*found):
                    print(f"{cohort.name:<12} {line}", flush=True)


@dataclass(frozen=True)
class _Searching:
    """A cohort whose scans are searched from some of them."""

    cohort: Cohort
    scans: Sequence[Scan]
    supports: Sequence[Scan]
    rooms: Rooms = field(default_factory=Rooms)

    @cached_property
    def judge(self) -> Judge:
        """What judges the answers from the supports."""
        return Judge(self.supports, self.cohort.settings.window, seed=1)

    def found(self, methods: Sequence[str]) -> Iterator[tuple[list[Judged], list[Clock]]]:
        """Yield what `matched` finds in each scan, and what registers by some methods, with the time that it took."""
        clocks, finder = [Clock() for _ in self.scans], self._matched(self.supports)
        yield self._bridged(finder, self._judged(finder, clocks), clocks), clocks
        if methods:
            registered, clocks = dict.fromkeys(methods, "extreme"), [Clock() for _ in self.scans]
            finder = Registration(registered, window=self.cohort.settings.window, structures=self._names, seed=1)
            finder.prepare(self.supports)
            yield self._judged(finder, clocks), clocks

    def lines(self, found: Sequence[Judged], clocks: Sequence[Clock]) -> Iterator[str]:
        """Yield the lines of each method that found something."""
        for method in sorted({key.method for one in found for key in one.answers}):
            pairs = sum(len({key.support for key in one.answers if key.method == method}) for one in found)
            spent = sum(
                taken for clock in clocks for part, taken in clock.seconds.items() if part.method in ("", method)
            )
            yield from self._lines_of(method, found, spent / pairs)

    @property
    def _names(self) -> list[str] | None:
        names = self.cohort.settings.structures
        return None if names is None else list(names)

    def _matched(self, supports: Sequence[Scan]) -> Finder:
        """Return `matched` with supports taken."""
        window = self.cohort.settings.window
        start, device = LaidStart(window, seed=1), torch.device("cpu")
        finder = Matched(start, window=window, device=device, structures=self._names, rooms=self.rooms)
        finder.prepare(supports)
        return finder

    def _judged(self, finder: Finder, clocks: Sequence[Clock]) -> list[Judged]:
        """Return what is found in each scan."""
        found = [finder.locate(query, clock) for query, clock in zip(self.scans, clocks, strict=True)]
        return [Judged(own, self.judge.signs(query, own)) for query, own in zip(self.scans, found, strict=True)]

    def _bridged(self, finder: Finder, found: Sequence[Judged], clocks: Sequence[Clock]) -> list[Judged]:
        """Return answers of which the lost ones were asked again by way of other scans."""
        folders = [folder for scan in self.scans if scan not in self.supports and (folder := scan.folder)]
        bridges = Bridges(folders[:BRIDGES], self.supports, self._matched, self.judge.signs)
        asked = zip(self.scans, found, clocks, strict=True)
        answered = [bridges.answered(finder, query, one, clock) for query, one, clock in asked]
        clocks[0].add("bridges", bridges.seconds)
        return answered

    def _lines_of(self, method: str, found: Sequence[Judged], seconds: float) -> Iterator[str]:
        """Yield a method's line for each number of supports, and one of how well its lost answers are told."""
        rows = [
            msgspec.structs.replace(prediction_of(query, key, answer, drawn=None), lost=one.lost.get(key))
            for query, one in zip(self.scans, found, strict=True)
            for key, answer in one.answers.items()
            if key.method == method
        ]
        records = {scan.subject: scan.record for scan in self.scans}
        name = f"{method:<8}"
        yield from supports_lines(name, rows, records, seconds)
        pairs = zip(self.scans, found, strict=True)
        off, lost = np.array([told for query, one in pairs for told in _told(query, one, method)]).T
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


def _told(query: Scan, judged: Judged, method: str) -> Iterator[tuple[float, float]]:
    """Yield how far each answer is off, of a structure that is there, and the probability that it is lost."""
    for key, answer in judged.answers.items():
        true = query.structures.get(key.structure)
        if key.method == method and true is not None and isinstance(answer, Found):
            off = float(wall_distance(true.box_mm, box_of_points(answer.points_mm)))
            yield off, judged.lost.get(key, 0.0)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.anatomy")
    parser.add_argument("cohorts", nargs="+", metavar="SHEET,SETTINGS[,SPLIT...]")
    parser.add_argument("--methods", default="affine")
    parser.add_argument("--supports", type=int, default=3)
    given = parser.parse_args()
    set_up_cpu(None)
    main(given.cohorts, [name for name in given.methods.split(",") if name], given.supports)
