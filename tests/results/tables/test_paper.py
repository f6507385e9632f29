"""The paper's numbers as printed."""

from __future__ import annotations

import math

import numpy as np
import pytest

from rprloc.catalogue import methods
from rprloc.results.tables.paper import paper_entry, paper_numbers, paper_seconds
from tests.results import cohorts


def test_tables_1_and_2_are_complete() -> None:
    numbers = paper_numbers()
    assert len(numbers) == 60 + 42
    assert numbers[1, "diagonal.k1", "mandible"] == (pytest.approx(0.323), 15.29)
    assert numbers[2, "c1f1", "mean"] == (pytest.approx(0.551), 6.12)
    assert numbers[2, "c3f0", "pancreas"] == (pytest.approx(0.460), 13.76)
    # One coarse step is the row K = 15 of table 1 for head and neck, K = 20 for the pancreas.
    assert numbers[2, "c1f0", "brainstem"] == numbers[1, "extreme.k15", "brainstem"]
    assert numbers[2, "c1f0", "pancreas"] == numbers[1, "extreme.k20", "pancreas"]


def test_table_3_is_complete_and_its_rows_are_methods() -> None:
    numbers = paper_numbers()
    rows = {row for table, row, _ in numbers if table == 3}
    assert rows == set(paper_seconds()) and rows <= {method.name for method in methods()}
    assert len([key for key in numbers if key[0] == 3]) == 7 * 6
    assert numbers[3, "grey_ncc", "pancreas"] == (pytest.approx(0.035), 101.77)
    assert numbers[3, "retina_unet", "mean"] == (pytest.approx(0.671), 5.07)
    assert paper_seconds()["feature_mse"] == 26586
    # The paper's own row is the last one of its table 2.
    for structure in (*cohorts.ORGANS, "mean", "pancreas"):
        assert numbers[3, "regression", structure] == numbers[2, "c1f1", structure]


@pytest.mark.parametrize("number", [1, 2, 3])
def test_means_are_those_of_its_organs(number: int) -> None:
    for (table, row, structure), (iou, awd) in paper_numbers().items():
        if (table, row, structure) == (3, "feature_cosine", "mean"):
            # As printed; its organs' mean is 6.91.
            assert awd == 7.92
        elif table == number and structure == "mean":
            organs = [paper_numbers()[table, row, organ] for organ in cohorts.ORGANS]
            assert np.mean([organ[0] for organ in organs]) == pytest.approx(iou, abs=0.0011)
            assert np.mean([organ[1] for organ in organs]) == pytest.approx(awd, abs=0.011)


def test_the_mean_stands_beside_the_same_organs_only() -> None:
    assert paper_entry(2, "c1f1", "mean", cohorts.ORGANS)["paper_awd_mm"] == 6.12
    assert math.isnan(paper_entry(2, "c1f1", "mean", cohorts.ORGANS[1:])["paper_iou"])
    assert not math.isnan(paper_entry(2, "c1f1", "brainstem", cohorts.ORGANS[:1])["paper_iou"])
    assert math.isnan(paper_entry(3, "affine", "mean", cohorts.ORGANS)["paper_iou"])
