"""A row for every answer that every method of a run is expected to give."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from rprloc.cohort.methods import BY_LABELS, BY_SUPPORTS
from rprloc.methods.prediction import draw_order
from rprloc.results import metrics
from rprloc.results.combined import alone
from rprloc.results.expected import expected_rows, methods_of
from tests.results import cohorts

NOT_LEARNED = "no answer: its network found nothing to learn from, or a task died"


def evaluated(change: Any = None, **changes: Any) -> tuple[list[dict[str, Any]], pd.DataFrame]:
    """Return rows and metrics of each support alone in a cohort of several methods, after a `change`."""
    check, scans, answers = cohorts.many_methods(**changes)
    answers = answers if change is None else change(check, scans, answers)
    rows, table, _ = metrics.evaluate(check, "demo", scans, answers, seed=0, tables=False)
    return [row for row in rows if row["support"] != "*"], alone(table)


def test_without_a_list_it_is_the_paper_s_method_alone() -> None:
    (method,) = methods_of({"starts": 7}, tables=False)
    assert method == {"name": "regression", "settings": ["extreme.k7.c1f1"], "supports": None}
    assert len(methods_of({"starts": 7, "methods": []}, tables=True)[0]["settings"]) > 10


def test_each_method_has_its_rows() -> None:
    rows, table = evaluated(queries=3, supports=4)
    assert table.groupby("method", sort=False).size().to_dict() == {
        "regression": 3 * 4 * 4, "grey_ncc": 3 * 4 * 4, "affine": 3 * 4 * 2, "retina_unet": 3 * 4,
    }  # fmt: skip
    assert not table["failed"].any()
    alone = table[table["method"] == "retina_unet"]
    assert set(alone["support"]) == {"-"} and alone["drawn"].all() and (alone["n_supports"] == 0).all()
    assert (table[table["method"] != "retina_unet"]["n_supports"] == 1).all()
    assert [row["method"] for row in rows] == table["method"].tolist()


def test_the_first_supports_of_the_draw_are_taken() -> None:
    order = draw_order(0, "demo", [f"s{i}" for i in range(5)])
    _, table = evaluated(supports=5)
    assert set(table[table["method"] == "affine"]["support"]) == set(order[:2])
    assert table[table["drawn"] & (table["method"] == "affine")]["support"].unique().tolist() == [order[0]]


def test_a_support_that_cannot_be_used_leaves_its_place_to_the_next() -> None:
    order = draw_order(0, "demo", [f"s{i}" for i in range(4)])

    def change(check: Any, scans: Any, answers: Any) -> list[Any]:
        scans[order[0]] = cohorts.aside("demo", order[0], "cut short")
        return [row for row in answers if row["support"] != order[0] and row["method"] != "affine"]

    _, table = evaluated(change, supports=4)
    assert set(table[table["method"] == "affine"]["support"]) == set(order[1:3])
    assert set(table[table["method"] == "grey_ncc"]["support"]) == set(order)


def test_where_no_support_can_be_used_the_first_ones_miss() -> None:
    check, scans, _ = cohorts.many_methods(supports=3, queries=1)
    for name in ("s0", "s1", "s2"):
        scans[name] = cohorts.aside("demo", name, "cut short")
    rows = expected_rows(check["cohorts"]["demo"], check["rows"], scans, {}, seed=0, tables=False)
    order = draw_order(0, "demo", ["s0", "s1", "s2"])
    assert {row["support"] for row in rows if row["method"] == "affine"} == set(order[:2])
    assert {row["support"] for row in rows if row["drawn"]} == {order[0], "-"}


def test_a_query_is_never_its_own_support_whatever_the_method() -> None:
    def change(check: Any, scans: Any, answers: Any) -> list[Any]:
        for row in check["rows"]:
            row["query"] = row["subject"] in ("s0", "s1")
        return []

    _, table = evaluated(change, supports=2)
    assert table["failed"].all()
    assert table.groupby("method", sort=False).size().to_dict() == {
        "regression": 8, "grey_ncc": 8, "affine": 8, "retina_unet": 8,
    }  # fmt: skip
    assert (table["subject"] != table["support"]).all()


@pytest.mark.parametrize("method", ["grey_ncc", "affine", "retina_unet"])
def test_a_method_whose_task_died_misses_with_a_reason(method: str) -> None:
    def change(check: Any, scans: Any, answers: Any) -> list[Any]:
        return [row for row in answers if row["method"] != method]

    rows, table = evaluated(change)
    lost = table[table["method"] == method]
    assert lost["failed"].all() and (lost["iou"] == 0).all() and lost["awd_mm"].isna().all()
    assert lost["reason"].unique().tolist() == ["no answer: its task died"]
    assert not table[table["method"] != method]["failed"].any()
    row = next(row for row in rows if row["failed"])
    assert row["device"] is None and row["first"] is False and row["seconds"] == {}


def test_a_structure_that_no_training_label_shows_is_named() -> None:
    def change(check: Any, scans: Any, answers: Any) -> list[Any]:
        scans["t0"]["structures"] = {"mandible": scans["q0"]["structures"]["mandible"]}
        check["cohorts"]["demo"]["methods"][-1] = cohorts.OTHERS[-1] | {"learns": BY_LABELS}
        return [row for row in answers if row["method"] != "retina_unet"]

    _, table = evaluated(change)
    alone = table[table["method"] == "retina_unet"]
    reasons = alone.groupby("structure")["reason"].unique().map(list).to_dict()
    assert reasons.pop("mandible") == [NOT_LEARNED]
    assert reasons == {name: [f"no training scan has a label of {name}"] for name in reasons} and len(reasons) == 3


STUDENT = {"name": "student", "settings": ["extreme"], "supports": 0, "learns": BY_SUPPORTS}


def taught_by_supports(check: Any, scans: Any, answers: Any) -> list[Any]:
    """Let the last method be one that learned in the run from the supports, of which one has a mandible only, the
    other a brainstem as well; return the answers without its own.
    """
    for name in ("s0", "s1"):
        scans[name]["structures"] = {
            organ: scans["q0"]["structures"][organ] for organ in ("mandible", "brainstem")[: 1 + (name == "s1")]
        }
    # Labels of training scans are nothing to it.
    scans["t0"]["structures"] = {"parotid_left": scans["q0"]["structures"]["parotid_left"]}
    check["cohorts"]["demo"]["methods"][-1] = STUDENT
    return [row for row in answers if row["method"] == "affine"]


def test_a_structure_that_no_support_s_label_shows_is_named() -> None:
    _, table = evaluated(taught_by_supports)
    alone = table[table["method"] == "student"]
    assert set(alone["support"]) == {"-"} and (alone["n_supports"] == 0).all() and alone["failed"].all()
    reasons = alone.groupby("structure")["reason"].unique().map(list).to_dict()
    for name in ("mandible", "brainstem"):
        assert reasons.pop(name) == [NOT_LEARNED]
    assert reasons == {name: [f"no support has a label of {name}"] for name in ("parotid_left", "parotid_right")}


def test_a_support_that_was_set_aside_has_taught_nothing() -> None:
    def change(check: Any, scans: Any, answers: Any) -> list[Any]:
        left = taught_by_supports(check, scans, answers)
        scans["s1"] = cohorts.aside("demo", "s1", "cut short")
        return left

    _, table = evaluated(change)
    alone = table[(table["method"] == "student") & (table["structure"] == "brainstem")]
    assert alone["reason"].unique().tolist() == ["no support has a label of brainstem"]


def test_what_a_taught_network_has_not_learned_though_a_label_shows_it_is_named() -> None:
    def change(check: Any, scans: Any, answers: Any) -> list[Any]:
        left = taught_by_supports(check, scans, answers)
        check["cohorts"]["demo"]["structures"] = None
        # No support found the brainstem in a training scan.
        own = [row | {"method": "student", "setting": "extreme"} for row in answers if row["method"] == "retina_unet"]
        return left + [row for row in own if row["structure"] == "mandible"]

    _, table = evaluated(change)
    alone = table[table["method"] == "student"].groupby("structure")["reason"].unique().map(list).to_dict()
    assert alone["brainstem"] == ["the network has not learned brainstem"]


@pytest.mark.parametrize("learns", ["", BY_LABELS, BY_SUPPORTS])
def test_a_reason_that_was_known_beforehand_comes_first(learns: str) -> None:
    def change(check: Any, scans: Any, answers: Any) -> list[Any]:
        known = {"learns": learns, "reason": "the weights hold no student model for demo"}
        check["cohorts"]["demo"]["methods"][-1] = STUDENT | known
        return [row for row in answers if row["method"] != "retina_unet"]

    _, table = evaluated(change)
    alone = table[table["method"] == "student"]
    assert alone["reason"].unique().tolist() == ["the weights hold no student model for demo"]


def test_without_named_structures_what_a_trained_network_does_not_know_fails_and_what_it_knows_stays() -> None:
    def change(check: Any, scans: Any, answers: Any) -> list[Any]:
        check["cohorts"]["demo"]["structures"] = None
        for row in answers:
            if row["method"] == "retina_unet" and row["structure"] == "mandible":
                row["structure"] = "larynx"
        return answers

    _, table = evaluated(change)
    alone = table[table["method"] == "retina_unet"]
    assert set(alone["structure"]) == {*cohorts.ORGANS, "larynx"}
    assert set(alone[alone["failed"]]["structure"]) == {"mandible"}
    assert alone[alone["failed"]]["reason"].unique().tolist() == ["the network has not learned mandible"]
    # No query's label shows it, so there is nothing to measure.
    assert alone[alone["structure"] == "larynx"]["iou"].isna().all()


def test_reasons_of_a_method_without_a_support() -> None:
    def change(check: Any, scans: Any, answers: Any) -> list[Any]:
        scans["q1"] = cohorts.aside("demo", "q1", "nothing but air")
        scans["s0"] = cohorts.aside("demo", "s0", "cut short")
        scans["s1"]["structures"] = {}
        return []

    _, table = evaluated(change)
    alone = table[table["method"] == "retina_unet"]
    assert alone[alone["subject"] == "q1"]["reason"].unique().tolist() == ["scan set aside: nothing but air"]
    assert alone[alone["subject"] == "q0"]["reason"].unique().tolist() == ["no answer: its task died"]


def test_a_box_without_a_support_is_measured_with_the_query_s_own_voxels() -> None:
    _, table = evaluated(queries=1)
    line = table[(table["method"] == "retina_unet") & (table["structure"] == "mandible")].iloc[0]
    assert line["awd_mm"] == pytest.approx(2 / 6)
    assert line["mre_mm"] == pytest.approx(1)
    _, scans, _ = cohorts.many_methods(queries=1)
    size = np.diff(scans["q0"]["structures"]["mandible"]["box_mm"], axis=0)[0]
    assert line["iou"] == pytest.approx((size[0] - 1) / (size[0] + 1))
    inner = size[0] - 2 * cohorts.HALF[0]
    assert line["iou_reference"] == pytest.approx((inner - 1) / (inner + 1))
