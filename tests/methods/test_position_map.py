"""The position map alone: which rows there are, and that they say where latents are met."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from rprloc.errors import InputError
from rprloc.geometry import WALLS
from rprloc.methods.localize import localize
from rprloc.methods.position_map import PositionMapMethod
from rprloc.methods.prediction import Prediction, Scan, confidence_of
from rprloc.networks.checkpoint import Model, ModelSettings, new_network, write_model
from tests.methods.fakes import facts, points_of
from tests.methods.maps import ORGAN, known, numbered
from tests.training.scans import COHORT, write_scan

SHIFT = np.array([7.0, -3.0, 5.0])
SCANS = numbered("qst", {"organ": ORGAN})
QUERY, SUPPORT, OTHER = SCANS


def moved(subject: str, world: Any) -> Any:
    """Say that all of the query lies further than in its supports."""
    return world - SHIFT * (subject == "q")


def located(query: Scan, supports: list[Scan], model: Model | None = None, **changes: Any) -> list[Prediction]:
    """Return a query's answers."""
    asked: dict[str, Any] = {"structures": None, "drawn": "s"} | changes
    method = PositionMapMethod(model or known(SCANS, moved), **asked)
    method.prepare(supports)
    return method.locate(query)


def test_a_patient_who_lies_seven_millimetres_further_is_found_there() -> None:
    (row,) = located(QUERY, [SUPPORT])
    assert (row.method, row.setting, row.support, row.drawn) == ("position_map", "extreme", "s", True)
    true = np.array([ORGAN["extreme_mm"][wall] for wall in WALLS])
    np.testing.assert_allclose(points_of(row), true + SHIFT, atol=1e-3)
    np.testing.assert_allclose(row.box_mm, np.array(ORGAN["box_mm"]) + SHIFT, atol=1e-3)
    assert list(row.points_mm or {}) == list(WALLS) and row.half_voxel_mm == ORGAN["half_voxel_mm"]
    assert row.seconds.keys() == {"network", "search"} and not row.failed
    # Neighbours agree, and the nearest of them is less than a voxel away.
    assert row.spread_mm is not None and row.spread_mm < 5
    assert row.confidence == confidence_of(row.spread_mm)


def test_a_query_that_does_not_show_the_structure_is_less_sure_of_it() -> None:
    part = replace(QUERY, body=QUERY.body.copy())
    part.body[5:] = False
    (whole,), (cut,) = located(QUERY, [SUPPORT]), located(part, [SUPPORT])
    assert not cut.failed and cut.confidence is not None and whole.confidence is not None
    assert cut.confidence < 0.6 * whole.confidence


def test_rows_go_by_support_then_structure_and_no_scan_answers_itself() -> None:
    both = {"organ": ORGAN, "liver": ORGAN}
    supports = [replace(scan, structures=both) for scan in (SUPPORT, OTHER, QUERY)]
    assert [(row.support, row.structure, row.drawn) for row in located(QUERY, supports)] == [
        ("s", "liver", True), ("s", "organ", True), ("t", "liver", False), ("t", "organ", False),
    ]  # fmt: skip
    asked = located(QUERY, supports, structures=["organ", "liver"])
    assert [row.structure for row in asked] == ["organ", "liver"] * 2
    assert located(QUERY, supports[2:]) == []


def test_an_absent_structure_is_a_row() -> None:
    rows = located(QUERY, [SUPPORT, replace(OTHER, structures={})], structures=["organ", "liver"])
    assert {(row.support, row.structure): row.reason for row in rows} == {
        ("s", "organ"): None, ("s", "liver"): "liver is absent in the support s",
        ("t", "organ"): "organ is absent in the support t", ("t", "liver"): "liver is absent in the support t",
    }  # fmt: skip


@pytest.mark.parametrize("empty", ["q", "s"])
@pytest.mark.parametrize("fault", ["body", "numbers"])
def test_a_scan_of_no_use_gives_failed_rows(empty: str, fault: str) -> None:
    query, support = (
        replace(scan, body=scan.body & ((fault, scan.subject) != ("body", empty))) for scan in (QUERY, SUPPORT)
    )
    model = known(SCANS, lambda subject, world: world * (np.nan if (subject, fault) == (empty, "numbers") else 1))
    (row,) = located(query, [support], model)
    assert row.failed and row.box_mm is None
    assert row.reason == "the position map shows no body or gives no numbers"


def test_answers_do_not_depend_on_the_other_supports() -> None:
    together = [facts(row) for row in located(QUERY, [SUPPORT, OTHER])]
    alone = [facts(row) for support in (SUPPORT, OTHER) for row in located(QUERY, [support])]
    assert together == alone


def test_the_localize_step_asks_for_the_network(tmp_path: Path) -> None:
    support, query, path = write_scan(tmp_path, 1), write_scan(tmp_path, 2), tmp_path / "position_map.safetensors"
    settings = ModelSettings.of_cohort(COHORT, "position_map")
    write_model(path, Model(new_network(settings, seed=1), settings))
    asked: dict[str, Any] = {
        "supports": [support], "queries": [query], "tables": False, "seed": 1, "device": torch.device("cpu"),
        "settings": COHORT | {"structures": ["organ"], "methods": ["position_map"]},
    }  # fmt: skip
    (row,) = localize("position_map", models=[path], **asked)
    assert (row.method, row.support, row.drawn, row.failed) == ("position_map", "s1", True, True)
    with pytest.raises(InputError, match="no position_map network"):
        localize("position_map", models=[], **asked)
