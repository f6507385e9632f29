"""Fields: whole scans as the networks that look at all of one take them, at about FIELD_MM or coarser."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from torch import Tensor, nn

from rprloc.geometry import FloatArray, Grid
from rprloc.networks.patches import AIR, apply_window
from rprloc.networks.settings import NetworkSettings

STRIDE = 8
"""Voxels of the field to one of the coarsest level: fields are multiples of it."""
FIELD_MM = 4.0
"""About the spacing of a field; model spacings below it are averaged by whole numbers."""

_FEWEST = 3 * STRIDE
"""Fewest voxels of a field along an axis: oneDNN's bfloat16 gradients need three voxels on the coarsest level."""


def pooling_of(spacing_mm: Sequence[float]) -> tuple[int, int, int]:
    """Return how many voxels of a model spacing (z, y, x) are averaged to one of the field along each axis."""
    z, y, x = (max(1, round(FIELD_MM / mm)) for mm in spacing_mm)
    return z, y, x


def field_of(values: Tensor, settings: NetworkSettings) -> Tensor:
    """Return a preprocessed scan (z, y, x) as the network takes it: windowed, averaged, (z', y', x') float32.

    Air fills up what a last voxel of the field lacks.
    """
    pooling = pooling_of(settings.spacing)
    pads = [pad for n, factor in zip(values.shape[::-1], pooling[::-1], strict=True) for pad in (0, -n % factor)]
    filled = nn.functional.pad(values, pads, value=AIR[settings.modality])
    levels = apply_window(filled, settings.window)
    return levels if pooling == (1, 1, 1) else nn.functional.avg_pool3d(levels[None], pooling)[0]


def padded_size(size: Sequence[int]) -> tuple[int, int, int]:
    """Return the next size (z, y, x) that the network can take."""
    z, y, x = (max(_FEWEST, -(-n // STRIDE) * STRIDE) for n in size)
    return z, y, x


def padded(levels: Tensor) -> Tensor:
    """Return a field (z, y, x), or one of other values, as a batch (1, 1, D, H, W) of the next size, 0 at the ends."""
    size = padded_size(levels.shape)
    pads = [pad for n, full in zip(levels.shape[::-1], size[::-1], strict=True) for pad in (0, full - n)]
    return nn.functional.pad(levels, pads)[None, None]


def to_edges(points_mm: Any, grid: Grid, pooling: Sequence[int]) -> FloatArray:
    """Return world points (..., 3) in (x, y, z) mm in the field's (z, y, x), where voxel i reaches from i to i + 1."""
    return np.asarray((grid.voxel(points_mm) + 0.5) / np.asarray(pooling))


def to_world(edges: Any, grid: Grid, pooling: Sequence[int]) -> FloatArray:
    """Return the world points (..., 3) in (x, y, z) mm of points (..., 3) of the field: the inverse of `to_edges`."""
    return grid.world(np.asarray(edges, dtype=np.float64) * np.asarray(pooling) - 0.5)
