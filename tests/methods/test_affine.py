"""Affine registration of synthetic patients whose movement is known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk

from rprloc.geometry import Grid
from rprloc.methods.affine import affine
from rprloc.methods.images import MaskedImage, RegistrationError, carried
from rprloc.scans.volume import image_of
from tests.methods.heads import GRID, LANDMARKS, REGION, image


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_shift_of_seven_millimetres_comes_out_as_seven(axis: int) -> None:
    shift = np.eye(3)[axis] * 7
    transform = affine(image(), image(lambda p: p - shift), REGION, seed=1)
    np.testing.assert_allclose(carried(transform, LANDMARKS), LANDMARKS + shift, atol=0.3)


def test_a_rotated_and_scaled_patient_is_recovered() -> None:
    angle = np.deg2rad(8)
    turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    matrix = turn @ np.diag([1.12, 0.94, 1.06])
    shift = np.array([4.0, -6.0, 9.0])
    back = np.linalg.inv(matrix)
    query = image(lambda p: (p - shift) @ back.T)
    transform = affine(image(), query, REGION, seed=1)
    np.testing.assert_allclose(carried(transform, LANDMARKS), LANDMARKS @ matrix.T + shift, atol=1.0)


@pytest.mark.parametrize("planes", [slice(0, 38), slice(12, 54)])
def test_fields_of_view_that_differ_along_z_do_not_mislead_it(planes: slice) -> None:
    # The bodies' centres of mass then lie tens of millimetres apart though nobody moved, and the origin says nothing.
    origin = (GRID.origin_mm[0] + 150, GRID.origin_mm[1] - 80, GRID.origin_mm[2] + 400 + 4.0 * planes.start)
    cut = Grid((GRID.size[0], GRID.size[1], planes.stop - planes.start), GRID.spacing_mm, origin)
    query = image(lambda p: p - [150, -80, 400], grid=cut)
    transform = affine(image(), query, REGION, seed=1)
    expected = LANDMARKS + np.array([150.0, -80.0, 400.0])
    np.testing.assert_allclose(carried(transform, LANDMARKS), expected, atol=0.5)


def test_neither_threads_nor_another_run_change_an_answer() -> None:
    before = sitk.ProcessObject.GetGlobalDefaultNumberOfThreads()
    support, query = image(), image(lambda p: p * 1.05)
    found: list[Any] = []
    try:
        for threads in (1, 2, 2):
            sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(threads)
            found.append(carried(affine(support, query, REGION, seed=3), LANDMARKS))
    finally:
        sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(before)
    for other in found[1:]:
        np.testing.assert_allclose(other, found[0], atol=1e-6)


def test_a_query_of_air_has_no_answer() -> None:
    air = image_of(np.zeros(GRID.size[::-1], dtype=np.float32), GRID)
    nothing = MaskedImage(air, sitk.Cast(air, sitk.sitkUInt8))
    with pytest.raises(RegistrationError, match="the query shows one grey value only"):
        affine(image(), nothing, REGION, seed=1)


def test_a_structure_at_a_corner_of_air_has_no_answer() -> None:
    with pytest.raises(RegistrationError, match="the support shows one grey value only around the structures"):
        affine(image(), image(), np.array([[70.0, 80.0, 90.0], [84.0, 98.0, 106.0]]), seed=1)


@pytest.mark.parametrize("planes", [1, 3])
def test_a_query_of_a_few_planes_is_too_small(planes: int) -> None:
    grid = Grid((44, 50, planes), GRID.spacing_mm, (*GRID.origin_mm[:2], -2.0))
    with pytest.raises(RegistrationError, match="along an axis, too little to register"):
        affine(image(), image(grid=grid), REGION, seed=1)


def test_a_slab_that_is_not_placed_is_called_one() -> None:
    # Nine planes of 4 mm.
    slab = image(grid=Grid((44, 50, 9), GRID.spacing_mm, (*GRID.origin_mm[:2], -2.0)))
    with pytest.raises(RegistrationError, match=r"hardly overlap: .*; the query shows 36 mm along z, and the region"):
        affine(image(), slab, REGION, seed=1)


def test_a_support_of_one_plane_is_too_thin() -> None:
    flat = image(grid=Grid((44, 50, 2), GRID.spacing_mm, (*GRID.origin_mm[:2], -2.0)))
    with pytest.raises(RegistrationError, match="the support measures 12 mm along an axis, too little to register"):
        affine(flat, image(), REGION, seed=1)


def test_a_region_outside_the_support_has_no_answer() -> None:
    with pytest.raises(RegistrationError, match="outside the support"):
        affine(image(), image(), REGION + 900.0, seed=1)


def test_a_scan_of_another_part_of_the_body_hardly_overlaps() -> None:
    # The query ends where the region begins.
    grid = Grid((44, 50, 12), GRID.spacing_mm, GRID.origin_mm)
    try:
        transform = affine(image(), image(grid=grid), REGION, seed=1)
    except RegistrationError:
        return
    low, high = GRID.origin_mm[2] - 30, GRID.origin_mm[2] + 12 * 4 + 30
    moved = carried(transform, LANDMARKS)[:, 2]
    assert np.mean((moved > low) & (moved < high)) > 0.25  # an answer that claims to overlap does
