"""A structure as signed distances."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rprloc.scans.outlines import Outline
from rprloc.scans.record import Native
from rprloc.scans.scan import Scan, write_scan_outlines
from rprloc.scans.shapes import Shape
from tests.methods.patients import patient

NATIVE = Native(
    size=(60, 50, 40),
    spacing_mm=(2.0, 2.0, 3.0),
    direction=(1, 0, 0, 0, 1, 0, 0, 0, 1),
    origin_mm=(-60.0, -50.0, -60.0),
)


def ball(radius: float) -> Outline:
    index = np.stack(np.meshgrid(*[np.arange(n) for n in NATIVE.size], indexing="ij"), axis=-1)
    inside = np.linalg.norm(NATIVE.frame.world(index), axis=-1) <= radius
    found = Outline.of(inside.transpose(2, 1, 0))
    assert found is not None
    return found


def test_a_ball_has_its_volume_and_its_depth_and_its_way_out() -> None:
    shape = Shape.of(ball(24.0), NATIVE)
    assert shape.volume_mm3 == pytest.approx(4 / 3 * np.pi * 24**3, rel=0.03)
    places = np.random.default_rng(1).normal(0, 12, (100, 3))
    far = np.linalg.norm(places, axis=1)
    np.testing.assert_allclose(shape.at(places), 24 - far, atol=2.5)
    out = shape.outwards(places, 3.0)
    out /= np.linalg.norm(out, axis=1, keepdims=True)
    assert ((out * places).sum(axis=1) / far)[far > 8].min() > 0.9


def test_a_large_structure_is_thinned_out(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = Shape.of(ball(25.0), NATIVE)
    monkeypatch.setattr("rprloc.scans.shapes._MOST_VOXELS", 2000)
    thinned = Shape.of(ball(25.0), NATIVE)
    assert thinned.step > 1 and thinned.distances.size < 4000
    places = np.random.default_rng(1).normal(0, 10, (100, 3))
    np.testing.assert_allclose(thinned.at(places), whole.at(places), atol=2.5)
    # Far away it is as far outside.
    assert thinned.at(np.array([[200.0, 0.0, 0.0]]))[0] < -100


def test_a_scan_computes_each_shape_once_and_has_none_without_a_mask(tmp_path: Path) -> None:
    bare = patient("s")
    record = bare.record.__class__(cohort="c", subject="s", file="s.mha", model=bare.grid, native=NATIVE)
    write_scan_outlines(tmp_path, {"ball": ball(24.0)})
    scan = Scan(record, bare.values, bare.body, tmp_path)
    shape = scan.shape("ball")
    assert shape is not None and scan.shape("ball") is shape
    assert scan.shape("other") is None and bare.shape("organ") is None
