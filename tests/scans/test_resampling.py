"""Resampling on the physical grid: linear, smoothed where it coarsens, the same by products as by ITK's filters."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
from scipy.spatial.transform import Rotation

from rprloc.geometry import Grid
from rprloc.scans.resampling import covering_grid, grid_within, own_spacing_mm, resample_label
from rprloc.scans.resampling import resample as resample_with
from tests.scans.images import ORIENTATIONS, image_of, oriented

NOISE = np.random.default_rng(5).normal(0, 300, (12, 14, 16)).astype(np.int16)


def resample(image: sitk.Image, grid: Grid, outside: float = -1024) -> np.ndarray[Any, Any]:
    """Return a CT on a grid."""
    return resample_with(image, grid, outside=outside)


def test_mistake_10_no_slice_is_lost_and_the_new_spacing_is_what_the_voxels_have() -> None:
    values = np.zeros((7, 5, 5), dtype=np.int16)
    values[-1] = 1000
    image = image_of(values, (2.0, 2.0, 3.0), (5.0, 6.0, 7.0))
    grid = covering_grid(image, np.array([2.0, 2.0, 2.0]))
    # 7 slices of 3 mm are 21 mm: 11 of 2 mm. The lower edges agree: 7 - 1.5 = 6.5 - 1 + 1.
    assert grid == Grid((5, 5, 11), (2.0, 2.0, 2.0), (5.0, 6.0, 6.5))
    moved = resample(image, grid, outside=0)
    assert moved.shape == (11, 5, 5)
    # The last native slice is centred at 25 mm; the grid's slice at 24.5 mm is the one nearest.
    assert np.all(moved[9] > 800)


def test_mistake_10_resampling_follows_the_physical_grid() -> None:
    # Grey values that are a linear function of the world point stay so on any grid inside.
    index = np.moveaxis(np.indices((12, 14, 16))[::-1], 0, -1).astype(float)
    world = np.array([-7.0, 3.0, 40.0]) + index * [1.5, 2.0, 3.0]
    image = image_of((world @ [1.0, -2.0, 0.5]).astype(np.float64), (1.5, 2.0, 3.0), (-7.0, 3.0, 40.0))
    grid = Grid((9, 8, 7), (1.3, 1.9, 2.9), (-3.3, 6.1, 45.7))
    centres = grid.world(np.moveaxis(np.indices((7, 8, 9)), 0, -1))
    np.testing.assert_allclose(resample(image, grid), centres @ [1.0, -2.0, 0.5], atol=1e-4)


@pytest.mark.parametrize(
    ("voxel", "side", "shown"),
    [
        ((1.0, 1.0, 1.0), 160.0, 1.0),
        # As BraTS and OASIS have them, in any order of axes; an edge is long that nearly is.
        ((1.2, 0.9375, 0.9375), 160.0, 1.0),
        ((1.4, 1.4, 1.4), 160.0, 1.5),
        ((0.4, 0.4, 0.4), 160.0, 1.0),
        # No more is to be seen than there is between slices.
        ((1.25, 1.25, 7.7), 300.0, 3.0),
        ((0.5, 2.2, 0.5), 100.0, 2.0),
        # Of a large field not as many voxels as there are.
        ((1.0, 1.0, 1.0), 300.0, 1.5),
        ((1.0, 1.0, 1.0), 400.0, 2.0),
        ((1.0, 1.0, 1.0), 900.0, 3.0),
    ],
)
def test_a_scans_own_spacing_is_that_of_its_longest_edge_or_what_its_field_has_room_for(
    voxel: tuple[float, ...], side: float, shown: float
) -> None:
    field = Grid((int(side / 4),) * 3, (4.0, 4.0, 4.0), (0.0, 0.0, 0.0))
    for order in itertools.permutations(voxel):
        image = image_of(NOISE, order)
        np.testing.assert_array_equal(own_spacing_mm(image, field), [shown] * 3)


def test_a_scan_that_has_the_spacing_already_keeps_its_values() -> None:
    image = image_of(NOISE, (1.1, 0.9, 2.7), (-120.3, 33.7, 0.1))
    grid = covering_grid(image, np.array([1.1, 0.9, 2.7]))
    assert grid.size == (16, 14, 12)
    np.testing.assert_array_equal(np.rint(resample(image, grid)), NOISE)


def test_the_grid_holds_every_voxel_and_hardly_more() -> None:
    for size, spacing, wanted in [((10, 11, 12), (0.7, 1.3, 5.0), (2.0, 2.0, 2.0)), ((2, 2, 2), (3, 3, 3), (4, 4, 4))]:
        image = image_of(np.zeros(size[::-1], dtype=np.uint8), spacing, (1.0, 2.0, 3.0))
        grid = covering_grid(image, np.array(wanted, dtype=float))
        low = np.array([1.0, 2.0, 3.0]) - np.array(spacing) / 2
        high = low + np.array(size) * spacing
        start = np.array(grid.origin_mm) - np.array(wanted) / 2
        end = start + np.array(grid.size) * wanted
        np.testing.assert_allclose(start, low)
        assert np.all(end >= high - 1e-2 * np.array(wanted)) and np.all(end - high < wanted)


def test_a_finer_grid_begins_where_the_other_does_and_covers_it() -> None:
    coarse = Grid((5, 6, 7), (3.0, 4.0, 5.0), (10.0, -20.0, 30.0))
    finer = grid_within(coarse, np.array([1.0, 2.5, 2.0]))
    assert (finer.size, finer.spacing_mm) == ((15, 10, 18), (1.0, 2.5, 2.0))
    np.testing.assert_allclose(finer.box_mm[0], coarse.box_mm[0])
    assert np.all(finer.box_mm[1] >= coarse.box_mm[1] - 1e-9)
    assert grid_within(coarse, np.array(coarse.spacing_mm)) == coarse


def test_coarsening_smooths_a_checkerboard_away_and_keeps_the_mean() -> None:
    z, y, x = np.indices((24, 24, 24))
    board = image_of((100 + 400 * ((x + y + z) % 2)).astype(np.int16))
    moved = resample(board, covering_grid(board, np.array([4.0, 4.0, 4.0])))
    assert moved.shape == (6, 6, 6)
    np.testing.assert_allclose(moved, 300, atol=5)
    flat = image_of(np.full((24, 24, 24), 123, dtype=np.int16))
    np.testing.assert_allclose(resample(flat, covering_grid(flat, np.array([4.0, 3.0, 2.0]))), 123, atol=0.01)


def test_smoothing_keeps_the_mean_of_noise_and_leaves_other_axes_alone() -> None:
    noise = np.random.default_rng(1).normal(100, 50, (40, 40, 40)).astype(np.float32)
    image = image_of(noise)
    moved = resample(image, covering_grid(image, np.array([4.0, 4.0, 4.0])))
    assert abs(moved.mean() - noise.mean()) < 3
    assert moved.std() < 10
    stripes = image_of(np.where(np.indices((8, 8, 8))[0] % 2, 1000, 0).astype(np.int16))
    # Only x coarsens: the stripes along z stay as they are.
    np.testing.assert_allclose(resample(stripes, covering_grid(stripes, np.array([4.0, 1.0, 1.0])))[1], 1000, atol=0.1)


def test_labels_are_never_mixed() -> None:
    label = image_of((np.indices((9, 9, 9)).sum(axis=0) % 5).astype(np.uint8))
    moved = resample_label(label, covering_grid(label, np.array([2.0, 1.4, 0.6])))
    assert set(np.unique(moved)) <= {0, 1, 2, 3, 4}


def smoothed_by_filters(image: sitk.Image, grid: Grid) -> np.ndarray[Any, Any]:
    """Return what `resample` promises, voxel by voxel: a Gaussian along each coarsened axis, then linear."""
    image = sitk.Cast(image, sitk.sitkFloat32)
    direction = np.abs(np.reshape(image.GetDirection(), (3, 3)))
    for axis, spacing in enumerate(image.GetSpacing()):
        coarse = grid.spacing_mm[int(np.argmax(direction[:, axis]))]
        if coarse > spacing * 1.01 and image.GetSize()[axis] >= 4:
            gaussian = sitk.RecursiveGaussianImageFilter()
            gaussian.SetSigma(float(np.sqrt(coarse**2 - spacing**2)) / 2.3548)
            gaussian.SetDirection(axis)
            image = gaussian.Execute(image)
    moved = sitk.Resample(
        image, grid.size, sitk.Transform(), sitk.sitkLinear, grid.origin_mm, grid.spacing_mm, np.eye(3).ravel(), -1024.0
    )
    return sitk.GetArrayFromImage(moved)


@pytest.mark.parametrize("way", ORIENTATIONS[::7])
@pytest.mark.parametrize("wanted", [(4.0, 5.0, 6.0), (4.0, 1.0, 3.0), (1.1, 0.9, 2.7), (0.5, 4.0, 20.0)])
def test_products_along_the_axes_give_what_the_filters_give(way: Any, wanted: Any) -> None:
    image = oriented(image_of(NOISE, (1.1, 0.9, 2.7), (-120.3, 33.7, 0.1)), *way)
    grid = covering_grid(image, np.array(wanted))
    np.testing.assert_allclose(resample(image, grid), smoothed_by_filters(image, grid), atol=2e-3)


@pytest.mark.parametrize("origin", [(-9.0, -7.0, 0.5), (3.3, 2.1, 8.0), (100.0, 0.0, 0.0)])
def test_products_and_filters_agree_outside_the_image_as_well(origin: Any) -> None:
    image = image_of(NOISE)
    grid = Grid((6, 7, 8), (4.0, 4.0, 4.0), origin)
    np.testing.assert_allclose(resample(image, grid), smoothed_by_filters(image, grid), atol=2e-3)


def test_oblique_axes_are_smoothed_along_themselves() -> None:
    image = image_of(NOISE, direction=Rotation.from_euler("xyz", [7, -12, 20], degrees=True).as_matrix())
    grid = covering_grid(image, np.array([3.0, 3.0, 3.0]))
    np.testing.assert_allclose(resample(image, grid), smoothed_by_filters(image, grid), atol=2e-3)


def test_slabs_meet_without_a_seam(monkeypatch: pytest.MonkeyPatch) -> None:
    image = image_of(NOISE, (1.1, 0.9, 2.7))
    grid = covering_grid(image, np.array([0.8, 0.7, 1.3]))
    whole = resample(image, grid)
    monkeypatch.setattr("rprloc.scans.resampling._SLAB", 1)
    np.testing.assert_allclose(resample(image, grid), whole, atol=1e-4)


def test_outside_the_file_lies_air() -> None:
    image = image_of(np.full((5, 5, 5), 40, dtype=np.int16))
    moved = resample(image, Grid((9, 5, 5), (1.0, 1.0, 1.0), (-2.0, 0.0, 0.0)))
    assert np.all(moved[:, :, [0, 1, -1, -2]] == -1024)
    assert np.all(moved[:, :, 2:7] == 40)


def test_a_single_slice_is_seen_whatever_the_grids_spacing() -> None:
    image = image_of(np.full((1, 8, 8), 7.0, dtype=np.float32), spacing=(2, 2, 2))
    grid = covering_grid(image, np.array([2.0, 2.0, 6.0]))
    np.testing.assert_allclose(resample(image, grid, outside=-1.0), 7.0)
