"""What belongs to the body."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from rprloc.scans.body import body_mask


def torso() -> np.ndarray:
    """Return the tissue (z, y, x) of a block with two lungs, on a table."""
    tissue = np.zeros((12, 24, 30), dtype=bool)
    tissue[1:11, 4:18, 4:26] = True
    tissue[1:11, 7:15, 7:13] = tissue[1:11, 7:15, 17:23] = False
    tissue[:, 21, :] = True
    return tissue


def test_mistake_9_lungs_belong_to_the_body() -> None:
    # The lungs go through the first and the last slice of the body: only filling slice by slice closes them.
    mask = body_mask(torso())
    assert mask[5, 10, 9] and mask[1, 10, 20] and mask[10, 10, 20]
    expected = np.zeros_like(mask)
    expected[1:11, 4:18, 4:26] = True
    # Opening takes the sharp edges of a block away and nothing else.
    assert np.all(mask <= expected)
    assert expected.sum() - mask.sum() <= 4 * (10 + 14 + 22)


def test_the_table_is_not_part_of_the_body() -> None:
    assert not body_mask(torso())[:, 21].any()


def test_nothing_but_air_has_an_empty_body() -> None:
    assert not body_mask(np.zeros((6, 6, 6), dtype=bool)).any()


@pytest.mark.parametrize("slices", [1, 2])
def test_a_scan_of_a_slice_or_two_keeps_its_body(slices: int) -> None:
    mask = body_mask(torso()[4 : 4 + slices])
    assert mask[:, 4:18, 4:26].mean() > 0.9


def plain_body(tissue: np.ndarray) -> np.ndarray:
    """Return what `body_mask` promises by scipy's own opening and filling."""
    opened = ndimage.binary_opening(tissue)
    parts, count = ndimage.label(opened if opened.any() else tissue)
    if count == 0:
        return np.zeros_like(tissue)
    sizes = np.bincount(parts.ravel())[1:]
    in_slice = ndimage.generate_binary_structure(2, 1)[np.newaxis]
    return ndimage.binary_fill_holes(parts == np.argmax(sizes) + 1, structure=in_slice)


@settings(max_examples=40)
@given(st.integers(0, 2**32 - 1), st.floats(0.05, 0.98), st.tuples(*[st.integers(1, 9)] * 3), st.floats(0, 2))
def test_the_body_is_the_one_of_scipys_opening_and_filling(seed: int, share: float, shape: Any, blur: float) -> None:
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).random(shape), blur)
    tissue = noise < np.quantile(noise, share)
    np.testing.assert_array_equal(body_mask(tissue), plain_body(tissue))


def test_more_parts_than_two_bytes_can_number_are_told_apart() -> None:
    tissue = np.indices((52, 52, 52)).sum(axis=0) % 2 == 0
    assert ndimage.label(tissue)[1] > np.iinfo(np.uint16).max
    tissue[10:13, 10:13, 10] = True
    np.testing.assert_array_equal(body_mask(tissue), plain_body(tissue))
