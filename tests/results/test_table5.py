"""Table 5: errors of single landmarks with answers worked out by hand, and held against metrics.csv."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from rprloc.cohort.methods import NO_SUPPORT
from rprloc.geometry import WALLS
from rprloc.results import layout, metrics, table5
from rprloc.results.combined import alone, together
from rprloc.results.statistics import describe, mean_interval
from tests.results import cohorts

MAIN = "extreme.k15.c1f1"
CUBE = ((0, 0, 0), (10, 10, 10))
RATES = ["sdr_2mm", "sdr_4mm", "sdr_8mm"]

Found = dict[str, dict[str, Any]]


def tidy_of(check: Any, scans: Any, answers: Any) -> pd.DataFrame:
    """Return table 5 of a cohort."""
    rows, table, _ = metrics.evaluate(check, "demo", scans, answers, seed=0, tables=False)
    return table5.tidy_table5(rows, table, scans, starts=15)


def small(shifts: Found) -> pd.DataFrame:
    """Return table 5 of one structure, a cube of 10 mm, from each query's found shifts along x by support.

    A shift is one number for all points and the box, or six for the points alone; None is a failed answer.
    """
    names = sorted({name for found in shifts.values() for name in found})
    scans = {name: cohorts.scan("demo", name, {"heart": cohorts.structure(*CUBE)}) for name in (*shifts, *names)}
    check = {"cohorts": {"demo": {"structures": {"heart": 1}, "starts": 15}}}
    check |= {"rows": [cohorts.row("demo", name, "none") | {"query": name in shifts, "support": name in names}
                       for name in scans]}  # fmt: skip
    rows = []
    for query, found in shifts.items():
        for support, shift in found.items():
            box = np.array(CUBE, dtype=float) + np.array([shift if isinstance(shift, int | float) else 0, 0, 0])
            row = cohorts.answer("demo", query, "heart", MAIN, support, support == "s0", box)
            if shift is None:
                row |= {"failed": True, "reason": "lost", "box_mm": None, "points_mm": None}
            elif isinstance(shift, list):
                move(row, shift)
            rows.append(row)
    return tidy_of(check, scans, rows)


def move(row: dict[str, Any], distances: list[float]) -> None:
    """Move the six points of an answer by so many mm along x, which leaves its box where it is."""
    points = zip(WALLS, distances, strict=True)
    row["points_mm"] = {wall: np.add(row["points_mm"][wall], (mm, 0, 0)).tolist() for wall, mm in points}


def line(
    tidy: pd.DataFrame, supports: int, landmark: str = "extreme", method: str = "regression", structure: str = "mean"
) -> pd.Series:
    """Return one line of table 5."""
    chosen = (tidy["supports"] == supports) & (tidy["landmark"] == landmark)
    (found,) = tidy[chosen & (tidy["method"] == method) & (tidy["structure"] == structure)].index
    return tidy.loc[found]


def test_points_off_by_one_three_five_and_nine() -> None:
    tidy = small({"q0": {"s0": 1}, "q1": {"s0": 3}, "q2": {"s0": 5}, "q3": {"s0": 9}})
    assert list(tidy.columns) == list(table5.COLUMNS)
    for landmark in ("extreme", "centre"):
        found = line(tidy, 1, landmark)
        assert found[RATES].tolist() == [0.25, 0.5, 0.75]
        assert found["mre_mm"] == pytest.approx(4.5)
        # Student's t with 3 degrees of freedom, SD of 1, 3, 5, 9.
        half = 3.182446 * math.sqrt((3.5**2 + 1.5**2 + 0.5**2 + 4.5**2) / 3) / 2
        assert (found["mre_low_mm"], found["mre_high_mm"]) == pytest.approx((4.5 - half, 4.5 + half), rel=1e-6)
        assert (found["n"], found["answers"], found["failures"], found["of_supports"]) == (4, 4, 0, 1)
    # A single support is alone and all together at once; the only structure is the mean.
    assert len(tidy) == 4
    assert line(tidy, 1, structure="heart").drop("structure").equals(line(tidy, 1).drop("structure"))


def test_the_points_of_one_image_and_its_centre_are_two_things() -> None:
    tidy = small({"q0": {"s0": [1, 3, 5, 9, 0, 2]}})
    points = line(tidy, 1)
    assert points["mre_mm"] == pytest.approx(20 / 6)
    # A point that is off by 2 mm is within 2 mm.
    assert points[RATES].tolist() == pytest.approx([3 / 6, 4 / 6, 5 / 6])
    assert math.isnan(points["mre_low_mm"]) and math.isnan(points["mre_high_mm"]) and points["n"] == 1
    centre = line(tidy, 1, "centre")
    assert (centre["mre_mm"], *centre[RATES]) == (0, 1, 1, 1)


@pytest.mark.parametrize("origin", [0.1, 241.177, -1234.5678])
@pytest.mark.parametrize(("off", "rates"), [(2, [1, 1, 1]), (2.0001, [0, 1, 1]), (4, [0, 1, 1]), (4.0001, [0, 0, 1]),
                                            (8, [0, 0, 1]), (8.0001, [0, 0, 0])])  # fmt: skip
def test_the_limit_itself_is_within(origin: float, off: float, rates: list[int]) -> None:
    scan = cohorts.scan("demo", "q0", {"heart": cohorts.structure([origin] * 3, [origin + 10] * 3)})
    box = np.array(scan["structures"]["heart"]["box_mm"]) + np.array([0, off, 0])
    scores = table5._scores([cohorts.answer("demo", "q0", "heart", MAIN, "s0", True, box)], {"q0": scan})
    assert scores[RATES].to_numpy().tolist() == [rates, rates]


def test_a_failed_answer_is_not_detected_and_has_no_error() -> None:
    tidy = small({"q0": {"s0": 1, "s1": None}, "q1": {"s0": 3, "s1": 3}, "q2": {"s0": None, "s1": None}})
    one = line(tidy, 1)
    assert (one["n"], one["answers"], one["failures"]) == (3, 6, 3)
    assert one["mre_mm"] == pytest.approx((1 + 3) / 2)
    # Images: one of two supports within 2 mm; both within 4 mm; none at all.
    assert one[RATES].tolist() == pytest.approx([0.5 / 3, 1.5 / 3, 1.5 / 3])
    every = line(tidy, 2)
    assert (every["n"], every["answers"], every["failures"]) == (3, 3, 1)
    assert every["mre_mm"] == pytest.approx(2) and every[RATES].tolist() == pytest.approx([1 / 3, 2 / 3, 2 / 3])
    nothing = line(small({"q0": {"s0": None}}), 1)
    assert nothing[RATES].tolist() == [0, 0, 0] and math.isnan(nothing["mre_mm"]) and nothing["n"] == 1


def test_all_supports_are_one_answer() -> None:
    tidy = small({"q0": {"s0": 1, "s1": 3, "s2": 9}})
    one, every = line(tidy, 1, "centre"), line(tidy, 3, "centre")
    assert one["mre_mm"] == pytest.approx(13 / 3) and one[RATES].tolist() == pytest.approx([1 / 3, 2 / 3, 2 / 3])
    assert every["mre_mm"] == pytest.approx(13 / 3) and every[RATES].tolist() == [0, 0, 1]
    assert (one["answers"], every["answers"], one["of_supports"], every["of_supports"]) == (3, 1, 3, 3)


def test_an_image_counts_once_however_many_supports_it_has() -> None:
    tidy = small({"s0": {"s1": 6}, "q0": {"s0": 1, "s1": 3}})
    one = line(tidy, 1)
    assert one["mre_mm"] == pytest.approx((6 + 2) / 2) and one["answers"] == 3
    assert one[RATES].tolist() == pytest.approx([0.25, 0.5, 1])
    # A query with one other support has no answer of several.
    assert (line(tidy, 2)["n"], line(tidy, 2)["mre_mm"]) == (1, 2)


@pytest.fixture(scope="module")
def parts() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Metrics and table 5 of four queries, three supports and four methods; one answer of `affine` failed."""
    check, scans, answers = cohorts.many_methods(supports=3)
    lost = next(row for row in answers if row["method"] == "affine")
    lost |= {"failed": True, "reason": "the registration diverged", "box_mm": None, "points_mm": None}
    rows, table, _ = metrics.evaluate(check, "demo", scans, answers, seed=0, tables=False)
    return table, table5.tidy_table5(rows, table, scans, starts=15)


