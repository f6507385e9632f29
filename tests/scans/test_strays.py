"""Stray voxels of a mask."""

from __future__ import annotations

import numpy as np
import pytest

from rprloc.scans.boxes import LabelVoxels
from rprloc.scans.strays import without_strays

SPACING = (1.0, 2.0, 3.0)


def organ(size: int = 1) -> np.ndarray:
    """Return a label (z, y, x) with an organ of 1,000 voxels, each as a cube of a number of voxels."""
    label = np.zeros((40, 60, 80), dtype=np.uint8)
    label[5:15, 5:15, 5:15] = 7
    return label.repeat(size, 0).repeat(size, 1).repeat(size, 2)


@pytest.mark.parametrize("size", [1, 2])
def test_few_voxels_far_from_the_rest_are_left_out_and_said(size: int) -> None:
    label = organ()
    label[6, 6, 60:63] = 7
    label = label.repeat(size, 0).repeat(size, 1).repeat(size, 2)
    kept, said = without_strays(LabelVoxels(label), {"kidney": 7}, np.array(SPACING) / size)
    np.testing.assert_array_equal(kept.values, organ(size))
    many = size**3
    assert len(said) == 1
    assert said[0].startswith(f"kidney: {3 * many} of {1003 * many:,} voxels lie about ")
    # 45 voxels between them, but for the size of the cells by which pieces are told apart.
    assert float(said[0].split("about ")[1].split(" mm")[0]) == pytest.approx(45, abs=2)


@pytest.mark.parametrize(
    ("place", "why"),
    [
        ((6, 6, slice(20, 23)), "near"),
        ((6, 6, slice(38, 53)), "more than a hundredth, and not far enough for that"),
        ((slice(30, 34), slice(50, 54), slice(60, 64)), "more than a twentieth"),
        ((slice(6, 40, 3), slice(30, 60, 10), slice(50, 80, 10)), "many pieces, together more than a twentieth"),
    ],
)
def test_what_is_near_or_holds_more_is_part_of_the_structure(place: tuple[object, ...], why: str) -> None:
    label = organ()
    label[place] = 7
    voxels = LabelVoxels(label)
    kept, said = without_strays(voxels, {"kidney": 7}, SPACING)
    assert kept is voxels, why
    assert said == ()


def test_of_what_is_farther_off_more_is_left_out() -> None:
    label = organ()
    label[30:33, 50:53, 60:63] = 7
    label[38, 58, 2] = 7
    kept, said = without_strays(LabelVoxels(label), {"kidney": 7}, SPACING)
    np.testing.assert_array_equal(kept.values, organ())
    assert said[0].startswith("kidney: 28 of 1,028 voxels lie about ")


def test_a_voxel_of_thousands_need_not_be_as_far_off() -> None:
    label = np.zeros((60, 60, 60), dtype=np.uint8)
    label[10:30, 10:30, 10:30] = 7
    whole = label.copy()
    label[15, 15, 43] = 7
    kept, said = without_strays(LabelVoxels(label), {"liver": 7}, (1, 1, 1))
    np.testing.assert_array_equal(kept.values, whole)
    assert said[0].startswith("liver: 1 of 8,001 voxels lie about ")
    label[15, 15, 43:55] = 7
    assert not without_strays(LabelVoxels(label), {"liver": 7}, (1, 1, 1))[1]


def test_other_structures_stay_and_a_structure_of_dots_has_no_rest() -> None:
    label = organ()
    label[6, 6, 60] = 7
    label[::4, ::4, 70] = 3
    kept, said = without_strays(LabelVoxels(label), {"kidney": 7, "dots": 3}, SPACING)
    assert len(said) == 1
    assert (kept.values == 3).sum() == (label == 3).sum()
    assert kept.values[6, 6, 60] == 0
    assert label[6, 6, 60] == 7
