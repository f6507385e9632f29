"""The position map alone: which rows there are, and that they say where latents are met."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from rprloc.geometry import WALLS
from rprloc.methods.answer import Prediction
from rprloc.methods.position_map import PositionMapMethod
from rprloc.networks.checkpoint import Model
from rprloc.scans.scan import Scan
from tests.methods.fakes import altered, answered, points_of
from tests.methods.maps import ORGAN, known, numbered

SHIFT = np.array([7.0, -3.0, 5.0])
SCANS = numbered("qst", {"organ": ORGAN})
QUERY, SUPPORT, OTHER = SCANS


def moved(subject: str, world: Any) -> Any:
    """Say that all of the query lies further than in its supports."""
    return world - SHIFT * (subject == "q")


def located(query: Scan, supports: list[Scan], model: Model | None = None, **changes: Any) -> list[Prediction]:
    """Return a query's answers."""
    method = PositionMapMethod(model or known(SCANS, moved), **changes)
    method.prepare(supports)
    return answered(method, query, drawn="s")


def test_a_patient_who_lies_seven_millimetres_further_is_found_there() -> None:
    (row,) = located(QUERY, [SUPPORT])
    assert (row.method, row.setting, row.support, row.drawn) == ("position_map", "extreme", "s", True)
    np.testing.assert_allclose(points_of(row), ORGAN.extreme_mm + SHIFT, atol=1e-3)
    np.testing.assert_allclose(row.box_mm, ORGAN.box_mm + SHIFT, atol=1e-3)
    assert list(row.points_mm or {}) == list(WALLS) and row.half_voxel_mm == list(ORGAN.half_voxel_mm)
    assert row.seconds.keys() == {"network", "search"} and not row.failed
    # Neighbours agree, and the nearest of them is less than a voxel away.
    assert row.spread_mm is not None and row.spread_mm < 5


def test_the_answers_of_a_query_that_does_not_show_the_structure_lie_further_apart() -> None:
    part = replace(QUERY, body=QUERY.body.copy())
    part.body[5:] = False
    (whole,), (cut,) = located(QUERY, [SUPPORT]), located(part, [SUPPORT])
    assert not cut.failed and cut.spread_mm is not None and whole.spread_mm is not None
    assert cut.spread_mm > 2 * whole.spread_mm


def test_rows_go_by_support_then_structure_and_no_scan_answers_itself() -> None:
    both = {"organ": ORGAN, "liver": ORGAN}
    supports = [altered(scan, structures=both) for scan in (SUPPORT, OTHER, QUERY)]
    assert [(row.support, row.structure, row.drawn) for row in located(QUERY, supports)] == [
        ("s", "liver", True), ("s", "organ", True), ("t", "liver", False), ("t", "organ", False),
    ]  # fmt: skip
    asked = located(QUERY, supports, structures=["organ", "liver"])
    assert [row.structure for row in asked] == ["organ", "liver"] * 2
    assert located(QUERY, supports[2:]) == []


@pytest.mark.parametrize("empty", ["q", "s"])
@pytest.mark.parametrize("fault", ["body", "numbers"])
def test_a_scan_of_no_use_gives_failed_rows(empty: str, fault: str) -> None:
    query, support = (
        replace(scan, body=scan.body & ((fault, scan.subject) != ("body", empty))) for scan in (QUERY, SUPPORT)
    )
    model = known(SCANS, lambda subject, world: world * (np.nan if (subject, fault) == (empty, "numbers") else 1))
    (row,) = located(query, [support], model)
    assert row.failed and row.box_mm is None
    whose = "support s: " if empty == "s" else ""
    what = "finds no body in the scan" if fault == "body" else "gives no numbers for the scan"
    assert row.reason == f"{whose}the position map {what}"
