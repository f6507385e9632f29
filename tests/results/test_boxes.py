"""boxes.csv: one answer for each query and structure."""

from __future__ import annotations

import pandas as pd
import pytest

from rprloc.results import metrics
from rprloc.results.boxes import COLUMNS, box_table, shown_answers
from tests.results import cohorts


@pytest.mark.parametrize(("supports", "shown"), [(1, "s0"), (2, "*")])
def test_each_query_and_structure_has_its_main_answer(supports: int, shown: str) -> None:
    check, scans, answers = cohorts.cohort(queries=3, supports=supports)
    rows, *_ = metrics.evaluate(check, "demo", scans, answers, seed=0, tables=True)
    boxes = box_table(rows, {"demo": 15})
    assert list(boxes.columns) == list(COLUMNS)
    assert len(boxes) == 3 * len(cohorts.ORGANS)
    assert set(boxes["support"]) == {shown} and set(boxes["n_supports"]) == {supports}
    for line in boxes.to_dict("records"):
        (row,) = [
            row
            for row in rows
            if (row["subject"], row["structure"], row["support"], row["setting"])
            == (line["subject"], line["structure"], shown, "extreme.k15.c1f1")
        ]
        low, high = ([line[f"{axis}_{end}_mm"] for axis in "xyz"] for end in ("min", "max"))
        assert [low, high] == row["box_mm"]
        assert (line["spread_mm"], line["failed"]) == (row["spread_mm"], False)
        assert (row["spread_mm"] == 2.5) == (supports == 1)


def test_the_drawn_support_is_answered_from_the_next() -> None:
    answers = [
        {"cohort": "c", "subject": query, "support": support, "drawn": support == "a", "setting": "extreme.k4.c1f1"}
        | {"method": "regression", "structure": "heart"}
        for query, support in (("a", "b"), ("a", "c"), ("b", "c"), ("b", "a"), ("c", "b"), ("c", "a"))
    ]
    found = shown_answers(answers, "c", 4)
    assert {query: [row["support"] for row in rows] for query, rows in found.items()} == {
        "a": ["b"], "b": ["a"], "c": ["a"],
    }  # fmt: skip


def test_a_failed_answer_has_a_line_without_a_box() -> None:
    check, scans, _ = cohorts.cohort(queries=1, supports=1, tables=False)
    rows, *_ = metrics.evaluate(check, "demo", scans, [], seed=0, tables=False)
    boxes = box_table(rows, {"demo": 15, "other": 4})
    assert len(boxes) == len(cohorts.ORGANS)
    assert bool(boxes["failed"].all())
    assert boxes["x_min_mm"].isna().all()
    assert set(boxes["reason"]) == {"no answer: its task died"}


def test_no_answers_leave_a_header() -> None:
    assert box_table([], {"demo": 15}).to_csv(index=False).strip() == ",".join(COLUMNS)
    assert isinstance(box_table([], {}), pd.DataFrame)


def test_the_paper_s_method_goes_before_all_others() -> None:
    _, _, answers = cohorts.many_methods(queries=1)
    found = shown_answers(list(reversed(answers)), "demo", 15)
    assert {row["method"] for row in found["q0"]} == {"regression"}
    others = [row for row in answers if row["method"] != "regression"]
    assert {row["method"] for row in shown_answers(others, "demo", 15)["q0"]} == {"grey_ncc"}
    alone = [row for row in others if row["method"] == "retina_unet"]
    boxes = box_table(alone, {"demo": 15})
    assert set(boxes["support"]) == {"-"} and len(boxes) == len(cohorts.ORGANS)
