"""A volume as one flat picture: its slices side by side, as WebP in a data URI, which every browser can read."""

from __future__ import annotations

import base64
import io
import math
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Quality = int | Literal["exact"]


def columns_of(size: tuple[int, int, int]) -> int:
    """Return how many slices of a volume (x, y, z) stand side by side: about a square, of the 16,383 pixels of WebP."""
    x, y, z = size
    return max(1, min(z, 16383 // x, math.ceil(math.sqrt(z * y / x))))


def mosaic(values: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the slices of a volume (z, y, x) side by side, row by row; what is left over is 0."""
    z, y, x = values.shape
    columns = columns_of((x, y, z))
    rows = math.ceil(z / columns)
    tiles = np.zeros((rows * columns, y, x), dtype=np.uint8)
    tiles[:z] = values
    return tiles.reshape(rows, columns, y, x).swapaxes(1, 2).reshape(rows * y, columns * x)


def webp(picture: NDArray[np.uint8] | Image.Image, quality: Quality) -> bytes:
    """Return a grey or coloured picture as WebP, exact or with a quality up to 100."""
    image = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    stream = io.BytesIO()
    if quality == "exact":
        image.convert("RGB").save(stream, "WEBP", lossless=True, quality=20, method=1)
    else:
        image.convert("RGB").save(stream, "WEBP", quality=quality, method=2)
    return stream.getvalue()


def webp_uri(content: bytes) -> str:
    """Return a WebP picture as a data URI."""
    return "data:image/webp;base64," + base64.b64encode(content).decode("ascii")
