"""The methods on a GPU: the rows of the CPU, to what the devices' numbers allow."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from rprloc.catalogue import families_of, load, network_named
from rprloc.cohort.tasks import Folders, Learning, Seen
from rprloc.cohort.weights import shipped_folder
from rprloc.geometry import Affine, Grid
from rprloc.methods.body_map import BodyMap
from rprloc.methods.clock import Clock, Part
from rprloc.methods.coupled import Features
from rprloc.methods.feature import Feature
from rprloc.methods.images import RegistrationError
from rprloc.methods.localize import _name, localize
from rprloc.methods.matched import Matched
from rprloc.methods.position_map import PositionMapMethod
from rprloc.networks.checkpoint import Model, new_network, read_model, write_model
from rprloc.networks.device import bfloat16_is_fast
from rprloc.networks.patches import AIR
from rprloc.scans.scan import Scan
from tests.gpu.devices import CPU, GPU, compare, needs_gpu
from tests.methods import maps, test_coupled, test_feature, test_grey
from tests.methods.cohort import search_of
from tests.methods.fakes import answered, points_of, structure
from tests.methods.heads import ORGANS, WINDOW, head, hounsfield

pytestmark = needs_gpu

SHIPPED = shipped_folder("head-neck-ct") / "position_map.safetensors"
COARSE_GRID = Grid((30, 34, 40), (6.0, 6.0, 6.0), (-87.0, -99.0, -117.0))
"""The spacing that the shipped weights know."""
SHIFT = np.array([7.0, -3.0, 5.0])
COHORT = Learning(
    modality="ct", spacing=(3.0, 2.5, 2.0), patch=(24.0, 20.0, 24.0), window=((-500.0, 0.0), (500.0, 1.0)),
    convolution="isotropic", width=4, r=60.0,
)  # fmt: skip

HALF_VOXEL_MM = 3.0
"""Of the position map: its convolutions are of bfloat16, which each device rounds in its own order. On a CPU answers of
bfloat16 and of single precision are up to 0.9 mm apart.
"""


def test_convolutions_of_single_precision_are_of_single_precision() -> None:
    generator = torch.Generator().manual_seed(0)
    values, kernel = (torch.randn(size, generator=generator) for size in ((1, 16, 12, 14, 16), (16, 16, 3, 3, 3)))
    found = torch.nn.functional.conv3d(values.to(GPU), kernel.to(GPU)).cpu().double()
    expected = torch.nn.functional.conv3d(values.double(), kernel.double())
    # Ten bits of mantissa (TF32) would be off by 3e-4.
    assert float((found - expected).abs().max() / expected.abs().max()) < 1e-5


def test_a_part_pays_for_all_that_it_asks_of_the_gpu() -> None:
    clock, values = Clock(), torch.rand(2048, 2048, device=GPU) / 1024
    float(values.sum())
    with clock.part("network"):
        for _ in range(40 if GPU.type == "cuda" else 1):
            values = values @ values
    with clock.part("search"):
        float(values.sum())
    assert clock.seconds[Part("network")] > 2 * clock.seconds[Part("search")]


@pytest.mark.parametrize("stride", [1, 2])
def test_grey_rows_are_the_same(stride: int) -> None:
    corner = np.random.default_rng(5).integers(-200, 300, test_grey.SHAPE).astype(np.int16)
    edge = [test_grey.GRID.world(voxel).tolist() for voxel in ((0, 0, 0), (17, 23, 25))]
    supports = [
        test_grey.scan("a", test_grey.anatomy(2), labelled=True),
        test_grey.scan("border", corner, structures={"organ": structure(*edge)}),
        test_grey.scan("air", np.full(test_grey.SHAPE, AIR["ct"], dtype=np.int16), labelled=True),
        test_grey.scan("unlabelled"),
    ]
    # Of constant windows alone all are equally good, and the first is taken.
    inner = np.zeros(test_grey.SHAPE, dtype=bool)
    inner[8:10, 10:13, 10:13] = True
    for query in (
        test_grey.scan("noise", test_grey.anatomy(1)),
        test_grey.scan("shifted", np.roll(test_grey.anatomy(2), (1, 2, -1), (0, 1, 2))),
        test_grey.scan("flat", np.full(test_grey.SHAPE, 40, dtype=np.int16), body=inner),
        test_grey.scan("empty", body=np.zeros_like(inner)),
    ):
        rows = [test_grey.located(query, supports, stride=stride, device=device) for device in (GPU, CPU)]
        compare(*rows, apart_mm=1e-9)


@pytest.mark.parametrize("query", ["noise", "shifted", "air", "bodiless"])
def test_feature_rows_are_the_same(query: str) -> None:
    air = np.full(test_feature.SHAPE, AIR["ct"], dtype=np.int16)
    organ = {"organ": test_feature.ORGAN}
    # That a patch shows nothing but air is told by numbers up to 1e-5, so by single precision.
    supports = [test_feature.scan("s", test_feature.values_of(7), organ), test_feature.scan("air", air, organ)]
    values = {"noise": test_feature.values_of(9), "shifted": np.roll(test_feature.values_of(7), (1, -2, 2), (0, 1, 2))}
    asked = test_feature.scan("q", values.get(query, air))
    if query == "bodiless":
        asked = replace(asked, body=np.zeros(test_feature.SHAPE, dtype=bool))
    rows = []
    for device in (GPU, CPU):
        network = new_network(test_feature.SETTINGS, seed=1).requires_grad_(False).eval().to(device)
        method = Feature(test_feature.METHODS, Model(network, test_feature.SETTINGS))
        method.prepare(supports)
        rows.append(answered(method, asked))
    # In nothing but air all positions are equally good, and rounding decides.
    compare(*rows, apart_mm=1e3 if query == "air" else 1e-9)


def features(device: torch.device, shift: Any = (0.0, 0.0, 0.0)) -> Features:
    """Return the features of a synthetic patient who lies further by a shift in mm."""
    grid = test_coupled.GRID
    values = hounsfield(grid.world(np.stack(np.indices(grid.size[::-1]), axis=-1)) - np.array(shift))
    return Features.of(torch.from_numpy(np.clip(values / 400 + 0.3, 0, 1)).float().to(device), grid)


@pytest.mark.parametrize("shift", [(0.0, 0.0, 7.0), (4.0, -10.0, 5.5)])
def test_features_and_the_moves_that_they_tell_are_the_cpu_s(shift: Any) -> None:
    start = Affine(np.diag([1.02, 0.98, 1.0]), np.array([1.0, -0.5, 0.7]))
    of_device = []
    for device in (GPU, CPU):
        support, query = features(device), features(device, shift)
        moves = test_coupled.surroundings_of(support).moves(query, start)
        of_device.append((support.values.cpu(), moves))
    (found, moves), (expected, true) = of_device
    print(f"features: {(found - expected).abs().mean():.2g} apart, at most {(found - expected).abs().max():.2g}")
    # Where a scan is all but constant a feature divides rounding by rounding: a few may differ.
    assert float((found - expected).abs().mean()) < 1e-4
    print(f"moves: at most {np.abs(moves.displacements_mm - true.displacements_mm).max():.2g} mm apart")
    np.testing.assert_allclose(moves.displacements_mm, true.displacements_mm, atol=0.05)
    np.testing.assert_allclose(moves.costs, true.costs, atol=1e-4)
    np.testing.assert_allclose(moves.apart_mm, true.apart_mm, atol=0.05)


class Here:
    """Starts where the supports have their landmarks."""

    def support(self, scan: Scan, points_mm: Any) -> str:
        return scan.subject

    def query(self, scan: Scan) -> str:
        return scan.subject

    def affines(self, supports: Sequence[str], query: str) -> list[Affine | RegistrationError]:
        return [Affine(np.eye(3), np.zeros(3)) for _ in supports]


@pytest.mark.parametrize("query", ["shifted", "cut", "flat"])
def test_matched_rows_are_the_cpu_s(query: str) -> None:
    supports = [head("s", structures=ORGANS), head("t", lambda p: p * 1.03, structures={"left": ORGANS["left"]})]
    asked = head("q", lambda p: p - SHIFT)
    if query == "cut":
        grid = asked.grid
        asked = head("q", lambda p: p - SHIFT, grid=Grid((*grid.size[:2], 25), grid.spacing_mm, grid.origin_mm))
    if query == "flat":
        asked = replace(asked, values=np.full_like(asked.values, -1000))
    rows = []
    for device in (GPU, CPU):
        method = Matched(Here(), window=WINDOW, device=device)
        method.prepare(supports)
        rows.append(answered(method, asked))
    compare(*rows, apart_mm=0.05)


class KnownMap(maps.KnownMap):
    """A map that knows every voxel's place, on any device."""

    def forward(self, fields: Tensor) -> Tensor:
        return super().forward(fields.cpu()).to(fields.device)


