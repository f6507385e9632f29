"""Outlines against the true one, on cubes whose measures are known."""

import numpy as np
import pytest

from rprloc.methods.overlap import overlaps
from rprloc.scans.outlines import Outline


def cube(low: tuple[int, int, int], size: tuple[int, int, int] = (10, 10, 10)) -> Outline:
    found = Outline.of(np.ones(size[::-1], dtype=bool), low)
    assert found is not None
    return found


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
