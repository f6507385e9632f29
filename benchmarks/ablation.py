"""What each part of `matched` is worth: `python -m benchmarks.ablation SHEET [SPLIT]` leaves some out in turn.

The labelled scans of SPLIT (validation) are searched by the shipped position map from every labelled validation scan
but themselves. A line has a number of supports' IoU and wall distance with their 95 % intervals over the queries, as
table 4 has them, and seconds a pair. `test` is for the last figures: nothing is chosen by it.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
from torch import Tensor

from benchmarks.bundled import openkbp_settings
from benchmarks.matched import matched_from
from benchmarks.registration import labelled_scans, rows_of
from rprloc.cohort.weights import shipped_folder
from rprloc.geometry import Affine, FloatArray
from rprloc.methods import approach, coupled, matched, surfaces
from rprloc.methods.answer import Prediction
from rprloc.methods.approach import Approach
from rprloc.methods.bend import Bend
from rprloc.methods.carry import Matching
from rprloc.methods.coupled import _coupling
from rprloc.methods.levels import AGAIN, BENDING, COARSE, Level
from rprloc.methods.matched import Matched, _Bent, _Found
from rprloc.methods.refined import Nearby
from rprloc.methods.start import LaidStart, MapStart, Start
from rprloc.methods.vicinity import Vicinity
from rprloc.networks.checkpoint import read_model
from rprloc.networks.device import set_up_cpu
from rprloc.results.frame import Main
from rprloc.results.measure.by_support import by_support
from rprloc.results.measure.expected import Scans
from rprloc.results.measure.metrics import metrics_of
from rprloc.results.measure.supports import tidy_supports
from rprloc.results.statistics import MEAN
from rprloc.scans.scan import Scan


@dataclass(frozen=True)
class Variant:
    """The method with some of its names replaced."""

    words: str
    instead: Sequence[tuple[Any, str, Any]] = ()
    """(module or class, name, what stands there instead)."""
    laid: bool = False
    """Whether it starts by laying the support over the query in place of the position map."""


def _unmoved(support: Any, start: _Bent | str, shown: Vicinity | str) -> _Found | str:
    """Leave points where the coarse steps have them."""
    if isinstance(start, str):
        return start
    if isinstance(shown, str):
        return shown
    points = support.points_mm
    return _Found(
        Matching(start.affine, points, start.bend.at(points)), np.zeros(len(points)), support.ready.spacing_mm
    )


def _unbent(self: Approach, _query: Any, start: Affine) -> tuple[Affine, Bend]:
    return start, Bend(self._points_mm, np.zeros_like(self._points_mm))


def _alone(costs: Tensor, _moves_mm: Tensor, _coupling: Tensor, _together: float) -> Tensor:
    return costs


def _bound(points_mm: FloatArray, _owners: Any, level: Level) -> Tensor:
    return _coupling(points_mm, np.zeros(len(points_mm), dtype=np.int64), level)


def _extreme_points(self: Scan) -> dict[str, FloatArray]:
    return {name: structure.extreme_mm for name, structure in self.structures.items()}


def _none(*_asked: Any) -> None:
    return None


def _no_profiles(*_asked: Any) -> dict[str, Any]:
    return {}


_ALIKE = tuple(
    (approach, name, replace(level, elsewhere=1.0))
    for name, level in (("COARSE", COARSE), ("AGAIN", AGAIN), ("BENDING", BENDING))
)
_NO_TIPS = ((surfaces, "_TIPS", 0.0), (surfaces, "_FINER_TIPS", 0.0))
_NO_PROFILES = (matched, "profiles_of", _no_profiles)
_FEW = (*_NO_TIPS, (Nearby, "of", _none))
_SIX = (*_FEW, (matched, "FEW", 6))
_EXTREME = (*_SIX, (Scan, "surfaces_mm", _extreme_points))
VARIANTS = (
    Variant("affine start alone, six points", (*_EXTREME, (Approach, "bent", _unbent), (matched, "_found", _unmoved))),
    Variant("+ each structure moves as one piece", (*_EXTREME, (matched, "_found", _unmoved))),
    Variant("+ each of the six points by itself", (*_EXTREME, (coupled, "_agreed", _alone))),
    Variant("+ points around agree", _EXTREME),
    Variant("+ the whole surface carried", _SIX),
    Variant("+ eight more points", _FEW),
    Variant("+ many more, near where these moved", (*_NO_TIPS, _NO_PROFILES)),
    Variant("+ tips beyond the walls", (_NO_PROFILES,)),
    Variant("+ what surfaces look like: matched"),
    Variant("without pieces", ((Approach, "bent", _unbent),)),
    Variant("large structures do not bend before the fine matching", ((approach, "_LARGE_MM", np.inf),)),
    Variant("what lies beside a structure counts as much", _ALIKE),
    Variant("organs bound as if they were one", ((coupled, "_coupling", _bound),)),
    Variant("started by laying the support over", laid=True),
)


def main(sheet: Path, split: str) -> None:
    """Print the lines of each variant."""
    settings = openkbp_settings()
    model = read_model(shipped_folder("head-neck-ct") / "position_map.safetensors")
    with tempfile.TemporaryDirectory() as folder:
        supports = labelled_scans(sheet, Path(folder), "validation")
        queries = supports if split == "validation" else labelled_scans(sheet, Path(folder), split)

        def method(*, laid: bool) -> Matched:
            start: Start = LaidStart(settings.window, seed=1) if laid else MapStart(model, seed=1)
            return matched_from(start)

        for variant in VARIANTS:
            for line in _lines(variant, supports, queries, method):
                print(line, flush=True)


def _lines(
    variant: Variant, supports: Sequence[Scan], queries: Sequence[Scan], method: Callable[..., Matched]
) -> Iterator[str]:
    """Yield a variant's line for each number of supports."""
    with ExitStack() as stack:
        for owner, name, value in variant.instead:
            stack.enter_context(patch.object(owner, name, value))
        chosen = method(laid=variant.laid)
        chosen.prepare(supports)
        began = time.perf_counter()
        rows = rows_of(chosen, queries)
        seconds = time.perf_counter() - began
    seconds /= len({(row.subject, row.support) for row in rows})
    records = {scan.subject: scan.record for scan in [*supports, *queries]}
    yield from supports_lines(f"{variant.words:<44}", rows, records, seconds)


def supports_lines(words: str, rows: Sequence[Prediction], records: Scans, seconds: float) -> Iterator[str]:
    """Yield a line for each number of supports of one method's predictions, which took so many seconds a pair."""
    (main,) = {Main(row.method, row.setting) for row in rows}
    metrics = metrics_of(rows, records, main=[main])
    table = tidy_supports(by_support(rows, metrics, records), seed=1)
    for line in table[table["structure"] == MEAN].to_dict("records"):
        iou, awd = line["iou_high"] - line["iou_low"], line["awd_high_mm"] - line["awd_low_mm"]
        yield (
            f"{words} {line['supports']} of {line['of_supports']} supports, n = {line['n']}: "
            f"{100 * line['iou']:.1f} ±{50 * iou:.1f} % / {line['awd_mm']:.2f} ±{awd / 2:.2f} mm, "
            f"{line['failures']} of {line['answers']} failed; {seconds:.2f} s a pair"
        )


if __name__ == "__main__":
    set_up_cpu(None)
    main(Path(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else "validation")
