"""Outlines against the true one: MONAI's measures, and cubes whose measures are known."""

import warnings

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import ndimage

from rprloc.methods.images import quietly
from rprloc.methods.overlap import TOLERANCE_MM, overlaps
from rprloc.scans.outlines import Outline

SHAPE = (11, 12, 13)


def cube(low: tuple[int, int, int], size: tuple[int, int, int] = (10, 10, 10)) -> Outline:
    return outline(np.ones(size[::-1], dtype=bool), low)


def outline(inside: NDArray[np.bool_], low: tuple[int, int, int] = (0, 0, 0)) -> Outline:
    found = Outline.of(inside, low)
    assert found is not None
    return found


def blob(generator: np.random.Generator) -> NDArray[np.bool_]:
    """Return an odd shape, which may have holes, parts and a wall at the scan's end."""
    values = ndimage.gaussian_filter(generator.normal(size=SHAPE), generator.uniform(0.8, 2))
    return np.asarray(values >= np.quantile(values, generator.uniform(0.5, 0.95)))


@given(seed=st.integers(0, 2**32 - 1))
def test_the_measures_are_those_of_monai(seed: int) -> None:
    with quietly():
        from monai.metrics.hausdorff_distance import compute_hausdorff_distance
        from monai.metrics.meandice import compute_dice
        from monai.metrics.surface_dice import compute_surface_dice
    generator = np.random.default_rng(seed)
    found, true, spacing = blob(generator), blob(generator), generator.uniform(0.5, 4, 3).tolist()
    (own,) = overlaps([outline(found)], outline(true), spacing)
    # Beyond the scan's end is another voxel, as there is for us.
    one, other = (torch.from_numpy(np.pad(mask, 1))[None, None] for mask in (found, true))
    about = {"include_background": True, "spacing": spacing[::-1]}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # MONAI calls what it has deprecated
        theirs = (
            compute_dice(one, other),
            compute_hausdorff_distance(one, other, percentile=95, **about),
            compute_surface_dice(one, other, [TOLERANCE_MM], use_subvoxels=True, **about),
        )
    dice, far_mm, near = map(float, theirs)
    assert (own.dice, own.surface_dice_2mm) == pytest.approx((dice, near), abs=1e-5)
    # Ours are between corners of voxels, each counting as much as its part of the surface; theirs between centres.
    assert abs(own.surface_95_mm - far_mm) < np.linalg.norm(spacing)


def test_the_same_outline_is_perfect_and_a_moved_one_is_not() -> None:
    same, moved, apart = overlaps(
        [cube((5, 5, 5)), cube((7, 5, 5)), cube((60, 5, 5))], cube((5, 5, 5)), (1.0, 1.0, 2.0)
    )
    assert same == pytest.approx((1.0, 0.0, 1.0))
    assert moved.dice == pytest.approx(0.8) and moved.surface_95_mm == pytest.approx(2.0)
    assert moved.surface_dice_2mm == pytest.approx(1.0, abs=0.02)
    assert apart.dice == 0 and apart.surface_dice_2mm == 0 and apart.surface_95_mm > 45


def test_spacing_is_that_of_the_axes() -> None:
    (along_z,) = overlaps([cube((5, 5, 7))], cube((5, 5, 5)), (1.0, 1.0, 3.0))
    assert along_z.surface_95_mm == pytest.approx(6.0) and along_z.surface_dice_2mm < 0.9


def test_the_scans_edge_is_a_surface_and_nothing_is_nothing() -> None:
    (one,) = overlaps([cube((0, 0, 0))], cube((0, 0, 0)), (1.0, 1.0, 1.0))
    assert one == pytest.approx((1.0, 0.0, 1.0))
    assert overlaps([], cube((0, 0, 0)), (1.0, 1.0, 1.0)) == []
