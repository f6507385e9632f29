"""A volume as a flat picture and back."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
from PIL import Image

from rprloc.pictures.mosaic import columns_of, mosaic, webp, webp_uri


@pytest.mark.parametrize("shape", [(7, 5, 3), (1, 4, 4), (30, 2, 2), (300, 3, 900)])
def test_slices_stand_side_by_side_and_come_back_exactly(shape: tuple[int, int, int]) -> None:
    z, y, x = shape
    volume = np.random.default_rng(1).integers(0, 256, shape).astype(np.uint8)
    columns = columns_of((x, y, z))
    head, _, body = webp_uri(webp(mosaic(volume), "exact")).partition(",")
    assert head == "data:image/webp;base64"
    with Image.open(io.BytesIO(base64.b64decode(body))) as image:
        flat = np.asarray(image)[..., 0]
    assert max(flat.shape) < 16384
    for number in range(z):
        top, left = number // columns * y, number % columns * x
        assert (flat[top : top + y, left : left + x] == volume[number]).all()


def test_a_quality_makes_it_smaller() -> None:
    flat = np.random.default_rng(1).integers(0, 256, (90, 90)).astype(np.uint8)
    assert len(webp(flat, 40)) < len(webp(flat, 90)) < len(webp(flat, "exact"))
