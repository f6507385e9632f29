"""Patch centres: anywhere in the body, or within reach in millimetres."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rprloc.training.sampling import BodyVoxels, draw_group

SPACING = (3.0, 1.5, 2.0)
BLOCK = BodyVoxels.of(np.ones((40, 60, 50), dtype=bool))


def group(body: BodyVoxels, network: str, *, count: int = 60, r_mm: float = 12.0, seed: int = 0) -> Any:
    """Return a group's voxels."""
    generator = np.random.default_rng(seed)
    return draw_group(body, count, network=network, r_mm=r_mm, spacing_mm=SPACING, generator=generator)


@pytest.mark.parametrize("network", ["coarse", "fine"])
@settings(max_examples=25)
@given(seed=st.integers(0, 2**32 - 1), share=st.sampled_from([0.003, 0.1, 0.6]), r_mm=st.floats(0.5, 30))
def test_every_centre_is_a_voxel_of_the_body(network: str, seed: int, share: float, r_mm: float) -> None:
    mask = np.random.default_rng(seed).random((9, 10, 11)) < share
    mask[4, 5, 6] = True
    found = group(BodyVoxels.of(mask), network, count=9, r_mm=r_mm, seed=seed)
    assert found.shape == (9, 3) and found.dtype == np.int64
    assert mask[tuple(found.T)].all()


def test_mistake_2_fine_centres_lie_within_reach_in_mm_on_each_axis_inclusive_of_its_end() -> None:
    r_mm = 12.0
    drawn = [group(BLOCK, "fine", r_mm=r_mm, seed=seed) for seed in range(80)]
    moved = np.concatenate([(found[1:] - found[0]) * SPACING for found in drawn])
    # In millimetres, not voxels: the reach is the same on axes of 3, 1.5 and 2 mm, and both ends do occur.
    np.testing.assert_array_equal(moved.min(axis=0), [-r_mm] * 3)
    np.testing.assert_array_equal(moved.max(axis=0), [r_mm] * 3)


def test_mistake_2_every_distance_within_reach_is_as_likely_as_any_other() -> None:
    # Far from the edges of the body, a voxel's 9 slices of reach along z occur equally often.
    centre = np.zeros((40, 60, 50), dtype=bool)
    centre[18:22, 28:32, 23:27] = True
    body = BodyVoxels(np.ones_like(centre), np.flatnonzero(centre).astype(np.int32))
    steps = np.concatenate([(f := group(body, "fine", seed=seed))[1:, 0] - f[0, 0] for seed in range(60)])
    counts = np.bincount(steps + 4, minlength=9)
    assert len(counts) == 9 and counts.min() > 0.75 * counts.mean() and counts.max() < 1.25 * counts.mean()


def test_a_reach_that_is_no_whole_number_of_voxels_is_not_overstepped() -> None:
    for seed in range(20):
        found = group(BLOCK, "fine", r_mm=7.9, seed=seed)
        assert np.all(np.abs((found[1:] - found[0]) * SPACING) <= 7.9)


def test_rounding_does_not_cut_the_reach() -> None:
    # 0.3 / 0.1 is 2.9999999999999996 in floating point.
    found = BLOCK.draw_near(400, 0.3, (0.1, 0.1, 0.1), np.random.default_rng(0))
    assert np.abs(found - found[0]).max() == 3


def test_coarse_centres_are_anywhere_in_the_body() -> None:
    found = group(BLOCK, "coarse", count=4000)
    np.testing.assert_allclose(found.mean(axis=0), [19.5, 29.5, 24.5], rtol=0.05)
    assert np.all(found.min(axis=0) == 0) and np.all(found.max(axis=0) == [39, 59, 49])


def test_a_body_of_one_voxel_gives_that_voxel() -> None:
    mask = np.zeros((5, 5, 5), dtype=bool)
    mask[1, 2, 3] = True
    for network in ("coarse", "fine"):
        np.testing.assert_array_equal(group(BodyVoxels.of(mask), network, count=4), [[1, 2, 3]] * 4)


def test_a_thin_body_still_gives_mostly_pairs_that_differ() -> None:
    mask = np.zeros((40, 40, 40), dtype=bool)
    mask[20] = True
    found = np.stack([group(BodyVoxels.of(mask), "fine", count=8, seed=seed) for seed in range(50)])
    same = np.all(found[:, 1:] == found[:, :1], axis=-1)
    assert same.mean() < 0.5


def test_draws_come_from_the_generator_alone() -> None:
    np.testing.assert_array_equal(group(BLOCK, "fine", seed=3), group(BLOCK, "fine", seed=3))
    assert (group(BLOCK, "fine", seed=3) != group(BLOCK, "fine", seed=4)).any()
