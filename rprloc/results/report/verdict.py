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
HALF = 0.5
"""A box that shares less with another is no longer the same one: half of what both cover."""
_REASONS = {
    LOST: "no answer: what was found is likelier wrong than 99 in 100 good answers are",
    OUTSIDE: "no answer: the scan shows less than half of it",
}


class Verdict(NamedTuple):
    """PASS, WARN or FAIL, and in words why."""

    status: str
    why: str


class Sign(NamedTuple):
    """What speaks against an answer: how much, doubtful from 1 on, and in words."""

    weight: float
    words: str


def signs(one: Prediction, within_mm: float, shared: float | None = None) -> list[Sign]:
    """Return what is known against an answer that was found; `within_mm` is its 90 % distance, NaN where that is not
    known, `shared` the IoU of its supports' own boxes, if there are several.

    It may be lost; its walls may lie half its shortest side away; where no distance says so, its supports may share
    less than half of what they cover; the scan may lie otherwise than it says, or be longer.
    """
    found = []
    if one.lost is not None:
        found.append(Sign(one.lost / DOUBTFUL, f"lost with {percent(one.lost, 0)} %"))
    if one.box_mm is not None and not math.isnan(within_mm):
        side = min(high - low for low, high in zip(*one.box_mm, strict=True))
        words = f"walls within {number(within_mm, 0)} mm, where its shortest side is {number(side, 0)} mm"
        found.append(Sign(2 * within_mm / side if side > 0 else math.inf, words))
    elif shared is not None:
        words = f"its supports' boxes share {percent(shared, 0)} % of what they cover"
        found.append(Sign((1 - shared) / (1 - HALF), words))
    if one.doubt_of_header:
        found.append(Sign(math.inf, one.doubt_of_header))
    return found


def of_doubt(one: Prediction, within_mm: float, shared: float | None = None) -> Verdict:
    """Return what is to be thought of an answer without knowing the truth: WARN where a sign says that it is doubtful,
    the weightiest first.
    """
    if one.failed:
        return Verdict(FAIL, _REASONS.get(one.reason or "", f"no answer: {one.reason or 'no reason was written'}"))
    said = sorted((sign for sign in signs(one, within_mm, shared) if sign.weight >= 1), key=lambda sign: -sign.weight)
    return Verdict(WARN if said else PASS, "; ".join(sign.words for sign in said))


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
    return Verdict(WARN if math.isnan(within_mm) and iou < HALF else PASS, words)
