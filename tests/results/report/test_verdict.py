"""Verdicts: what is doubtful without any truth, and what is wrong with one."""

from __future__ import annotations

import math
from typing import Any

import pytest

from rprloc.methods.answer import Key
from rprloc.results.report.verdict import Verdict, of_doubt, of_error, signs
from tests.results.report.made import failed, predicted

KEY = Key("affine", "extreme", "s0", "mandible")
"""Its box is 24 mm long on every side."""


def test_an_answer_that_nothing_speaks_against() -> None:
    assert of_doubt(predicted(KEY, lost=0.19), 11.9) == Verdict("PASS", "")
    assert of_doubt(predicted(KEY, lost=None), math.nan) == Verdict("PASS", "")
    assert of_doubt(predicted(KEY, lost=0.1), math.nan, 0.51) == Verdict("PASS", "")
    # A distance that is known says more than how far supports agree.
    assert of_doubt(predicted(KEY, lost=0.1), 3.0, 0.2) == Verdict("PASS", "")


def test_supports_that_do_not_agree_make_an_answer_doubtful() -> None:
    said = of_doubt(predicted(KEY, lost=0.2), math.nan, 0.4)
    assert said == Verdict("WARN", "its supports' boxes share 40 % of what they cover; lost with 20 %")
    weights = [sign.weight for sign in signs(predicted(KEY, lost=0.1), math.nan, 0.75)]
    assert weights == pytest.approx([0.5, 0.5])


def test_what_makes_an_answer_doubtful_is_said() -> None:
    longer = of_doubt(predicted(KEY, lost=0.0, stretched="it is 2.0 times as long"), 6.0)
    assert longer == Verdict("WARN", "it is 2.0 times as long")
    said = of_doubt(predicted(KEY, lost=0.34, turned="its header says feet first: it was turned"), 12.0)
    assert said == Verdict(
        "WARN",
        "its header says feet first: it was turned; lost with 34 %; walls within 12 mm, where its shortest side is "
        "24 mm",
    )


@pytest.mark.parametrize(
    ("reason", "words"),
    [("lost", "likelier wrong than 99 in 100"), ("outside_field_of_view", "shows less than half"),
     ("<b>its task died", "no answer: <b>its task died"), (None, "no reason was written")],
)  # fmt: skip
def test_no_answer(reason: str | None, words: str) -> None:
    said = of_doubt(failed(predicted(KEY), reason), math.nan)
    assert said.status == "FAIL" and words in said.why


@pytest.mark.parametrize(
    ("entry", "verdict"),
    [({"iou": 0.71, "awd_mm": 3.0, "within_90_mm": 4.0}, ("PASS", "IoU 71 %, 3.0 mm off")),
     ({"iou": 0.71, "awd_mm": 5.0, "within_90_mm": 4.0}, ("WARN", "IoU 71 %, 5.0 mm off, more than its own 4.0 mm")),
     ({"iou": 0.29, "awd_mm": 3.0}, ("FAIL", "IoU 29 %, 3.0 mm off")),
     ({"iou": 0.6, "awd_mm": 20.5}, ("FAIL", "IoU 60 %, 20.5 mm off")),
     ({"iou": 0.49, "awd_mm": 3.0}, ("WARN", "IoU 49 %, 3.0 mm off")),
     ({"iou": 0.0, "failed": True}, ("FAIL", "missing")),
     ({"mre_mm": 3.0}, ("PASS", "3.0 mm off")),
     ({"mre_mm": 21.0}, ("FAIL", "21.0 mm off")),
     ({}, None)],
)  # fmt: skip
def test_how_an_answer_did(entry: dict[str, Any], verdict: tuple[str, str] | None) -> None:
    unknown = dict.fromkeys(("iou", "awd_mm", "mre_mm", "within_90_mm"), math.nan) | {"failed": False}
    assert of_error(unknown | entry) == verdict
