"""What is air, what is tissue and what is written, of CT and of MR."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from rprloc.scans.modality import MODALITIES
from tests.scans.images import image_of

CT, MR = MODALITIES["ct"], MODALITIES["mr"]

BLOCK = np.zeros((12, 24, 30), dtype=bool)
BLOCK[1:11, 4:18, 4:26] = True


def mr() -> np.ndarray:
    """Return MR values (z, y, x) of a bright block in dark noise."""
    random = np.random.default_rng(0)
    return np.where(BLOCK, random.normal(400, 60, BLOCK.shape), random.normal(20, 5, BLOCK.shape)).astype(np.float32)


def test_tissue_in_ct_is_what_lies_above_air_and_lung() -> None:
    values = np.array([-3024, -1000, -850, -500, -499, 40, 3000], dtype=np.float32).reshape(1, 1, 7)
    assert CT.tissue(values).ravel().tolist() == [False] * 4 + [True] * 3


def test_tissue_in_mr_is_what_otsu_says_of_the_logarithm_whatever_the_unit() -> None:
    for gain, shift in ((1.0, 0.0), (1e-3, 0.0), (300.0, -90000.0)):
        np.testing.assert_array_equal(MR.tissue(mr() * np.float32(gain) + np.float32(shift)), BLOCK)


def test_one_glowing_voxel_does_not_hide_the_tissue_of_an_mr_scan() -> None:
    values = mr()
    values[5, 5, 5] = 1e6
    assert (MR.tissue(values) == BLOCK).mean() > 0.999


@pytest.mark.parametrize(("lowest", "left"), [(-3024, -1024), (-1024, -1024), (-1000, -1000)])
def test_mistake_9_padding_of_a_ct_becomes_air(lowest: int, left: int) -> None:
    values = np.full((2, 3, 4), 40, dtype=np.int16)
    values[0, 0, 0] = lowest
    image = CT.without_padding(image_of(values), lowest)
    assert image.GetPixelID() == sitk.sitkInt16
    assert sitk.GetArrayFromImage(image).min() == left
    assert CT.air(lowest) == -1024


def test_an_mr_scan_keeps_its_lowest_value_and_has_it_outside() -> None:
    image = image_of(mr())
    lowest = float(mr().min())
    assert MR.without_padding(image, lowest) is image
    assert MR.air(lowest) == lowest


def test_ct_values_are_rounded_and_kept_within_sixteen_bits() -> None:
    values = np.array([-2000, -1024, -0.6, 0.4, 99.5, 1e9], dtype=np.float32).reshape(1, 1, 6)
    found = CT.compact(values)
    assert found.dtype == np.int16
    assert found.ravel().tolist() == [-1024, -1024, -1, 0, 100, 32767]
    to_int16 = CT.to_int16(found, found > -500)
    np.testing.assert_array_equal(to_int16(found), found)
    np.testing.assert_array_equal(to_int16(values), found)


def test_mr_values_are_scaled_by_the_percentiles_of_the_body() -> None:
    values = mr()
    values[BLOCK] = np.linspace(200, 600, BLOCK.sum())
    to_int16 = MR.to_int16(MR.compact(values), BLOCK)
    found = to_int16(values)
    assert found.dtype == np.int16
    assert (found.min(), found.max()) == (0, 1000)
    np.testing.assert_allclose(found[BLOCK], np.clip(np.linspace(-2, 1002, BLOCK.sum()), 0, 1000), atol=1)
    # Of another grid by the same scale.
    assert to_int16(np.full((1, 1, 1), 400, dtype=np.float32)).item() == 500


def test_a_body_of_one_value_is_written_without_a_division_by_zero() -> None:
    values = np.full((2, 2, 2), 7, dtype=np.float32)
    assert not MR.to_int16(values, values > 0)(values).any()


def test_a_bias_field_hides_no_part_of_an_mr_body_and_the_crop_cuts_only_noise_away() -> None:
    """Otsu's threshold of the values themselves takes the dark end for air."""
    random = np.random.default_rng(0)
    values = random.rayleigh(2, (40, 24, 24))
    values[4:36, 4:20, 4:20] += 400 * np.exp(np.linspace(-1.2, 1.2, 32))[:, None, None]
    mr = MODALITIES["mr"]
    body = np.asarray(mr.tissue(values.astype(np.float32)))
    assert body[4:36, 4:20, 4:20].all()
    kept = mr.kept(values, body)
    assert kept[4:36, 4:20, 4:20].all()
    assert kept.sum() == 32 * 16 * 16
    assert MODALITIES["ct"].kept(values, body) is body


def test_a_bright_cyst_does_not_take_the_place_of_the_body() -> None:
    values = np.where(BLOCK, 70.0, 3.0) + np.random.default_rng(0).normal(0, 1, BLOCK.shape)
    middle = [(ends.min() + ends.max()) // 2 for ends in np.nonzero(BLOCK)]
    values[tuple(slice(at - 2, at + 2) for at in middle)] = 1300
    assert (MR.tissue(values.astype(np.float32)) == BLOCK).mean() > 0.99


def test_zeros_around_a_noisy_field_are_not_told_from_noise_but_noise_from_tissue() -> None:
    values = mr()
    values[:, :, :3] = 0
    assert (MR.tissue(values) == BLOCK).mean() > 0.999
