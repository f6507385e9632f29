"""Whether an answer is to be trusted, at a glance: PASS, WARN or FAIL, and why, by what is known without any truth; and
how it did where there is one.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from rprloc.methods.answer import DOUBTFUL, LOST, OUTSIDE, Prediction
from rprloc.results.report.words import Entry, number, percent

PASS, WARN, FAIL = "PASS", "WARN", "FAIL"
FAILURE_IOU, FAILURE_MM = 0.3, 20.0
"""An answer below this IoU, or so far off, is wrong: as table `calibration` and the column `lost` mean it."""
_REASONS = {
    LOST: "no answer: what was found is likelier wrong than 99 in 100 good answers are",
    OUTSIDE: "no answer: the scan shows less than half of it",
}


class Verdict(NamedTuple):
    """PASS, WARN or FAIL, and in words why."""

    status: str
    why: str


def of_doubt(one: Prediction, within_mm: float) -> Verdict:
    """Return what is to be thought of an answer without knowing the truth; `within_mm` is its 90 % distance, NaN where
    nothing is known of it.

    WARN: it may be lost, its walls may lie half its shortest side away, or the scan lies otherwise than it says.
    """
    if one.failed:
        return Verdict(FAIL, _REASONS.get(one.reason or "", f"no answer: {one.reason or 'no reason was written'}"))
    said = []
    if one.lost is not None and one.lost >= DOUBTFUL:
        said.append(f"lost with {percent(one.lost, 0)} %")
    if one.box_mm is not None and not math.isnan(within_mm):
        side = min(high - low for low, high in zip(*one.box_mm, strict=True))
        if within_mm >= side / 2:
            said.append(f"walls within {number(within_mm, 0)} mm, where its shortest side is {number(side, 0)} mm")
    if one.turned:
        said.append(one.turned)
    return Verdict(WARN if said else PASS, "; ".join(said))


def of_error(entry: Entry) -> Verdict | None:
    """Return how an answer did, None without truth.

    FAIL: IoU below FAILURE_IOU, or FAILURE_MM off; WARN: further off than its own 90 % distance, of a box without one
    IoU below one half.
    """
    iou, off_mm = entry["iou"], entry["mre_mm"] if math.isnan(entry["iou"]) else entry["awd_mm"]
    if math.isnan(iou) and math.isnan(off_mm):
        return None
    if entry["failed"]:
        return Verdict(FAIL, "missing")
    said = [] if math.isnan(iou) else [f"IoU {percent(iou, 0)} %"]
    said += [] if math.isnan(off_mm) else [f"{number(off_mm, 1)} mm off"]
    words, within_mm = ", ".join(said), entry["within_90_mm"]
    if iou < FAILURE_IOU or off_mm > FAILURE_MM:
        return Verdict(FAIL, words)
    if off_mm > within_mm:
        return Verdict(WARN, f"{words}, more than its own {number(within_mm, 1)} mm")
    return Verdict(WARN if math.isnan(within_mm) and iou < 0.5 else PASS, words)
