"""Surfaces from the native label: on the voxels' faces, whatever the parts, axes and order in which they are read."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import ndimage
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from rprloc.geometry import WALLS, box_of_points
from rprloc.scans import surfaces
from rprloc.scans.boxes import LabelVoxels
from rprloc.scans.landmarks import structure_landmarks
from rprloc.scans.record import Native, Structure
from rprloc.scans.scan import Surfaces
from rprloc.scans.surfaces import SURFACE_POINTS, structure_surfaces

ORIGIN = np.array([-50.0, 20.0, 300.0])
SPACING = np.array([1.0, 2.0, 3.0])
TRUE = np.eye(3)
TURNED = np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])


def both(label: Any, direction: Any = TRUE, origin: Any = ORIGIN) -> tuple[dict[str, Structure], Surfaces]:
    """Return the landmarks and the surfaces of a label (z, y, x)."""
    native = Native(
        size=label.shape[::-1],
        spacing_mm=tuple(SPACING),
        direction=tuple(np.ravel(direction)),
        origin_mm=tuple(origin),
    )
    voxels = LabelVoxels(label)
    found = structure_landmarks(voxels, None, native)
    return found, structure_surfaces(voxels, found, native)


def blobs(seed: int = 3) -> np.ndarray:
    """Return a label of two structures of random shape, one of which touches the label's edges."""
    noise = np.random.default_rng(seed).random((24, 22, 20))
    smooth = ndimage.gaussian_filter(noise, 2)
    return np.where(smooth > 0.52, 2, np.where(smooth < 0.48, 1, 0)).astype(np.uint8)


def test_one_voxel_has_six_faces_and_they_are_its_extreme_points() -> None:
    label = np.zeros((5, 6, 7), dtype=np.uint8)
    label[2, 3, 4] = 1
    surface = both(label)[1]["label_1"]
    centre = ORIGIN + np.array([4, 3, 2]) * SPACING
    expected = [centre + sign * SPACING[axis] / 2 * np.eye(3)[axis] for axis in range(3) for sign in (-1, 1)]
    np.testing.assert_allclose(surface[: len(WALLS)], expected)
    np.testing.assert_allclose(np.unique(surface, axis=0), np.unique(np.float32(expected), axis=0))


@pytest.mark.parametrize("direction", [TRUE, TURNED], ids=["along", "turned"])
def test_a_surface_reaches_exactly_to_the_box_and_begins_with_the_extreme_points(direction: np.ndarray) -> None:
    found, surface = both(blobs(), direction)
    assert set(surface) == set(found) == {"label_1", "label_2"}
    for name, about in found.items():
        np.testing.assert_allclose(box_of_points(surface[name]), about.box_mm, atol=1e-4)
        np.testing.assert_allclose(surface[name][:6], about.extreme_mm, atol=1e-4)


@pytest.mark.parametrize("part", [1, 900, 1300, 1 << 20])
def test_faces_are_those_between_a_voxel_of_the_structure_and_another(
    part: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(surfaces, "_PART", part)
    monkeypatch.setattr(surfaces, "SURFACE_POINTS", 10**6)
    label = blobs()
    padded = np.pad(label == 2, 1).astype(int)
    expected = np.concatenate([np.argwhere(np.diff(padded, axis=axis)) - 1 + np.eye(3)[axis] / 2 for axis in range(3)])
    points = ORIGIN + expected[:, ::-1] * SPACING
    own = both(label)[1]["label_2"][len(WALLS) :]
    assert len(own) == len(points)
    np.testing.assert_allclose(np.unique(own, axis=0), np.unique(points.astype(np.float32), axis=0), atol=1e-4)


def test_a_large_surface_is_thinned_evenly_and_the_files_order_has_no_say() -> None:
    z, y, x = np.indices((60, 60, 60)) - 29.5
    ball = (z**2 + y**2 + x**2 < 25**2).astype(np.uint8)
    mine = both(ball)[1]["label_1"]
    assert SURFACE_POINTS / 3 < len(mine) - len(WALLS) <= SURFACE_POINTS
    every = structure_surfaces_of_all(ball)
    assert cKDTree(mine).query(every)[0].max() < 9
    # Turned a little it is as wide as all its faces, on every side.
    turn = Rotation.from_euler("xyz", [6, -9, 7], degrees=True).as_matrix()
    assert np.abs(box_of_points(mine @ turn.T) - box_of_points(every @ turn.T)).max() < 0.5
    # The same voxels from a file whose first axis runs the other way.
    flip = np.diag([-1.0, 1.0, 1.0])
    mirrored = both(np.ascontiguousarray(ball[:, :, ::-1]), flip, ORIGIN + np.array([59 * SPACING[0], 0, 0]))[1]
    np.testing.assert_allclose(mirrored["label_1"], mine, atol=1e-3)


def structure_surfaces_of_all(label: np.ndarray) -> np.ndarray:
    """Return every face's middle of value 1 in mm."""
    padded = np.pad(label == 1, 1).astype(int)
    faces = [np.argwhere(np.diff(padded, axis=axis)) - 1 + np.eye(3)[axis] / 2 for axis in range(3)]
    return np.asarray(ORIGIN + np.concatenate(faces)[:, ::-1] * SPACING)
