"""Template matching by features: it finds what it was shown, where it was shifted to, and tells what it cannot."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from torch.nn import functional as F

from rprloc.catalogue import method_named
from rprloc.geometry import WALLS, Grid
from rprloc.methods.answer import Prediction
from rprloc.methods.clock import Clock
from rprloc.methods.feature import Feature, _better, _Encoder
from rprloc.methods.templates import Match
from rprloc.networks.autoencoder import CODE_CHANNELS, CODE_STRIDE
from rprloc.networks.checkpoint import Model, new_network
from rprloc.networks.patches import AIR, apply_window
from rprloc.networks.settings import CodeSettings
from rprloc.scans.record import Structure
from rprloc.scans.scan import Scan
from tests.methods.fakes import answered, points_of, record, structure

METHODS = {name: method_named(name).setting for name in ("feature_mse", "feature_cosine")}
SETTINGS = CodeSettings(
    network="autoencoder", modality="ct", spacing=(3.0, 2.5, 2.0), window=((-500.0, 0.0), (500.0, 1.0)), width=4,
    patch_voxels=(8, 8, 12),
)  # fmt: skip
MODEL = Model(new_network(SETTINGS, seed=1).requires_grad_(False).eval(), SETTINGS)
SHAPE = (21, 24, 26)
GRID = Grid(SHAPE[::-1], (2.0, 2.5, 3.0), (-41.5, 87.25, -333.0))
ORGAN = structure([-20.3, 110.1, -310.0], [-8.1, 121.7, -299.0])


def values_of(seed: int, shape: tuple[int, ...] = SHAPE) -> NDArray[np.int16]:
    """Return smooth random grey values (z, y, x)."""
    values = gaussian_filter(np.random.default_rng(seed).normal(size=shape), 1.5)
    return np.asarray(np.clip(values / values.std(), -1.6, 1.6) * 300, dtype=np.int16)


def scan(subject: str, values: NDArray[np.int16], structures: dict[str, Structure] | None = None) -> Scan:
    """Return a scan whose body is all of its grid."""
    grid = replace(GRID, size=(values.shape[2], values.shape[1], values.shape[0]))
    return Scan(record(subject, structures, grid=grid), values, np.ones(values.shape, dtype=bool))


def located(query: Scan, supports: list[Scan], model: Model = MODEL) -> list[Prediction]:
    """Return a query's answers."""
    method = Feature(METHODS, model)
    method.prepare(supports)
    return answered(method, query, drawn="s")


def test_the_same_scan_is_found_exactly() -> None:
    rows = located(scan("q", values_of(1)), [scan("s", values_of(1), {"organ": ORGAN})])
    assert [(row.method, row.setting, row.support, row.drawn) for row in rows] == [
        (method, "extreme.s2", "s", True) for method in METHODS
    ]
    for row in rows:
        assert list(row.points_mm or {}) == list(WALLS)
        np.testing.assert_allclose(points_of(row), ORGAN.extreme_mm, atol=1e-9)
        np.testing.assert_allclose(row.box_mm, ORGAN.box_mm, atol=1e-9)
        assert row.half_voxel_mm == list(ORGAN.half_voxel_mm) and not row.failed
        assert row.seconds.keys() == {"prepare", "network", "transform", "search"}
        assert row.spread_mm is None and row.confidence is None


@pytest.mark.parametrize("shift", [(2, -4, 6), (1, 0, -3), (-5, 3, 1)])
def test_a_shift_by_whole_voxels_comes_out_exactly(shift: tuple[int, int, int]) -> None:
    # Both show parts of the same field; what templates cover and cells see lies within both.
    shape, middle = (36, 38, 42), np.array([18, 19, 21])
    field = values_of(2, tuple(n + 12 for n in shape))
    support, query = (
        field[tuple(slice(6 - move, 6 - move + length) for move, length in zip(by, shape, strict=True))]
        for by in ((0, 0, 0), shift)
    )
    organ = structure((GRID.world(middle - 2) + 0.3).tolist(), (GRID.world(middle + 2) + 0.3).tolist())
    rows = located(scan("q", query), [scan("s", support, {"organ": organ})])
    # Shifts are (z, y, x) in voxels, points (x, y, z) in mm.
    expected = np.array(shift)[::-1] * GRID.spacing_mm
    for row in rows:
        moved = points_of(row) - organ.extreme_mm
        np.testing.assert_allclose(moved, np.broadcast_to(expected, (6, 3)), atol=1e-9)


def test_the_answer_is_the_best_of_all_voxels_of_the_body_by_direct_sums() -> None:
    query, support = scan("q", values_of(3)), scan("s", values_of(4), {"organ": ORGAN})
    query.body[:8] = query.body[14:] = query.body[:, 12:] = query.body[:, :, 15:] = False
    encoder = _Encoder(MODEL)
    code = encoder.code(query, Clock())
    windows = {tuple(v): encoder.window(code, v, (1, 1, 1)).double() for v in np.argwhere(query.body).tolist()}
    for row in located(query, [support]):
        for true, point in zip(ORGAN.extreme_mm, points_of(row), strict=True):
            voxel = support.grid.nearest_voxel(true)
            template = encoder.window(encoder.code(support, Clock()), voxel, (1, 1, 1)).double()
            rest = true - support.grid.world(voxel)
            if row.method == "feature_mse":
                score = {at: -float((window - template).square().mean()) for at, window in windows.items()}
            else:
                score = {
                    at: float(F.cosine_similarity(w.flatten(), template.flatten(), 0)) for at, w in windows.items()
                }
            best = max(score, key=lambda at: score[at])
            np.testing.assert_allclose(point, query.grid.world(best) + rest, atol=1e-9)


