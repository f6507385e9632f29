"""A prediction for every one that every method of a run is expected to give."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from rprloc.catalogue import BY_LABELS, BY_SUPPORTS
from rprloc.cohort.tasks import Asked
from rprloc.results.frame import alone
from rprloc.results.measure.expected import expected_predictions, natural
from tests.results import cohorts
from tests.results.cohorts import Cohort, replace

NOT_LEARNED = "no answer: its network found nothing to learn from, or a task died"


def measured(made: Cohort) -> pd.DataFrame:
    """Return the metrics of each support alone."""
    return alone(made.evaluate().metrics)


def reasons(made: Cohort, method: str) -> dict[str, Any]:
    """Return why a method found nothing by structure; it has answered without a support, and every time the same."""
    table = measured(made)
    own = table[table["method"] == method]
    assert set(own["support"]) == {"-"} and own["drawn"].all() and (own["n_supports"] == 0).all()
    found = own.groupby("structure")["reason"].unique().map(list).to_dict()
    assert all(len(reason) == 1 for reason in found.values())
    return {name: reason for name, (reason,) in found.items()}


def test_each_method_has_its_rows() -> None:
    table = measured(cohorts.many_methods(queries=3, supports=4))
    assert table.groupby("method", sort=False).size().to_dict() == {
        "regression": 3 * 4 * 4, "grey_ncc": 3 * 4 * 4, "affine": 3 * 4 * 2, "retina_unet": 3 * 4,
    }  # fmt: skip
    assert not table["failed"].any()
    own = table[table["method"] == "retina_unet"]
    assert set(own["support"]) == {"-"} and own["drawn"].all() and (own["n_supports"] == 0).all()
    assert (table[table["method"] != "retina_unet"]["n_supports"] == 1).all()


def test_the_first_supports_of_the_draw_are_taken() -> None:
    made = cohorts.many_methods(supports=4, queries=1)
    made.measure = replace(made.measure, order=("s3", "s1", "s0", "s2"))
    made.predictions = []
    table = measured(made)
    assert set(table[table["method"] == "affine"]["support"]) == {"s3", "s1"}
    assert set(table[table["drawn"]]["support"]) == {"s3", "-"}
    # A support that cannot be used leaves its place to the next.
    made.set_aside("s3", "cut short")
    table = measured(made)
    assert set(table[table["method"] == "affine"]["support"]) == {"s1", "s0"}
    assert set(table[table["method"] == "grey_ncc"]["support"]) == {"s0", "s1", "s2", "s3"}
    assert set(table[table["drawn"]]["support"]) == {"s1", "-"}
    lost = table[table["support"] == "s3"]
    assert lost["reason"].unique().tolist() == ["support s3 set aside: cut short"] and not lost["drawn"].any()


def test_where_no_support_can_be_used_the_first_ones_miss() -> None:
    made = cohorts.many_methods(supports=3, queries=1)
    for name in ("s0", "s1", "s2"):
        made.set_aside(name, "cut short")
    rows = expected_predictions(made.measure, made.scans, ())
    assert {one.support for one in rows if one.method == "affine"} == {"s0", "s1"}
    assert {one.support for one in rows if one.drawn} == {"s0", "-"}
    assert all(one.failed for one in rows)


def test_a_query_is_never_its_own_support_whatever_the_method() -> None:
    made = cohorts.many_methods(supports=2, queries=2)
    made.use(s0={"query": True}, s1={"query": True}, q0={"query": False}, q1={"query": False})
    made.predictions = []
    table = measured(made)
    assert table["failed"].all() and (table["subject"] != table["support"]).all()
    assert table.groupby("method", sort=False).size().to_dict() == {
        "regression": 8, "grey_ncc": 8, "affine": 8, "retina_unet": 8,
    }  # fmt: skip


@pytest.mark.parametrize("method", ["affine", "retina_unet"])
def test_a_method_whose_task_died_misses_with_a_reason(method: str) -> None:
    made = cohorts.many_methods(queries=2)
    made.keep(lambda one: one.method != method)
    table = measured(made)
    lost = table[table["method"] == method]
    assert lost["failed"].all() and (lost["iou"] == 0).all() and lost["awd_mm"].isna().all()
    assert lost["reason"].unique().tolist() == ["no answer: its task died"]
    assert not table[table["method"] != method]["failed"].any()


def test_what_is_known_beforehand_is_the_reason() -> None:
    made = cohorts.many_methods(queries=1)
    made.ask(Asked(name="retina_unet", settings=("box",), supports=0, learns=BY_LABELS, reason="no label at all"))
    made.predictions = []
    assert set(reasons(made, "retina_unet").values()) == {"no label at all"}


def test_a_structure_that_no_training_label_shows_is_named() -> None:
    made = cohorts.many_methods(queries=2)
    made.show("t0", {"mandible": made.scans["q0"].structures["mandible"]})
    made.ask(replace(cohorts.OTHERS[-1], learns=BY_LABELS))
    made.predictions = []
    found = reasons(made, "retina_unet")
    assert found.pop("mandible") == NOT_LEARNED
    assert found == {name: f"no training scan has a label of {name}" for name in found} and len(found) == 3


def taught_by_supports() -> Cohort:
    """Return a cohort whose student learned in the run from the supports: a mandible in both, a brainstem in one."""
    made = cohorts.many_methods(queries=2)
    made.hide("s0", "brainstem", "parotid_left", "parotid_right")
    made.hide("s1", "parotid_left", "parotid_right")
    # Labels of training scans are nothing to it.
    made.show("t0", {"parotid_left": made.scans["q0"].structures["parotid_left"]})
    made.ask(Asked(name="student", settings=("extreme",), supports=0, learns=BY_SUPPORTS))
    made.predictions = []
    return made


def test_a_structure_that_no_support_s_label_shows_is_named() -> None:
    made = taught_by_supports()
    assert reasons(made, "student") == {
        "brainstem": NOT_LEARNED, "mandible": NOT_LEARNED,
        "parotid_left": "no support has a label of parotid_left",
        "parotid_right": "no support has a label of parotid_right",
    }  # fmt: skip
    # A support that was set aside teaches nothing.
    made.set_aside("s1", "cut short")
    assert reasons(made, "student")["brainstem"] == "no support has a label of brainstem"


def test_a_network_that_came_trained_shows_what_it_knows() -> None:
    made = taught_by_supports()
    made.ask(Asked(name="student", settings=("extreme",), supports=0))
    assert set(reasons(made, "student").values()) == {"no answer: its task died"}
    made.predictions = [cohorts.prediction("q0", "mandible", "-", cohorts.CUBE, method="student", setting="extreme")]
    table = measured(made).set_index(["subject", "structure"])
    assert table.loc[("q0", "brainstem"), "reason"] == "the network has not learned brainstem"
    assert table.loc[("q1", "brainstem"), "reason"] == "no answer: its task died"


def test_a_dead_preprocessing_task_is_reported_with_the_sheet_s_file() -> None:
    made = cohorts.cohort(queries=1, tables=False)
    del made.scans["t0"]
    assert made.evaluate().set_aside.to_dict("records") == [
        {"subject": "t0", "file": "images/t0.nii.gz", "reason": "its preprocessing task died"}
    ]


def test_a_structure_that_the_support_lacks_is_named() -> None:
    made = cohorts.cohort(queries=1, tables=False)
    made.hide("s1", "mandible")
    made.keep(lambda one: (one.support, one.structure) != ("s1", "mandible"))
    table = measured(made)
    assert table[table["failed"]]["reason"].tolist() == ["mandible is absent from the label of support s1"]


def test_structures_come_from_the_supports_where_the_settings_name_none() -> None:
    made = cohorts.cohort(queries=1, tables=False)
    made.measure = replace(made.measure, structures=None)
    one = made.scans["s0"].structures["mandible"]
    made.show("s0", {"label_10": one, "label_2": one})
    made.show("s1", {"label_3": one})

    def structures(given: list[Any]) -> list[str]:
        names = [one.structure for one in expected_predictions(made.measure, made.scans, given)]
        return list(dict.fromkeys(names))

    assert structures([]) == ["label_2", "label_3", "label_10"]
    # Else from what came, and at last from the queries.
    made.show("s0", {})
    made.show("s1", {})
    assert structures([]) == sorted(cohorts.ORGANS)
    made.predictions = [cohorts.prediction("q0", "larynx", "s0", cohorts.CUBE)]
    assert set(made.evaluate().metrics["structure"]) == {"larynx"}
    assert sorted(["b10a", "b9a", "b"], key=natural) == ["b", "b9a", "b10a"]


def test_queries_that_support_others_have_fewer_together() -> None:
    made = cohorts.cohort(tables=False)
    made.use(**{one.subject: {"query": True} for one in made.measure.members})
    made.predictions = []
    rows = made.evaluate().predictions
    # Two supports are queries too and have one other each; the five other queries have both together as well.
    assert len(rows) == 4 * (5 * (2 + 1) + 2)
