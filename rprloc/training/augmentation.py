"""Labelled fields, seen turned, scaled, moved, cut and in other grey levels: what Retina U-Net is trained on.

Nothing is mirrored or turned by right angles: left and right organs stay what they are.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from rprloc.geometry import FloatArray
from rprloc.networks.field import padded, padded_size
from rprloc.training.draws import Levels, Turns

TURNS = Turns(angle=math.radians(6), scale=0.08, stretch=0.05)
SHIFT = 3.0
"""Largest move along an axis, in voxels."""
CUT_BELOW, CUT_ABOVE = 0.5, 0.3
"""How often a field loses a part below or above its structures, as a shorter scan does."""
LEVELS = Levels(gain=0.1, gamma=0.15, noise=0.04)
_KEPT = 0.7
"""Part of a box along each axis that must lie in the field for its structure to count as known."""


@dataclass(frozen=True)
class LabelledField:
    """A windowed scan and where its labelled structures are."""

    subject: str
    levels: Tensor
    """(z, y, x), on the computing device."""
    voxels: NDArray[np.int16]
    """(z, y, x), 1 + the number of each voxel's structure, 0 for none."""
    boxes: dict[int, FloatArray]
    """By the structure's number, (2, 3), lowest and highest (z, y, x) in voxel edges."""

    @property
    def nbytes(self) -> int:
        """The memory that it takes."""
        return int(self.levels.nbytes + self.voxels.nbytes)


@dataclass(frozen=True)
class FieldView:
    """A field as the network is shown it."""

    field: Tensor
    """(1, 1, D, H, W), of a size that the network takes."""
    voxels: Tensor
    """(D, H, W) int64."""
    boxes: dict[int, FloatArray]
    """As those of `LabelledField`, without structures that lie partly outside."""


def plain_view(scan: LabelledField) -> FieldView:
    """Return a field as it is, padded with air."""
    voxels = torch.from_numpy(scan.voxels).to(scan.levels.device).long()
    return FieldView(padded(scan.levels.float()), padded(voxels)[0, 0], scan.boxes)


def random_view(scan: LabelledField, generator: np.random.Generator) -> FieldView:
    """Return a field as another patient's scan might be.

    A point p of the field is seen at M (p - c) + c' with a matrix M near 1. A turned structure's box is that of its
    turned voxels, moved by what the box differs from its voxels' before: so it stays exact to a part of a voxel.
    """
    low, high = _cut(scan, generator)
    size = np.array(padded_size(np.ceil(high - low).astype(int).tolist()))
    matrix = TURNS.draw(generator)
    centre, seen = (low + high) / 2, size / 2 + generator.uniform(-SHIFT, SHIFT, 3)
    grid = turned_grid(scan.levels, size, matrix, centre, seen)
    levels, voxels = scan.levels.float(), torch.from_numpy(scan.voxels).to(scan.levels.device).float()
    field = nn.functional.grid_sample(levels[None, None], grid, mode="bilinear", align_corners=False)
    labels = nn.functional.grid_sample(voxels[None, None], grid, mode="nearest", align_corners=False)
    boxes = {}
    for number, box in scan.boxes.items():
        moved = _moved_box(scan.voxels == number + 1, box, matrix, centre, seen)
        inside = np.clip(moved, 0, size)
        if np.all(inside[1] - inside[0] >= _KEPT * (moved[1] - moved[0])):
            boxes[number] = inside
    return FieldView(LEVELS.other(field, generator), labels[0, 0].long(), boxes)


def _cut(scan: LabelledField, generator: np.random.Generator) -> tuple[FloatArray, FloatArray]:
    """Draw the part of a field that is seen: lowest and highest (z, y, x), never through a structure."""
    low, high = np.zeros(3), np.array(scan.levels.shape, dtype=np.float64)
    ends = np.array([box[:, 0] for box in scan.boxes.values()])
    below, above = generator.random(2) < (CUT_BELOW, CUT_ABOVE)
    shares = generator.random(2)
    if below:
        low[0] = shares[0] * max(0.0, ends.min() - 2)
    if above:
        high[0] -= shares[1] * max(0.0, high[0] - ends.max() - 2)
    return low, high


def turned_grid(
    levels: Tensor, size: NDArray[np.int64], matrix: FloatArray, centre: FloatArray, seen: FloatArray
) -> Tensor:
    """Return where each voxel of a view of `size` comes from in a field (z, y, x), as torch's grid_sample takes it
    (1, D, H, W, 3): a point p of the field is seen at M (p - centre) + seen, in voxel edges (z, y, x).
    """
    inverse, full = np.linalg.inv(matrix), np.array(levels.shape)
    # From -1 to 1 over the outer edges on both sides, x first.
    turn = inverse * size / full[:, None]
    move = (inverse @ (size / 2 - seen) + centre) * 2 / full - 1
    theta = torch.from_numpy(np.concatenate([turn[::-1, ::-1], move[::-1, None]], axis=1).astype(np.float32))
    shape = [1, 1, *size.tolist()]
    return nn.functional.affine_grid(theta[None].to(levels.device), shape, align_corners=False)


def _moved_box(
    mask: NDArray[np.bool_], box: FloatArray, matrix: FloatArray, centre: FloatArray, seen: FloatArray
) -> FloatArray:
    """Return the box (2, 3) of a structure's voxels after the move, more exact than voxels are."""
    points = np.argwhere(mask) + 0.5
    if not len(points):
        # Too thin for a voxel of the field.
        points = box
    before = np.stack([points.min(axis=0), points.max(axis=0)])
    moved = (points - centre) @ matrix.T + seen
    return np.stack([moved.min(axis=0), moved.max(axis=0)]) + np.asarray(box - before)
