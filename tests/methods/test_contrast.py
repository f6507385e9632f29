"""How a structure's grey values stand out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from rprloc.geometry import Affine, Grid
from rprloc.methods.contrast import Contrast
from rprloc.methods.looks import Looks
from rprloc.scans.outlines import Outline
from rprloc.scans.record import Native, ScanRecord
from rprloc.scans.scan import Scan
from rprloc.scans.shapes import Shape

WINDOW = ((-500.0, 0.0), (500.0, 1.0))
SIZE, SPACING_MM = (40, 36, 32), (3.0, 3.0, 3.0)
MIDDLE_MM, RADIUS_MM = np.array([60.0, 54, 48]), 18.0
BOX_MM = np.stack([MIDDLE_MM - RADIUS_MM, MIDDLE_MM + RADIUS_MM])
AS_IT_IS = Affine(np.eye(3), np.zeros(3))


def scan(brighter: float, *, texture: float = 40.0) -> Scan:
    """Return a scan with a ball that is so much brighter than what is around it."""
    grid = Grid(SIZE, SPACING_MM, (0.0, 0.0, 0.0))
    values = np.random.default_rng(1).normal(0, texture, SIZE[::-1])
    values[ball()] += brighter
    record = ScanRecord(cohort="c", subject="s", file="s.mha", model=grid)
    return Scan(record, values.round().astype(np.int16), np.ones(SIZE[::-1], dtype=np.bool_))


def ball() -> np.ndarray:
    index = np.moveaxis(np.indices(SIZE[::-1]), 0, -1)[..., ::-1] * SPACING_MM
    return np.linalg.norm(index - MIDDLE_MM, axis=-1) < RADIUS_MM


def looks(of: Scan) -> Looks:
    return Looks.of(of, WINDOW, 6.0)


def shape() -> Shape:
    outline = Outline.of(ball(), (0, 0, 0))
    assert outline is not None
    native = Native(size=SIZE, spacing_mm=SPACING_MM, direction=(1, 0, 0, 0, 1, 0, 0, 0, 1), origin_mm=(0.0, 0.0, 0.0))
    return Shape.of(outline, native)


def contrast(*, drawn: bool, brighter: float = 200.0) -> Contrast:
    return Contrast.of(looks(scan(brighter)), BOX_MM, shape() if drawn else None, np.random.default_rng(0))


@pytest.mark.parametrize("drawn", [True, False])
@pytest.mark.parametrize("own", [200.0, -200.0])
def test_what_stands_out_as_much_does_not_differ_and_what_does_less_or_the_other_way_does(
    own: float, drawn: bool
) -> None:
    found = contrast(drawn=drawn, brighter=own)
    differs = [found.differs(looks(scan(part * own)), AS_IT_IS) for part in (1, 0.3, 0, -1)]
    assert differs[0] == pytest.approx(0, abs=0.05)
    assert differs == sorted(differs)
    assert differs[2] > 0.8 and differs[3] > differs[2] + 0.8


def test_laid_beside_it_differs() -> None:
    beside = Affine(np.eye(3), np.array([0.0, 0, 36]))
    differs = contrast(drawn=True).differs(looks(scan(200)), beside)
    assert differs is not None and differs > 0.8


def test_brightness_and_gain_of_the_query_do_not_matter() -> None:
    other = scan(200)
    other = replace(other, values=(other.values // 2 + 100).astype(np.int16))
    differs = contrast(drawn=True).differs(looks(other), AS_IT_IS)
    assert differs == pytest.approx(0, abs=0.1)


def test_nothing_is_said_where_too_little_is_seen() -> None:
    assert contrast(drawn=True).differs(looks(scan(200)), Affine(np.eye(3), np.array([0.0, 0, 900]))) is None


def test_a_point_has_what_is_around_it() -> None:
    point = np.repeat(MIDDLE_MM[np.newaxis], 6, axis=0)
    found = Contrast.of(looks(scan(200)), point, None, np.random.default_rng(0))
    differs = found.differs(looks(scan(200)), AS_IT_IS)
    assert differs == pytest.approx(0, abs=1e-9)