def test_a_template_is_cut_from_the_code_of_its_whole_scan() -> None:
    values = values_of(5)
    encoder = _Encoder(MODEL)
    code = encoder.code(scan("s", values), Clock())
    levels = apply_window(torch.from_numpy(np.pad(values, 30, constant_values=AIR["ct"])), SETTINGS.window)
    air = MODEL.network.dense(torch.zeros(9, 9, 9))  # type: ignore[operator]
    assert encoder.cells == (4, 4, 6)
    for voxel in [(0, 0, 0), (10, 3, 25), (20, 23, 12)]:
        found = encoder.window(code, voxel, (1, 1, 1))
        # Cell n // 2 of a template is the voxel's own.
        start = [n + 30 - CODE_STRIDE * (size // 2) - 4 for n, size in zip(voxel, encoder.cells, strict=True)]
        stop = [n + CODE_STRIDE * (size - 1) + 9 for n, size in zip(start, encoder.cells, strict=True)]
        crop = levels[tuple(slice(a, b) for a, b in zip(start, stop, strict=True))]
        expected = MODEL.network.encode(crop[None])[0] - air  # type: ignore[operator]
        assert found.shape == (CODE_CHANNELS, 4, 4, 6)
        assert (found - expected).abs().max() < 1e-5


def test_a_structure_at_the_border_and_a_template_larger_than_the_scan_are_found() -> None:
    organ = structure(GRID.world([0, 0, 0]).tolist(), GRID.world(np.array(SHAPE) - 1).tolist())
    large = Model(MODEL.network, msgspec.structs.replace(SETTINGS, patch_voxels=(60, 50, 52)))
    for model in (MODEL, large):
        for row in located(scan("q", values_of(6)), [scan("s", values_of(6), {"organ": organ})], model):
            np.testing.assert_allclose(row.box_mm, organ.box_mm, atol=1e-9)


def test_a_support_of_air_a_query_without_a_body_and_a_broken_network_are_failed_rows() -> None:
    air = np.full(SHAPE, AIR["ct"], dtype=np.int16)
    good, query = scan("s", values_of(7), {"organ": ORGAN}), scan("q", values_of(9))
    broken = new_network(SETTINGS, seed=1).requires_grad_(False)
    broken.code.bias.fill_(float("nan"))  # type: ignore[operator, union-attr]
    for rows, reason in (
        (
            located(query, [scan("s", air, {"organ": ORGAN})]),
            "a patch around organ shows nothing but air in the support s",
        ),
        (located(replace(query, body=np.zeros(SHAPE, dtype=bool)), [good]), "found no body to search"),
        (located(query, [good], Model(broken, SETTINGS)), "the auto-encoder's code is not a number"),
    ):
        assert [(row.failed, row.reason, row.points_mm, row.box_mm) for row in rows] == [(True, reason, None, None)] * 2


def test_a_query_of_air_has_answers_that_are_numbers() -> None:
    air = np.full(SHAPE, AIR["ct"], dtype=np.int16)
    for row in located(scan("q", air), [scan("s", values_of(7), {"organ": ORGAN})]):
        assert not row.failed and np.isfinite(points_of(row)).all()


def test_answers_do_not_depend_on_threads() -> None:
    query, support = scan("q", values_of(9, (17, 30, 20))), scan("s", values_of(7), {"organ": ORGAN})
    threads = torch.get_num_threads()
    found = []
    try:
        for number in (1, 2):
            torch.set_num_threads(number)
            found.append([row.points_mm for row in located(query, [support])])
    finally:
        torch.set_num_threads(threads)
    assert found[0] == found[1]


def test_the_setting_names_the_stride_of_the_code() -> None:
    assert set(METHODS.values()) == {f"extreme.s{CODE_STRIDE}"}


def test_the_first_of_equally_good_positions_is_taken() -> None:
    # A scan that repeats itself: every place has copies, also on other grids of the code.
    period = values_of(11, (7, 8, 9))
    repeated = np.tile(period, (5, 5, 5))
    organ = structure(GRID.world([15, 17, 19]).tolist(), GRID.world([18, 19, 22]).tolist())
    for row in located(scan("q", repeated), [scan("s", repeated, {"organ": organ})]):
        moved = (points_of(row) - organ.extreme_mm) / GRID.spacing_mm
        assert np.allclose(moved, np.rint(moved)) and np.allclose(np.rint(moved) % (9, 8, 7), 0)
    one, two = Match((0, 1, 2), 0.5), Match((0, 1, 1), 0.5)
    assert _better("mse", one, two) == _better("cosine", one, two) == two


def test_another_network_is_refused() -> None:
    with pytest.raises(TypeError, match="expected an Autoencoder"):
        Feature(METHODS, Model(torch.nn.Linear(1, 1), SETTINGS))
