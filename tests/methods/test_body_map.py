"""A scan's position map: latents at their places, between them, and where another scan's latents are met."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from rprloc.geometry import Grid
from rprloc.methods.body_map import NEIGHBOURS, BodyMap
from rprloc.networks.checkpoint import Model
from rprloc.networks.position_map import PositionMap
from rprloc.scans.scan import Scan
from tests.methods.fakes import Place, record
from tests.methods.maps import SETTINGS, SHAPE, KnownMap, known, numbered

SCANS = numbered("sq")
KNOWN = BodyMap(known(SCANS), SCANS[0])
SHIFT = np.array([7.0, -3.0, 5.0])


def maps(place: Place | None = None) -> list[BodyMap]:
    """Return the maps of the two scans."""
    return [BodyMap(known(SCANS, place), scan) for scan in SCANS]


def moved(subject: str, world: Any) -> Any:
    """Say that all of `q` lies further than in `s`."""
    return world - SHIFT * (subject == "q")


def test_each_voxel_of_the_body_has_its_latent() -> None:
    for scan, body_map in zip(SCANS, maps(), strict=True):
        assert body_map.fault() is None
        np.testing.assert_allclose(body_map.places_mm, scan.grid.world(np.argwhere(scan.body)), atol=1e-9)
        np.testing.assert_allclose(body_map.latents_mm, body_map.places_mm, atol=1e-3)


class Ramp(PositionMap):
    """The latent along an axis (z, y, x) is the level."""

    def __init__(self, axis: int) -> None:
        super().__init__(width=4)
        self._axis = axis

    def forward(self, fields: Tensor) -> Tensor:
        latents = torch.zeros(1, 3, *fields.shape[2:])
        latents[:, self._axis] = fields[:, 0]
        return latents


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_places_of_averaged_voxels_lie_in_their_middles(axis: int) -> None:
    # The grey value is a voxel's number along the axis, in thousandths of a level.
    shape = (12, 40, 36)
    values = np.ascontiguousarray(np.broadcast_to(np.indices(shape)[axis], shape)).astype(np.int16)
    body = np.zeros(shape, dtype=bool)
    body[3:9, 9:28, 10:29] = True
    grid = Grid((36, 40, 12), (1.0, 1.1, 3.0), (-7.0, 30.0, 500.0))
    settings = msgspec.structs.replace(SETTINGS, spacing=(3.0, 1.1, 1.0), window=((0.0, 0.0), (1000.0, 1.0)))
    body_map = BodyMap(Model(Ramp(axis), settings), Scan(record("s", grid=grid), values, body))
    assert len(body_map.places_mm) == 6 * 5 * 5
    numbers = grid.voxel(body_map.places_mm)[:, axis]
    np.testing.assert_allclose(body_map.latents_mm[:, 2 - axis] * 1000, numbers, atol=1e-3)
    points = grid.world(np.array([[3.3, 12.2, 14.9], [7.9, 20.0, 24.4]]))
    np.testing.assert_allclose(body_map.at(points)[:, 2 - axis] * 1000, grid.voxel(points)[:, axis], atol=1e-3)


@given(st.lists(st.tuples(*[st.floats(-0.3, 1.3)] * 3), min_size=1, max_size=5))
def test_latents_between_voxels_are_interpolated_and_those_beyond_are_the_edge_s(shares: Any) -> None:
    scan = SCANS[0]
    low, high = scan.grid.world([0, 0, 0]), scan.grid.world(np.array(scan.body.shape) - 1)
    points = low + np.array(shares) * (high - low)
    np.testing.assert_allclose(KNOWN.at(points), np.clip(points, low, high), atol=5e-3)


def test_a_patient_who_lies_seven_millimetres_further_is_met_there() -> None:
    support, query = maps(moved)
    met = query.met(support.latents_mm)
    np.testing.assert_allclose(met.positions_mm, support.places_mm + SHIFT, atol=1e-3)
    np.testing.assert_allclose(met.spread_mm, 0, atol=1e-3)
    points = np.array([[-12.3, 110.7, -301.1], [8.8, 120.0, -280.0]])
    np.testing.assert_allclose(query.met(support.at(points)).positions_mm, points + SHIFT, atol=1e-3)


def test_spread_and_distance_tell_of_maps_that_disagree() -> None:
    # A millimetre is told as two: of the neighbours each says something else.
    _, query = maps(lambda _subject, world: 2 * world)
    inside = query.met(2 * query.places_mm[len(query.places_mm) // 2][np.newaxis])
    assert 2 < float(inside.spread_mm[0]) < 10 and float(inside.distance_mm[0]) < 1e-3
    far = query.met(query.latents_mm.max(axis=0)[np.newaxis] + np.array([0.0, 0.0, 50.0]))
    assert float(far.distance_mm[0]) == pytest.approx(50, abs=1e-3)


def test_a_body_of_fewer_voxels_than_neighbours_is_met() -> None:
    for count in (1, NEIGHBOURS - 1):
        scan = replace(SCANS[1], body=np.zeros_like(SCANS[1].body))
        scan.body[8, 8, 5 : 5 + count] = True
        body_map = BodyMap(known(SCANS, moved), scan)
        assert len(body_map.places_mm) == count
        points = np.array([[0.0, 120.0, -290.0], [1.0, 2.0, 3.0]])
        np.testing.assert_allclose(body_map.met(points).positions_mm, points + SHIFT, atol=1e-3)


def test_slopes_tell_how_latents_change_with_places() -> None:
    matrix = np.array([[1.1, 0.2, -0.1], [0.0, 0.9, 0.3], [0.05, -0.2, 1.05]])
    for body_map in maps(lambda _subject, world: world @ matrix.T + SHIFT):
        np.testing.assert_allclose(body_map.slopes(), matrix, atol=1e-4)
        assert body_map.fault() is None


@pytest.mark.parametrize(
    ("change", "slopes"),
    [
        (np.diag([1.0, 1.0, -1.0]), "1.00, 1.00, -1.00"),
        (np.diag([1.0, 0.55, 1.0]), "1.00, 0.55, 1.00"),
        (np.diag([1.75, 1.0, 1.0]), "1.75, 1.00, 1.00"),
        (np.eye(3)[[1, 0, 2]], "0.00, 0.00, 1.00"),
    ],
)
def test_a_scan_that_the_map_does_not_know_is_told_with_its_slopes(change: Any, slopes: str) -> None:
    for body_map in maps(lambda _subject, world: world @ change.T):
        fault = (body_map.fault() or "").replace("-0.00", "0.00")
        assert fault.startswith(f"the position map does not know the scan: its slopes are {slopes} (x, y, z), expected")


class DarkInFront(PositionMap):
    """Every voxel lies where it is; unless the back, of large y, is the brighter half, the latents' y is a parabola."""

    def __init__(self, height_mm: float) -> None:
        super().__init__(width=4)
        self._height_mm = height_mm

    def forward(self, fields: Tensor) -> Tensor:
        z, y, x = (torch.arange(n, dtype=torch.float32) for n in fields.shape[2:])
        places = torch.stack(torch.meshgrid(6 * z, 4 * y, 5 * x, indexing="ij"))
        # The field is padded beyond the scan.
        middle = SHAPE[1] // 2
        if fields[0, 0, :, :middle].mean() + 1e-6 > fields[0, 0, :, middle : 2 * middle].mean():
            places[1] += self._height_mm * (1 - (y / middle - 1) ** 2)[:, None]
        return places[None]


