"""Retina U-Net: a small 3D U-Net whose middle levels find boxes and whose finest level segments (arXiv 1811.08661)."""

from __future__ import annotations

import math

from torch import Tensor, nn

from rprloc.networks.field import STRIDE
from rprloc.networks.settings import DetectorSettings, check_positive, check_structures
from rprloc.networks.trunk import Trunk, block

DETECTION_LEVELS = (1, 2)
"""The levels, of strides 2 and 4, whose voxels have anchors."""
_WIDTHS = (2, 4, 8, 12)
"""Channels of the levels, times the cohort's base width."""
_PRIOR = 0.01
"""The score of every anchor and voxel before training."""


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
            # Weights without memory (of `read_model`) have nothing to draw: torch would import for seconds to do so.
            if not layer.weight.is_meta:
                nn.init.normal_(layer.weight, std=0.01)
            nn.init.constant_(layer.get_parameter("bias"), bias)
        self.scores, self.boxes = (nn.Sequential(block(head, head), layer) for layer in last)

    def forward(self, fields: Tensor) -> dict[str, list[Tensor] | Tensor]:
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


def retina_unet_of(settings: DetectorSettings) -> RetinaNetwork:
    """Return an untrained network of its settings; raises KeyError or ValueError where they are wrong."""
    check_structures(settings.structures, settings.half_voxel_mm)
    check_positive("anchors", settings.anchors)
    return RetinaNetwork(len(settings.structures), len(settings.anchors), width=settings.width)
