"""Boxes end at edges between voxels."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import numpy as np
import pytest

from rprloc.geometry import WALLS, box_of_points
from rprloc.methods.answer import ALL_SUPPORTS
from rprloc.results.measure.by_support import by_support
from rprloc.results.measure.supports import tidy_supports
from rprloc.results.measure.voxels import edges_of, on_edges, on_voxels
from rprloc.results.statistics import MEAN, organ_means
from rprloc.scans.record import Native
from tests.exports.queries import answer
from tests.results.cohorts import cohort
from tests.scans.written import record_of

SPACING = (0.8, 1.5, 4.0)
STRAIGHT = {
    "along the axes": np.eye(3),
    "flipped": np.diag([-1.0, 1, -1]),
    "exchanged": np.array([[0.0, 0, -1], [1, 0, 0], [0, 1, 0]]),
}


def native(direction: np.ndarray) -> Native:
    return Native(
        size=(30, 28, 26), spacing_mm=SPACING, direction=tuple(direction.ravel().tolist()), origin_mm=(-7.3, 2.2, 40.1)
    )


def box_of_voxels(grid: Native, first: list[int], last: list[int]) -> np.ndarray:
    """Return the box (2, 3) in mm around some voxels."""
    corners = np.array([np.array(first) - 0.5, np.array(last) + 0.5])
    return np.sort(grid.frame.world(corners), axis=0)


@pytest.mark.parametrize("kind", STRAIGHT)
def test_what_is_nearer_than_half_a_voxel_becomes_what_is_drawn(kind: str) -> None:
    grid = native(STRAIGHT[kind])
    drawn = box_of_voxels(grid, [3, 5, 7], [9, 20, 12])
    edges = edges_of(grid)
    off = np.random.default_rng(0).uniform(-0.49, 0.49, (50, 2, 3)) * edges[1]
    np.testing.assert_allclose(on_edges(drawn + off, edges), np.broadcast_to(drawn, off.shape), atol=1e-9)
    np.testing.assert_allclose(on_edges(drawn, edges), drawn, atol=1e-9)


def test_a_box_keeps_a_voxel_and_one_that_is_not_there_stays_so() -> None:
    edges = edges_of(native(np.eye(3)))
    thin = np.array([[0.0, 0, 50], [0.1, 0.1, 50.1]])
    moved = on_edges(thin, edges)
    np.testing.assert_allclose(moved[1] - moved[0], SPACING)
    assert (moved[0] <= thin[0] + 1e-9).all() and (moved[1] >= thin[1] - 1e-9).all()
    assert np.isnan(on_edges(np.full((2, 3), np.nan), edges)).all()


def test_oblique_and_unknown_grids_have_no_edges() -> None:
    turned = np.array([[np.cos(0.1), -np.sin(0.1), 0], [np.sin(0.1), np.cos(0.1), 0], [0, 0, 1]])
    box = np.array([[0.0, 0, 50], [10, 10, 60]])
    for edges in (edges_of(native(turned)), edges_of(None)):
        np.testing.assert_array_equal(on_edges(box, edges), box)


@pytest.mark.parametrize("kind", STRAIGHT)
def test_points_stay_on_their_walls_and_inside(kind: str) -> None:
    grid = native(STRAIGHT[kind])
    record = replace(record_of("q1"), cohort="c", native=grid)
    low = grid.field_mm[0] + 5.3
    one = answer("organ", np.stack([low, low + np.array([9.1, 11.7, 13.3])]))
    (moved,) = on_voxels([one], {"q1": record})
    assert moved.box_mm is not None and moved.points_mm is not None
    points = np.array(list(moved.points_mm.values()))
    np.testing.assert_allclose(box_of_points(points), moved.box_mm, atol=1e-9)
    for number, wall in enumerate(WALLS):
        assert moved.points_mm[wall][number // 2] == moved.box_mm[number % 2][number // 2]
    assert np.abs(np.array(moved.box_mm) - np.array(one.box_mm)).max() <= max(SPACING) / 2
    failed = msgspec.structs.replace(one, box_mm=None, points_mm=None, failed=True)
    assert on_voxels([failed], {"q1": record}) == [failed]
    assert on_voxels([one], {}) == [one]


def test_table_4_and_the_answer_of_all_supports_are_of_the_same_boxes() -> None:
    """Means of what was found between voxels, then moved: not means of what was moved."""
    made = cohort("c")
    grid = native(np.eye(3))
    made.scans = {name: replace(record, native=grid) for name, record in made.scans.items()}
    found = made.evaluate()
    lines = tidy_supports(by_support(found.found, found.metrics, made.scans), seed=1)
    whole = lines[(lines["structure"] == MEAN) & (lines["supports"] == lines["of_supports"])].set_index("method")
    edges = edges_of(grid)
    for one in found.predictions:
        if one.box_mm is not None:
            np.testing.assert_allclose(on_edges(np.array(one.box_mm), edges), one.box_mm, atol=1e-6)
    together = found.metrics[(found.metrics["support"] == ALL_SUPPORTS) & found.metrics["main"]]
    assert len(together)
    for name, rows in together.groupby("method"):
        assert whole.loc[name, "iou"] == pytest.approx(organ_means(rows, ["iou"])["iou"].mean, abs=1e-6)
