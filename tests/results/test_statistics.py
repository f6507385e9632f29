"""Means and intervals against scipy and against numbers worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from rprloc.results.statistics import (
    describe,
    holm,
    mean_interval,
    median_interval,
    organ_means,
    signed_rank_p,
    spread_between_images,
    spread_between_supports,
)


def test_interval_is_student_s_t() -> None:
    values = np.random.default_rng(0).normal(50, 10, 20)
    estimate = mean_interval(values)
    low, high = stats.t.interval(0.95, 19, loc=values.mean(), scale=stats.sem(values))
    assert (estimate.mean, estimate.low, estimate.high) == pytest.approx((values.mean(), low, high))
    assert estimate.n == 20
    assert estimate.half_width == pytest.approx((high - low) / 2)


def test_one_value_has_no_interval_and_none_has_no_mean() -> None:
    assert mean_interval([0.5, float("nan")]).mean == 0.5
    assert math.isnan(mean_interval([0.5]).low)
    assert math.isnan(mean_interval([]).mean) and mean_interval([]).n == 0


def rows() -> pd.DataFrame:
    """Two images, two organs of which the second image lacks one, two supports; one miss."""
    return pd.DataFrame(
        [
            ("q0", "a", "s0", 0.2, 4.0, False), ("q0", "a", "s1", 0.4, 2.0, False),
            ("q0", "b", "s0", 0.6, 1.0, False), ("q0", "b", "s1", 0.0, np.nan, True),
            ("q1", "a", "s0", 0.8, 1.0, False), ("q1", "a", "s1", 0.6, 3.0, False),
            ("q1", "b", "s0", np.nan, np.nan, False), ("q1", "b", "s1", np.nan, np.nan, True),
        ],
        columns=["subject", "structure", "support", "iou", "awd_mm", "failed"],
    ).assign(iou_reference=lambda table: table["iou"] / 2, mre_mm=lambda table: table["awd_mm"])  # fmt: skip


def test_mean_over_images_then_over_organs() -> None:
    # Organ a: (0.3 + 0.7) / 2; organ b: 0.3 of one image. Images over their organs: 0.3 and 0.7.
    estimate = organ_means(rows(), ["iou"])["iou"]
    assert estimate.mean == pytest.approx((0.5 + 0.3) / 2)
    half = mean_interval([0.3, 0.7]).half_width
    assert (estimate.low, estimate.high) == pytest.approx((0.4 - half, 0.4 + half))
    assert estimate.n == 2


def test_spread_between_supports_is_over_their_means() -> None:
    # s0: a 0.5, b 0.6; s1: a 0.5, b 0.
    assert spread_between_supports(rows(), ["iou"])["iou"] == pytest.approx(np.std([0.55, 0.25], ddof=1))
    assert math.isnan(spread_between_supports(rows().query("support == 's0'"), ["iou"])["iou"])


def test_a_line_of_numbers() -> None:
    line = describe(rows())
    assert (line["n"], line["n_supports"], line["answers"], line["failures"]) == (2, 2, 6, 1)
    assert line["iou_reference"] == pytest.approx(0.2)
    # The miss has no distance: organ a (3 + 2) / 2, organ b 1.
    assert line["awd_mm"] == pytest.approx((2.5 + 1.0) / 2)


def test_one_organ_s_interval_is_the_one_of_its_images() -> None:
    line = describe(rows().query("structure == 'a'"))
    expected = mean_interval([0.3, 0.7])
    assert (line["iou"], line["iou_low"], line["iou_high"]) == pytest.approx(
        (expected.mean, expected.low, expected.high)
    )


def test_no_rows_are_no_error() -> None:
    line = describe(rows()[:0])
    assert line["n"] == 0 and math.isnan(line["iou"])


def test_spread_between_images_is_over_their_means() -> None:
    # q0: organ a 0.3, b 0.3; q1: a 0.7.
    assert spread_between_images(rows(), ["iou"])["iou"] == pytest.approx(np.std([0.3, 0.7], ddof=1))
    assert math.isnan(spread_between_images(rows().query("subject == 'q0'"), ["iou"])["iou"])


def test_the_median_s_interval_lies_between_ordered_values() -> None:
    # Of 20 values the sixth and the fifteenth: fewer than six on one side of the median have a probability of 2.1 %.
    estimate = median_interval(np.random.default_rng(0).permutation(20) + 1.0)
    assert (estimate.mean, estimate.low, estimate.high, estimate.n) == (10.5, 6, 15, 20)
    # Of six values the smallest and the largest: 1 - 2 / 64 = 96.9 %.
    six = median_interval([6, 1, 5, 2, 4, 3, float("nan")])
    assert (six.mean, six.low, six.high, six.n) == (3.5, 1, 6, 6)
    five = median_interval([1, 2, 3, 4, 5])
    assert five.mean == 3 and math.isnan(five.low) and math.isnan(five.high)
    assert math.isnan(median_interval([]).mean)


@pytest.mark.parametrize(
    ("differences", "p"),
    [
        # All of one sign: two of the 2^n equally likely signs are as extreme.
        ([1.0, 2.0, 3.0], 2 / 8),
        ([-1.0, -2.0, -3.0, -4.0, -5.0, -6.0], 2 / 64),
        # The smallest rank has the other sign: rank sums 0 and 1, twice, of 16.
        ([-1.0, 2.0, 3.0, 4.0], 4 / 16),
        ([0.0, 0.0], 1.0),
        # A zero says nothing.
        ([0.0, 1e-15, 1.0, 2.0, 3.0], 2 / 8),
        ([5.0], 1.0),
    ],
)
def test_signed_ranks_of_few_images_are_exact(differences: list[float], p: float) -> None:
    assert signed_rank_p(differences) == pytest.approx(p)
    assert signed_rank_p([-value for value in differences]) == pytest.approx(p)


def test_no_differences_have_no_p() -> None:
    assert math.isnan(signed_rank_p([])) and math.isnan(signed_rank_p([float("nan")]))


def test_holm_s_correction() -> None:
    # Smallest times 4, next times 3, ..., never falling.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.5, 0.9]) == pytest.approx([1.0, 1.0])
    some = holm([0.02, float("nan"), 0.03])
    assert some[0] == pytest.approx(0.04) and math.isnan(some[1]) and some[2] == pytest.approx(0.04)
    assert holm([]) == []
