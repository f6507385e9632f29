"""A label whose surface follows no edges of its scan."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from rprloc.geometry import Grid
from rprloc.scans.edges import flip_limit, flips_of, followed, limit, off_edges
from rprloc.scans.record import Native
from tests.scans.images import image_of, preprocessed

SPACING = (3.0, 3.0, 4.0)
SHAPE = (40, 56, 56)
NATIVE = Native(
    size=SHAPE[::-1], spacing_mm=SPACING, direction=(1, 0, 0, 0, 1, 0, 0, 0, 1), origin_mm=(-80.0, -70.0, 5.0)
)
FLIPS = flips_of(NATIVE, Grid(SHAPE[::-1], SPACING, (-80.0, -70.0, 5.0)))
_ORGANS = [((16, 20, 22), 8, 120), ((20, 36, 18), 6, -60), ((26, 24, 36), 7, 90)]
"""Middle and radius (z, y, x), voxels, and by how much they are brighter than what is around them."""


def scan(seed: int = 1) -> tuple[NDArray[np.int16], NDArray[np.uint16], NDArray[np.bool_]]:
    """Return values, label and body (z, y, x): three balls in tissue with a texture of its own, air around."""
    texture = ndimage.gaussian_filter(np.random.default_rng(seed).normal(0, 1, SHAPE), 2)
    values = 40 + 40 * texture / texture.std()
    label = np.zeros(SHAPE, dtype=np.uint16)
    index = np.indices(SHAPE)
    for number, (middle, radius, brighter) in enumerate(_ORGANS, start=1):
        ball = sum((axis - at) ** 2 for axis, at in zip(index, middle, strict=True)) < radius**2
        values[ball], label[ball] = values[ball] / 4 + brighter, number
    body = np.zeros(SHAPE, dtype=np.bool_)
    body[1:-1, 4:-4, 4:-4] = True
    values[~body] = -1000
    return values.astype(np.int16), label, body


def moved(label: NDArray[np.uint16], *by: int) -> NDArray[np.uint16]:
    return np.roll(label, by, axis=(0, 1, 2))


def test_what_is_drawn_at_edges_is_not_told() -> None:
    values, label, body = scan()
    assert off_edges(label, values, body, SPACING, FLIPS) == ()
    found = followed(label, values, body, SPACING, FLIPS)
    assert found.shape == (3, 8)
    assert found[:, 0].min() > 1.5
    assert (found[:, 1:].mean(axis=0) < found[:, 0].mean() - flip_limit(3)).all()


@pytest.mark.parametrize("by", [(0, -6, 0), (0, 0, 8), (5, 0, 0), (3, 5, -4)])
def test_a_label_that_was_moved_is_told(by: tuple[int, int, int]) -> None:
    values, label, body = scan()
    (said,) = off_edges(moved(label, *by), values, body, SPACING, FLIPS)
    assert said.startswith("what is drawn follows edges of the scan no better than it would elsewhere")


@pytest.mark.parametrize(
    ("axes", "ways"),
    [
        ((0,), "head and feet"), ((1,), "front and back"), ((2,), "left and right"),
        ((1, 2), "left and right and front and back"),
    ],
)  # fmt: skip
def test_a_label_that_is_flipped_is_told_and_how(axes: tuple[int, ...], ways: str) -> None:
    values, label, body = scan()
    (said,) = off_edges(np.flip(label, axes), values, body, SPACING, FLIPS)
    assert said == (
        f"what is drawn follows edges of the scan far better with {ways} exchanged, as a flipped label does"
    )


@pytest.mark.parametrize("number", [1, 2, 3])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_single_structure_that_is_flipped_is_told(number: int, axis: int) -> None:
    values, label, body = scan()
    alone = np.where(label == number, label, 0).astype(np.uint16)
    assert off_edges(alone, values, body, SPACING, FLIPS) == ()
    (said,) = off_edges(np.flip(alone, axis), values, body, SPACING, FLIPS)
    assert "exchanged" in said


def test_flips_lie_on_the_files_voxels() -> None:
    """Of an oblique, left-handed file: each flip takes its voxels to those from its other ends."""
    turned = np.array([[0.96, 0.28, 0.0], [-0.28, 0.96, 0.0], [0.0, 0.0, -1.0]])
    native = Native(
        size=(7, 9, 5), spacing_mm=(1.0, 2.0, 3.0), direction=(*turned.ravel().tolist(),), origin_mm=(10.0, -20.0, 30.0)
    )
    grid = Grid((20, 20, 20), (2.0, 2.0, 2.0), (-30.0, -40.0, 0.0))
    index = np.argwhere(np.ones(native.size)).astype(np.float64)
    last = np.array(native.size) - 1
    ways = {"left and right": 0, "front and back": 1, "head and feet": 2}
    found = flips_of(native, grid)
    assert len({flip.ways for flip in found}) == 7
    for flip in found:
        axes = [ways[way] for way in flip.ways]
        other = index.copy()
        other[:, axes] = last[axes] - other[:, axes]
        from_mm, to_mm = ((native.frame.world(one) - grid.origin_mm)[:, ::-1] for one in (index, other))
        assert np.allclose(flip(from_mm), to_mm)


def test_fewer_structures_have_to_say_it_more_clearly() -> None:
    assert limit(1) < 0 < limit(2) < limit(3)
    assert flip_limit(1) > flip_limit(2) > flip_limit(3) > 0


def test_nothing_is_said_of_what_cannot_be_judged() -> None:
    values, label, body = scan()
    small = np.zeros_like(label)
    small[20, 20, 20] = 1
    assert len(followed(small, values, body, SPACING, FLIPS)) == 0
    assert len(followed(np.zeros_like(label), values, body, SPACING, FLIPS)) == 0
    whole = body.astype(np.uint16)
    assert len(followed(whole, values, body, SPACING, FLIPS)) == 0, "the body itself: anywhere else it would lie in air"
    assert off_edges(label, np.full_like(values, 7), body, SPACING, FLIPS) == ()
    assert off_edges(label, values, np.zeros_like(body), SPACING, FLIPS) == ()


def test_a_scan_says_that_its_label_is_flipped(tmp_path: Path) -> None:
    values, label, _ = scan()
    image = image_of(values, SPACING)
    asked = {"structures": {"a": 1, "b": 2, "c": 3}, "spacing": SPACING[::-1]}
    assert preprocessed(tmp_path / "own", image, image_of(label, SPACING), **asked).findings == ()
    record = preprocessed(tmp_path / "flipped", image, image_of(label[:, ::-1], SPACING), **asked)
    assert record.status == "WARN"
    assert "far better with front and back exchanged" in " ".join(record.findings)
