"""Crops around voxels, air outside, and the window."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rprloc.cohort.settings import Settings
from rprloc.networks.patches import PaddedScan, apply_window

CPU = torch.device("cpu")
HEAD = ((-500.0, 0.0), (-100.0, 0.2), (100.0, 0.8), (1500.0, 1.0))
VALUES = np.random.default_rng(0).integers(-1000, 2000, (6, 7, 8)).astype(np.int16)

sizes = st.tuples(*[st.integers(1, 9)] * 3)
voxels = st.tuples(st.integers(0, 5), st.integers(0, 6), st.integers(0, 7))


@settings(max_examples=40)
@given(size=sizes, centre=voxels)
def test_every_voxel_of_a_patch_is_the_scans_or_air(size: Any, centre: Any) -> None:
    padded = PaddedScan.of(VALUES, size, modality="ct", device=CPU)
    (patch,) = padded.crop(torch.tensor([centre])).numpy()
    assert patch.shape == size
    for index in np.ndindex(*size):
        at = np.array(centre) + index - np.array(size) // 2
        inside = np.all((at >= 0) & (at < VALUES.shape))
        assert patch[index] == (VALUES[tuple(at)] if inside else -1024)


def test_the_centre_of_a_patch_is_the_voxel_asked_for() -> None:
    for size in [(4, 4, 4), (5, 3, 7), (16, 64, 64), (1, 1, 1)]:
        padded = PaddedScan.of(VALUES, size, modality="ct", device=CPU)
        everywhere = torch.from_numpy(np.argwhere(np.ones(VALUES.shape)))
        centres = padded.crop(everywhere)[:, size[0] // 2, size[1] // 2, size[2] // 2]
        np.testing.assert_array_equal(centres.numpy().reshape(VALUES.shape), VALUES)


def test_mistake_9_outside_the_scan_lies_air_and_air_is_exactly_zero() -> None:
    tissue = np.full((3, 3, 3), 40, dtype=np.int16)
    padded = PaddedScan.of(tissue, (9, 9, 9), modality="ct", device=CPU)
    (patch,) = padded.crop(torch.tensor([[0, 0, 0]]))
    assert int((patch == -1024).sum()) == 9**3 - 3**3
    (seen,) = apply_window(patch[None], HEAD)
    assert torch.equal(seen == 0, patch == -1024)
    assert float(seen.max()) == pytest.approx(0.62)


def test_mr_is_padded_with_its_own_air() -> None:
    padded = PaddedScan.of(np.full((2, 2, 2), 700, dtype=np.int16), (3, 3, 3), modality="mr", device=CPU)
    (patch,) = padded.crop(torch.tensor([[0, 0, 0]]))
    assert sorted(set(patch.flatten().tolist())) == [0, 700]


@pytest.mark.parametrize("window", [HEAD, Settings().window])
def test_the_window_is_piecewise_linear_and_constant_beyond_its_ends(window: Any) -> None:
    values, levels = np.array(window).T
    hu = np.arange(-3000, 4000).astype(np.int16)
    found = apply_window(torch.from_numpy(hu), window)
    assert found.dtype == torch.float32
    np.testing.assert_allclose(found.numpy(), np.interp(hu, values, levels), atol=2e-6)
    assert torch.all(found[torch.from_numpy(hu <= values[0])] == 0)


def test_padding_does_not_change_the_scan() -> None:
    before = VALUES.copy()
    padded = PaddedScan.of(VALUES, (1, 1, 1), modality="ct", device=CPU)
    padded.crop(torch.tensor([[0, 0, 0]])).fill_(5)
    np.testing.assert_array_equal(VALUES, before)
