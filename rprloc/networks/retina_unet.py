"""Retina U-Net: a small 3D U-Net whose middle levels find boxes and whose finest level segments (arXiv 1811.08661)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from rprloc.geometry import FloatArray, Grid
from rprloc.networks.patches import AIR, apply_window

STRIDE = 8
"""Voxels of the field to one of the coarsest level: fields are multiples of it."""
DETECTION_LEVELS = (1, 2)
"""The levels, of strides 2 and 4, whose voxels have anchors."""
FIELD_MM = 4.0
"""About the spacing of a field; model spacings below it are averaged by whole numbers."""

_WIDTHS = (2, 4, 8, 12)
"""Channels of the levels, times the cohort's base width."""
_FEWEST = 3 * STRIDE
"""Fewest voxels of a field along an axis: oneDNN's bfloat16 gradients need three voxels on the coarsest level."""
_GROUPS = 8
_PRIOR = 0.01
"""The score of every anchor and voxel before training."""


def pooling_of(spacing_mm: Sequence[float]) -> tuple[int, int, int]:
    """Return how many voxels of a model spacing (z, y, x) are averaged to one of the field along each axis."""
    z, y, x = (max(1, round(FIELD_MM / mm)) for mm in spacing_mm)
    return z, y, x


def field_of(values: NDArray[np.int16], settings: Any, *, device: torch.device) -> Tensor:
    """Return a preprocessed scan (z, y, x) as the network takes it: windowed, averaged, (z', y', x') float32.

    `settings` are the network's ModelSettings. Air fills up what a last voxel of the field lacks.
    """
    pooling = pooling_of(settings.spacing)
    pads = [(0, -n % factor) for n, factor in zip(values.shape, pooling, strict=True)]
    filled = np.pad(values, pads, constant_values=AIR[settings.modality])
    levels = apply_window(torch.from_numpy(filled).to(device), settings.window)
    return levels if pooling == (1, 1, 1) else nn.functional.avg_pool3d(levels[None], pooling)[0]


def padded_size(size: Sequence[int]) -> tuple[int, int, int]:
    """Return the next size (z, y, x) that the network can take."""
    z, y, x = (max(_FEWEST, -(-n // STRIDE) * STRIDE) for n in size)
    return z, y, x


def to_edges(points_mm: Any, grid: Grid, pooling: Sequence[int]) -> FloatArray:
    """Return world points (..., 3) in (x, y, z) mm in the field's (z, y, x), where voxel i reaches from i to i + 1."""
    return np.asarray((grid.voxel(points_mm) + 0.5) / np.asarray(pooling))


def to_world(edges: Any, grid: Grid, pooling: Sequence[int]) -> FloatArray:
    """Return the world points (..., 3) in (x, y, z) mm of points (..., 3) of the field: the inverse of `to_edges`."""
    return grid.world(np.asarray(edges, dtype=np.float64) * np.asarray(pooling) - 0.5)


def network_of(details: dict[str, Any], width: int) -> RetinaNetwork:
    """Return an untrained network for the details of its settings; raises ValueError or TypeError where they are wrong.

    `structures` are names, `anchors` sizes (n, 3) in the field's voxels, `half_voxel_mm` is (x, y, z) by structure.
    """
    structures, anchors = details["structures"], np.array(details["anchors"], dtype=np.float64)
    halves = np.array([details["half_voxel_mm"][name] for name in structures], dtype=np.float64)
    if len(set(structures)) < len(structures) or not all(isinstance(name, str) for name in structures):
        raise ValueError("structures that are not different names")
    for what, sizes in (("anchors", anchors), ("half_voxel_mm", halves)):
        if sizes.ndim != 2 or sizes.shape[1] != 3 or not np.all((sizes > 0) & (sizes < math.inf)):
            raise ValueError(f"{what} that are not three positive numbers each")
    return RetinaNetwork(len(structures), len(anchors), width=width)


class RetinaNetwork(nn.Module):
    """Windowed fields (B, 1, D, H, W) -> maps of scores, of box offsets, and of the structures' voxels, as logits.

    Four levels of two 3x3x3 convolutions with group norm and ReLU down, one convolution up, sums between them; two
    more convolutions, shared by the two detection levels, for scores and for boxes. It has the attributes that
    `monai.apps.detection.networks.retinanet_detector.RetinaNetDetector` asks of a network.
    """

    spatial_dims = 3
    size_divisible = STRIDE
    cls_key = "classification"
    box_reg_key = "box_regression"

    def __init__(self, structures: int, anchors: int, *, width: int) -> None:
        super().__init__()
        if width % 4:
            raise ValueError(f"width is {width}, expected a multiple of 4")
        if not (structures > 0 and anchors > 0):
            raise ValueError(f"found {structures} structures and {anchors} anchors, expected at least one of each")
        self.num_classes = structures
        self.num_anchors = anchors
        widths = [factor * width for factor in _WIDTHS]
        head = widths[DETECTION_LEVELS[0]]
        self.down = nn.ModuleList(
            nn.Sequential(_block(before, channels, stride=2 if before > 1 else 1), _block(channels, channels))
            for before, channels in pairwise([1, *widths])
        )
        self.across = nn.ModuleList(nn.Conv3d(channels, channels, 1) for channels in widths[:-1])
        self.up = nn.ModuleList(nn.Conv3d(coarse, fine, 1) for fine, coarse in pairwise(widths))
        self.merged = nn.ModuleList(_block(channels, channels) for channels in widths)
        self.to_head = nn.ModuleList(nn.Conv3d(widths[level], head, 1) for level in DETECTION_LEVELS)
        last = [nn.Conv3d(head, channels * anchors, 3, padding=1) for channels in (structures, 6)]
        self.segmentation = nn.Conv3d(widths[0], structures, 1)
        rare = math.log(_PRIOR / (1 - _PRIOR))
        for layer, bias in zip([*last, self.segmentation], (rare, 0.0, rare), strict=True):
            nn.init.normal_(layer.weight, std=0.01)
            nn.init.constant_(layer.get_parameter("bias"), bias)
        self.scores, self.boxes = (nn.Sequential(_block(head, head), layer) for layer in last)

    def forward(self, fields: Tensor) -> dict[str, Any]:
        """Return under `cls_key` and `box_reg_key` a map (B, anchors * n, D', H', W') of each detection level, and
        under `segmentation` (B, structures, D, H, W); in float32 also under autocast.
        """
        features, x = [], fields
        for block in self.down:
            x = block(x)
            features.append(x)
        x = self.merged[-1](x)
        found = {len(features) - 1: x}
        for level in reversed(range(len(features) - 1)):
            coarse = nn.functional.interpolate(self.up[level](x), scale_factor=2.0, mode="nearest")
            x = self.merged[level](coarse + self.across[level](features[level]))
            found[level] = x
        heads = [project(found[level]) for project, level in zip(self.to_head, DETECTION_LEVELS, strict=True)]
        return {
            self.cls_key: [self.scores(head).float() for head in heads],
            self.box_reg_key: [self.boxes(head).float() for head in heads],
            "segmentation": self.segmentation(found[0]).float(),
        }


def _block(channels_in: int, channels_out: int, *, stride: int = 1) -> nn.Sequential:
    """Return a 3x3x3 convolution with group norm and ReLU."""
    return nn.Sequential(
        nn.Conv3d(channels_in, channels_out, 3, stride=stride, padding=1, bias=False),
        nn.GroupNorm(_GROUPS, channels_out),
        nn.ReLU(inplace=True),
    )