@pytest.mark.parametrize("method", ["regression", "grey_ncc", "affine"])
@pytest.mark.parametrize("structure", ["brainstem", "mean"])
def test_the_points_are_those_of_the_metrics(parts: Any, method: str, structure: str) -> None:
    table, tidy = parts
    own = table[table["method"] == method]
    own = own if structure == "mean" else own[own["structure"] == structure]
    for size, rows in ((1, alone(own)), (2 if method == "affine" else 3, together(own))):
        found, known = line(tidy, size, method=method, structure=structure), describe(rows)
        names = ["n", "answers", "failures", "mre_mm"]
        assert found[names].to_dict() == pytest.approx({name: known[name] for name in names})
        images = rows.groupby(["structure", "subject"])["mre_mm"].mean().groupby("subject").mean()
        half = (found["mre_high_mm"] - found["mre_low_mm"]) / 2
        assert half == pytest.approx(mean_interval(images).half_width)


def test_a_method_without_extreme_points_has_no_line(parts: Any) -> None:
    table, tidy = parts
    assert "retina_unet" in set(table["method"])
    assert tidy["method"].unique().tolist() == ["regression", "grey_ncc", "affine"]
    check, scans, answers = cohorts.cohort()
    assert set(tidy_of(check, scans, answers)["setting"]) == {MAIN}


