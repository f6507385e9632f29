"""Unlabelled fields, seen turned, scaled, bent, cut and in other grey levels: what the position map is trained on.

Nothing is mirrored or turned by right angles: left and right stay what they are.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from rprloc.geometry import FloatArray
from rprloc.networks.field import padded_size
from rprloc.networks.position_map import SHORTEST_MM
from rprloc.training.draws import Levels, Turns

TURNS = Turns(angle=math.radians(10), scale=0.12, stretch=0.05)
LEVELS = Levels(gain=0.1, gamma=0.2, noise=0.05)
SHIFT = 3.0
"""Largest move along an axis, in voxels."""
BEND_MM, KNOTS_MM = 5.0, 60.0
"""Standard deviation of the displacements at the knots of a smooth deformation, and how far these lie apart."""
CUT = 0.6
"""How often a view has only some of the scan's slices, as a shorter scan has; SHORTEST_MM of them at least."""
HOLES = 2
"""Most blocks of a view that are filled with one level, so that no single landmark decides."""


@dataclass(frozen=True)
class BodyField:
    """A windowed scan, cut to its body."""

    levels: Tensor
    """(z, y, x), on the computing device."""
    body: Tensor
    """(z, y, x) bool."""
    spacing_mm: FloatArray
    """(z, y, x)."""


@dataclass(frozen=True)
class BodyView:
    """A field as the network is shown it, and where each voxel comes from."""

    field: Tensor
    """(1, 1, D, H, W), of a size that the network takes."""
    body: Tensor
    """(D, H, W) bool."""
    source_mm: Tensor
    """(D, H, W, 3), places (z, y, x) in the scan."""


def random_body_view(scan: BodyField, generator: np.random.Generator) -> BodyView:
    """Return a field as another patient's scan might be.

    A voxel g of the view shows M^-1 (g - c') + c + d(g) of the field: a matrix M near 1, smooth displacements d.
    """
    low, high = _slices(scan, generator)
    matrix = TURNS.draw(generator)
    scales = np.linalg.norm(matrix, axis=0)
    size = np.array(padded_size(np.ceil((high - low) * scales).astype(int).tolist()))
    seen = size / 2 + generator.uniform(-SHIFT, SHIFT, 3)
    source = _sources(scan, size, matrix, (low + high) / 2, seen, generator)
    full = torch.tensor(scan.levels.shape, dtype=torch.float32, device=source.device)
    grid = (source / full * 2 - 1).flip(-1)[None]
    levels = nn.functional.grid_sample(scan.levels.float()[None, None], grid, align_corners=False)
    body = nn.functional.grid_sample(scan.body.float()[None, None], grid, mode="nearest", align_corners=False)[0, 0] > 0
    inside = (source[..., 0] >= low[0]) & (source[..., 0] <= high[0])
    levels = LEVELS.other(levels * inside, generator)
    _fill_holes(levels, generator)
    spacing = torch.tensor(scan.spacing_mm, dtype=torch.float32, device=source.device)
    return BodyView(levels, body & inside, source * spacing)


def _slices(scan: BodyField, generator: np.random.Generator) -> tuple[FloatArray, FloatArray]:
    """Draw the part of a field that is seen: lowest and highest (z, y, x) in voxel edges."""
    low, high = np.zeros(3), np.array(scan.levels.shape, dtype=np.float64)
    cut, length, start = generator.random(3)
    if cut < CUT:
        least = min(high[0], SHORTEST_MM / scan.spacing_mm[0])
        kept = least + length * (high[0] - least)
        low[0] = start * (high[0] - kept)
        high[0] = low[0] + kept
    return low, high


def _sources(
    scan: BodyField,
    size: NDArray[np.int64],
    matrix: FloatArray,
    centre: FloatArray,
    seen: FloatArray,
    generator: np.random.Generator,
) -> Tensor:
    """Return where each voxel of a view of `size` comes from (D, H, W, 3), in voxel edges (z, y, x) of the field."""
    device = scan.levels.device
    axes = [torch.arange(int(n), device=device) + 0.5 - float(at) for n, at in zip(size, seen, strict=True)]
    there = torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1)
    inverse = torch.tensor(np.linalg.inv(matrix).T, dtype=torch.float32, device=device)
    knots = [max(2, round(n * mm / KNOTS_MM) + 1) for n, mm in zip(size.tolist(), scan.spacing_mm, strict=True)]
    bends = generator.normal(0, BEND_MM, (3, *knots)) / scan.spacing_mm[:, None, None, None]
    smooth = nn.functional.interpolate(
        torch.tensor(bends, dtype=torch.float32, device=device)[None],
        size=size.tolist(), mode="trilinear", align_corners=True,
    )[0]  # fmt: skip
    moved: Tensor = there @ inverse + torch.tensor(centre, dtype=torch.float32, device=device) + smooth.movedim(0, -1)
    return moved


def _fill_holes(levels: Tensor, generator: np.random.Generator) -> None:
    """Fill some blocks of a field (1, 1, D, H, W), each with one level."""
    size = np.array(levels.shape[2:])
    for _ in range(int(generator.integers(HOLES + 1))):
        block = (generator.uniform(0.1, 0.3, 3) * size).astype(int)
        first = (generator.random(3) * (size - block)).astype(int)
        z, y, x = (slice(start, start + n) for start, n in zip(first, block, strict=True))
        levels[..., z, y, x] = generator.random()
