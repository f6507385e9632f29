"""How sure the answers are: distances worked out by hand, their coverage over many draws, and the table about them."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from rprloc.cohort.methods import CALIBRATED
from rprloc.errors import InputError
from rprloc.geometry import WALLS
from rprloc.results import boxes, metrics
from rprloc.results.calibration import conformal_quantile, covered, wall_errors, with_intervals, within_mm
from rprloc.results.calibration_table import COLUMNS, auroc, calibration_tables, risks, tidy_calibration
from rprloc.results.layout import markdown
from tests.results import cohorts, test_odd_runs
from tests.results.test_odd_runs import Parts

CUBE = np.array([[0.0, 0, 0], [20, 20, 20]])
Rows = list[dict[str, Any]]


def answer(subject: str, support: str, off: Any, **more: Any) -> dict[str, Any]:
    """Return an answer of `matched` whose box, a cube of 20 mm, is so many mm off (2, 3)."""
    row = cohorts.answer("demo", subject, "heart", "extreme", support, support == "s0", CUBE + off)
    return row | {"method": "matched", "spread_mm": None} | more


def parts(supports: int, *, calibration: Rows | None = None, change: Any = None, both: bool = False) -> Parts:
    """Return check, scans and answers of query q0 from so many supports, and of supports searched from each other.

    Every answer for support i is i + 1 mm off at its right wall, every one for q0 3.5 mm at all. `both`: the supports
    are queries as well. `change` changes the scans, `calibration` stands for the answers for the supports.
    """
    names = [f"s{i}" for i in range(supports)]
    scans = {name: cohorts.scan("demo", name, {"heart": cohorts.structure(*CUBE)}) for name in ("q0", *names)}
    members = [cohorts.row("demo", "q0", "test"), *(cohorts.row("demo", name, "validation") for name in names)]
    for row in members:
        row["query"] = row["query"] or both
    rows = [answer("q0", name, [[-3.5] * 3, [3.5] * 3]) for name in names]
    own = [
        answer(name, other, [[-i - 1.0, 0, 0], [0, 0, 0]])
        for i, name in enumerate(names)
        for other in names
        if name != other
    ]
    rows += own if calibration is None else calibration
    if change:
        change(scans)
    settings = {"structures": {"heart": 1}, "starts": 15}
    settings |= {"methods": [{"name": "matched", "settings": ["extreme"], "supports": None}]}
    return {"rows": members, "cohorts": {"demo": settings}}, scans, rows


def evaluated(supports: int, **options: Any) -> tuple[Rows, pd.DataFrame]:
    """Return the answers and metrics of `parts`."""
    check, scans, rows = parts(supports, **options)
    return metrics.evaluate(check, "demo", scans, rows, seed=0, tables=False)[:2]


def said(rows: Rows, support: str = "*", subject: str = "q0") -> dict[str, Any]:
    """Return the answer for a query from a support."""
    (row,) = [row for row in rows if (row["subject"], row["support"]) == (subject, support)]
    return row


@pytest.mark.parametrize(("images", "rank"), [(8, None), (9, 9), (10, 10), (18, 18), (19, 18), (29, 27), (99, 90)])
def test_the_quantile_is_the_score_of_the_right_rank(images: int, rank: int | None) -> None:
    order = np.random.default_rng(images).permutation(images)
    found = conformal_quantile([np.array([[1.0 + i]]) for i in order])
    assert found is None if rank is None else found == [rank]


def test_each_image_counts_once_however_many_answers_it_has() -> None:
    single = [np.array([[float(i)]]) for i in range(1, 20)]
    many = [np.repeat(group, 1 + i, axis=0) for i, group in enumerate(single)]
    assert conformal_quantile(many) == conformal_quantile(single) == [18]
    # Two rounds: the 18th of 1 ... 19, and of 11 ... 29.
    assert conformal_quantile([np.array([[i], [i + 10.0]][:: (-1) ** i]) for i in range(1, 20)]) == [23]


@pytest.mark.parametrize("answers", [1, 8])
@pytest.mark.parametrize(("images", "shared"), [(9, 0.0), (19, 0.7), (6, 0.0)])
def test_nine_walls_in_ten_lie_within(images: int, answers: int, shared: float) -> None:
    rng = np.random.default_rng(images)
    scale = np.array([1.0, 1, 1.5, 1.5, 3, 2]) if images >= 9 else np.ones(6)
    hits = []
    for _ in range(300):
        own = rng.standard_t(4, (images + 30, 1, 6))
        errors = scale * np.abs(shared * own + math.sqrt(1 - shared**2) * rng.standard_t(4, (images + 30, answers, 6)))
        walls = within_mm(list(errors[:images]))
        assert walls is not None
        hits.append((errors[images:] <= np.array(list(walls.values()))).mean(axis=(0, 1)))
    means = np.mean(hits, axis=0)
    # At 9 images the guarantee is met exactly, at 19 as well; every wall has it by itself.
    assert means.min() > 0.885 and means.max() < 0.945, means


def test_walls_have_their_own_distances_from_nine_images_on() -> None:
    errors = [np.array([[1.0 * i, 2 * i, 3 * i, 4 * i, 5 * i, 6 * i]]) for i in range(1, 10)]
    assert within_mm(errors) == dict(zip(WALLS, [9.0, 18, 27, 36, 45, 54], strict=True))
    # The 45th of 48 walls: ceil(0.9 x 49).
    assert within_mm(errors[:8]) == dict.fromkeys(WALLS, sorted(i * k for i in range(1, 9) for k in range(1, 7))[44])
    assert within_mm(errors[:3]) is None and within_mm([]) is None


def test_errors_are_in_the_order_of_the_walls() -> None:
    found = CUBE + np.array([[-1, 2, 3], [4, -5, 6]])
    assert wall_errors(found, CUBE).tolist() == [1, 4, 2, 5, 3, 6]
    limits = dict(zip(WALLS, [1.0, 3.9, 2, 6, 0, 6], strict=True))
    assert covered(found, CUBE, limits) == pytest.approx(4 / 6)


def test_supports_searched_from_each_other_say_how_sure_the_answers_are() -> None:
    rows, table = evaluated(10)
    # They are no answers themselves.
    assert {row["subject"] for row in rows} == set(table["subject"]) == {"q0"}
    assert len(rows) == len(table) == 11
    for support in ("*", "s3"):
        row = said(rows, support)
        assert row["within_90_mm"] == dict.fromkeys(WALLS, 0.0) | {"right": 10.0}
        assert row["calibrated_on"] == 10
    assert table["within_90_mm"].to_numpy() == pytest.approx(10 / 6)
    assert table["covered"].to_numpy() == pytest.approx(1 / 6)
    box = boxes.box_table(rows, {"demo": 15})
    assert list(box.columns) == list(boxes.COLUMNS) and box["within_90_mm"].to_list() == pytest.approx([10 / 6])


@pytest.mark.parametrize(("supports", "images"), [(3, 0), (4, 4), (8, 8)])
def test_few_supports(supports: int, images: int) -> None:
    rows, table = evaluated(supports)
    row = said(rows)
    assert row["calibrated_on"] == images
    if images:
        # Most walls are not off at all; among 6 n the right ones are 1, 2, ... n mm off.
        place = math.ceil(0.9 * (6 * images + 1)) - 5 * images
        assert row["within_90_mm"] == dict.fromkeys(WALLS, float(max(place, 0)))
    else:
        assert row["within_90_mm"] is None and table["within_90_mm"].isna().all() and table["covered"].isna().all()


def test_without_answers_for_the_supports_nothing_is_said() -> None:
    rows, table = evaluated(9, calibration=[])
    assert all(row["within_90_mm"] is None and row["calibrated_on"] == 0 for row in rows)
    assert table["covered"].isna().all()


def test_a_support_set_aside_and_one_without_the_structure_take_no_part() -> None:
    def change(scans: dict[str, Any]) -> None:
        scans["s9"] = cohorts.aside("demo", "s9", "broken")
        scans["s8"]["structures"] = {}

    names = [f"s{i}" for i in range(9)]
    own = [answer(one, other, 5.0) for one in names for other in names if one != other]
    rows, _ = evaluated(10, calibration=own, change=change)
    assert (said(rows)["calibrated_on"], said(rows, "s0")["calibrated_on"]) == (8, 8)
    assert said(rows)["within_90_mm"] == dict.fromkeys(WALLS, 5.0)


def test_a_failed_answer_says_nothing_and_teaches_nothing() -> None:
    names = [f"s{i}" for i in range(9)]
    lost = {"failed": True, "reason": "lost", "box_mm": None, "points_mm": None}
    own = [
        answer(one, other, 5.0, **(lost if other == "s1" or one == "s0" else {}))
        for one in names
        for other in names
        if one != other
    ]
    rows, _ = evaluated(9, calibration=own)
    assert said(rows)["calibrated_on"] == said(rows, "s2")["calibrated_on"] == 8
    scans = {name: cohorts.scan("demo", name, {"heart": cohorts.structure(*CUBE)}) for name in names}
    (row,) = with_intervals([answer("q0", "s1", 0.0, **lost)], own, names, scans)
    assert (row["within_90_mm"], row["calibrated_on"]) == (None, 0)


def test_a_support_that_is_a_query_is_no_witness_in_its_own_case() -> None:
    rows, table = evaluated(10, both=True)
    assert set(table["subject"]) == {"q0", *(f"s{i}" for i in range(10))}
    assert said(rows)["within_90_mm"]["right"] == 10 and said(rows)["calibrated_on"] == 10
    # s9 is the one that is 10 mm off.
    assert said(rows, subject="s9")["within_90_mm"]["right"] == 9 and said(rows, subject="s9")["calibrated_on"] == 9
    assert said(rows, subject="s0")["within_90_mm"]["right"] == 10
    line = table[(table["subject"] == "s9") & (table["support"] == "*")].iloc[0]
    assert line["covered"] == pytest.approx(5 / 6)


def test_answers_of_other_methods_for_supports_are_a_mistake() -> None:
    with pytest.raises(InputError, match="an answer for s1, expected a query"):
        evaluated(4, calibration=[answer("s1", "s0", 0.0, method="grey_ncc")])
    assert "matched" in CALIBRATED and "regression" not in CALIBRATED
    with pytest.raises(InputError, match="two answers for s1"):
        evaluated(4, calibration=[answer("s1", "s0", 0.0)] * 2)


def test_auroc_and_the_area_by_hand() -> None:
    spread = np.array([1.0, 2, 3, 4])
    assert auroc(spread, [False, False, True, True]) == 1 and auroc(spread, [True, True, False, False]) == 0
    assert auroc(np.ones(4), [True, False, True, False]) == 0.5
    assert math.isnan(auroc(spread, [False] * 4))
    error = np.array([0.0, 0.2, 0.4, 0.6])
    assert risks(spread, error) == pytest.approx([0, 0.1, 0.2, 0.3])
    assert risks(spread[::-1], error) == pytest.approx([0.6, 0.5, 0.4, 0.3])
    assert risks(np.ones(4), error) == pytest.approx(0.3)


def test_structures_of_other_sizes_are_ordered_each_by_themselves() -> None:
    table = evaluated(10)[1]
    heart = table[table["support"] != "*"].head(2).assign(failed=False)
    # The spread tells the better of each two, but not the better structure.
    both = pd.concat([
        heart.assign(iou=[0.9, 0.8], spread_mm=[3.0, 4.0]),
        heart.assign(iou=[0.5, 0.4], spread_mm=[1.0, 2.0], structure="lung"),
    ], ignore_index=True)  # fmt: skip
    tidy = tidy_calibration(both, [{"calibrated_on": 0}] * 4).set_index("structure")
    assert tidy["iou_error"].to_dict() == pytest.approx({"heart": 0.15, "lung": 0.55, "mean": 0.35})
    assert tidy["iou_error_area"].to_dict() == pytest.approx({"heart": 0.125, "lung": 0.525, "mean": 0.325})
    unsure = tidy_calibration(both.assign(spread_mm=math.nan), [{"calibrated_on": 0}] * 4)
    assert unsure["iou_error"].isna().all() and unsure["iou_error_area"].isna().all()


def test_the_table_of_the_answers() -> None:
    rows, table = evaluated(10)
    tidy = tidy_calibration(table, rows)
    assert list(tidy.columns) == list(COLUMNS)
    assert list(zip(tidy["supports"], tidy["structure"], strict=True)) == [
        ("one", "heart"), ("one", "mean"), ("all", "heart"), ("all", "mean"),
    ]  # fmt: skip
    assert (tidy["calibrated_on"] == 10).all() and (tidy["n"] == 1).all() and (tidy["failures"] == 0).all()
    assert tidy["coverage"].to_numpy() == pytest.approx(1 / 6)
    assert tidy["within_90_mm"].to_numpy() == pytest.approx(10 / 6)
    assert tidy["answers"].to_list() == [10, 10, 1, 1] and tidy["auroc"].isna().all()
    text = markdown(calibration_tables(tidy, {"demo": 15}))
    assert "16.7, 1.7" in text and "all together" in text and "A dash:" not in text


def test_a_run_leaves_the_table_and_shows_it_behind_the_others(tmp_path: Path) -> None:
    table, rows, page = test_odd_runs.run(tmp_path, parts(9))
    assert set(table["subject"]) == {"q0"} and said(rows)["within_90_mm"]["right"] == 9
    tidy = pd.read_csv(tmp_path / "results" / "tables" / "calibration.csv")
    assert list(tidy.columns) == list(COLUMNS) and (tidy["calibrated_on"] == 9).all()
    assert "How sure the answers are" in page.split("Table 5: ")[1]
    assert "Does the spread tell which answers to doubt?" in page
    (picture,) = (tmp_path / "page" / "figures").glob("*/_risk.png")
    assert picture.stat().st_size > 2000


def test_the_table_without_distances_and_without_answers() -> None:
    rows, table = evaluated(2, calibration=[])
    tidy = tidy_calibration(table, rows)
    assert tidy["coverage"].isna().all() and (tidy["calibrated_on"] == 0).all()
    assert "A dash: fewer than 4" in markdown(calibration_tables(tidy, {"demo": 15}))
    check, scans, answers = cohorts.cohort(tables=False)
    rows, table, _ = metrics.evaluate(check, "demo", scans, answers, seed=0, tables=False)
    tidy = tidy_calibration(table, rows)
    assert list(tidy.columns) == list(COLUMNS) and tidy.empty
    assert "No query of this cohort" in markdown(calibration_tables(tidy, {"demo": 15}))
