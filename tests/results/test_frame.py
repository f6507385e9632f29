"""The table of all predictions: its types, its groups, and the predictions to use."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from rprloc.errors import InputError
from rprloc.files import write_json_lines
from rprloc.results.frame import (
    COLUMNS,
    TYPES,
    Main,
    alone,
    groups_of,
    main_of,
    main_rows,
    median_query,
    one_support,
    read_metrics,
    read_predictions,
    read_tables,
    shown_predictions,
    together,
    write_frame,
)
from tests.results import cohorts
from tests.results.cohorts import metrics_rows


def named(*names: tuple[Any, ...]) -> pd.DataFrame:
    """Return lines of metrics.csv of methods, settings and whether these are the main ones."""
    return metrics_rows({"method": method, "setting": setting, "main": main} for method, setting, main in names)


def test_metrics_are_read_in_their_types_also_where_there_are_none(tmp_path: Path) -> None:
    found = cohorts.many_methods(queries=1).evaluate().metrics.assign(subject="007")
    paths = [tmp_path / name for name in ("none.csv", "some.csv")]
    for path, table in zip(paths, (found[:0], found), strict=True):
        write_frame(path, table)
        assert read_metrics(path).dtypes.to_dict() == pd.DataFrame(columns=list(COLUMNS)).astype(TYPES).dtypes.to_dict()
    read = read_metrics(*paths)
    assert (read["subject"] == "007").all() and len(read) == len(found) and list(read.columns) == list(COLUMNS)
    write_frame(tmp_path / "short.csv", pd.DataFrame({"file": ["1.0"], "mm": [1 / 3]}), digits=6)
    assert read_tables(tmp_path / "short.csv").to_dict("records") == [{"file": "1.0", "mm": 0.333333}]


def test_predictions_are_read_and_what_is_none_is_refused(tmp_path: Path) -> None:
    made = cohorts.cohort(queries=1, supports=1, tables=False).predictions
    write_json_lines(tmp_path / "a.jsonl", [one.to_json() for one in made])
    (tmp_path / "b.jsonl").write_text("", encoding="utf-8")
    assert read_predictions(tmp_path / "b.jsonl", tmp_path / "a.jsonl", tmp_path / "a.jsonl") == [*made, *made]
    for content in ('{"cohort": "c"}\n', "{\n"):
        (tmp_path / "b.jsonl").write_text(content, encoding="utf-8")
        with pytest.raises(InputError, match=r"b\.jsonl: expected predictions"):
            read_predictions(tmp_path / "b.jsonl")


def test_groups_are_the_main_settings_in_the_order_of_the_tables() -> None:
    frame = named(
        ("new", "x", True), ("convex", "extreme", True), ("regression", "extreme.k4.c1f0", False),
        ("regression", "extreme.k4.c1f1", True),
    )  # fmt: skip
    both = pd.concat([frame.assign(cohort="b", structure="liver"), frame.assign(cohort="a")], ignore_index=True)
    groups = list(groups_of(both))
    assert [(group.cohort, group.method, group.setting) for group in groups] == [
        (cohort, method, setting)
        for cohort in ("a", "b")
        for method, setting in (("regression", "extreme.k4.c1f1"), ("convex", "extreme"), ("new", "x"))
    ]
    assert groups[0].names == {
        "cohort": "a", "row": "regression (the paper's)", "method": "regression", "setting": "extreme.k4.c1f1",
    }  # fmt: skip
    assert groups[-1].structures == ("liver",) and len(groups[-1].rows) == 1
    assert len(list(groups_of(both, every=True))) == 8 and list(groups_of(both[:0])) == []


def test_of_a_method_without_a_main_setting_all_are_shown_and_named() -> None:
    frame = named(("grey_ncc", "extreme.s1", False), ("grey_ncc", "extreme.s2", False), ("affine", "extreme", True))
    assert [group.label for group in groups_of(frame)] == [
        "grey_ncc (GS NCC), extreme.s1", "grey_ncc (GS NCC), extreme.s2", "affine (ours)",
    ]  # fmt: skip


def test_modes() -> None:
    rows = [("s0", 1, True), ("s1", 1, False), ("*", 2, False)]
    frame = metrics_rows(
        {"method": "affine", "setting": "extreme", "support": support, "n_supports": count, "drawn": drawn}
        for support, count, drawn in rows
    )
    (group,) = groups_of(frame)
    assert {mode: own["support"].tolist() for mode, own in group.modes()} == {"drawn": ["s0"], "all": ["s0", "s1"]}
    (group,) = groups_of(frame[:1].assign(support="-", n_supports=0))
    assert [mode for mode, _ in group.modes()] == ["none"]
    (group,) = groups_of(frame[2:])
    assert list(group.modes()) == []


@pytest.mark.parametrize(
    ("rows", "main"),
    [
        ([("regression", "extreme.k4.c1f1", True), ("matched", "extreme", True)], ("matched", "extreme")),
        ([("affine", "extreme", True), ("regression", "extreme.k4.c1f1", True), ("regression", "b", False)],
         ("regression", "extreme.k4.c1f1")),
        ([("convex", "extreme", True), ("grey_ncc", "extreme.s1", False)], ("grey_ncc", "extreme.s1")),
    ],
)  # fmt: skip
def test_the_predictions_to_use(rows: Any, main: tuple[str, str]) -> None:
    frame = named(*rows)
    assert main_of(frame, "demo") == main
    assert main_rows(frame, "demo")[["method", "setting"]].drop_duplicates().to_numpy().tolist() == [list(main)]
    assert main_of(frame, "another") == Main("regression", "") and main_rows(frame, "another").empty


def test_predictions_of_all_supports_go_before_those_of_one() -> None:
    made = cohorts.cohort(queries=2, supports=2)
    found = made.evaluate().predictions
    shown = shown_predictions(found, "demo", Main("regression", cohorts.MAIN))
    assert {query: {one.support for one in own} for query, own in shown.items()} == {"q0": {"*"}, "q1": {"*"}}
    assert shown_predictions(found, "another", Main("regression", cohorts.MAIN)) == {}


def test_the_drawn_support_is_predicted_from_the_next() -> None:
    pairs = (("s0", "s1"), ("s0", "s2"), ("s1", "s2"), ("s1", "s0"), ("s2", "s1"), ("s2", "s0"))
    found = [cohorts.prediction(query, "heart", support, cohorts.CUBE) for query, support in pairs]
    shown = shown_predictions(found, "demo", Main("regression", cohorts.MAIN))
    assert {query: [one.support for one in own] for query, own in shown.items()} == {
        "s0": ["s1"], "s1": ["s0"], "s2": ["s0"],
    }  # fmt: skip
    assert [one.support for one in one_support(found[4:])] == ["s0"]


def test_alone_and_together_are_all() -> None:
    table = cohorts.many_methods(queries=1).evaluate().metrics
    assert len(alone(table)) + len(together(table)) == len(table)
    assert set(together(table)["support"]) == {"*"} and np.isnan(table["covered"]).all()


def middle_rows(means: dict[str, float]) -> pd.DataFrame:
    """Return metrics of two structures whose mean over them is given for each query."""
    lines = [
        {"subject": name, "structure": organ, "drawn": True, "iou": iou + shift}
        for name, iou in means.items()
        for organ, shift in (("a", 0.1), ("b", -0.1))
    ]
    return pd.DataFrame([*lines, *({**line, "drawn": False, "iou": 1 - line["iou"]} for line in lines)])


def test_the_query_in_the_middle() -> None:
    main = middle_rows({"q0": 0.9, "q1": 0.2, "q2": 0.5, "q3": 0.4, "q4": 0.8})
    assert median_query(main, ["q0", "q1", "q2", "q3", "q4"]) == "q2"
    # Of four it is the worse one of the two in the middle.
    assert median_query(main, ["q0", "q1", "q2", "q3"]) == "q3"
    assert median_query(main, ["q0"]) == "q0"
    assert median_query(main.assign(iou=np.nan), ["q3", "q1"]) == "q3"
    assert median_query(main, []) is None
