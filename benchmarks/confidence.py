"""What tells a good answer of one support from a bad one? `python -m benchmarks.confidence SHEET` tests five signs.

Every labelled validation scan of the sheet is searched from every other by `matched` with the shipped position map. A
line has a sign's rank correlation (Spearman) with 1 - IoU, the mean over the structures, with its 95 % interval by
bootstrap over the queries; and how often a failure (IoU < 0.3) has more of it than another answer (AUROC).
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats
from torch import Tensor

from benchmarks.matched import matched_from
from benchmarks.registration import iou_of, labelled_scans, rows_of
from rprloc.cohort.weights import shipped_folder
from rprloc.geometry import Affine, FloatArray
from rprloc.methods import coupled
from rprloc.methods.answer import Prediction
from rprloc.methods.coupled import Features, Moves, Surroundings
from rprloc.methods.levels import FINE
from rprloc.methods.matched import Matched
from rprloc.methods.start import MapStart
from rprloc.networks.checkpoint import read_model
from rprloc.networks.device import set_up_cpu
from rprloc.results.measure.metrics import wall_distance
from rprloc.results.tables.calibration import FAILURE_IOU, auroc
from rprloc.scans.record import Structure
from rprloc.scans.scan import Scan

SIGNS = {
    "spread_mm": "how far points move otherwise than those around",
    "cost": "cost of the features at the optimum",
    "flatness": "flatness of the cost there: curvature, negative",
    "moved_mm": "residual to the affine: length of the move",
    "cycle_mm": "cycle: carried back, off by",
}
"""More of each should mean a worse answer. The first is the product's `spread_mm`."""

_RESAMPLES = 1_000


@dataclass(frozen=True, eq=False)
class _Found(Scan):
    """A scan whose structures are those that were found in it."""

    def surfaces_mm(self) -> dict[str, FloatArray]:
        """Return what was found, not the surfaces of the scan's label."""
        return {name: structure.extreme_mm for name, structure in self.structures.items()}


def main(sheet: Path) -> None:
    """Print a line for each sign."""
    start = MapStart(read_model(shipped_folder("head-neck-ct") / "position_map.safetensors"), seed=1)
    with tempfile.TemporaryDirectory() as folder:
        scans = labelled_scans(sheet, Path(folder), "validation")
        answers = pd.DataFrame(list(_answers(start, scans)))
    print(f"{len(answers)} answers, {int((answers['iou'] < FAILURE_IOU).sum())} with an IoU below {FAILURE_IOU}")
    for sign, words in SIGNS.items():
        found, low, high = _correlation(answers, sign)
        tells = auroc(answers[sign].to_numpy(), answers["iou"] < FAILURE_IOU)
        print(f"{words:<48} Spearman {found:+.2f} (95 % {low:+.2f} to {high:+.2f}), AUROC {tells:.2f}", flush=True)


def _answers(start: MapStart, scans: Sequence[Scan]) -> Iterator[Mapping[str, Any]]:
    """Yield each answer's query, structure, IoU and signs."""
    method, back = matched_from(start), matched_from(start)
    method.prepare(scans)
    for query in scans:
        with _recorded() as records:
            rows = rows_of(method, [query])
        signs = _signs_of_moves(method, query, records)
        for support in scans:
            own = [row for row in rows if row.support == support.subject and not row.failed]
            cycles = _cycles(back, query, support, own)
            for row in own:
                true = query.structures[row.structure].box_mm
                yield {
                    "subject": query.subject, "structure": row.structure, "iou": iou_of(true, row),
                    "spread_mm": row.spread_mm, "cycle_mm": cycles[row.structure],
                    **signs[support.subject, row.structure],
                }  # fmt: skip


@contextmanager
def _recorded() -> Iterator[list[tuple[Moves, FloatArray]]]:
    """Collect the moves of each support and how flat the costs are at each point's best."""
    records: list[tuple[Moves, FloatArray]] = []
    flat: list[FloatArray] = []
    vertex, moves = coupled._vertex, Surroundings.moves

    def flattened(total: Tensor, best: Tensor) -> Tensor:
        side = total.shape[-1]
        costs = np.pad(total.cpu().numpy(), [(0, 0), *[(1, 1)] * 3], mode="edge")
        at = np.stack(np.unravel_index(best.cpu().numpy(), (side,) * 3)) + 1
        rows = np.arange(len(costs))
        around = [costs[(rows, *(at + sign * step[:, None]))] for step in np.eye(3, dtype=int) for sign in (-1, 1)]
        flat.append(-(np.sum(around, axis=0) - 6 * costs[(rows, *at)]))
        return vertex(total, best)

    def kept(
        self: Surroundings, query: Features, affine: Affine, before_mm: NDArray[np.float32] | None = None
    ) -> Moves:
        found = moves(self, query, affine, before_mm)
        own = flat.pop()
        if self._level is FINE:
            records.append((found, own))
        return found

    with patch.object(coupled, "_vertex", flattened), patch.object(Surroundings, "moves", kept):
        yield records


def _signs_of_moves(
    method: Matched, query: Scan, records: Sequence[tuple[Moves, FloatArray]]
) -> dict[tuple[str, str], dict[str, float]]:
    """Return by support and structure what the moves of its points leave, the mean over them."""
    supports = [support for support in method._supports if support.subject != query.subject]
    return {
        (support.subject, name): {
            "cost": float(moves.costs[surface.own].mean()),
            "flatness": float(flat[surface.own].mean()),
            "moved_mm": float(np.linalg.norm(moves.displacements_mm[surface.own], axis=1).mean()),
        }
        for support, (moves, flat) in zip(supports, records, strict=True)
        for name, surface in support.surfaces.items()
    }


def _cycles(back: Matched, query: Scan, support: Scan, found: Sequence[Prediction]) -> dict[str, float]:
    """Return by structure how far from its own walls a support's box is after the way to a query and back, in mm."""
    if not found:
        return {}
    structures = {row.structure: _structure(row, query.structures[row.structure]) for row in found}
    back.prepare([_Found(replace(query.record, structures=structures), query.values, query.body, query.folder)])
    return {
        row.structure: np.nan
        if row.box_mm is None
        else float(wall_distance(support.structures[row.structure].box_mm, row.box_mm))
        for row in rows_of(back, [support])
    }


def _structure(row: Prediction, true: Structure) -> Structure:
    """Return a structure that lies where it was found."""
    points = np.array(list((row.points_mm or {}).values()))
    return replace(true, box_mm=np.array(row.box_mm), extreme_mm=points)


def _correlation(answers: pd.DataFrame, sign: str) -> tuple[float, float, float]:
    """Return the mean over structures of Spearman's correlation of a sign with 1 - IoU, and its interval."""
    groups = [rows for _, rows in answers.groupby("subject")]

    def mean(rows: pd.DataFrame) -> float:
        each = [stats.spearmanr(own[sign], 1 - own["iou"]).statistic for _, own in rows.groupby("structure")]
        return float(np.mean(each))

    interval = stats.bootstrap(
        (np.arange(len(groups)),), lambda drawn: mean(pd.concat([groups[i] for i in drawn])), vectorized=False,
        n_resamples=_RESAMPLES, method="percentile", rng=np.random.default_rng(1),
    ).confidence_interval  # fmt: skip
    return mean(answers), float(interval.low), float(interval.high)


if __name__ == "__main__":
    set_up_cpu(None)
    main(Path(sys.argv[1]))
