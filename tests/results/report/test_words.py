"""Words: a headline with its numbers, and scores as long as there is room."""

from __future__ import annotations

import math

import msgspec
import pytest

from rprloc.results.report.answers import answer_lines
from rprloc.results.report.words import glance, headline, how_in_words, number, percent, score_in_legend, short
from tests.results.report.made import NUMBERS, Made, failed, made


def said(cohort: Made, **numbers: dict[str, float | None]) -> str:
    """Return a cohort's headline, with some numbers of its own."""
    shown = cohort.shown()
    shown = msgspec.structs.replace(shown, numbers={**shown.numbers, **numbers})
    return headline(cohort.material().main, shown)


def test_numbers() -> None:
    assert (number(1.25, 1), number(None, 1), number(math.nan, 1)) == ("1.2", "–", "–")
    assert (percent(0.125, 1), percent(None, 1)) == ("12.5", "–")


def test_how_in_words() -> None:
    assert how_in_words("regression", "extreme.k15.c2f1") == "coarse + coarse + fine"
    assert how_in_words("affine", "extreme") == "affine" and how_in_words("regression", "") == "regression"


def test_the_headline_has_the_numbers_of_each_kind_of_supports() -> None:
    text = said(
        made(("regression",), supports=3),
        drawn=NUMBERS | {"iou": 0.6},
        alone=NUMBERS | {"iou": 0.7, "iou_sd_supports": 0.031},
        together=NUMBERS | {"iou": 0.8, "failures": 1},
    )
    numbers = "(95 % interval 40.0 to 60.0), AWD 4.00 mm (3.00 to 5.00), n = 2"
    assert text == (
        f"2 structures in 2 queries, all 3 supports together, coarse + fine, K = 4: mean IoU 80.0 % {numbers}, "
        "1 of 4 answers missing. "
        f"s0 (drawn) as the one annotated scan, coarse + fine, K = 4: mean IoU 60.0 % {numbers}. "
        f"Each of 3 supports alone: mean IoU 70.0 % {numbers}, SD between supports 3.1 points."
    )


def test_the_headline_of_one_support_and_of_none() -> None:
    text = said(made(queries=1, supports=1, structures=["mandible"]))
    assert text.startswith("1 structure in 1 query, s0 (drawn) as the one annotated scan, affine: mean IoU 50.0 %")
    assert "together" not in text and "alone" not in text
    assert "without a support, retina_unet: mean IoU 50.0 %" in said(made(("retina_unet",)))


@pytest.mark.parametrize(
    ("method", "supports", "given"),
    [("affine", 1, "With s0 as the one annotated scan"), ("affine", 2, "With 2 annotated scans together"),
     ("retina_unet", 1, "Without a support")],
)  # fmt: skip
def test_the_headline_without_truth(method: str, supports: int, given: str) -> None:
    cohort = made((method,), supports=supports)
    cohort.without_truth("q0", "q1")
    text = said(cohort)
    assert text.startswith(f"{given}, 4 of 4 answers were found (2 structures in 2 queries).")
    assert "No query has a label, so nothing says how good they are" in text


def test_nothing_to_report() -> None:
    cohort = made()
    cohort.predictions.clear()
    assert said(cohort).startswith("There is nothing to report")


def test_scores() -> None:
    found = {"failed": False, "iou": 0.456, "awd_mm": 1.23, "mre_mm": 2.0}
    unknown = found | {"iou": math.nan, "awd_mm": math.nan, "mre_mm": math.nan}
    point, lost = unknown | {"mre_mm": 3.21}, found | {"failed": True}
    said = [score_in_legend(entry) for entry in (found, unknown, lost, point)]
    assert said == ["46 %, 1.2 mm", "found", "no answer", "3.2 mm off"]


def test_a_glance() -> None:
    cohort = made(supports=1, structures=["mandible"])
    cohort.predictions[-1] = failed(cohort.predictions[-1], "lost")
    lines = answer_lines(cohort.material(), {})
    assert glance(lines) == (
        "1 structure looked for in 2 scans: 1 answer with nothing against it, 0 doubtful, 1 missing. "
        "With one annotated scan the pictures alone say how near the walls are."
    )
    agreed = [msgspec.structs.replace(one, shared=0.62) for one in lines]
    assert "; boxes from one support and another share 62 % (median of 2). A distance" in glance(agreed)
    sure = [msgspec.structs.replace(one, within_90_mm=mm) for one, mm in zip(lines, (3.0, 6.0), strict=True)]
    assert glance(sure).endswith("; walls are within 4.5 mm nine times in ten (median of 2).")
    assert glance([]).startswith("There is nothing to report")


@pytest.mark.parametrize("length", [1, 40, 64])
def test_long_names_are_cut(length: int) -> None:
    shown = short("x" * length)
    assert len(shown) <= 40 and (shown == "x" * length) == (length <= 40)
