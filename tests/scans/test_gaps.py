"""A label that is drawn on some slices alone is told."""

from __future__ import annotations

import numpy as np
import pytest

from rprloc.scans.boxes import LabelVoxels
from rprloc.scans.gaps import gaps


def label() -> np.ndarray:
    """Two structures, (24, 20, 20)."""
    values = np.zeros((24, 20, 20), dtype=np.uint8)
    values[2:22, 3:9, 3:9] = 1
    values[5:15, 10:18, 10:18] = 2
    return values


def said(values: np.ndarray) -> str:
    return " ".join(gaps(LabelVoxels(values), {"organ": 1, "gland": 2}))


def test_whole_structures_and_those_of_pieces_are_not_told() -> None:
    assert not said(label())
    two, spine = label(), label()
    two[8:16, :, :] = 0
    spine[4:22:5] = 0
    specks = np.where(np.random.default_rng(0).random(label().shape) < 0.01, label(), 0).astype(np.uint8)
    assert not said(two) and not said(spine) and not said(specks)


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("every", [2, 3])
def test_what_is_drawn_on_some_slices_is_told(every: int, axis: int) -> None:
    values = label().repeat(3, 1).repeat(3, 2)
    kept = np.zeros_like(values)
    index = [slice(None)] * 3
    index[axis] = slice(None, None, every)
    kept[tuple(index)] = values[tuple(index)]
    kept[values == 2] = 2
    found = said(kept)
    assert found.startswith("drawn with gaps between slices (organ on ") and "gland" not in found
