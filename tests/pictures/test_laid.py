"""Voxels laid as a radiologist looks at them: on grids of every kind each place keeps its value."""

from __future__ import annotations

import numpy as np
import pytest

from rprloc.pictures.laid import Laid, letters_of
from rprloc.scans.frame import Frame
from tests.exports.queries import GRIDS, native, outline_of, values_of


def laid(kind: str) -> Laid:
    grid = native(kind)
    return Laid.of(values_of(grid), grid.frame)


def value_at(scan: Laid, place_mm: np.ndarray) -> float:
    i, j, k = np.floor(scan.frame.voxel(place_mm) + 0.5).astype(int)
    return float(scan.values[k, j, i])


@pytest.mark.parametrize("kind", GRIDS)
def test_axes_grow_to_the_left_the_posterior_and_the_superior(kind: str) -> None:
    scan, grid = laid(kind), native(kind)
    direction = scan.frame.direction
    assert (np.diag(direction) > 0.5).all() and np.abs(direction).argmax(axis=0).tolist() == [0, 1, 2]
    # No voxel is another one: each place has the value that the file has there.
    for index in ([0, 0, 0], [39, 35, 23], [7, 20, 11]):
        place = grid.frame.world(np.array(index, dtype=float))
        i, j, k = index
        assert value_at(scan, place) == values_of(grid)[k, j, i]
    assert scan.values.base is not None


@pytest.mark.parametrize("kind", GRIDS)
def test_a_part_is_what_a_box_touches(kind: str) -> None:
    scan = laid(kind)
    centre = scan.frame.world(np.array(scan.size) // 2.0)
    part = scan.part(centre - 6, centre + 6)
    assert part is not None and 0 < part.values.size < scan.values.size / 4
    assert value_at(part, centre) == value_at(scan, centre)
    assert scan.part(centre + 1000, centre + 1001) is None


def test_a_coarser_one_has_means_at_their_middles() -> None:
    scan = Laid(np.arange(4 * 6 * 8, dtype=np.int16).reshape(4, 6, 8), Frame(np.diag([1.0, 1.0, 2.0]), np.zeros(3)))
    half = scan.coarser(50)
    assert half.values.size <= 50 and half.frame.axes_mm.tolist() == np.diag([2.0, 2.0, 2.0]).tolist()
    assert half.values[0, 0, 0] == scan.values[0, :2, :2].mean()
    assert half.frame.origin_mm.tolist() == [0.5, 0.5, 0.0]
    assert scan.coarser(1000) is scan


@pytest.mark.parametrize("kind", GRIDS)
def test_an_outline_lies_on_another_part_where_it_lies_on_the_scan(kind: str) -> None:
    grid, outline = native(kind), outline_of((8, 9, 5), (12, 7, 9))
    whole = Laid.of(outline.within((0, 0, 0), grid.size), grid.frame)
    part = Laid.of(outline.inside, grid.frame, outline.first)
    assert (part.on(whole) == whole.values).all()
    centre = part.frame.world(np.array(part.size) // 2.0)
    crop = whole.part(centre - 5, centre + 5)
    assert crop is not None and (part.on(crop) == crop.values).all() and crop.values.any()


@pytest.mark.parametrize(
    ("direction", "letters"),
    [((1, 0, 0), ("L", "R")), ((-1, 0, 0), ("R", "L")), ((0, 1, 0), ("P", "A")), ((0, 0, -1), ("I", "S")),
     ((0.9, 0.43, 0), ("LP", "RA")), ((0.98, 0.2, 0), ("L", "R")), ((0.5, -0.6, 0.62), ("SAL", "IPR"))],
)  # fmt: skip
def test_letters(direction: tuple[float, float, float], letters: tuple[str, str]) -> None:
    assert letters_of(np.array(direction, dtype=float)) == letters
