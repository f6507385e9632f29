"""Retina U-Net: a small 3D U-Net whose middle levels find boxes and whose finest level segments (arXiv 1811.08661)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from torch import Tensor, nn

from rprloc.networks.field import STRIDE
from rprloc.networks.trunk import Trunk, block

DETECTION_LEVELS = (1, 2)
"""The levels, of strides 2 and 4, whose voxels have anchors."""
_WIDTHS = (2, 4, 8, 12)
"""Channels of the levels, times the cohort's base width."""
_PRIOR = 0.01
"""The score of every anchor and voxel before training."""


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

    A Trunk, and two more convolutions, shared by the two detection levels, for scores and for boxes. It has the
    attributes that `monai.apps.detection.networks.retinanet_detector.RetinaNetDetector` asks of a network.
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
        self.trunk = Trunk(widths)
        self.to_head = nn.ModuleList(nn.Conv3d(widths[level], head, 1) for level in DETECTION_LEVELS)
        last = [nn.Conv3d(head, channels * anchors, 3, padding=1) for channels in (structures, 6)]
        self.segmentation = nn.Conv3d(widths[0], structures, 1)
        rare = math.log(_PRIOR / (1 - _PRIOR))
        for layer, bias in zip([*last, self.segmentation], (rare, 0.0, rare), strict=True):
            nn.init.normal_(layer.weight, std=0.01)
            nn.init.constant_(layer.get_parameter("bias"), bias)
        self.scores, self.boxes = (nn.Sequential(block(head, head), layer) for layer in last)

    def forward(self, fields: Tensor) -> dict[str, Any]:
        """Return under `cls_key` and `box_reg_key` a map (B, anchors * n, D', H', W') of each detection level, and
        under `segmentation` (B, structures, D, H, W); in float32 also under autocast.
        """
        found = self.trunk(fields)
        heads = [project(found[level]) for project, level in zip(self.to_head, DETECTION_LEVELS, strict=True)]
        return {
            self.cls_key: [self.scores(head).float() for head in heads],
            self.box_reg_key: [self.boxes(head).float() for head in heads],
            "segmentation": self.segmentation(found[0]).float(),
        }
