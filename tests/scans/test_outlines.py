"""Outlines are packed and come back voxel by voxel, from memory and from files."""

from pathlib import Path

import numpy as np
import pytest

from rprloc.errors import InputError
from rprloc.scans.outlines import OfStructure, Outline, read_about, read_outlines, write_outlines


def some(seed: int = 0) -> np.ndarray:
    inside = np.zeros((7, 9, 11), dtype=bool)
    inside[2:5, 3:8, 1:10] = np.random.default_rng(seed).random((3, 5, 9)) > 0.4
    return inside


def outline(seed: int = 0) -> Outline:
    found = Outline.of(some(seed))
    assert found is not None
    return found


def test_what_is_packed_comes_back() -> None:
    found = outline()
    np.testing.assert_array_equal(found.within((0, 0, 0), (11, 9, 7)), some())
    assert found.inside.any(axis=(1, 2)).all() and found.inside.dtype == bool
    assert found.first == (1, 3, 2) and found.stop == (10, 8, 5)


def test_a_part_lies_where_it_began() -> None:
    found = Outline.of(some()[2:, 3:, 1:], (1, 3, 2))
    assert found == outline()


def test_another_part_of_the_scan_is_cut_or_empty() -> None:
    found = outline()
    first, stop = (-2, 4, 3), (5, 20, 4)
    np.testing.assert_array_equal(found.within(first, stop), _cut(some(), first, stop))
    assert not found.within((20, 20, 20), (22, 22, 22)).any()


def _cut(inside: np.ndarray, first: tuple[int, ...], stop: tuple[int, ...]) -> np.ndarray:
    """Return a part of an array as far as it goes, nothing beyond."""
    wide = np.pad(inside, 30)
    return wide[tuple(slice(a + 30, b + 30) for a, b in zip(first[::-1], stop[::-1], strict=True))]


def test_nothing_drawn_is_no_outline() -> None:
    assert Outline.of(np.zeros((3, 3, 3), dtype=bool)) is None


def test_a_file_of_outlines(tmp_path: Path) -> None:
    path = tmp_path / "some.safetensors"
    both = [outline(1), outline(2)]
    write_outlines(path, both, [OfStructure("Niere"), OfStructure("心")])
    assert [about.structure for about in read_about(path, OfStructure)] == ["Niere", "心"]
    assert [one for _, one in read_outlines(path, OfStructure)] == both
    write_outlines(path, [], [])
    assert read_outlines(path, OfStructure) == [] == read_about(path, OfStructure)


def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "none.safetensors"
    path.write_bytes(b"PK\x03\x04")
    with pytest.raises(InputError, match=r"none\.safetensors: expected outlines as"):
        read_outlines(path, OfStructure)
    write_outlines(path, [outline()], [OfStructure("x")])
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(InputError, match="expected outlines"):
        read_outlines(path, OfStructure)
