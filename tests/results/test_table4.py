"""Table 4: several supports with answers worked out by hand, and recomputed another way."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from rprloc.geometry import robust_mean
from rprloc.methods.prediction import OUTSIDE
from rprloc.results import layout, metrics, table4
from rprloc.results.combined import alone, together
from rprloc.results.statistics import describe
from tests.results import cohorts

MAIN = "extreme.k15.c1f1"
CUBE = ((0, 0, 0), (10, 10, 10))


def small(shifts: dict[str, dict[str, float | None]], **more: Any) -> pd.DataFrame:
    """Return table 4 of one structure, a cube of 10 mm, from each query's found shifts along x by support.

    None is a failed answer. `more` changes every answer.
    """
    check, scans, rows = cohort_of(shifts)
    return tidy_of(check, scans, [row | more for row in rows])


def cohort_of(shifts: Any) -> tuple[Any, Any, list[Any]]:
    """Return what the checked sheet says, the scans and the answers of `small`."""
    names = sorted({name for found in shifts.values() for name in found})
    scans = {name: cohorts.scan("demo", name, {"heart": cohorts.structure(*CUBE)}) for name in (*shifts, *names)}
    check = {"cohorts": {"demo": {"structures": {"heart": 1}, "starts": 15}}}
    check |= {"rows": [cohorts.row("demo", name, "none") | {"query": name in shifts, "support": name in names}
                       for name in scans]}  # fmt: skip
    rows = []
    for query, found in shifts.items():
        for support, shift in found.items():
            box = np.array(CUBE, dtype=float) + np.array([shift or 0, 0, 0])
            row = cohorts.answer("demo", query, "heart", MAIN, support, support == "s0", box)
            if shift is None:
                row |= {"failed": True, "reason": "lost", "box_mm": None, "points_mm": None}
            rows.append(row)
    return check, scans, rows


def tidy_of(check: Any, scans: Any, answers: Any, seed: int = 0) -> pd.DataFrame:
    """Return table 4 of a cohort."""
    rows, table, _ = metrics.evaluate(check, "demo", scans, answers, seed=seed, tables=False)
    return table4.tidy_table4(rows, table, scans, starts=15, seed=seed)


def line(tidy: pd.DataFrame, supports: int, method: str = "regression", structure: str = "mean") -> pd.Series:
    """Return one line of table 4."""
    chosen = (tidy["supports"] == supports) & (tidy["method"] == method) & (tidy["structure"] == structure)
    (found,) = tidy[chosen].index
    return tidy.loc[found]


def test_walls_at_one_two_and_nine_are_at_four() -> None:
    tidy = small({"q0": {"s0": 1, "s1": 2, "s2": 9}})
    assert list(tidy.columns) == list(table4.COLUMNS)
    every = line(tidy, 3)
    assert (every["awd_mm"], every["iou"]) == pytest.approx((4 * 2 / 6, 6 / 14))
    # Two of six walls are 4 mm off: the fifth of six values, and half way between them, are 0 and 4.
    assert (every["wall_median_mm"], every["wall_p90_mm"]) == pytest.approx((0, 4))
    assert (every["answers"], every["failures"], every["n"], every["draws"]) == (1, 0, 1, 1)
    one = line(tidy, 1)
    assert (one["awd_mm"], one["iou"]) == pytest.approx(((1 + 2 + 9) / 9, (9 / 11 + 8 / 12 + 1 / 19) / 3))
    assert (one["answers"], one["n"], one["draws"]) == (3, 1, 3)
    assert one["wall_p90_mm"] == pytest.approx(np.percentile([0] * 12 + [1, 1, 2, 2, 9, 9], 90))
    assert math.isnan(one["iou_low"])
    # The only structure is the mean.
    assert line(tidy, 3, structure="heart").drop("structure").equals(every.drop("structure"))


def test_the_query_itself_is_left_out() -> None:
    tidy = small({"s0": {"s1": 2, "s2": 8}, "q0": {"s0": 1, "s1": 1, "s2": 1}})
    assert line(tidy, 3)["awd_mm"] == pytest.approx((5 + 1) / 2 / 3)
    one = line(tidy, 1)
    assert (one["answers"], one["failures"], one["n"]) == (5, 0, 2)
    # Each image counts once, however many supports it has.
    assert one["awd_mm"] == pytest.approx((5 + 1) / 2 / 3)


def test_a_failed_support_is_left_out_and_none_left_is_a_miss() -> None:
    tidy = small({"q0": {"s0": 1, "s1": None, "s2": 9}, "q1": {"s0": None, "s1": None, "s2": None}})
    every = line(tidy, 3)
    assert (every["answers"], every["failures"], every["n"]) == (2, 1, 2)
    assert every["awd_mm"] == pytest.approx(5 / 3) and every["iou"] == pytest.approx((5 / 15 + 0) / 2)
    one = line(tidy, 1)
    assert (one["answers"], one["failures"]) == (6, 4)
    assert one["iou"] == pytest.approx((9 / 11 + 1 / 19) / 6)
    nothing = line(small({"q0": {"s0": None, "s1": None}}), 2)
    assert (nothing["iou"], nothing["failures"]) == (0, 1)
    assert math.isnan(nothing["awd_mm"]) and math.isnan(nothing["wall_median_mm"])


def test_what_more_supports_do_not_see_than_find_is_a_miss_as_in_the_answers_of_all() -> None:
    for found, missed in ((1, True), (2, False)):
        check, scans, rows = cohort_of({"q0": {f"s{i}": i if i < found else None for i in range(found + 2)}})
        rows = [row | ({"reason": OUTSIDE} if row["failed"] else {}) for row in rows]
        answers, _, _ = metrics.evaluate(check, "demo", scans, rows, seed=0, tables=False)
        (together,) = [row for row in answers if row["support"] == "*"]
        assert together["failed"] == missed
        assert line(tidy_of(check, scans, rows), found + 2)["failures"] == int(missed)


def test_draws_are_those_of_the_seed() -> None:
    draws = table4.draws_of(1, "demo", 9, 3)
    assert len(draws) == 20 and all(len(set(draw)) == 3 and max(draw) < 9 for draw in draws)
    assert draws == table4.draws_of(1, "demo", 9, 3)
    assert draws != table4.draws_of(2, "demo", 9, 3) and draws != table4.draws_of(1, "other", 9, 3)
    assert table4.draws_of(1, "demo", 3, 1) == [[0], [1], [2]] and table4.draws_of(1, "demo", 3, 3) == [[0, 1, 2]]


@pytest.mark.parametrize(("supports", "sizes"), [(1, [1]), (2, [1, 2]), (4, [1, 3, 4]), (9, [1, 3, 5, 9]),
                                                 (12, [1, 3, 5, 9, 12])])  # fmt: skip
def test_rows_go_up_to_all_supports(supports: int, sizes: list[int]) -> None:
    tidy = small({"q0": {f"s{i:02}": i for i in range(supports)}})
    assert tidy["supports"].unique().tolist() == sizes
    assert (tidy["of_supports"] == supports).all()


def test_methods_with_the_same_supports_have_the_same_draws() -> None:
    check, scans, answers = cohorts.cohort(supports=5, tables=False)
    check["cohorts"]["demo"]["methods"] = [
        {"name": "regression", "settings": [MAIN], "supports": None},
        {"name": "convex", "settings": ["extreme"], "supports": None},
    ]
    twins = [row | {"method": "convex", "setting": "extreme"} for row in answers]
    tidy = tidy_of(check, scans, [*answers, *twins])
    names = ["row", "method", "setting"]
    own, other = (tidy[tidy["method"] == name].drop(columns=names) for name in ("regression", "convex"))
    assert set(own["supports"]) == {1, 3, 5}
    pd.testing.assert_frame_equal(own.reset_index(drop=True), other.reset_index(drop=True))
    again = tidy_of(check, scans, [*reversed(answers), *twins])
    pd.testing.assert_frame_equal(again, tidy)
    assert line(tidy_of(check, scans, answers, seed=1), 3)["iou"] != line(tidy, 3)["iou"]


def test_draws_recomputed_one_by_one() -> None:
    check, scans, answers = cohorts.cohort(queries=3, supports=5, tables=False)
    found = line(tidy_of(check, scans, answers), 3)
    ious, errors = [], []
    for query in ("q0", "q1", "q2"):
        for organ in cohorts.ORGANS:
            box = {
                row["support"]: row["box_mm"] for row in answers if (row["subject"], row["structure"]) == (query, organ)
            }
            true = np.array(scans[query]["structures"][organ]["box_mm"])
            for draw in table4.draws_of(0, "demo", 5, 3):
                middle = robust_mean([box[f"s{i}"] for i in draw])
                ious.append(metrics.box_iou(true, middle))
                errors.append(np.abs(true - middle).ravel())
    assert found["answers"] == len(ious) == 3 * 4 * 20
    assert found["iou"] == pytest.approx(np.mean(ious)) and found["awd_mm"] == pytest.approx(np.mean(errors))
    assert found["wall_median_mm"] == pytest.approx(np.median(errors))
    assert found["wall_p90_mm"] == pytest.approx(np.percentile(errors, 90))


@pytest.fixture(scope="module")
def parts() -> tuple[list[dict[str, Any]], pd.DataFrame, pd.DataFrame]:
    """Rows, metrics and table 4 of four queries, three supports and four methods; one answer of `affine` failed."""
    check, scans, answers = cohorts.many_methods(supports=3)
    lost = next(row for row in answers if row["method"] == "affine")
    lost |= {"failed": True, "reason": "the registration diverged", "box_mm": None, "points_mm": None}
    rows, table, _ = metrics.evaluate(check, "demo", scans, answers, seed=0, tables=False)
    return rows, table, table4.tidy_table4(rows, table, scans, starts=15, seed=0)


SHARED = ["n", "answers", "failures", "iou", "iou_low", "iou_high", "awd_mm", "awd_low_mm", "awd_high_mm"]


@pytest.mark.parametrize("method", ["regression", "grey_ncc", "affine", "retina_unet"])
@pytest.mark.parametrize("structure", ["mandible", "mean"])
def test_one_support_and_all_are_the_rows_of_the_metrics(parts: Any, method: str, structure: str) -> None:
    _, table, tidy = parts
    own = table[table["method"] == method]
    own = own if structure == "mean" else own[own["structure"] == structure]
    one = line(tidy, 0 if method == "retina_unet" else 1, method, structure)
    assert one[SHARED].to_dict() == pytest.approx({name: describe(alone(own))[name] for name in SHARED})
    if method != "retina_unet":
        every = line(tidy, 2 if method == "affine" else 3, method, structure)
        assert every[SHARED].to_dict() == pytest.approx({name: describe(together(own))[name] for name in SHARED})


def test_supports_that_were_set_aside_take_no_part() -> None:
    check, scans, answers = cohorts.cohort(supports=3, tables=False)
    whole = tidy_of(check, scans, answers)
    scans["s1"] = cohorts.aside("demo", "s1", "cut short")
    tidy = tidy_of(check, scans, [row for row in answers if row["support"] != "s1"])
    assert set(tidy["supports"]) == {1, 2} and (tidy["failures"] == 0).all()
    assert line(tidy, 1)["answers"] == line(whole, 1)["answers"] * 2 / 3
    for name in ("s0", "s2"):
        scans[name] = cohorts.aside("demo", name, "cut short")
    nothing = tidy_of(check, scans, [])
    assert (nothing["iou"] == 0).all() and (nothing["failures"] == nothing["answers"]).all() and len(nothing)


def test_a_labelled_query_that_was_set_aside_is_a_miss() -> None:
    check, scans, answers = cohorts.cohort(supports=2, tables=False)
    scans["q1"] = cohorts.aside("demo", "q1", "nothing but air")
    tidy = tidy_of(check, scans, [row for row in answers if row["subject"] != "q1"])
    every = line(tidy, 2)
    assert (every["n"], every["answers"], every["failures"]) == (4, 16, 4)


def test_seconds_of_a_scan() -> None:
    shifts: dict[str, dict[str, float | None]] = {
        "q0": {"s0": 1, "s1": 1, "s2": None},
        "q1": {"s0": 1, "s1": 1, "s2": 1},
    }
    tidy = small(shifts, seconds={"read": 0.5, "search": 1.5})
    assert line(tidy, 1)["seconds"] == pytest.approx(2) and line(tidy, 3)["seconds"] == pytest.approx(6)
    assert small(shifts, first=True)["seconds"].isna().all()
    # A query that is a support is not searched from itself, and one whose task died took no time.
    tidy = small({"s0": {"s1": 1, "s2": 1}, "q0": {"s0": 1, "s1": 1, "s2": 1}}, seconds={"search": 2.0})
    assert line(tidy, 1)["seconds"] == pytest.approx(2) and line(tidy, 3)["seconds"] == pytest.approx(5)
    check, scans, answers = cohorts.cohort(queries=2, supports=2, tables=False)
    tidy = tidy_of(check, scans, [row for row in answers if row["subject"] != "q0"])
    assert line(tidy, 2)["seconds"] == pytest.approx(4 * 2 * 0.75)
    assert line(tidy, 2, structure="mandible")["seconds"] == pytest.approx(2 * 0.75)


def test_the_first_scan_of_a_task_is_not_in_the_mean() -> None:
    check, scans, answers = cohorts.cohort(queries=2, supports=2, tables=False)
    for row in answers:
        if row["subject"] == "q0":
            row |= {"first": True, "seconds": {"search": 100.0}}
    assert line(tidy_of(check, scans, answers), 2)["seconds"] == pytest.approx(4 * 2 * 0.75)


def test_without_truth_it_is_a_sentence() -> None:
    check, scans, answers = cohorts.cohort(queries=1, tables=False)
    scans["q0"]["structures"] = {}
    tidy = tidy_of(check, scans, answers)
    assert tidy.empty and list(tidy.columns) == list(table4.COLUMNS)
    (table,) = table4.supports_tables(tidy, {"demo": 15})
    assert table.lines == () and "No query of this cohort has a label" in table.notes[0]


def test_a_structure_without_truth_has_no_line() -> None:
    check, scans, answers = cohorts.cohort(supports=3, tables=False)
    for name in ("q0", "q1", "q2", "q3"):
        del scans[name]["structures"]["mandible"]
    del scans["q0"]["structures"]["brainstem"]
    tidy = tidy_of(check, scans, answers)
    assert "mandible" not in set(tidy["structure"])
    assert (line(tidy, 3, structure="brainstem")["n"], line(tidy, 3)["answers"]) == (3, 11)


def test_laid_out_for_people(parts: Any, tmp_path: Path) -> None:
    *_, tidy = parts
    layout.write_csv(tmp_path / "table4.csv", tidy)
    (table,) = table4.supports_tables(pd.read_csv(tmp_path / "table4.csv"), {"demo": 15})
    assert [(row.label.split()[0], row.support) for row in table.lines] == [
        ("regression", "1 of 3, each alone"), ("regression", "all 3"), ("grey_ncc", "1 of 3, each alone"),
        ("grey_ncc", "all 3"), ("retina_unet", "none"), ("affine", "1 of 2, each alone"), ("affine", "all 2"),
    ]  # fmt: skip
    assert all(len(row.cells) == len(table.columns) for row in table.lines)
    cells = dict(zip(table.columns, table.lines[-2].cells, strict=True))
    # Each box of affine is 2 mm off along x; one of its 32 answers failed.
    assert cells["brainstem"].endswith(", 0.67") and cells["failed"] == "1 of 32"
    assert (cells["wall, median"], cells["wall, 90 %"]) == ("0.00", "2.00")
    assert any("wall by wall" in note for note in table.notes) and any(
        "The paper has no such" in n for n in table.notes
    )
    only = tidy[(tidy["method"] == "affine") & (tidy["supports"] == 1)].assign(of_supports=1)
    assert [row.support for row in table4.supports_tables(only, {"demo": 15})[0].lines] == ["1"]


def test_many_structures_leave_their_mean(parts: Any) -> None:
    *_, tidy = parts
    own = tidy[tidy["structure"] != "mean"]
    many = pd.concat([tidy, *(own.assign(structure=own["structure"] + f"_{i}") for i in range(2))])
    (table,) = table4.supports_tables(many, {"demo": 15})
    assert table.columns[0] == "mean" and any("Mean over 12 structures" in note for note in table.notes)


def test_several_draws_in_words() -> None:
    (table,) = table4.supports_tables(small({"q0": {f"s{i}": i for i in range(5)}}), {"demo": 15})
    assert [row.support for row in table.lines] == ["1 of 5, each alone", "3 of 5, 20 draws", "all 5"]
