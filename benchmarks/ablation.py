"""What each part of `matched` is worth: `python -m benchmarks.ablation SHEET` leaves some out in turn.

Every labelled validation scan of the sheet is searched from every other by the shipped position map. A line has IoU and
wall distance with their 95 % intervals over the queries, of one support and of all together, and seconds a pair.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch

from benchmarks.bundled import openkbp_settings
from benchmarks.matched import matched_from
from benchmarks.registration import labelled_scans
from rprloc.cohort.weights import shipped_folder
from rprloc.geometry import FloatArray
from rprloc.methods import coupled, matched
from rprloc.methods.coupled import Moves, Surroundings
from rprloc.methods.matched import Matched
from rprloc.methods.prediction import Scan
from rprloc.methods.start import MapStart, RegistrationStart
from rprloc.networks.checkpoint import read_model
from rprloc.networks.device import set_up_cpu
from rprloc.results.combined import alone, combined_rows, together
from rprloc.results.metrics import measure
from rprloc.results.statistics import describe


@dataclass(frozen=True)
class Variant:
    """The method with some of its names replaced."""

    words: str
    instead: Sequence[tuple[Any, str, Any]] = ()
    """(module or class, name, what stands there instead)."""
    registered: bool = False
    """Whether it starts from SimpleITK's affine registration in place of the position map."""


def _unmoved(self: Surroundings, _query: Any, _start: Any) -> Moves:
    count = len(self._points_mm)
    return Moves(np.zeros((count, 3)), np.zeros(count), np.zeros(count))


def _extreme_points(self: Scan) -> dict[str, FloatArray]:
    return {name: self.extreme_points_mm(name) for name in self.structures}


_SCORES = (("iou", ""), ("awd", "_mm"))
"""What is printed, and the end of its columns' names."""

_SIX = ((matched, "_BESIDE", 0), (Scan, "surfaces_mm", _extreme_points))
VARIANTS = (
    Variant("affine start alone, six points", (*_SIX, (Surroundings, "moves", _unmoved))),
    Variant("+ each of the six points matched by itself", (*_SIX, (coupled, "_TOGETHER", 0.0))),
    Variant("+ points around agree", _SIX),
    Variant("+ the whole surface carried", ((matched, "_BESIDE", 0),)),
    Variant("+ eight more points: matched"),
    Variant("matched with 24 more points", ((matched, "_BESIDE", 32),)),
    Variant("matched, started by affine registration", registered=True),
)


def main(sheet: Path) -> None:
    """Print a line for each variant."""
    settings = openkbp_settings()
    model = read_model(shipped_folder("head-neck-ct") / "position_map.safetensors")
    with tempfile.TemporaryDirectory() as folder:
        scans = labelled_scans(sheet, Path(folder), "validation")

        def method(*, registered: bool) -> Matched:
            threads = torch.get_num_threads()
            start = (
                RegistrationStart(settings.window, seed=1, threads=threads) if registered else MapStart(model, seed=1)
            )
            return matched_from(start)

        for variant in VARIANTS:
            print(_figures(variant, scans, method), flush=True)


def _figures(variant: Variant, scans: Sequence[Scan], method: Callable[..., Matched]) -> str:
    """Return a variant's line."""
    with ExitStack() as stack:
        for owner, name, value in variant.instead:
            stack.enter_context(patch.object(owner, name, value))
        chosen = method(registered=variant.registered)
        chosen.prepare(scans)
        began = time.perf_counter()
        rows = [row.to_json() for query in scans for row in chosen.locate(query)]
        seconds = (time.perf_counter() - began) / (len(scans) * (len(scans) - 1))
    subjects = [scan.subject for scan in scans]
    rows += combined_rows(rows, subjects, starts=1)
    truth = {scan.subject: {"status": "ok", "structures": scan.structures} for scan in scans}
    metrics = measure(rows, [], truth)
    parts = []
    for words, own in (("one", alone(metrics)), ("all", together(metrics))):
        found = describe(own)
        iou, awd = ((found[f"{name}_high{unit}"] - found[f"{name}_low{unit}"]) / 2 for name, unit in _SCORES)
        parts.append(
            f"{words} {100 * found['iou']:.1f} ±{100 * iou:.1f} % / {found['awd_mm']:.2f} ±{awd:.2f} mm, "
            f"{found['failures']} of {found['answers']} failed"
        )
    return f"{variant.words:<44} n = {len(scans)}; {'; '.join(parts)}; {seconds:.2f} s"


if __name__ == "__main__":
    set_up_cpu(None)
    main(Path(sys.argv[1]))
