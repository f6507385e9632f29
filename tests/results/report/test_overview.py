"""The overview: a line for each query, the doubtful first, and every failure with its reason."""

from __future__ import annotations

import msgspec

from rprloc.results.report.overview import DOUBTFUL_SHOWN, FAILURES_SHOWN, doubtful, failures, overview
from tests.results.report.made import failed, made


def test_a_line_for_each_query_in_the_order_of_the_sheet() -> None:
    cohort = made(supports=1)
    table = overview(cohort.material().main, ["q1", "q0", "q2"])
    assert table.columns == ("mandible", "parotid", "mean")
    assert [(line.subject, line.cells) for line in table.lines] == [
        ("q1", ("52 %, 4.0 mm", "53 %, 5.0 mm", "52 %, 4.5 mm")),
        ("q0", ("50 %, 2.0 mm", "51 %, 3.0 mm", "50 %, 2.5 mm")),
        ("q2", ("–", "–", "–")),
    ]


def test_predictions_of_all_supports_together_go_before_the_drawn_one() -> None:
    cohort = made(queries=1)
    cohort.predictions[4] = failed(cohort.predictions[4], "too far")
    (line,) = overview(cohort.material().main, ["q0"]).lines
    assert line.cells == ("missing", "55 %, 7.0 mm", "28 %, 7.0 mm")


def test_without_truth_there_is_no_mean() -> None:
    cohort = made(queries=1)
    cohort.without_truth("q0")
    table = overview(cohort.material().main, ["q0"])
    assert table.columns == ("mandible", "parotid") and table.lines[0].cells == ("found, lost with 10 %",) * 2


def test_many_structures_are_shown_by_their_mean() -> None:
    table = overview(made(queries=1, supports=1, structures=list("abcdefghi")).material().main, ["q0"])
    assert table.columns == ("mean",) and table.lines[0].cells == ("54 %, 6.0 mm",)


def test_the_likeliest_lost_without_truth_are_named() -> None:
    cohort = made(supports=1, structures=list("abcdef"))
    cohort.without_truth("q1")
    cohort.predictions = [
        msgspec.structs.replace(one, lost=number / 100) for number, one in enumerate(cohort.predictions)
    ]
    cohort.predictions[-1] = failed(cohort.predictions[-1], "lost")
    named = doubtful(cohort.material().main)
    assert named == tuple(f"{name} in q1 ({chance} %)" for name, chance in zip("edcba", (10, 9, 8, 7, 6), strict=True))
    assert len(named) == DOUBTFUL_SHOWN


def test_failures_are_grouped_by_query_and_reason() -> None:
    cohort = made(supports=1)
    cohort.predictions[:3] = [
        failed(one, reason) for one, reason in zip(cohort.predictions, ("a", "a", None), strict=False)
    ]
    found = failures(cohort.metrics())
    assert (found.predictions, found.of, found.more) == (3, 4, False)
    assert [(one.subject, one.reason, one.structures, one.predictions) for one in found.groups] == [
        ("q0", "a", "mandible, parotid", 2),
        ("q1", "no reason was written", "mandible", 1),
    ]


def test_more_failures_than_are_listed() -> None:
    cohort = made(queries=FAILURES_SHOWN + 1, supports=1, structures=["mandible"])
    cohort.predictions = [failed(one, "lost") for one in cohort.predictions]
    found = failures(cohort.metrics())
    assert found.predictions == FAILURES_SHOWN + 1 and len(found.groups) == FAILURES_SHOWN and found.more
