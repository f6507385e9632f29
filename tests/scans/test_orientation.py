"""The world point stays, whatever the order, the direction, the spacing and the origin of the file's voxels."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from rprloc.geometry import WALLS
from rprloc.scans.record import ScanRecord
from tests.scans.images import ORIENTATIONS, image_of, model_volume, oriented, patient, preprocessed

SPACINGS = st.tuples(*[st.floats(1.2, 5.0)] * 3)
ORIGINS = st.tuples(*[st.floats(-400.0, 400.0)] * 3)
TURNS = st.integers(0, 2**32 - 1).map(lambda seed: Rotation.random(random_state=seed).as_matrix())
few = settings(max_examples=12)


def points_of(record: ScanRecord, name: str) -> np.ndarray[Any, Any]:
    """Return a structure's box and extreme points as one array (8, 3)."""
    structure = record.structures[name]
    return np.concatenate([structure.box_mm, structure.extreme_mm])


def test_every_flip_and_permutation_gives_the_same_landmarks_and_volume(tmp_path: Path) -> None:
    image, label = patient()
    expected = preprocessed(tmp_path / "as_it_is", image, label)
    values = {kind: model_volume(tmp_path / "as_it_is", kind) for kind in ("", "body", "label")}
    assert len(ORIENTATIONS) == 48
    for number, way in enumerate(ORIENTATIONS):
        folder = tmp_path / str(number)
        found = preprocessed(folder, oriented(image, *way), oriented(label, *way))
        assert found.model is not None and expected.model is not None
        assert found.model.size == expected.model.size, way
        np.testing.assert_allclose(found.model.origin_mm, expected.model.origin_mm, atol=1e-6)
        for structure in ("organ", "spot"):
            np.testing.assert_allclose(points_of(found, structure), points_of(expected, structure), atol=1e-6)
        for kind, value in values.items():
            np.testing.assert_array_equal(model_volume(folder, kind), value, err_msg=f"{way} {kind}")


@pytest.mark.parametrize("way", ORIENTATIONS[1::7])
def test_coarsening_gives_the_same_volume_for_any_orientation(tmp_path: Path, way: Any) -> None:
    image, _ = patient()
    preprocessed(tmp_path / "a", image, spacing=(5.0, 5.0, 5.0))
    preprocessed(tmp_path / "b", oriented(image, *way), spacing=(5.0, 5.0, 5.0))
    # The smoothing filter runs forwards and backwards: the order of the sums differs by rounding alone.
    assert np.abs(model_volume(tmp_path / "a").astype(int) - model_volume(tmp_path / "b")).max() <= 1


@few
@given(turn=TURNS, spacing=SPACINGS, origin=ORIGINS, way=st.sampled_from(ORIENTATIONS))
def test_a_voxels_landmarks_stay_at_its_world_point(turn: Any, spacing: Any, origin: Any, way: Any) -> None:
    values = np.full((9, 10, 11), 40, dtype=np.int16)
    values[0, 0, 0] = 41
    label = np.zeros(values.shape, dtype=np.uint8)
    label[3, 6, 4] = 1
    with tempfile.TemporaryDirectory() as folder:
        record = preprocessed(
            Path(folder),
            oriented(image_of(values, spacing, origin, turn), *way),
            oriented(image_of(label, spacing, origin, turn), *way),
            structures={"spot": 1},
        )
    world = np.asarray(origin) + turn @ (np.array([4, 6, 3]) * spacing)
    half = np.abs(turn) @ np.asarray(spacing) / 2
    spot = record.structures["spot"]
    # MetaImage keeps about nine digits of the header.
    np.testing.assert_allclose(spot.box_mm, [world - half, world + half], atol=1e-3)
    np.testing.assert_allclose(spot.half_voxel_mm, half, atol=1e-3)
    for number in range(len(WALLS)):
        point = world.copy()
        point[number // 2] += half[number // 2] * (-1, 1)[number % 2]
        np.testing.assert_allclose(spot.extreme_mm[number], point, atol=1e-3)


@few
@given(turn=TURNS, spacing=SPACINGS, origin=ORIGINS, way=st.sampled_from(ORIENTATIONS))
def test_a_bright_blob_is_found_at_its_world_point(turn: Any, spacing: Any, origin: Any, way: Any) -> None:
    # The file's grid is 48 mm on each side whatever its spacing; the blob lies off its middle.
    size = np.ceil(48 / np.asarray(spacing)).astype(int)
    index = np.moveaxis(np.indices(size[::-1])[::-1], 0, -1)
    world = np.asarray(origin) + (index * spacing) @ turn.T
    blob = np.asarray(origin) + turn @ np.array([22.0, 27.0, 24.5])
    values = (40 + 1500 * np.exp(-((world - blob) ** 2).sum(axis=-1) / (2 * 5.0**2))).astype(np.int16)
    with tempfile.TemporaryDirectory() as folder:
        record = preprocessed(Path(folder), oriented(image_of(values, spacing, origin, turn), *way))
        found = np.clip(model_volume(Path(folder)).astype(float) - 250, 0, None)
    assert record.model is not None
    centres = record.model.world(np.moveaxis(np.indices(found.shape), 0, -1))
    centroid = (centres * found[..., np.newaxis]).sum(axis=(0, 1, 2)) / found.sum()
    np.testing.assert_allclose(centroid, blob, atol=0.3)


@pytest.mark.parametrize("ending", [".nii.gz", ".mha", ".nrrd"])
def test_a_shifted_origin_moves_every_landmark_as_far(tmp_path: Path, ending: str) -> None:
    shift = np.array([7.0, -7.0, 0.25])
    origin = np.array([-31.0, 17.5, -204.0])
    before = preprocessed(tmp_path / "a", *patient(origin=origin), ending=ending)
    after = preprocessed(tmp_path / "b", *patient(origin=origin + shift), ending=ending)
    assert before.model is not None and after.model is not None
    for structure in ("organ", "spot"):
        moved = points_of(after, structure) - points_of(before, structure)
        np.testing.assert_allclose(moved, np.broadcast_to(shift, (8, 3)), atol=1e-4)
    np.testing.assert_allclose(after.model.box_mm - before.model.box_mm, [shift, shift], atol=1e-4)
    np.testing.assert_array_equal(model_volume(tmp_path / "a"), model_volume(tmp_path / "b"))


def test_an_oblique_box_holds_every_corner_of_every_voxel(tmp_path: Path) -> None:
    turn = Rotation.from_euler("zyx", [25, -15, 10], degrees=True).as_matrix()
    label = np.zeros((8, 9, 10), dtype=np.uint8)
    label[2:5, 3:7, 2:8] = 1
    spacing, origin = np.array([2.0, 1.5, 4.0]), np.array([10.0, -20.0, 300.0])
    scan = np.arange(720, dtype=np.int16).reshape(label.shape)
    record = preprocessed(
        tmp_path,
        image_of(scan, spacing, origin, turn),
        image_of(label, spacing, origin, turn),
        structures={"organ": 1},
    )
    index = np.argwhere(label)[:, ::-1]
    steps = np.array(np.meshgrid(*[[-0.5, 0.5]] * 3)).reshape(3, -1).T
    corners = origin + ((index[:, np.newaxis] + steps).reshape(-1, 3) * spacing) @ turn.T
    np.testing.assert_allclose(record.structures["organ"].box_mm, [corners.min(axis=0), corners.max(axis=0)], atol=1e-4)
