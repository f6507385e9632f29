"""What scans look like, and how points of one are laid on another."""

from __future__ import annotations

import numpy as np

from rprloc.geometry import FloatArray
from rprloc.methods.looks import Looks, affine_of, corners_of, points_in_body, region_of
from tests.methods.patients import WINDOW, patient

SCAN = patient("s")
BOX = region_of(SCAN, ["organ"])


def places() -> FloatArray:
    return points_in_body(SCAN, BOX, 200, np.random.default_rng(0))


def test_a_finer_scan_is_smoothed_to_the_spacing_and_a_coarser_one_is_left() -> None:
    assert Looks.of(SCAN, WINDOW, 10.0).features.grid.spacing_mm == (10.0,) * 3
    assert Looks.of(SCAN, WINDOW, 4.0).features.grid == SCAN.grid


def test_what_a_scan_looks_like_is_computed_once_for_a_method_and_its_judge() -> None:
    first = Looks.of(SCAN, WINDOW, 6.0)
    assert Looks.of(SCAN, list(WINDOW), 6.0).features is first.features
    assert Looks.of(SCAN, ((0.0, 1.0),), 6.0).features is not first.features
    assert Looks.of(patient("s"), WINDOW, 6.0).features is not Looks.of(SCAN, WINDOW, 6.0).features


def test_points_lie_in_the_body_within_the_box_or_in_the_box_where_there_is_none() -> None:
    drawn = places()
    assert len(drawn) == 200 and ((drawn >= BOX[0]) & (drawn <= BOX[1])).all()
    assert SCAN.body[tuple(SCAN.grid.nearest_voxel(drawn).T)].all()
    outside = BOX + 1000
    assert len(points_in_body(SCAN, outside, 50, np.random.default_rng(0))) == 50


def test_the_region_and_the_points_of_a_structure() -> None:
    about = SCAN.structures["organ"]
    np.testing.assert_allclose(BOX, about.box_mm + np.array([[-30.0], [30.0]]))
    assert corners_of(SCAN, "organ", np.zeros((6, 3))) is about.extreme_mm
    assert corners_of(SCAN, "organ", np.zeros((2, 3))) is about.box_mm


def test_many_points_say_how_a_patient_is_turned_and_few_only_where() -> None:
    points = np.random.default_rng(0).uniform(-150, 150, (60, 3))
    matrix = np.array([[1.1, 0.1, 0], [-0.1, 0.9, 0], [0, 0, 1.2]])
    found = affine_of(points, points @ matrix.T + [5, 6, 7])
    np.testing.assert_allclose(found.matrix, matrix, atol=0.01)
    np.testing.assert_allclose(found.carried(points), points @ matrix.T + [5, 6, 7], atol=2)
    tiny = points[:6] / 100
    near = affine_of(tiny, 2 * tiny + 40)
    np.testing.assert_allclose(near.matrix, np.eye(3), atol=0.05)
    np.testing.assert_allclose(near.carried(tiny.mean(axis=0)), 2 * tiny.mean(axis=0) + 40)
