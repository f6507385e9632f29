"""Boxes on voxel edges and extreme points that belong to the organ."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rprloc.geometry import WALLS
from rprloc.scans.boxes import LabelVoxels
from rprloc.scans.landmarks import structure_landmarks
from rprloc.scans.record import Native, Structure

ORIGIN = np.array([-50.0, 20.0, 300.0])
SPACING = np.array([1.0, 2.0, 3.0])


def landmarks(label: Any, structures: Any = None) -> dict[str, Structure]:
    """Return the landmarks of a label (z, y, x) along the LPS axes."""
    label = np.asarray(label)
    native = Native(
        size=label.shape[::-1],
        spacing_mm=tuple(SPACING),
        direction=tuple(np.eye(3).ravel()),
        origin_mm=tuple(ORIGIN),
    )
    return structure_landmarks(LabelVoxels(label), structures, native)


def voxels_inward(found: Structure) -> dict[str, np.ndarray]:
    """Return each wall's landmark moved half a voxel inward, as a voxel index (z, y, x), exact or not."""
    voxels = {}
    for number, wall in enumerate(WALLS):
        point = found.extreme_mm[number].copy()
        point[number // 2] -= (-1, 1)[number % 2] * found.half_voxel_mm[number // 2]
        voxels[wall] = ((point - ORIGIN) / SPACING)[::-1]
    return voxels


def test_mistake_7_a_one_voxel_organs_box_has_the_size_of_the_voxel() -> None:
    label = np.zeros((5, 6, 7), dtype=np.int32)
    label[2, 3, 4] = 1
    found = landmarks(label)["label_1"]
    low, high = found.box_mm
    np.testing.assert_allclose(high - low, SPACING)
    np.testing.assert_allclose((low + high) / 2, ORIGIN + np.array([4, 3, 2]) * SPACING)
    assert found.voxels == 1
    np.testing.assert_allclose(found.half_voxel_mm, SPACING / 2)


def test_mistake_7_an_organ_of_one_slice_has_a_volume() -> None:
    label = np.zeros((5, 6, 7), dtype=np.int32)
    label[2, 1:4, 2:6] = 1
    low, high = landmarks(label)["label_1"].box_mm
    np.testing.assert_allclose(high - low, [4 * 1.0, 3 * 2.0, 1 * 3.0])


def test_mistake_8_the_extreme_points_of_a_c_shaped_organ_belong_to_it() -> None:
    # A C open towards the left: the centroid of its left face, of its two tips, lies between the tips.
    label = np.zeros((9, 20, 12), dtype=np.int32)
    label[2:7, 2:18, 1:11] = 1
    label[2:7, 5:15, 5:11] = 0
    found = landmarks(label)["label_1"]
    for wall, voxel in voxels_inward(found).items():
        np.testing.assert_allclose(voxel, np.rint(voxel), atol=1e-9)
        assert label[tuple(np.rint(voxel).astype(int))] == 1, wall
    # The tips are rows 2..4 and 15..17: the rows nearest their common centroid, 9.5, are 4 and 15.
    assert round(voxels_inward(found)["left"][1]) in (4, 15)


def test_mistake_8_the_extreme_point_is_the_face_voxel_nearest_the_faces_centroid() -> None:
    # An L-shaped top face, whose middle raster voxel is not the one nearest the centroid.
    label = np.zeros((4, 12, 12), dtype=np.int32)
    label[1:3, 2:10, 2:10] = 1
    label[2] = 0
    label[2, 2:10, 2] = label[2, 9, 2:10] = 1
    face = np.argwhere(label[2])[:, ::-1] * SPACING[:2]
    nearest = face[np.argmin(((face - face.mean(axis=0)) ** 2).sum(axis=1))]
    point = landmarks(label)["label_1"].extreme_mm[WALLS.index("superior")]
    np.testing.assert_allclose(point[:2], ORIGIN[:2] + nearest)
    np.testing.assert_allclose(point[2], ORIGIN[2] + 2.5 * SPACING[2])


@settings(max_examples=30)
@given(st.integers(0, 2**32 - 1), st.sampled_from([0.02, 0.2, 0.7]))
def test_every_extreme_point_lies_on_its_wall_and_on_a_voxel_of_the_organ(seed: int, share: float) -> None:
    label = (np.random.default_rng(seed).random((5, 6, 7)) < share).astype(np.int32)
    label[2, 3, 4] = 1
    found = landmarks(label)["label_1"]
    low, high = found.box_mm
    for number, wall in enumerate(WALLS):
        assert found.extreme_mm[number, number // 2] == (low, high)[number % 2][number // 2]
        voxel = voxels_inward(found)[wall]
        np.testing.assert_allclose(voxel, np.rint(voxel), atol=1e-9)
        assert label[tuple(np.rint(voxel).astype(int))] == 1
    index = np.argwhere(label)[:, ::-1]
    np.testing.assert_allclose(low, ORIGIN + (index.min(axis=0) - 0.5) * SPACING)
    np.testing.assert_allclose(high, ORIGIN + (index.max(axis=0) + 0.5) * SPACING)


def test_mistake_11_a_structure_without_voxels_is_left_out_and_the_others_stay() -> None:
    label = np.zeros((3, 3, 3), dtype=np.int32)
    label[1, 1, 1] = 5
    found = landmarks(label, {"there": 5, "missing": 2, "beyond": 9, "zero": 0, "negative": -1})
    assert list(found) == ["there"]
    assert landmarks(np.zeros((3, 3, 3), dtype=np.int32), {"a": 1}) == {}
    assert landmarks(np.zeros((3, 3, 3), dtype=np.int32)) == {}


def test_without_names_every_value_is_a_structure() -> None:
    label = np.zeros((3, 4, 5), dtype=np.int32)
    label[0, 0, 0], label[1], label[2, 3, 4] = 3, 12, -7
    found = landmarks(label)
    assert list(found) == ["label_3", "label_12"]
    assert found["label_12"].voxels == 20


@pytest.mark.parametrize("kind", [np.uint8, np.int16, np.int32])
def test_any_type_of_integers_will_do(kind: Any) -> None:
    label = np.zeros((3, 3, 3), dtype=kind)
    label[1, 1, 1] = 1
    assert landmarks(label, {"a": 1})["a"].voxels == 1


def test_walls_at_the_border_of_the_field_are_open() -> None:
    label = np.zeros((5, 6, 7), dtype=np.uint8)
    label[1:3, 2:4, 2:5] = 1
    label[4, 0:3, 6] = 2
    label[:, 5, 3] = 3
    found = landmarks(label)
    assert {name: one.open_walls for name, one in found.items()} == {
        "label_1": (), "label_2": ("left", "anterior", "superior"), "label_3": ("posterior", "inferior", "superior"),
    }  # fmt: skip


def test_open_walls_are_the_patients_in_any_order_of_the_axes() -> None:
    # i goes to the back, j to the right, k to the feet.
    direction = (0.0, -1.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, -1.0)
    native = Native(size=(7, 6, 5), spacing_mm=(1.0, 1.0, 1.0), direction=direction, origin_mm=(0.0, 0.0, 0.0))
    label = np.zeros((5, 6, 7), dtype=np.uint8)
    label[0, 5, 3] = 1
    assert structure_landmarks(LabelVoxels(label), None, native)["label_1"].open_walls == ("right", "superior")


def test_a_hundred_and_fifty_structures_with_ids_of_freesurfer_in_one_label() -> None:
    ids = [2, 41, 1001, 2035, 11100, 12175, *range(3000, 3144)]
    label = np.zeros((5, 10, 30), dtype=np.uint16)
    label.reshape(-1)[: 10 * len(ids)] = np.repeat(ids, 10)
    found = landmarks(label, {f"s{value}": value for value in ids})
    assert len(found) == 150 and {one.voxels for one in found.values()} == {10}
    assert found["s11100"].value == 11100


def test_several_pieces_are_one_structure() -> None:
    label = np.zeros((5, 6, 7), dtype=np.uint8)
    label[1, 1, 1] = label[3, 4, 5] = 1
    low, high = landmarks(label)["label_1"].box_mm
    np.testing.assert_allclose((high - low) / SPACING, [5, 4, 3])
