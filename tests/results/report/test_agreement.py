"""How far supports agree: the part that every two of their boxes share."""

from __future__ import annotations

import msgspec
import pytest

from rprloc.results.report.agreement import shared_boxes
from tests.results.report.made import Made, failed, made


def moved(cohort: Made, support: str, by_mm: float) -> None:
    """Move the boxes of a support along x, whose sides are 24 mm."""
    for number, one in enumerate(cohort.predictions):
        if one.support == support and one.box_mm is not None:
            box = [[x + by_mm, y, z] for x, y, z in one.box_mm]
            cohort.predictions[number] = msgspec.structs.replace(one, box_mm=box)


def test_every_two_supports_count() -> None:
    cohort = made(queries=1, supports=3, structures=["mandible"])
    moved(cohort, "s2", 12.0)
    # Two share all, the other two pairs a third each: 12 of 36 mm.
    assert shared_boxes(cohort.material()) == {("q0", "mandible"): pytest.approx((1 + 1 / 3 + 1 / 3) / 3)}


def test_boxes_apart_share_nothing() -> None:
    cohort = made(queries=1, structures=["mandible"])
    moved(cohort, "s1", 100.0)
    assert shared_boxes(cohort.material()) == {("q0", "mandible"): 0.0}


def test_one_box_agrees_with_nobody() -> None:
    assert shared_boxes(made(supports=1).material()) == {}
    cohort = made(queries=1, structures=["mandible"])
    cohort.predictions[1] = failed(cohort.predictions[1], "lost")
    assert shared_boxes(cohort.material()) == {}


def test_another_methods_boxes_do_not_count() -> None:
    cohort = made(("affine", "bspline"), queries=1, structures=["mandible"])
    cohort.predictions = [
        failed(one, "lost") if (one.method, one.support) == ("affine", "s1") else one for one in cohort.predictions
    ]
    assert shared_boxes(cohort.material()) == {}
