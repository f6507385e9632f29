"""The answers as the page lists them: verdicts, numbers that are known, pictures, and sizes against the supports'."""

from __future__ import annotations

import msgspec
import pytest

from rprloc.pictures.manifest import Pictured
from rprloc.results.report.answers import Supports, answer_lines
from tests.results.report.made import failed, made


def test_each_answer_to_use_has_a_line() -> None:
    cohort = made()
    lines = answer_lines(cohort.material(), cohort.pictured())
    assert [(one.subject, one.structure, one.support) for one in lines] == [
        (query, organ, "*") for query in ("q0", "q1") for organ in ("mandible", "parotid")
    ]
    first = lines[0]
    assert (first.doubt.status, first.lost, first.iou, first.off_mm) == ("PASS", 0.1, 0.54, 6.0)
    assert (first.error, first.size_change) == (("PASS", "IoU 54 %, 6.0 mm off"), 1.0)
    # The supports' boxes are the same one; what weighs most is 0.1 of 0.2.
    assert (first.shared, first.doubtful) == (1.0, 0.5)
    assert (first.picture, first.viewer) == ("pictures/demo/q0/0.webp", "viewer/demo/q0.html")


def test_what_is_not_known_is_left_out() -> None:
    cohort = made(queries=1, supports=1, structures=["mandible"])
    cohort.without_truth("q0")
    cohort.predictions = [failed(cohort.predictions[0], "lost")]
    (line,) = answer_lines(cohort.material(), {})
    assert set(msgspec.to_builtins(line)) == {"cohort", "subject", "structure", "doubt", "lost", "support"}


def test_sizes_are_against_the_own_support_or_the_median_of_those_shown() -> None:
    def scan(subject: str, side: float, support: str = "") -> Pictured:
        box = [[0.0, 0.0, 0.0], [side, 1.0, 1.0]]
        return Pictured(cohort="demo", subject=subject, true_mm={"mandible": box}, support=support)

    supports = Supports.of([scan("s0", 2), scan("s1", 8), scan("other", 100), scan("q0", 3, "s0"), scan("q1", 3, "s1")])
    one = made(queries=1, supports=1, structures=["mandible"]).predictions[0]
    small = msgspec.structs.replace(one, box_mm=[[0.0, 0.0, 0.0], [10.0, 1.0, 1.0]])
    sizes = {name: supports.change(msgspec.structs.replace(small, support=name)) for name in ("s0", "s1", "*")}
    assert sizes == {"s0": 5.0, "s1": 1.25, "*": 2.0}
    assert supports.change(failed(small, "lost")) is None
    assert supports.change(msgspec.structs.replace(small, structure="parotid")) is None


@pytest.mark.parametrize("subject", ["q0", "q1"])
def test_a_scan_without_pictures_says_why(subject: str) -> None:
    cohort = made()
    cohort.aside(subject, "nothing but air")
    notes = {(one.subject, one.note) for one in answer_lines(cohort.material(), cohort.pictured()) if one.note}
    assert notes == {(subject, "The scan was set aside.")}
