"""A carried surface moves to where the query looks as the support does at its own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from rprloc.geometry import Affine, FloatArray, Grid
from rprloc.methods.carry import Matching, QueryRegion
from rprloc.methods.profiles import Profiles, SurfaceBeyond, profiles_of
from rprloc.methods.vicinity import Vicinity
from rprloc.scans.outlines import Outline
from rprloc.scans.record import Native
from rprloc.scans.scan import Scan, write_scan_outlines
from rprloc.scans.shapes import Shape
from rprloc.seeds import generator_of
from tests.methods.fakes import ORGAN, scan

SIZE, STEP, RADIUS = 40, 2.0, 20.0
GRID = Grid((SIZE,) * 3, (STEP,) * 3, (-39.0,) * 3)
NATIVE = Native(size=(SIZE,) * 3, spacing_mm=(STEP,) * 3, direction=tuple(np.eye(3).ravel()), origin_mm=(-39.0,) * 3)
PLACES = GRID.world(np.stack(np.meshgrid(*[np.arange(SIZE)] * 3, indexing="ij"), axis=-1))


def ball() -> np.ndarray:
    """Return which voxels lie in a ball."""
    return np.linalg.norm(PLACES, axis=-1) < RADIUS


def seen(inside: np.ndarray, *, gain: float = 1.0, seed: int = 1) -> Vicinity:
    """Return a scan that shows something bright, with noise."""
    levels = 0.3 + 0.4 * gaussian_filter(inside.astype(float), 0.7)
    noise = np.random.default_rng(seed).normal(size=levels.shape)
    return Vicinity.of(torch.from_numpy(gain * (levels + 0.02 * noise)).float(), GRID)


def surface(count: int = 400) -> FloatArray:
    """Return points of the ball's surface."""
    points = np.random.default_rng(2).normal(size=(count, 3))
    return RADIUS * points / np.linalg.norm(points, axis=1, keepdims=True)


def shape() -> Shape:
    outline = Outline.of(ball())
    assert outline is not None
    return Shape.of(outline, NATIVE)


def learned(inside: np.ndarray | None = None) -> Profiles:
    found = Profiles.learned(seen(ball() if inside is None else inside), surface(), shape(), generator_of(1, "test"))
    assert found is not None
    return found


def carry(shift: FloatArray) -> Matching:
    """Return what brings the support into the query, off by a shift."""
    return Matching(Affine(np.eye(3), shift), surface(6), np.zeros((6, 3)))


def found_in(query: Vicinity, shift: FloatArray, profiles: Profiles | None = None) -> tuple[FloatArray, SurfaceBeyond]:
    """Return the surface in a query into which it is carried, off by a shift, and how far it was moved."""
    matching = carry(shift)
    return (profiles or learned()).found(matching, matching.carried(surface()), query)


def test_the_way_out_of_a_shape_is_along_its_radius() -> None:
    ways = shape().outwards(surface(), 2 * STEP)
    ways /= np.linalg.norm(ways, axis=1, keepdims=True)
    assert (ways * surface() / RADIUS).sum(axis=1).min() > 0.8
    assert shape().volume_mm3 == pytest.approx(ball().sum() * STEP**3, rel=0.02)


@pytest.mark.parametrize("gain", [1.0, 0.6])
def test_a_surface_that_is_off_comes_back(gain: float) -> None:
    off = np.array([3.0, -2.0, 0.0])
    found, beyond = found_in(seen(ball(), gain=gain, seed=5), off)
    before = np.abs(np.linalg.norm(surface() + off, axis=1) - RADIUS).mean()
    after = np.abs(np.linalg.norm(found, axis=1) - RADIUS).mean()
    assert after < 0.4 * before
    assert np.corrcoef(beyond.far_mm, surface() @ off)[0, 1] < -0.9


def test_one_that_lies_right_stays() -> None:
    found, _ = found_in(seen(ball(), seed=7), np.zeros(3))
    assert np.abs(np.linalg.norm(found, axis=1) - RADIUS).mean() < 0.5


def test_where_nothing_is_to_be_seen_it_stays() -> None:
    """A support of noise teaches that profiles tell nothing, however far a carried surface is off."""
    noise = np.zeros_like(ball())
    _, beyond = found_in(seen(noise, seed=9), np.array([3.0, 0, 0]), learned(noise))
    assert np.abs(beyond.evened_mm).mean() < STEP / 3


def test_what_the_query_does_not_show_is_not_moved() -> None:
    cut = seen(ball())
    half = Vicinity.of(torch.from_numpy(cut.greys[:20].copy()), replace(GRID, size=(SIZE, SIZE, 20)))
    _, beyond = found_in(half, np.array([0, 0, 3.0]))
    high = surface()[:, 2] > 5
    assert (beyond.far_mm[high] == 0).all() and (beyond.far_mm[surface()[:, 2] < -15] != 0).all()


def test_a_support_that_shows_no_profile_whole_teaches_nothing() -> None:
    thin = Vicinity.of(torch.from_numpy(seen(ball()).greys[:3].copy()), replace(GRID, size=(SIZE, SIZE, 3)))
    assert Profiles.learned(thin, surface(), shape(), generator_of(1, "test")) is None


def test_they_are_learned_alike_in_every_run_and_of_masks_alone(tmp_path: Path) -> None:
    folder = tmp_path / "c@a"
    folder.mkdir()
    outline = Outline.of(ball())
    assert outline is not None
    write_scan_outlines(folder, {"organ": outline})
    made = scan("a", {"organ": ORGAN})
    support: Scan = replace(made, record=replace(made.record, native=NATIVE), folder=folder)
    one, other = (profiles_of(support, {"organ": surface(), "box": surface()}, seen(ball())) for _ in range(2))
    assert list(one) == ["organ"]
    found = [found_in(seen(ball(), seed=3), np.ones(3), both["organ"])[0] for both in (one, other)]
    np.testing.assert_array_equal(*found)
    assert profiles_of(made, {"organ": surface()}, seen(ball())) == {}


def test_an_outline_grows_by_as_much_and_only_near_its_surface() -> None:
    outer = SurfaceBeyond(learned(), np.full(400, 3.0))
    region = QueryRegion.around(NATIVE, [np.array([[-RADIUS] * 3, [RADIUS] * 3])])
    assert region is not None
    plain, grown = (region.distances(shape(), carry(np.zeros(3)), one) for one in (None, outer))
    near = np.abs(plain) < 12
    np.testing.assert_allclose(grown[near] - plain[near], 3.0, atol=1e-3)
    assert (grown[~near] == plain[~near]).all()
    outlines = [region.outline(one) for one in (plain, grown)]
    radii = [(3 * one.inside.sum() * STEP**3 / (4 * np.pi)) ** (1 / 3) for one in outlines if one is not None]
    assert radii == pytest.approx([RADIUS, RADIUS + 3], abs=0.4)


def test_a_box_is_of_points_that_evened_each_other_out() -> None:
    """One point among many that is far off hardly moves."""
    profiles = learned()
    far = np.zeros(400)
    far[7] = 8.0
    assert SurfaceBeyond(profiles, far).evened_mm[7] < 6.0
    np.testing.assert_allclose(SurfaceBeyond(profiles, np.full(400, 2.0)).evened_mm, 2.0)
