"""Box metrics with answers worked out by hand, and a row for every answer that was expected."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rprloc.errors import InputError
from rprloc.results import expected, metrics
from rprloc.results.combined import alone
from tests.results import cohorts

CUBE = [[0, 0, 0], [10, 10, 10]]

corner = st.tuples(*[st.floats(-100, 100, allow_nan=False) for _ in range(3)])
extent = st.tuples(*[st.floats(0.5, 60) for _ in range(3)])


@st.composite
def boxes(draw: Any) -> np.ndarray[Any, Any]:
    """Any box with a volume."""
    low = np.array(draw(corner))
    return np.stack([low, low + np.array(draw(extent))])


@pytest.mark.parametrize(
    ("found", "iou", "awd"),
    [
        (CUBE, 1.0, 0.0),
        ([[5, 0, 0], [15, 10, 10]], 500 / 1500, 10 / 6),
        ([[0, 0, 0], [10, 10, 5]], 0.5, 5 / 6),
        ([[5, 5, 5], [15, 15, 15]], 125 / 1875, 5.0),
        ([[10, 0, 0], [20, 10, 10]], 0.0, 20 / 6),
        ([[2, 2, 2], [8, 8, 8]], 0.216, 2.0),
    ],
)
def test_known_boxes(found: Any, iou: float, awd: float) -> None:
    assert metrics.box_iou(CUBE, found) == pytest.approx(iou)
    assert metrics.wall_distance(CUBE, found) == pytest.approx(awd)


def test_boxes_without_volume_share_nothing() -> None:
    flat = [[0, 0, 0], [10, 10, 0]]
    assert metrics.box_iou(flat, flat) == 0


def test_many_boxes_at_once_are_each_alone() -> None:
    rng = np.random.default_rng(3)
    first, second = (np.sort(rng.uniform(0, 10, (4, 5, 2, 3)), axis=-2) for _ in range(2))
    together = metrics.box_iou(first, second)
    assert together.shape == (4, 5)
    assert together[2, 3] == metrics.box_iou(first[2, 3], second[2, 3])


@given(boxes(), boxes())
def test_iou_is_symmetric_and_a_fraction(first: Any, second: Any) -> None:
    iou = metrics.box_iou(first, second)
    assert 0 <= iou <= 1
    assert iou == pytest.approx(float(metrics.box_iou(second, first)))
    assert metrics.box_iou(first, first) == pytest.approx(1)


@given(boxes(), corner)
def test_a_shifted_box_has_the_mean_shift_as_wall_distance(box: Any, shift: Any) -> None:
    assert metrics.wall_distance(box, box + np.array(shift)) == pytest.approx(float(np.abs(shift).mean()), abs=1e-9)


@given(boxes(), boxes(), corner)
def test_the_place_in_the_world_does_not_matter(first: Any, second: Any, shift: Any) -> None:
    moved = metrics.box_iou(first + np.array(shift), second + np.array(shift))
    assert moved == pytest.approx(float(metrics.box_iou(first, second)), abs=1e-6)


def test_voxel_centre_convention_is_a_voxel_smaller() -> None:
    # Ten voxels of 1 mm from edge 0 to 10 have their outermost centres at 0.5 and 9.5.
    half = [0.5, 0.5, 0.5]
    assert metrics.shrink(CUBE, half).tolist() == [[0.5] * 3, [9.5] * 3]
    found = [[1, 0, 0], [11, 10, 10]]
    assert metrics.reference_iou(CUBE, half, found, half) == pytest.approx(8 / 10)
    assert metrics.box_iou(CUBE, found) == pytest.approx(9 / 11)


def test_one_voxel_has_a_volume_on_edges_and_none_on_centres() -> None:
    voxel, half = [[0, 0, 0], [1, 1, 3]], [0.5, 0.5, 1.5]
    assert metrics.box_iou(voxel, voxel) == 1
    assert metrics.reference_iou(voxel, half, voxel, half) == 0
    # A found box thinner than the support's voxel does not turn inside out.
    assert metrics.shrink([[0, 0, 0], [1, 1, 1]], half)[:, 2].tolist() == [0.5, 0.5]


def test_each_half_voxel_belongs_to_its_own_box() -> None:
    found = [[0, 0, 0], [12, 10, 10]]
    value = metrics.reference_iou(CUBE, [0, 0, 0], found, [1, 0, 0])
    # The support's half voxel of 1 mm leaves 1 to 11 of the found box.
    assert value == pytest.approx(9 / 11)


def evaluate(**changes: Any) -> tuple[list[dict[str, Any]], pd.DataFrame, pd.DataFrame]:
    check, scans, answers = cohorts.cohort(**changes)
    return metrics.evaluate(check, "demo", scans, answers, seed=0, tables=changes.get("tables", True))


def test_every_expected_answer_has_its_row() -> None:
    rows, table, aside = evaluate(queries=3, supports=2)
    assert list(table.columns) == list(metrics.COLUMNS)
    # Of the main setting there are the answers of both supports together as well.
    assert len(rows) == len(table) == 3 * 4 * (13 * 2 + 1)
    assert not table["failed"].any()
    assert aside.empty
    assert list(aside.columns) == ["subject", "file", "reason"]
    assert set(table["setting"]) == set(expected.settings_of(15, tables=True))
    assert (alone(table)["seconds"] == 0.75).all()


def test_metrics_of_a_shifted_box_through_the_table() -> None:
    check, scans, answers = cohorts.cohort(queries=1, supports=1, tables=False)
    true = scans["q0"]["structures"]["mandible"]
    shift = np.array([3.0, -2.0, 1.0])
    for answer in answers:
        if answer["structure"] == "mandible":
            answer["box_mm"] = (np.array(true["box_mm"]) + shift).tolist()
            answer["points_mm"] = {w: (np.array(p) + shift).tolist() for w, p in true["extreme_mm"].items()}
    _, table, _ = metrics.evaluate(check, "demo", scans, answers, seed=0, tables=False)
    line = table[table["structure"] == "mandible"].iloc[0]
    assert line["awd_mm"] == pytest.approx(2.0)
    assert line["mre_mm"] == pytest.approx(np.sqrt(14))
    size = np.diff(true["box_mm"], axis=0)[0]
    common = np.prod(size - np.abs(shift))
    assert line["iou"] == pytest.approx(common / (2 * np.prod(size) - common))


def test_diagonal_points_are_measured_at_the_corners() -> None:
    check, scans, answers = cohorts.cohort(queries=1, supports=1)
    for answer in answers:
        if answer["setting"] == "diagonal.k5.c1f0":
            box = np.array(scans["q0"]["structures"][answer["structure"]]["box_mm"])
            box[0] -= [3, 4, 0]
            answer["box_mm"] = box.tolist()
            answer["points_mm"] = dict(zip(("minimum", "maximum"), box.tolist(), strict=True))
    _, table, _ = metrics.evaluate(check, "demo", scans, answers, seed=0, tables=True)
    assert table[table["setting"] == "diagonal.k5.c1f0"]["mre_mm"].to_numpy() == pytest.approx(2.5)


def test_a_lost_answer_is_a_miss_with_a_reason() -> None:
    check, scans, answers = cohorts.cohort(tables=False)
    lost = answers.pop(3)
    rows, table, _ = metrics.evaluate(check, "demo", scans, answers, seed=0, tables=False)
    assert len(rows) == len(answers) + 1 + 4 * 4
    line = table[table["failed"]].iloc[0]
    assert (line["subject"], line["structure"], line["support"]) == tuple(
        lost[name] for name in ("subject", "structure", "support")
    )
    assert line["reason"] == "no answer: its task died"
    assert (line["iou"], line["iou_reference"]) == (0, 0)
    assert pd.isna(line[["awd_mm", "mre_mm", "spread_mm", "confidence", "seconds"]]).all()
    row = next(row for row in rows if row["failed"])
    assert row["box_mm"] is None and row["points_mm"] is None and row["seconds"] == {}
    assert set(row) == set(answers[0]) | {"within_90_mm", "calibrated_on"}


def test_a_query_that_was_set_aside_misses_everything() -> None:
    check, scans, answers = cohorts.cohort(tables=False)
    scans["q1"] = cohorts.aside("demo", "q1", "q1.nii.gz: found nothing but air, expected a body.", "q1.nii.gz")
    answers = [answer for answer in answers if answer["subject"] != "q1"]
    _, table, aside = metrics.evaluate(check, "demo", scans, answers, seed=0, tables=False)
    lines = table[table["subject"] == "q1"]
    assert len(lines) == 4 * (2 + 1)
    assert lines["failed"].all() and (lines["iou"] == 0).all()
    assert lines["reason"].unique().tolist() == ["scan set aside: q1.nii.gz: found nothing but air, expected a body."]
    assert aside.to_dict("records") == [
        {"subject": "q1", "file": "q1.nii.gz", "reason": "q1.nii.gz: found nothing but air, expected a body."}
    ]


def test_without_a_label_a_set_aside_query_has_no_metrics() -> None:
    check, scans, answers = cohorts.cohort(tables=False)
    next(row for row in check["rows"] if row["subject"] == "q1")["label"] = None
    scans["q1"] = cohorts.aside("demo", "q1", "broken")
    answers = [answer for answer in answers if answer["subject"] != "q1"]
    _, table, _ = metrics.evaluate(check, "demo", scans, answers, seed=0, tables=False)
    lines = table[table["subject"] == "q1"]
    assert lines["failed"].all() and lines["iou"].isna().all()


def test_a_dead_preprocessing_task_is_reported_with_the_sheet_s_file() -> None:
    check, scans, answers = cohorts.cohort(tables=False)
    del scans["t0"]
    _, _, aside = metrics.evaluate(check, "demo", scans, answers, seed=0, tables=False)
    assert aside.to_dict("records") == [
        {"subject": "t0", "file": "images/t0.nii.gz", "reason": "its preprocessing task died"}
    ]


def test_a_support_that_was_set_aside_is_named_and_another_one_is_drawn() -> None:
    check, scans, answers = cohorts.cohort(tables=False)
    good = next(row["support"] for row in answers if row["support"] != "s0")
    scans["s0"] = cohorts.aside("demo", "s0", "cut short")
    answers = [answer | {"drawn": True} for answer in answers if answer["support"] != "s0"]
    _, table, _ = metrics.evaluate(check, "demo", scans, answers, seed=0, tables=False)
    lost = table[table["support"] == "s0"]
    assert lost["reason"].unique().tolist() == ["support s0 set aside: cut short"]
    assert not lost["drawn"].any()
    assert table[table["drawn"]]["support"].unique().tolist() == [good]


def test_a_structure_that_the_support_lacks_is_named() -> None:
    check, scans, answers = cohorts.cohort(tables=False)
    del scans["s1"]["structures"]["mandible"]
    answers = [row for row in answers if (row["support"], row["structure"]) != ("s1", "mandible")]
    _, table, _ = metrics.evaluate(check, "demo", scans, answers, seed=0, tables=False)
    assert table[table["failed"]]["reason"].unique().tolist() == ["mandible is absent from the label of support s1"]


def test_without_truth_there_are_no_metrics_and_no_failure() -> None:
    check, scans, answers = cohorts.cohort(tables=False)
    del scans["q2"]["structures"]["mandible"]
    _, table, _ = metrics.evaluate(check, "demo", scans, answers, seed=0, tables=False)
    lines = table[(table["subject"] == "q2") & (table["structure"] == "mandible")]
    assert len(lines) == 2 + 1 and not lines["failed"].any()
    assert lines[["iou", "iou_reference", "awd_mm", "mre_mm"]].isna().all(axis=None)


def test_two_answers_of_one_name_are_an_error() -> None:
    check, scans, answers = cohorts.cohort(tables=False)
    with pytest.raises(InputError, match="two answers for q0 x brainstem x regression x extreme"):
        metrics.evaluate(check, "demo", scans, [*answers, answers[0]], seed=0, tables=False)


def test_an_answer_for_no_query_is_an_error() -> None:
    check, scans, answers = cohorts.cohort(tables=False)
    with pytest.raises(InputError, match="answer for t0, expected a query"):
        metrics.evaluate(check, "demo", scans, [*answers, answers[0] | {"subject": "t0"}], seed=0, tables=False)


def test_answers_of_other_settings_and_cohorts() -> None:
    check, scans, answers = cohorts.cohort(tables=False)
    more = [answers[0] | {"setting": "extreme.k2.c1f1"}, answers[0] | {"cohort": "another"}]
    rows, _, _ = metrics.evaluate(check, "demo", scans, [*answers, *more], seed=0, tables=False)
    assert len(rows) == len(answers) + 1 + 4 * 4
    assert rows[len(answers)]["setting"] == "extreme.k2.c1f1"


def test_structures_come_from_the_supports_where_the_settings_name_none() -> None:
    check, scans, _ = cohorts.cohort(tables=False)
    check["cohorts"]["demo"]["structures"] = None
    entry = scans["s0"]["structures"].popitem()[1]
    scans["s0"]["structures"] = {"label_10": entry, "label_2": entry}
    scans["s1"]["structures"] = {"label_3": entry}
    rows, _, _ = metrics.evaluate(check, "demo", scans, [], seed=0, tables=False)
    assert list(dict.fromkeys(row["structure"] for row in rows)) == ["label_2", "label_3", "label_10"]


def test_a_query_never_supports_itself() -> None:
    check, scans, _ = cohorts.cohort(tables=False)
    for row in check["rows"]:
        row["query"] = True
    rows, _, _ = metrics.evaluate(check, "demo", scans, [], seed=0, tables=False)
    assert all(row["subject"] != row["support"] for row in rows)
    # Two supports are queries too and have one other each; the five other queries have both together as well.
    assert len(rows) == 4 * (5 * (2 + 1) + 2)


def test_nothing_at_all_gives_empty_tables() -> None:
    check = {"rows": [], "cohorts": {"demo": {"structures": None, "starts": 15}}}
    rows, table, aside = metrics.evaluate(check, "demo", {}, [], seed=0, tables=True)
    assert rows == [] and table.empty and aside.empty
    assert list(table.columns) == list(metrics.COLUMNS)
