"""The position map: a network that gives every voxel of a field its place in the body, in one pass."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from rprloc.networks.field import field_of, pooling_of
from rprloc.networks.settings import MapSettings, NetworkSettings
from rprloc.networks.trunk import Trunk

UNIT_MM = 100.0
"""What 1 at the network's output stands for: places in a body are of this size."""

SHORTEST_MM = 112.0
"""Length of the shortest parts of scans, from bottom to top, that the network is shown in its training."""

_WIDTHS = (1, 4, 8, 12)
"""Channels of the levels, times the cohort's base width: the finest level only sharpens what the next one knows."""


class PositionMap(nn.Module):
    """Windowed fields (B, 1, D, H, W) -> latents (B, 3, D, H, W) in mm, (z, y, x).

    The difference of two voxels' latents is where they lie to each other in a body of average size and posture; a
    linear law in place of equation 2's r tanh. The dense map is that of arXiv 2409.10291.
    """

    def __init__(self, *, width: int) -> None:
        super().__init__()
        if width % 4:
            raise ValueError(f"width is {width}, expected a multiple of 4")
        widths = [factor * width for factor in _WIDTHS]
        self.trunk = Trunk(widths)
        self.fine = nn.Conv3d(widths[0], 3, 1)
        self.coarse = nn.Conv3d(widths[1], 3, 1)

    def forward(self, fields: Tensor) -> Tensor:
        """Return the latents: what the second level knows and the first one adds."""
        finest, second, *_ = self.trunk(fields)
        # The last layers decide millimetres: bfloat16's 8 bits of mantissa would be steps of one and more.
        with torch.autocast(fields.device.type, enabled=False):
            coarse = nn.functional.interpolate(
                self.coarse(second.float()), scale_factor=2.0, mode="trilinear", align_corners=False
            )
            latents: Tensor = UNIT_MM * (coarse + self.fine(finest.float()))
        return latents


def map_of(settings: MapSettings) -> PositionMap:
    """Return an untrained network of its settings; raises ValueError where they are wrong."""
    return PositionMap(width=settings.width)


def body_field(values: Tensor, body: Tensor, settings: NetworkSettings) -> tuple[Tensor, Tensor]:
    """Return a preprocessed scan as the network takes it: levels and body (z', y', x') of the field.

    `values` int16 and `body` bool are (z, y, x).
    """
    pooling = pooling_of(settings.spacing)
    levels = field_of(values, settings)
    # A voxel of the field belongs to the body where its middle does.
    middles = [torch.arange(n) * factor + factor // 2 for n, factor in zip(levels.shape, pooling, strict=True)]
    z, y, x = (middle.clamp(max=n - 1).to(body.device) for middle, n in zip(middles, body.shape, strict=True))
    return levels, body[z][:, y][:, :, x].to(levels.device)
