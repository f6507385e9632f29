"""How the report says things: results in a sentence, scores in few words."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any, Protocol

import pandas as pd

from rprloc.catalogue import PAPER
from rprloc.methods.answer import ALL_SUPPORTS, NO_SUPPORT, Setting
from rprloc.results.frame import alone, points_with_truth, together
from rprloc.results.shown import CohortShown

Entry = Mapping[Any, Any]
"""A row of metrics.csv."""
Numbers = Mapping[str, float | None]


def number(value: float | None, digits: int) -> str:
    """Return a number with so many digits after the point, or a dash where it is not known."""
    return "–" if value is None or math.isnan(value) else f"{value:.{digits}f}"


def percent(fraction: float | None, digits: int) -> str:
    """Return a fraction in % with so many digits after the point, or a dash where it is not known."""
    return number(None if fraction is None else 100 * fraction, digits)


def how_in_words(method: str, setting: str) -> str:
    """Return how a prediction was made: the steps of the paper's method, or another method's name."""
    if method != PAPER or not setting:
        return method
    steps = Setting.of(setting)
    return " + ".join(["coarse"] * steps.coarse + ["fine"] * steps.fine)


def headline(main: pd.DataFrame, shown: CohortShown) -> str:
    """Return one cohort's result in a few sentences, from the metrics rows of its main method."""
    if main.empty:
        return "There is nothing to report: no query, no support or no structure."
    queries, structures = main["subject"].nunique(), main["structure"].nunique()
    asked = f"{structures} structure{'s' * (structures != 1)} in {queries} quer{'y' if queries == 1 else 'ies'}"
    points = _points(main)
    if main["iou"].notna().any():
        return " ".join([_measured(main, shown, asked), *points])
    return f"{asked[0].upper()}{asked[1:]}. {points[0]}" if points else _found(main, asked)


def _points(main: pd.DataFrame) -> list[str]:
    """Return a sentence about the single landmarks whose true places are known, if there are any."""
    known = points_with_truth(main)
    rows = known[known["support"] == ALL_SUPPORTS]
    if not len(rows):
        rows = alone(known)
    if not len(rows):
        return []
    given = "all supports together" if (rows["support"] == ALL_SUPPORTS).any() else "one support"
    names, off = rows["structure"].nunique(), number(float(rows["mre_mm"].mean()), 1)
    return [f"{names} single landmark{'s' * (names != 1)}, {given}: {off} mm off in the mean, where found."]


def _found(main: pd.DataFrame, asked: str) -> str:
    """Return the headline of a cohort without truth."""
    drawn, every = main[main["drawn"]], together(main)
    name = _drawn_support(main)
    given = "Without a support" if name == NO_SUPPORT else f"With {name} as the one annotated scan"
    given = f"With {every['n_supports'].max()} annotated scans together" if len(every) else given
    shown = every if len(every) else drawn
    return (
        f"{given}, {(~shown['failed']).sum()} of {len(shown)} answers were found ({asked}). "
        "No query has a label, so nothing says how good they are: look at the pictures."
    )


def _measured(main: pd.DataFrame, shown: CohortShown, asked: str) -> str:
    """Return the headline of a cohort with truth."""
    how = how_in_words(shown.method, shown.setting)
    if shown.method == PAPER:
        how += f", K = {Setting.of(shown.setting).starts}"
    every, name = together(main), _drawn_support(main)
    sentences = []
    if len(every):
        supports = every["n_supports"].max()
        sentences.append(f"all {supports} supports together, {how}: {_numbers(shown.numbers['together'])}.")
    if main["drawn"].any():
        given = "without a support" if name == NO_SUPPORT else f"{name} (drawn) as the one annotated scan"
        sentences.append(f"{given}, {how}: {_numbers(shown.numbers['drawn'])}.")
    if sentences:
        sentences[0] = f"{asked.capitalize()}, {sentences[0]}"
    supports = alone(main)["support"].nunique()
    if supports > 1 or not sentences:
        sentences.append(f"Each of {supports} supports alone: {_numbers(shown.numbers['alone'])}.")
    return " ".join(sentences)


def _drawn_support(main: pd.DataFrame) -> str:
    """Return the name of the drawn support in metrics rows of the main method."""
    return str(next(iter(main.loc[main["drawn"], "support"]), "none"))


def _numbers(values: Numbers) -> str:
    """Return the mean IoU and AWD with their intervals, in words."""
    text = (
        f"mean IoU {percent(values['iou'], 1)} % "
        f"(95 % interval {percent(values['iou_low'], 1)} to {percent(values['iou_high'], 1)}), "
        f"AWD {number(values['awd_mm'], 2)} mm "
        f"({number(values['awd_low_mm'], 2)} to {number(values['awd_high_mm'], 2)}), n = {number(values['n'], 0)}"
    )
    if values["iou_sd_supports"] is not None:
        text += f", SD between supports {percent(values['iou_sd_supports'], 1)} points"
    missing = f", {number(values['failures'], 0)} of {number(values['answers'], 0)} answers missing"
    return text + (missing if values["failures"] else "")


def score_in_legend(entry: Entry) -> str:
    """Return a prediction's score for a legend of many."""
    if entry["failed"]:
        return "no answer"
    if math.isnan(entry["iou"]):
        return "found" if math.isnan(entry["mre_mm"]) else f"{number(entry['mre_mm'], 1)} mm off"
    return f"{percent(entry['iou'], 0)} %, {number(entry['awd_mm'], 1)} mm"


def short(name: str, longest: int = 40) -> str:
    """Return a name that leaves room for the rest of a picture's heading; the page has it in full."""
    return name if len(name) <= longest else name[: longest - 1] + "…"


class Answered(Protocol):
    """What a glance has to know of an answer."""

    @property
    def subject(self) -> str:
        """Its query."""

    @property
    def structure(self) -> str:
        """What was looked for."""

    @property
    def doubt(self) -> tuple[str, str]:
        """PASS, WARN or FAIL, and why."""

    @property
    def within_90_mm(self) -> float | None:
        """Its 90 % distance."""

    @property
    def shared(self) -> float | None:
        """The IoU of its supports' own boxes."""


def glance(answers: Sequence[Answered]) -> str:
    """Return one cohort's answers in a sentence: how many there are, are doubtful and failed, and how near they are."""
    if not answers:
        return "There is nothing to report: no query, no support or no structure."
    count = Counter(one.doubt[0] for one in answers)
    scans, structures = len({one.subject for one in answers}), len({one.structure for one in answers})
    said = (
        f"{_many(structures, 'structure')} looked for in {_many(scans, 'scan')}: {_many(count['PASS'], 'answer')} with "
        f"nothing against {'it' if count['PASS'] == 1 else 'them'}, {count['WARN']} doubtful, {count['FAIL']} missing"
    )
    within = [one.within_90_mm for one in answers if one.within_90_mm is not None]
    if within:
        return f"{said}; walls are within {number(median(within), 1)} mm nine times in ten (median of {len(within)})."
    shared = [one.shared for one in answers if one.shared is not None]
    if shared:
        told = f"boxes from one support and another share {percent(median(shared), 0)} % (median of {len(shared)})"
        return f"{said}; {told}. A distance of the walls takes four annotated scans."
    return f"{said}. With one annotated scan the pictures alone say how near the walls are."


def _many(count: int, what: str) -> str:
    """Return a number of things."""
    return f"{count} {what}{'s' * (count != 1)}"
