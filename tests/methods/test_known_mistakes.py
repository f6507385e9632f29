"""The mistakes of the published reference implementation that must not come back, by their number in the notes.

Those that belong to another part are tested there, under the same names:
1 tests/networks/test_checkpoint.py; 2 tests/training/test_sampling.py; 7, 8 tests/scans/test_landmarks.py;
9 tests/scans/test_body.py, test_preprocess.py and tests/networks/test_patches.py; 10 tests/scans/test_orientation.py,
test_volume.py and test_preprocess.py; 11 tests/scans/test_preprocess.py and tests/networks/test_checkpoint.py;
12 tests/training/test_loop.py; 13 tests/networks/test_pnet.py.
"""

from __future__ import annotations

import numpy as np
import pytest

from rprloc.methods.regression import Regression
from tests.methods.fakes import GRID, ORGAN, FakeModel, located, points_of, scan, structure


def test_mistake_3_one_shot_means_one_support_and_nothing_is_averaged_over_supports() -> None:
    near = structure([-20, 110, -310], [0, 130, -290])
    far = structure([-10, 120, -300], [10, 140, -280])
    query, supports = scan("q"), [scan("a", {"organ": near}), scan("b", {"organ": far})]
    rows = {row.support: row for row in located(query, supports)}
    assert {row.n_supports for row in rows.values()} == {1}
    np.testing.assert_allclose(rows["a"].box_mm, near.box_mm, atol=1e-5)
    np.testing.assert_allclose(rows["b"].box_mm, far.box_mm, atol=1e-5)


def test_mistake_4_the_starts_positions_are_averaged_not_their_latents() -> None:
    r_mm, count = 25.0, 15
    query, support = scan("q"), scan("s", {"organ": ORGAN})
    coarse = FakeModel([query, support], r_mm=r_mm)
    (row,) = located(query, [support], [f"extreme.k{count}.c1f0"], coarse=coarse)
    starts = Regression({}, [], seed=1)._starts(query, count)
    start_mm = GRID.world(starts)
    patch_mm = GRID.world(GRID.nearest_voxel(ORGAN.extreme_mm))
    rest_mm = ORGAN.extreme_mm - patch_mm
    offsets = r_mm * np.tanh((patch_mm[:, np.newaxis] - start_mm) / r_mm)
    positions = (start_mm + offsets).mean(axis=1) + rest_mm
    of_latents = start_mm.mean(axis=0) + r_mm * np.tanh((patch_mm - start_mm.mean(axis=0)) / r_mm) + rest_mm
    assert np.linalg.norm(positions - of_latents, axis=1).max() > 2, "the two ways must differ to be told apart"
    np.testing.assert_allclose(points_of(row), positions, atol=1e-6)


def test_mistake_5_the_offset_is_added_to_the_centre_of_the_patch_that_was_cropped() -> None:
    # The coarse network ends between voxels; a fine network that knows the cropped voxel's place is exact from there.
    query, support = scan("q"), scan("s", {"organ": ORGAN})
    coarse = FakeModel([query, support], place=lambda _subject, world: 0.83 * world)
    (row,) = located(query, [support], ["extreme.k15.c1f1"], coarse=coarse)
    np.testing.assert_allclose(points_of(row), ORGAN.extreme_mm, atol=1e-5)
    assert row.spread_mm == pytest.approx(0, abs=1e-5)


@pytest.mark.parametrize("shift", [(300.0, 0.0, 0.0), (-250.0, 400.0, -90.0)])
def test_mistake_5_a_position_outside_the_grid_is_clamped_before_it_is_cropped(shift: tuple[float, ...]) -> None:
    # The organ lies outside the query: the patch is cropped at the edge, and the fine offset counts from there.
    query, support = scan("q"), scan("s", {"organ": ORGAN})
    moved = FakeModel([query, support], place=lambda name, world: world - np.array(shift) * (name == "q"))
    (row,) = located(query, [support], ["extreme.k5.c2f0"], coarse=moved)
    np.testing.assert_allclose(points_of(row), ORGAN.extreme_mm + shift, atol=1e-5)
    (row,) = located(query, [support], ["extreme.k5.c1f1"], coarse=moved, fine=moved)
    np.testing.assert_allclose(points_of(row), ORGAN.extreme_mm + shift, atol=1e-5)


@pytest.mark.parametrize("landmark", [(-0.26, 0.0, 0.0), (37.0, 1.13, 9.4), (-300.0, 200.0, 500.0)])
def test_mistake_5_a_support_landmark_between_voxels_or_outside_its_grid_is_kept(landmark: tuple[float, ...]) -> None:
    low = np.add(GRID.origin_mm, landmark)
    organ = structure(low.tolist(), (low + 11.7).tolist())
    (row,) = located(scan("q"), [scan("s", {"organ": organ})])
    np.testing.assert_allclose(row.box_mm, organ.box_mm, atol=1e-5)


def test_mistake_6_parts_of_a_millimetre_survive_far_from_the_origin() -> None:
    # Half precision has steps of 0.5 mm at 1,000 mm, and whole voxels of 2 to 3 mm are no answer.
    grid = type(GRID)(GRID.size, GRID.spacing_mm, (-1041.5, 987.25, -1833.0))
    found = []
    for move in (0.0, 0.01):
        low = np.array(grid.origin_mm) + 20.003 + move
        organ = structure(low.tolist(), (low + 17.0).tolist())
        (row,) = located(scan("q", grid=grid), [scan("s", {"organ": organ}, grid=grid)])
        found.append(points_of(row))
    np.testing.assert_allclose(found[1] - found[0], 0.01, atol=1e-4)


def test_mistake_7_the_found_box_is_that_of_the_walls_on_voxel_edges() -> None:
    # Nothing is added to or taken from the support's walls, which lie on voxel edges.
    one_voxel = structure([0.0, 100.0, -300.0], [1.0, 101.5, -297.0])
    (row,) = located(scan("q"), [scan("s", {"organ": one_voxel})])
    np.testing.assert_allclose(np.subtract(*reversed(row.box_mm or [])), [1.0, 1.5, 3.0], atol=1e-5)


def test_mistake_11_an_absent_organ_and_a_query_without_label_abort_nothing() -> None:
    query, supports = scan("q"), [scan("s", {"organ": ORGAN}), scan("t")]
    assert query.structures == {}
    rows = located(query, supports, structures=["missing", "organ"])
    assert [(row.support, row.structure, row.failed) for row in rows] == [("s", "organ", False)]