def test_a_map_that_knows_every_place_finds_it_on_a_gpu() -> None:
    scans = maps.numbered("qst", {"organ": maps.ORGAN})

    def place(subject: str, world: Any) -> Any:
        return world - SHIFT * (subject == "q")

    method = PositionMapMethod(Model(KnownMap(scans, place).to(GPU), maps.SETTINGS))
    method.prepare(scans[1:])
    for row in answered(method, scans[0]):
        np.testing.assert_allclose(points_of(row), maps.ORGAN.extreme_mm + SHIFT, atol=1e-3)


def test_the_latents_of_a_body_are_the_cpu_s() -> None:
    scan = head("s", grid=COARSE_GRID)
    found, expected = (BodyMap(read_model(SHIPPED, device=device), scan) for device in (GPU, CPU))
    assert np.array_equal(found.places_mm, expected.places_mm)
    apart = np.abs(found.latents_mm - expected.latents_mm).max(axis=1)
    print(
        f"latents: {apart.mean():.2g} mm apart, at most {apart.max():.2g}; bfloat16: {bfloat16_is_fast(CPU)} on the CPU"
    )
    # Of bfloat16 and of single precision on a CPU: 0.1 mm apart, at most 0.5.
    assert apart.mean() < 0.3 and apart.max() < 2
    points = np.array([[-12.3, 10.7, -31.1], [8.8, 20.0, 28.0], [0.0, 0.0, 500.0]])
    np.testing.assert_allclose(found.at(points), expected.at(points), atol=2)
    np.testing.assert_allclose(found.slopes(), expected.slopes(), atol=0.02)


