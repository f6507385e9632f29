"""What belongs to the body."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from rprloc.scans.body import body_box, body_mask, tissue_mask


def torso() -> np.ndarray:
    """Return a CT (z, y, x) of a block of tissue with two lungs, on a table, in air."""
    values = np.full((12, 24, 30), -1000.0, dtype=np.float32)
    values[1:11, 4:18, 4:26] = 40
    values[1:11, 7:15, 7:13] = -850
    values[1:11, 7:15, 17:23] = -850
    values[:, 21, :] = 100
    return values


def test_mistake_9_lungs_belong_to_the_body() -> None:
    # The lungs go through the first and the last slice of the body: only filling slice by slice closes them.
    mask = body_mask(tissue_mask(torso(), "ct"))
    assert mask[5, 10, 9] and mask[1, 10, 20] and mask[10, 10, 20]
    expected = np.zeros_like(mask)
    expected[1:11, 4:18, 4:26] = True
    # Opening takes the sharp edges of a block away and nothing else.
    assert np.all(mask <= expected)
    assert expected.sum() - mask.sum() <= 4 * (10 + 14 + 22)


def test_the_table_is_not_part_of_the_body() -> None:
    assert not body_mask(tissue_mask(torso(), "ct"))[:, 21].any()


@pytest.mark.parametrize("air", [-1000.0, -1024.0, -2000.0, -3024.0, -600.0])
def test_mistake_9_a_scan_of_only_air_has_an_empty_body_whatever_its_air_is(air: float) -> None:
    assert not body_mask(tissue_mask(np.full((6, 6, 6), air, dtype=np.float32), "ct")).any()


@pytest.mark.parametrize("slices", [1, 2])
def test_a_scan_of_a_slice_or_two_keeps_its_body(slices: int) -> None:
    mask = body_mask(tissue_mask(torso()[4 : 4 + slices], "ct"))
    assert mask[:, 4:18, 4:26].mean() > 0.9


def test_the_body_of_an_mr_scan_is_what_otsu_says() -> None:
    random = np.random.default_rng(0)
    values = random.normal(20, 5, (12, 24, 30)).astype(np.float32)
    inside = torso() > -900
    inside[:, 21] = False
    values[inside] = random.normal(400, 60, inside.sum())
    mask = body_mask(tissue_mask(values, "mr"))
    # The opening takes the block's sharp edges; filling gives it the lungs.
    block = np.zeros_like(inside)
    block[1:11, 4:18, 4:26] = True
    assert np.all(mask <= block)
    assert block.sum() - mask.sum() <= 4 * (10 + 14 + 22)


def test_one_glowing_voxel_does_not_hide_the_body_of_an_mr_scan() -> None:
    values = np.random.default_rng(0).normal(20, 5, (12, 24, 30)).astype(np.float32)
    values[2:10, 4:20, 4:26] = 300
    expected = body_mask(tissue_mask(values, "mr"))
    assert expected.sum() > 2000
    values[5, 5, 5] = 1e6
    np.testing.assert_array_equal(body_mask(tissue_mask(values, "mr")), expected)


def test_the_box_holds_the_whole_mask() -> None:
    mask = np.zeros((6, 7, 8), dtype=bool)
    mask[1, 2, 3] = mask[4, 2, 7] = True
    assert body_box(mask) == (slice(1, 5), slice(2, 3), slice(3, 8))


def plain_body(tissue: np.ndarray) -> np.ndarray:
    """Return what `body_mask` promises by scipy's own opening and filling."""
    opened = ndimage.binary_opening(tissue)
    parts, count = ndimage.label(opened if opened.any() else tissue)
    if count == 0:
        return np.zeros_like(tissue)
    sizes = np.bincount(parts.ravel())[1:]
    in_slice = ndimage.generate_binary_structure(2, 1)[np.newaxis]
    return ndimage.binary_fill_holes(parts == np.argmax(sizes) + 1, structure=in_slice)


@settings(max_examples=60)
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
