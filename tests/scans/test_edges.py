"""A label whose surface follows no edges of its scan."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from rprloc.scans.edges import followed, limit, off_edges
from tests.scans.images import image_of, preprocessed

SPACING = (3.0, 3.0, 4.0)
_ORGANS = [((16, 20, 22), 8, 120), ((20, 36, 18), 6, -60), ((26, 24, 36), 7, 90)]
"""Middle and radius (z, y, x), voxels, and by how much they are brighter than what is around them."""


def scan(seed: int = 1) -> tuple[NDArray[np.int16], NDArray[np.uint16], NDArray[np.bool_]]:
    """Return values, label and body (z, y, x): three balls in tissue with a texture of its own, air around."""
    shape = (40, 56, 56)
    texture = ndimage.gaussian_filter(np.random.default_rng(seed).normal(0, 1, shape), 2)
    values = 40 + 40 * texture / texture.std()
    label = np.zeros(shape, dtype=np.uint16)
    index = np.indices(shape)
    for number, (middle, radius, brighter) in enumerate(_ORGANS, start=1):
        ball = sum((axis - at) ** 2 for axis, at in zip(index, middle, strict=True)) < radius**2
        values[ball], label[ball] = values[ball] / 4 + brighter, number
    body = np.zeros(shape, dtype=np.bool_)
    body[1:-1, 4:-4, 4:-4] = True
    values[~body] = -1000
    return values.astype(np.int16), label, body


def moved(label: NDArray[np.uint16], *by: int) -> NDArray[np.uint16]:
    return np.roll(label, by, axis=(0, 1, 2))


def test_what_is_drawn_at_edges_is_not_told() -> None:
    values, label, body = scan()
    assert off_edges(label, values, body, SPACING) == ()
    assert min(followed(label, values, body, SPACING)) > 1.5


@pytest.mark.parametrize("by", [(0, -6, 0), (0, 0, 8), (5, 0, 0), (3, 5, -4)])
def test_a_label_that_was_moved_is_told(by: tuple[int, int, int]) -> None:
    values, label, body = scan()
    (said,) = off_edges(moved(label, *by), values, body, SPACING)
    assert said.startswith("what is drawn follows edges of the scan no better than it would elsewhere")


@pytest.mark.parametrize("axis", [1, 2])
def test_a_label_that_is_flipped_is_told(axis: int) -> None:
    values, label, body = scan()
    assert off_edges(np.flip(label, axis), values, body, SPACING)


def test_a_single_structure_is_told_where_it_is_plainly_elsewhere() -> None:
    values, label, body = scan()
    alone = np.where(label == 1, label, 0).astype(np.uint16)
    assert off_edges(alone, values, body, SPACING) == ()
    assert limit(1) < 0 < limit(2) < limit(3)


def test_nothing_is_said_of_what_cannot_be_judged() -> None:
    values, label, body = scan()
    small = np.zeros_like(label)
    small[20, 20, 20] = 1
    assert followed(small, values, body, SPACING) == []
    assert followed(np.zeros_like(label), values, body, SPACING) == []
    whole = body.astype(np.uint16)
    assert followed(whole, values, body, SPACING) == [], "the body itself: anywhere else it would lie in air"
    assert off_edges(label, np.full_like(values, 7), body, SPACING) == ()
    assert off_edges(label, values, np.zeros_like(body), SPACING) == ()


def test_a_scan_says_that_its_label_is_flipped(tmp_path: Path) -> None:
    values, label, _ = scan()
    image = image_of(values, SPACING)
    asked = {"structures": {"a": 1, "b": 2, "c": 3}, "spacing": SPACING[::-1]}
    assert preprocessed(tmp_path / "own", image, image_of(label, SPACING), **asked).findings == ()
    record = preprocessed(tmp_path / "flipped", image, image_of(label[:, ::-1], SPACING), **asked)
    assert record.status == "WARN"
    assert "follows edges" in " ".join(record.findings)
