"""Settings by name, the draw of the support, and reading scans."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rprloc.files import write_json
from rprloc.geometry import WALLS, Grid
from rprloc.methods.prediction import (
    OUTSIDE,
    Prediction,
    Scan,
    Setting,
    confidence_of,
    draw_order,
    main_setting,
    placed_row,
    row_key,
    spread_of,
    table_settings,
)
from rprloc.seeds import generator_of
from tests.methods.fakes import points_of, scan
from tests.scans.images import LABELS, model_volume, patient, preprocessed

names = st.lists(st.text("abc019._-", min_size=1, max_size=6), min_size=1, max_size=8, unique=True)


def test_a_setting_is_its_name() -> None:
    assert str(Setting("extreme", 15, 1, 1)) == "extreme.k15.c1f1"
    for setting in [*table_settings(15), main_setting(20)]:
        assert Setting.of(str(setting)) == setting
    for wrong in ("", "extreme.k15", "corner.k1.c1f1", "extreme.k1.c1f1 "):
        with pytest.raises(ValueError, match="is no setting"):
            Setting.of(wrong)


@pytest.mark.parametrize("starts,count", [(15, 13), (20, 13), (7, 14)])
def test_the_tables_have_every_setting_once_and_the_main_one_last(starts: int, count: int) -> None:
    found = [str(setting) for setting in table_settings(starts)]
    assert len(found) == len(set(found)) == count
    assert {f"{points}.k{k}.c1f0" for points in ("diagonal", "extreme") for k in (1, 5, 10, 15, 20)} < set(found)
    assert {f"extreme.k{starts}.c{steps}f0" for steps in (1, 2, 3)} < set(found)
    assert found[-1] == f"extreme.k{starts}.c1f1"


@given(names, st.integers(0, 2**31))
def test_the_draw_depends_on_seed_cohort_and_the_set_of_names(some: list[str], seed: int) -> None:
    order = draw_order(seed, "cohort", some)
    assert sorted(order) == sorted(some)
    assert order == draw_order(seed, "cohort", some[::-1])


def test_the_draw_is_fair_between_the_candidates() -> None:
    some = [f"s{n}" for n in range(5)]
    firsts = [draw_order(seed, "cohort", some)[0] for seed in range(500)]
    assert all(60 < firsts.count(name) < 145 for name in some)
    assert len({tuple(draw_order(seed, f"cohort{seed}", some)) for seed in range(50)}) > 20


def test_generators_of_different_names_are_different_streams() -> None:
    def first(*key: str, seed: int = 1) -> float:
        return float(generator_of(seed, *key).random())

    assert first("a", "b") == first("a", "b")
    assert len({first("a", "b"), first("b", "a"), first("ab"), first("a"), first("a", "b", seed=2)}) == 5


def test_the_spread_is_the_root_mean_square_distance_to_the_mean() -> None:
    positions = np.array([[[0.0, 0, 0], [6, 0, 0]], [[1, 1, 1], [1, 1, 1]]])
    np.testing.assert_allclose(spread_of(positions), [3, 0])
    assert confidence_of(0.0) == 1 and confidence_of(10.0) == 0.5 and confidence_of(1e9) < 1e-6


WALL_POINTS = np.array([[0.0, 2, 2], [10, 2, 2], [5, 0, 2], [5, 4, 2], [5, 2, 0], [5, 2, 4]])


def placed(high_mm: Any, points_mm: Any = WALL_POINTS) -> Prediction:
    """Return the row of points in a field that reaches from -9 mm to its highest corner."""
    key = row_key(scan("q"), "organ", method="m", setting="extreme", support="s", drawn="s")
    field_mm = np.array([[-9.0, -9, -9], high_mm])
    return placed_row(key, np.asarray(points_mm, dtype=float), [0.5, 0.5, 1.0], field_mm, spread_mm=10.0)


def test_a_structure_within_the_field_is_placed_as_it_is() -> None:
    row = placed([10, 9, 9])
    np.testing.assert_allclose(points_of(row), WALL_POINTS)
    assert list(row.points_mm or {}) == list(WALLS) and row.box_mm == [[0, 0, 0], [10, 4, 4]]
    assert (row.spread_mm, row.confidence, row.half_voxel_mm) == (10, 0.5, [0.5, 0.5, 1.0])
    assert (row.failed, row.reason, row.structure, row.drawn) == (False, None, "organ", True)


@pytest.mark.parametrize(
    ("high", "shown"),
    [
        ((5.01, 9, 9), True),
        ((4.99, 9, 9), False),
        ((-3.0, 9, 9), False),
        ((5.1, 2.1, 9), False),  # A quarter, as half of it is missing along two axes.
        ((7.2, 2.9, 9), True),
    ],
)
def test_half_of_a_box_is_enough_and_what_sticks_out_is_cut_off(high: Any, shown: bool) -> None:
    row = placed(high)
    assert row.failed != shown and row.reason == (None if shown else OUTSIDE) and (row.box_mm is not None) == shown
    if shown:
        np.testing.assert_allclose(points_of(row), np.minimum(WALL_POINTS, high))
        np.testing.assert_allclose(np.array(row.box_mm), [[0, 0, 0], np.minimum([10, 4, 4], high)])


def test_a_flat_structure_is_shown_where_the_field_holds_it() -> None:
    flat = WALL_POINTS * [1, 1, 0]
    assert not placed([10, 9, 9], flat).failed
    assert placed([10, 9, -1], flat).reason == OUTSIDE


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_points_that_are_no_numbers_fail(wrong: float) -> None:
    points = WALL_POINTS.copy()
    points[3, 1] = wrong
    row = placed([10, 9, 9], points)
    assert (row.failed, row.reason, row.box_mm) == (True, "the answer is not a number", None)


def test_a_preprocessed_scan_is_read_as_it_was_written(tmp_path: Path) -> None:
    about = preprocessed(tmp_path, *patient())
    scan = Scan.read(tmp_path / "c@s")
    assert scan is not None
    assert (scan.cohort, scan.subject, scan.grid) == ("c", "s", Grid.from_json(about["model"]))
    assert set(scan.structures) == set(LABELS)
    assert scan.values.dtype == np.int16 and scan.body.dtype == np.bool_
    np.testing.assert_array_equal(scan.values, model_volume(tmp_path))
    assert scan.body.any()


def test_a_scan_that_was_set_aside_is_none(tmp_path: Path) -> None:
    write_json(tmp_path / "c@s" / "s.json", {"status": "set_aside", "cohort": "c", "subject": "s"})
    assert Scan.read(tmp_path / "c@s") is None