def test_front_and_back_exchanged_are_told_by_the_mirror_image() -> None:
    scan = SCANS[0]
    body = np.ones_like(scan.body)
    ramp = np.broadcast_to(np.arange(SHAPE[1], dtype=np.int16)[:, None], scan.values.shape)
    right, wrong = (replace(scan, values=values.copy(), body=body) for values in (ramp, ramp[:, ::-1]))
    model = Model(DarkInFront(20.0), SETTINGS)
    assert BodyMap(model, right).bent_mm() == pytest.approx(0, abs=1e-3)
    bent = BodyMap(model, wrong)
    # Of a parabola of 20 mm the mean distance to its mean is 20 x 4 / (9 sqrt 3) mm.
    assert bent.bent_mm() == pytest.approx(20 * 4 / (9 * 3**0.5), rel=0.1)
    assert BodyMap(model, right).fault() is None
    said = "the position map says of the scan that its front and back are exchanged: it is bent by "
    assert (bent.fault() or "").startswith(said)
    # Less than four millimetres is straight enough.
    assert BodyMap(Model(DarkInFront(15.0), SETTINGS), wrong).fault() is None


@pytest.mark.parametrize(("step", "side"), [(1, "its other side"), (-1, "its side")])
def test_a_scan_on_its_side_is_told_by_the_turned_scan(step: int, side: str) -> None:
    # Bright at one end of x in place of the back.
    scan = SCANS[0]
    values = np.broadcast_to(np.arange(SHAPE[2], dtype=np.int16)[::step], scan.values.shape).copy()
    body_map = BodyMap(Model(DarkInFront(40.0), SETTINGS), replace(scan, values=values, body=np.ones_like(scan.body)))
    said = f"the position map says of the scan that it lies on {side}, or its x and y are exchanged: it is bent by "
    assert (body_map.fault() or "").startswith(said)


def test_a_scan_without_a_body_or_with_latents_that_are_no_numbers_is_of_no_use() -> None:
    nothing = BodyMap(known(SCANS), replace(SCANS[0], body=np.zeros_like(SCANS[0].body)))
    assert nothing.places_mm.shape == nothing.latents_mm.shape == (0, 3)
    without = [maps(lambda _subject, world, n=n: np.where(world > 0, n, world))[0] for n in (np.nan, np.inf)]  # type: ignore[misc]
    assert nothing.fault() == "the position map finds no body in the scan"
    for body_map in without:
        assert body_map.fault() == "the position map gives no numbers for the scan"


@pytest.mark.parametrize(("planes", "thin"), [(1, True), (9, True), (40, False)])
def test_a_slab_that_the_map_does_not_know_is_called_thin(planes: int, thin: bool) -> None:
    scan = SCANS[0]
    grid = Grid((*scan.grid.size[:2], planes), scan.grid.spacing_mm, scan.grid.origin_mm)
    shape = grid.size[::-1]
    record = replace(scan.record, model=grid)
    slab = replace(scan, record=record, values=np.resize(scan.values, shape), body=np.ones(shape, dtype=bool))
    fault = BodyMap(Model(PositionMap(width=4), SETTINGS), slab).fault() or ""
    assert fault.startswith("the position map does not know the scan: its slopes are ")
    assert (f"it shows {planes * grid.spacing_mm[2]:.0f} mm of the body along z, and the map" in fault) == thin
    assert ("is it flipped" in fault) != thin


def test_a_scan_is_passed_through_the_network_once() -> None:
    model = known(SCANS)
    body_map = BodyMap(model, SCANS[0])
    body_map.met(body_map.at(body_map.places_mm[:9]))
    assert isinstance(model.network, KnownMap) and model.network.fields == 1


def test_another_network_is_refused() -> None:
    with pytest.raises(TypeError, match="found Linear, expected a PositionMap"):
        BodyMap(Model(nn.Linear(1, 1), SETTINGS), SCANS[0])