def written(folder: Path, name: str) -> Path:
    """Write an untrained network whose latents are as far apart as a trained one's, and return its file."""
    settings, path = load(network_named(name).settings).of_cohort(name, COHORT), folder / f"{name}.safetensors"
    network: Any = new_network(settings, seed=1)
    if name in ("coarse", "fine"):
        with torch.no_grad():
            network.head[-1].weight.mul_(20)
    write_model(path, Model(network, settings))
    return path


def _patches() -> list[Scan]:
    """Return a query and two supports of noise."""
    organ = {"organ": test_feature.ORGAN}
    return [
        test_feature.scan(name, test_feature.values_of(seed), organ) for name, seed in (("q", 1), ("s", 2), ("t", 3))
    ]


def _heads() -> list[Scan]:
    """Return a synthetic query and two supports."""
    moves: Sequence[Callable[[Any], Any] | None] = (lambda p: p - SHIFT, None, lambda p: p * 1.03)
    return [head(name, move, grid=COARSE_GRID, structures=ORGANS) for name, move in zip("qst", moves, strict=True)]


@pytest.mark.parametrize(
    ("method", "networks", "apart_mm"),
    [
        ("grey_mse", [], 1e-9),
        ("feature_mse", ["autoencoder"], 1e-9),
        # Latents of single precision differ by 1e-6, of which 60 mm are made.
        ("regression", ["coarse", "fine"], 0.01),
        ("position_map", [SHIPPED], HALF_VOXEL_MM),
        ("matched", [SHIPPED], HALF_VOXEL_MM),
    ],
)
def test_the_localize_step_reads_its_networks_and_answers_on_a_gpu(
    tmp_path: Path,
    folders: dict[str, Scan],
    monkeypatch: pytest.MonkeyPatch,
    method: str,
    networks: list[Any],
    apart_mm: float,
) -> None:
    # To the shipped map a synthetic patient is no patient.
    monkeypatch.setattr(BodyMap, "fault", lambda _self: None)
    whole = networks == [SHIPPED]
    folders |= {scan.subject: scan for scan in (_heads() if whole else _patches())}
    about = read_model(SHIPPED).settings if whole else COHORT
    seen = Seen(modality="ct", window=about.window, spacing=about.spacing, patch=(24.0, 20.0, 24.0))
    (family,) = families_of([method])
    search = search_of(family, "q", "s t", structures=None, seen=seen, parameters={"template_stride": 1})
    models = [path if isinstance(path, Path) else written(tmp_path, path) for path in networks]
    places = Folders(scans={name: Path(name) for name in search.scans}, models=models)
    found, expected = (localize(search, places, device=device) for device in (GPU, CPU))
    assert expected and not any(row.failed for row in expected)
    assert {row.device for row in found} == {_name(GPU)} and {row.device for row in expected} == {_name(CPU)}
    if GPU.type == "cuda":
        assert torch.cuda.get_device_name() == _name(GPU) != _name(CPU)
    compare(found, expected, apart_mm=apart_mm)
