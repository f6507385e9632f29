"""Can one tell without labels which scan to annotate? `python -m benchmarks.support_choice SHEET` tests four scores.

Every labelled training and validation scan of the sheet is a support for the validation scans, by `matched` with the
shipped position map. How good a support is: its IoU less the mean of all supports' for the same structure and query,
averaged. A score of a scan looks at no label. A line has Spearman's rank correlation of a score with that, with a 95 %
interval by bootstrap over the supports; lower scores should mean better supports, so a useful one is below zero.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy import stats

from benchmarks.bundled import openkbp_settings
from benchmarks.matched import matched_from
from benchmarks.registration import labelled_scans, rows_of
from rprloc.cohort.weights import shipped_folder
from rprloc.geometry import Affine, FloatArray
from rprloc.methods.approach import SPACING_MM
from rprloc.methods.looks import Looks
from rprloc.methods.matched import Matched
from rprloc.methods.start import MapStart
from rprloc.networks.checkpoint import read_model
from rprloc.networks.device import set_up_cpu
from rprloc.results.measure.metrics import metrics_of
from rprloc.scans.scan import Scan


def main(sheet: Path) -> None:
    """Print how good the supports are and a line for each score."""
    start = MapStart(read_model(shipped_folder("head-neck-ct") / "position_map.safetensors"), seed=1)
    method = matched_from(start)
    with tempfile.TemporaryDirectory() as folder:
        queries = labelled_scans(sheet, Path(folder), "validation")
        supports = [scan for scan in labelled_scans(sheet, Path(folder), "train", "validation") if scan.structures]
        good = _how_good(method, supports, queries)
        scores = _scores(start, supports)
    print(
        f"{len(supports)} supports, {len(queries)} queries: IoU less the mean of all supports from "
        f"{100 * good.min():+.1f} to {100 * good.max():+.1f} points, SD {100 * good.std(ddof=1):.1f}"
    )
    for name, values in scores.items():
        print(f"{name:<44} {_correlation(values, good)}", flush=True)


def _how_good(method: Matched, supports: Sequence[Scan], queries: Sequence[Scan]) -> FloatArray:
    """Return how much better each support's answers are than the mean of all (n,), as a fraction of IoU."""
    method.prepare(supports)
    metrics = metrics_of(rows_of(method, queries), {scan.subject: scan.record for scan in queries})
    known = metrics[metrics["iou"].notna()]
    better = known["iou"] - known.groupby(["structure", "subject"])["iou"].transform("mean")
    # Each structure counts the same, whatever number of queries shows it.
    each = better.groupby([known["support"], known["structure"]]).mean().groupby("support").mean()
    return each.reindex([scan.subject for scan in supports]).to_numpy(dtype=np.float64)


def _scores(start: MapStart, scans: Sequence[Scan]) -> dict[str, FloatArray]:
    """Return the scores (n,) by name: of the affine transforms to the other scans, and of a scan's own map."""
    looks = [Looks.of(scan, openkbp_settings().window, SPACING_MM) for scan in scans]
    maps = [start.query(one) for one in looks]
    places = [start.support(one, one.scan.grid.box_mm) for one in looks]
    distortion, residual = np.full((2, len(scans), len(scans)), np.nan)
    for column, body_map in enumerate(maps):
        for row, found in enumerate(start.affines(places, body_map)):
            if row != column and isinstance(found, Affine):
                met = body_map.met(places[row].latents_mm)
                off = np.linalg.norm(found.carried(places[row].points_mm) - met.positions_mm, axis=1)
                distortion[row, column], residual[row, column] = _stretch(found.matrix), np.median(off)
    return {
        "distortion of the affine to the others": np.nanmean(distortion, axis=1),
        "residual of the affine to the others, mm": np.nanmean(residual, axis=1),
        "own map: distance to a linear one, mm": np.array([body_map.bent_mm() for body_map in maps]),
        "own map: distortion of its slopes": np.array([_stretch(body_map.slopes()) for body_map in maps]),
    }


def _stretch(matrix: FloatArray) -> float:
    """Return how far a matrix (3, 3) is from a rotation: root mean square logarithm of its singular values."""
    return float(np.sqrt(np.mean(np.log(np.linalg.svd(matrix, compute_uv=False)) ** 2)))


def _correlation(scores: FloatArray, good: FloatArray) -> str:
    """Return Spearman's rank correlation with its interval."""

    def spearman(one: FloatArray, other: FloatArray) -> float:
        return float(stats.spearmanr(one, other).statistic)

    interval = stats.bootstrap(
        (scores, good), spearman, paired=True, vectorized=False, n_resamples=5_000, rng=np.random.default_rng(1)
    ).confidence_interval
    return f"Spearman {spearman(scores, good):+.2f} (95 % {interval.low:+.2f} to {interval.high:+.2f})"


if __name__ == "__main__":
    set_up_cpu(None)
    main(Path(sys.argv[1]))
