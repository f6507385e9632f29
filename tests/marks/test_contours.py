"""Contours that are holes, there twice, crossing, or off the planes of the others by rounding."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from numpy.typing import NDArray

from rprloc.geometry import FloatArray
from rprloc.marks.contours import Filled, filled
from rprloc.scans.record import Native
from tests.marks.written import NATIVE, SIZE, outline, tilted


def block(z: tuple[int, int], y: tuple[int, int], x: tuple[int, int]) -> NDArray[np.bool_]:
    """Return a mask (z, y, x) that is a block."""
    mask = np.zeros(SIZE[::-1], dtype=bool)
    mask[slice(*z), slice(*y), slice(*x)] = True
    return mask


def around(mask: NDArray[np.bool_], native: Native = NATIVE) -> list[FloatArray]:
    """Return its contours, slice by slice."""
    return [points for _, points in outline(mask, native)]


def inside(found: Filled) -> NDArray[np.bool_]:
    return sitk.GetArrayFromImage(found.image) > 0


OUTER, HOLE = block((4, 9), (3, 14), (3, 18)), block((5, 8), (6, 10), (6, 12))
ISLAND = block((6, 7), (7, 9), (8, 10))


def test_a_hole_may_hold_an_island_whatever_the_order() -> None:
    contours = [*around(ISLAND), *around(OUTER), *around(HOLE)]
    found = filled(contours, NATIVE, odd=False)
    np.testing.assert_array_equal(inside(found), OUTER & ~HOLE | ISLAND)
    assert (found.twice, found.crossed) == (0, 0)


def test_what_is_there_twice_counts_once_unless_odd_numbers_count() -> None:
    contours = [*around(OUTER), *around(OUTER)[1:3], *around(HOLE), *around(HOLE)]
    found = filled(contours, NATIVE, odd=False)
    np.testing.assert_array_equal(inside(found), OUTER & ~HOLE)
    assert (found.twice, found.crossed) == (2 + 3, 0)
    assert not inside(filled([*around(OUTER), *around(OUTER)], NATIVE, odd=True)).any()


def test_pieces_that_cross_are_taken_together_and_counted() -> None:
    one, other = block((4, 7), (3, 9), (3, 10)), block((4, 6), (6, 13), (7, 18))
    found = filled([*around(one), *around(other)], NATIVE, odd=False)
    np.testing.assert_array_equal(inside(found), one | other)
    assert found.crossed == 2
    np.testing.assert_array_equal(inside(filled([*around(one), *around(other)], NATIVE, odd=True)), one ^ other)


def test_a_hole_whose_edge_is_drawn_a_little_outside_is_a_hole() -> None:
    hole = block((5, 8), (5, 13), (5, 17))
    wide = [points + np.array([2.0, 0, 0]) for points in around(hole)]
    found = filled([*around(OUTER), *wide], NATIVE, odd=False)
    assert found.crossed == 0
    np.testing.assert_array_equal(inside(found), OUTER & ~block((5, 8), (5, 13), (6, 18)))


@pytest.mark.parametrize("native", [NATIVE, tilted()], ids=["straight", "turned"])
@pytest.mark.parametrize("off_mm", [0.03, 0.2])
def test_contours_of_one_slice_need_not_lie_in_one_plane_to_the_last_digit(native: Native, off_mm: float) -> None:
    left, right = block((4, 9), (3, 14), (3, 8)), block((4, 9), (3, 14), (11, 18))
    along = native.frame.axes_mm[:, 2] / np.linalg.norm(native.frame.axes_mm[:, 2])
    contours = [*around(left, native), *(points + off_mm * along for points in around(right, native))]
    found = filled([*contours, *around(block((5, 8), (6, 10), (13, 16)), native)], native, odd=False)
    np.testing.assert_array_equal(inside(found), left | right & ~block((5, 8), (6, 10), (13, 16)))


def test_planes_closer_than_slices_stay_planes() -> None:
    """Contours of a finer scan: of two planes a slice the nearer one counts, not both."""
    low, high = around(block((6, 7), (3, 9), (3, 10)))[0], around(block((6, 7), (6, 13), (7, 18)))[0]
    step = NATIVE.frame.axes_mm[:, 2]
    planes = [points + part * step for part in (-2, -1, 0, 1) for points in (low,)]
    planes += [points + (part + 0.5) * step for part in (-2, -1, 0, 1) for points in (high,)]
    found = inside(filled(planes, NATIVE, odd=False))
    for z in range(4, 8):
        np.testing.assert_array_equal(found[z], block((z, z + 1), (3, 9), (3, 10))[z])
