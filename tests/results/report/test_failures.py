"""What is missing: every failure with its reason."""

from __future__ import annotations

from rprloc.results.report.failures import FAILURES_SHOWN, failures
from tests.results.report.made import failed, made


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
