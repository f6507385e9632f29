"""The paired comparison: the same images, structures and supports on both sides, and known answers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from rprloc.results.frame import alone
from rprloc.results.shown import CohortTable
from rprloc.results.tables import comparison
from rprloc.results.tables.tabulate import facts_of
from tests.results import cohorts


def rows(method: str, ious: Any, awds: Any = None, *, support: str = "s0", **more: Any) -> pd.DataFrame:
    """Return metrics of one structure in images q0, q1, ..., from one support."""
    setting = cohorts.MAIN if method == "regression" else "extreme"
    awds = [10.0] * len(ious) if awds is None else awds
    return cohorts.metrics_rows(
        {"subject": f"q{i}", "method": method, "setting": setting, "support": support}
        | {"drawn": support in ("s0", "-"), "iou": iou, "awd_mm": awd}
        | more
        for i, (iou, awd) in enumerate(zip(ious, awds, strict=True))
    )


def tidy(*parts: pd.DataFrame) -> pd.DataFrame:
    """Return the comparison by method, support and measure."""
    table = comparison.tidy_comparison(pd.concat(parts, ignore_index=True))
    return table.set_index(["method", "support", "measure"])


def table_of(metrics: pd.DataFrame) -> CohortTable:
    """Return the comparison laid out."""
    (table,) = comparison.comparison_tables(comparison.tidy_comparison(metrics), facts_of(metrics, ["demo"]))
    return table


def test_known_differences() -> None:
    gains = [0.01, 0.02, 0.03, 0.04, 0.05, 0.06]
    found = tidy(
        rows("regression", [0.5] * 6, [9.0] * 6),
        rows("convex", [0.5 + gain for gain in gains], [9.0 - 100 * gain for gain in gains]),
    )
    line = found.loc[("convex", "drawn", "iou")]
    assert (line["n"], line["n_supports"], line["better"]) == (6, 1, 6)
    assert (line["median_difference"], line["low"], line["high"]) == pytest.approx((0.035, 0.01, 0.06))
    assert line["p"] == line["p_holm"] == pytest.approx(2 / 64)
    line = found.loc[("convex", "drawn", "awd_mm")]
    assert (line["median_difference"], line["low"], line["high"]) == pytest.approx((-3.5, -6, -1))
    assert line["better"] == 6


def test_holm_counts_the_methods_of_one_table() -> None:
    base = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]
    found = tidy(
        rows("regression", base),
        rows("convex", [value + 0.01 * (i + 1) for i, value in enumerate(base)]),
        rows("affine", [value + 0.01 * (i + 1) * (-1) ** i for i, value in enumerate(base)]),
        rows("grey_ncc", base),
    )
    p = {name: found.loc[(name, "drawn", "iou"), "p"] for name in ("convex", "affine", "grey_ncc")}
    # affine: negative ranks 2, 4, 6; exact p of a rank sum of 9 or less of six: 27 of 64, twice.
    assert p == pytest.approx({"convex": 2 / 64, "affine": 54 / 64, "grey_ncc": 1.0})
    corrected = {name: found.loc[(name, "drawn", "iou"), "p_holm"] for name in p}
    assert corrected == pytest.approx({"convex": 6 / 64, "affine": 1.0, "grey_ncc": 1.0})
    assert found.loc[("grey_ncc", "drawn", "iou"), "better"] == 0


def test_both_sides_have_the_same_supports() -> None:
    # The paper's method has three supports, the registration two of them: the third is not looked at.
    found = tidy(
        rows("regression", [0.4], support="s0"), rows("regression", [0.6], support="s1"),
        rows("regression", [0.0], support="s2"),
        rows("affine", [0.5], support="s0"), rows("affine", [0.9], support="s1"),
    )  # fmt: skip
    assert found.loc[("affine", "drawn", "iou"), "median_difference"] == pytest.approx(0.1)
    line = found.loc[("affine", "all", "iou")]
    assert (line["median_difference"], line["n_supports"]) == (pytest.approx(0.2), 2)


def test_without_a_support_it_is_held_against_each() -> None:
    found = tidy(
        rows("regression", [0.4], support="s0"), rows("regression", [0.6], support="s1"),
        rows("retina_unet", [0.8], support="-", n_supports=0),
    )  # fmt: skip
    assert found.loc[("retina_unet", "drawn", "iou"), "median_difference"] == pytest.approx(0.4)
    assert found.loc[("retina_unet", "all", "iou"), "median_difference"] == pytest.approx(0.3)


def test_an_image_counts_once_whatever_its_structures() -> None:
    more = {"structure": "liver"}
    found = tidy(
        rows("regression", [0.4, 0.4]), rows("regression", [0.2], **more),
        rows("affine", [0.5, 0.5]), rows("affine", [0.5], **more),
    )  # fmt: skip
    line = found.loc[("affine", "drawn", "iou")]
    # q0: (0.1 + 0.3) / 2, q1: 0.1.
    assert (line["n"], line["median_difference"]) == (2, pytest.approx(0.15))
    assert np.isnan(line["low"])


def test_misses_count_in_iou_and_not_in_awd() -> None:
    found = tidy(
        rows("regression", [0.5, 0.0], [4.0, np.nan], failed=False),
        rows("affine", [0.0, 0.5], [np.nan, 3.0], failed=False),
        rows("convex", [0.5, 0.5], [3.0, 3.0]),
    )
    line = found.loc[("affine", "drawn", "iou")]
    assert (line["n"], line["better"], line["median_difference"]) == (2, 1, pytest.approx(0))
    assert ("affine", "drawn", "awd_mm") not in found.index
    line = found.loc[("convex", "drawn", "awd_mm")]
    assert (line["n"], line["median_difference"]) == (1, pytest.approx(-1))


def test_structures_without_truth_take_no_part() -> None:
    found = tidy(rows("regression", [0.5, np.nan], [4.0, np.nan]), rows("affine", [0.6, np.nan], [3.0, np.nan]))
    assert found.loc[("affine", "drawn", "iou"), "n"] == 1


def test_nothing_to_compare_is_said() -> None:
    own = rows("regression", [0.5])
    assert comparison.tidy_comparison(own).empty
    for metrics in (own, rows("affine", [0.5])):
        assert table_of(metrics).lines == () and "nothing to compare" in table_of(metrics).notes[0]
    assert "No query of this cohort has a label" in table_of(own.assign(iou=np.nan)).notes[0]


def test_words() -> None:
    measured = cohorts.many_methods(queries=8, supports=3).evaluate().metrics
    read = comparison.tidy_comparison(measured)
    assert list(read.columns) == list(comparison.COLUMNS)
    assert len(read) == 3 * 2 * 2 and (read["n"] == 8).all() and read["p_holm"].between(0, 1).all()
    # Predictions of all supports together take no part.
    pd.testing.assert_frame_equal(read, comparison.tidy_comparison(alone(measured)))
    table = table_of(measured)
    assert [(line.label.split()[0], line.kind) for line in table.lines] == [
        (name, mode) for name in ("grey_ncc", "retina_unet", "affine") for mode in ("drawn", "all")
    ]
    assert all(len(line.cells) == len(table.columns) == 10 for line in table.lines)
    assert "8 of 8" in table.lines[0].cells and "corrected for the 3 methods" in table.notes[1]
    assert comparison.signed(-0.0123, 2) == "−0.01" and comparison.signed(np.nan, 1) == "–"
    assert comparison.p_text(0.0004) == "< 0.001" and comparison.p_text(0.0316) == "0.032"
