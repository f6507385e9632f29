"""Template matching by grey values: on scans whose anatomy is moved by a known offset."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from rprloc.geometry import WALLS, Grid, box_of_points
from rprloc.methods.answer import Prediction
from rprloc.methods.grey import Grey, Look
from rprloc.scans.record import Structure
from rprloc.scans.scan import Scan
from tests.methods.fakes import altered, answered, points_of, record

NAMES = ("grey_mse", "grey_cosine", "grey_ncc")
SHAPE = (18, 24, 26)
SPACING = (7.0, 3.5, 2.0)
"""Along x, y, z; the shift of 7 mm below is one voxel or two."""
GRID = Grid((26, 24, 18), SPACING, (-91.0, -40.5, 1000.0))
PATCH = (6, 8, 7)


def anatomy(seed: int = 0) -> NDArray[np.int16]:
    """Return grey values without a repetition, of a body in air."""
    values = np.full(SHAPE, -1024, dtype=np.int16)
    random = np.random.default_rng(seed)
    values[2:-2, 4:-4, 4:-4] = random.integers(-200, 300, (14, 16, 18))
    return values


def points_mm(centre: tuple[int, int, int] = (9, 12, 13)) -> NDArray[np.float64]:
    """Return six extreme points (6, 3) around a voxel, off the voxels' centres."""
    reach = np.array([11.2, 9.1, 5.3])
    points = np.tile(GRID.world(centre) + 0.3, (len(WALLS), 1))
    for number in range(len(WALLS)):
        points[number, number // 2] += reach[number // 2] * (1 if number % 2 else -1)
    return points


def organ(points: NDArray[np.float64]) -> Structure:
    """Return a structure of its extreme points."""
    box = box_of_points(points)
    return Structure(value=1, box_mm=box, extreme_mm=points, half_voxel_mm=(0.5, 0.6, 0.7), voxels=1)


def scan(subject: str, values: NDArray[np.int16] | None = None, *, labelled: bool = False, **of: Any) -> Scan:
    """Return a scan, with an organ where it is labelled."""
    values = anatomy() if values is None else values
    structures = {"organ": organ(points_mm())} if labelled else {}
    made = Scan(record(subject, structures, grid=GRID), values, values > -1000)
    return altered(replace(made, body=of.pop("body", made.body)), **of)


LOOK = Look(patch_voxels=PATCH, window=[(-1000, 0), (0, 0.3), (400, 1)], modality="ct")


def located(
    query: Scan, supports: list[Scan], *, look: Look = LOOK, stride: int = 1, device: str | torch.device = "cpu"
) -> list[Prediction]:
    """Return a query's answers."""
    method = Grey(dict.fromkeys(NAMES, f"extreme.s{stride}"), look, stride=stride, device=torch.device(device))
    method.prepare(supports)
    return answered(method, query, drawn="s")


def test_a_shift_of_7_mm_is_found_as_7_mm() -> None:
    support = scan("s", labelled=True)
    for axis, voxels in enumerate((1, 2, 0)):  # x, y, z
        query = scan("q", np.roll(support.values, voxels, 2 - axis))
        shift = [7.0 * (voxels > 0) if n == axis else 0.0 for n in range(3)]
        rows = located(query, [support])
        assert [row.method for row in rows] == list(NAMES)
        for row in rows:
            np.testing.assert_allclose(points_of(row) - points_mm(), [shift] * 6, atol=1e-9)
            np.testing.assert_allclose(row.box_mm, support.structures["organ"].box_mm + shift, atol=1e-9)
    moved = scan("q", support.values, model=replace(GRID, origin_mm=(-84.0, -40.5, 1000.0)))
    for row in located(moved, [support]):
        np.testing.assert_allclose(points_of(row) - points_mm(), [[7.0, 0, 0]] * 6, atol=1e-9)


def test_the_row_says_what_it_is() -> None:
    row = located(scan("q"), [scan("s", labelled=True)])[2]
    assert (row.cohort, row.subject, row.structure, row.method) == ("c", "q", "organ", "grey_ncc")
    assert (row.setting, row.support, row.drawn, row.n_supports) == ("extreme.s1", "s", True, 1)
    assert list(row.points_mm or {}) == list(WALLS)
    assert row.half_voxel_mm == [0.5, 0.6, 0.7]
    assert row.spread_mm is row.confidence is None
    assert set(row.seconds) == {"prepare", "transform", "search"}


def test_the_stride_finds_the_nearest_it_may_and_says_so() -> None:
    values = anatomy()
    smooth = np.add.outer(np.add.outer(np.arange(18) * 8, np.arange(24) * 5), np.arange(26) * 3) - 200
    values[values > -1000] = smooth[values > -1000]
    rows = located(scan("q", values), [scan("s", values, labelled=True)], stride=2)
    for row in rows:
        assert row.setting == "extreme.s2"
        voxels = GRID.voxel(points_of(row) - (points_mm_rest()))
        np.testing.assert_allclose(voxels % 2, 0, atol=1e-9)


def points_mm_rest() -> NDArray[np.float64]:
    """Return from where, their voxels' centres, the extreme points lie."""
    points = points_mm()
    return points - GRID.world(GRID.nearest_voxel(points))


def test_structures_at_the_border_overhang_into_air() -> None:
    corner = np.array([GRID.world((0, 0, 0) if number % 2 else (17, 23, 25)) for number in range(len(WALLS))])
    values = anatomy()
    values[:] = np.random.default_rng(5).integers(-200, 300, SHAPE)
    support = scan("s", values, structures={"organ": organ(corner)})
    for row in located(scan("q", values), [support]):
        np.testing.assert_allclose(points_of(row), corner, atol=1e-9)


def test_a_template_larger_than_the_scan() -> None:
    support = scan("s", labelled=True)
    small = scan("q", support.values[5:14, 4:20, 6:20].copy())
    for row in located(small, [support], look=replace(LOOK, patch_voxels=(12, 18, 22))):
        assert not row.failed
    for row in located(scan("q"), [support], look=replace(LOOK, patch_voxels=(40, 50, 60))):
        np.testing.assert_allclose(points_of(row), points_mm(), atol=1e-9)


def test_landmarks_that_share_a_voxel_share_a_template() -> None:
    middle = GRID.world((9, 12, 13))
    points = np.array([middle + 0.1 * number for number in range(len(WALLS))])
    support = scan("s", structures={"organ": organ(points), "other": organ(points_mm((9, 12, 13)))})
    method = Grey(dict.fromkeys(NAMES, "extreme.s1"), LOOK, device=torch.device("cpu"))
    method.prepare([support])
    assert len(method._templates["s"]) == 1 + 6
    rows = [row for row in answered(method, scan("q")) if row.structure == "organ"]
    for row in rows:
        np.testing.assert_allclose(points_of(row), points, atol=1e-9)


@pytest.mark.parametrize("stride", [1, 2])
def test_without_a_position_every_row_fails(stride: int) -> None:
    body = np.zeros(SHAPE, dtype=bool)
    body[3, 4, 4] = stride == 2
    rows = located(scan("q", body=body), [scan("s", labelled=True)], stride=stride)
    where = "" if stride == 1 else " whose coordinates are multiples of 2"
    assert [row.reason for row in rows] == [f"found no voxel of the body{where} to search"] * 3
    assert all(row.failed and row.box_mm is None for row in rows)


def test_a_patch_of_one_grey_value_is_no_template() -> None:
    support = scan("s", np.full(SHAPE, -1024, dtype=np.int16), labelled=True)
    for row in located(scan("q"), [support]):
        assert row.failed
        assert row.reason == "the patch around organ's right point in the support s holds one grey value only"


def test_a_query_of_one_grey_value_resembles_nothing() -> None:
    # Its patches reach no edge of the body, so that every window is constant.
    flat = np.full(SHAPE, 40, dtype=np.int16)
    body = np.zeros(SHAPE, dtype=bool)
    body[8:10, 10:13, 10:13] = True
    rows = {row.method: row for row in located(scan("q", flat, body=body), [scan("s", labelled=True)])}
    assert not rows["grey_mse"].failed and not rows["grey_cosine"].failed
    assert rows["grey_ncc"].failed
    assert (rows["grey_ncc"].reason or "").startswith("nothing in the body resembles the patch around organ's right")


def test_magnetic_resonance_has_air_of_zero() -> None:
    values = np.random.default_rng(2).integers(1, 1000, SHAPE).astype(np.int16)
    support = scan("s", values, labelled=True)
    rows = located(
        scan("q", values), [support], look=Look(patch_voxels=(40, 8, 8), modality="mr", window=[(0, 0), (1000, 1)])
    )
    for row in rows:
        np.testing.assert_allclose(points_of(row), points_mm(), atol=1e-9)