def test_a_method_without_supports_says_so() -> None:
    check, scans, answers = cohorts.cohort(supports=1, tables=False)
    learned = [row | {"method": "student", "setting": "extreme", "support": NO_SUPPORT} for row in answers]
    everything = tidy_of(check, scans, learned)
    tidy = everything[everything["method"] == "student"]
    assert set(tidy["supports"]) == set(tidy["of_supports"]) == {0}
    (table,) = table5.landmark_tables(tidy, {"demo": 15})
    assert {one.support for one in table.lines} == {"none"}


def test_structures_without_truth_have_no_line() -> None:
    check, scans, answers = cohorts.cohort(supports=3, tables=False)
    for name in ("q0", "q1", "q2", "q3"):
        del scans[name]["structures"]["mandible"]
    del scans["q0"]["structures"]["brainstem"]
    tidy = tidy_of(check, scans, answers)
    assert "mandible" not in set(tidy["structure"])
    assert (line(tidy, 3, structure="brainstem")["n"], line(tidy, 3)["n"], line(tidy, 3)["answers"]) == (3, 4, 11)
    for scan in scans.values():
        scan["structures"] = {}
    tidy = tidy_of(check, scans, answers)
    assert tidy.empty and list(tidy.columns) == list(table5.COLUMNS)
    (table,) = table5.landmark_tables(tidy, {"demo": 15})
    assert table.lines == () and "No query of this cohort has a label" in table.notes[0]


def test_scans_that_were_set_aside() -> None:
    check, scans, answers = cohorts.cohort(supports=3, tables=False)
    scans["q1"] = cohorts.aside("demo", "q1", "nothing but air")
    scans["s1"] = cohorts.aside("demo", "s1", "cut short")
    there = [row for row in answers if row["subject"] != "q1" and row["support"] != "s1"]
    tidy = tidy_of(check, scans, there)
    # A query with a label is a miss with each support that is left, which does not count the one set aside.
    assert set(tidy["supports"]) == {1, 2} and set(tidy["of_supports"]) == {2}
    assert (line(tidy, 1)["n"], line(tidy, 1)["answers"], line(tidy, 1)["failures"]) == (4, 4 * 4 * 2, 4 * 2)
    assert (line(tidy, 2)["answers"], line(tidy, 2)["failures"]) == (16, 4)
    for name in ("s0", "s2"):
        scans[name] = cohorts.aside("demo", name, "cut short")
    nothing = tidy_of(check, scans, [])
    assert len(nothing) and (nothing["failures"] == nothing["answers"]).all() and (nothing[RATES] == 0).all(axis=None)


def test_laid_out_for_people(parts: Any, tmp_path: Path) -> None:
    _, tidy = parts
    layout.write_csv(tmp_path / "table5.csv", tidy)
    (table,) = table5.landmark_tables(pd.read_csv(tmp_path / "table5.csv"), {"demo": 15})
    kinds = ("extreme points", "centre")
    assert [(row.label.split()[0], row.support, row.cells[0]) for row in table.lines] == [
        (method, support, kind)
        for method, given in (("regression", 3), ("grey_ncc", 3), ("affine", 2))
        for support in (f"1 of {given}, each alone", f"all {given}")
        for kind in kinds
    ]
    assert all(len(row.cells) == len(table.columns) for row in table.lines)
    cells = dict(zip(table.columns, table.lines[-4].cells, strict=True))
    # Each answer of affine is 2 mm off; one of its 32 failed, which is half an image of four.
    assert cells["parotid_left"] == "2.00; 100.0, 100.0, 100.0" and cells["failed"] == "1 of 32"
    assert cells["brainstem"] == "2.00; 87.5, 87.5, 87.5" and cells["n"] == "4" and cells["± 95 %"] == "0.00"
    assert dict(zip(table.columns, table.lines[4].cells, strict=True))["mean"] == "3.00; 0.0, 100.0, 100.0"
    own = tidy[tidy["structure"] != "mean"]
    many = pd.concat([tidy, *(own.assign(structure=own["structure"] + f"_{i}") for i in range(2))])
    (table,) = table5.landmark_tables(many, {"demo": 15})
    assert table.columns[:2] == ("landmark", "mean") and any("Mean over 12 structures" in note for note in table.notes)
