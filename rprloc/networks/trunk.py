"""The small 3D U-Net that the networks for whole fields share."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn

_GROUPS = 8


class Trunk(nn.Module):
    """Windowed fields (B, 1, D, H, W) -> features of the levels, the finest first, each half as fine as the last.

    Two 3x3x3 convolutions with group norm and ReLU a level down, one convolution up, sums between them.
    """

    def __init__(self, widths: Sequence[int], *, top: int = 0) -> None:
        """Take the channels of the levels and the finest one whose features come out, 0 for that of the fields."""
        super().__init__()
        self._top = top
        self.down = nn.ModuleList(
            nn.Sequential(block(before, channels, stride=2 if before > 1 else 1), block(channels, channels))
            for before, channels in pairwise([1, *widths])
        )
        self.across = nn.ModuleList(nn.Conv3d(channels, channels, 1) for channels in widths[top:-1])
        self.up = nn.ModuleList(nn.Conv3d(coarse, fine, 1) for fine, coarse in pairwise(widths[top:]))
        self.merged = nn.ModuleList(block(channels, channels) for channels in widths[top:])

    def forward(self, fields: Tensor) -> list[Tensor]:
        """Return the features (B, channels, D', H', W') of each level from the top one on."""
        features, x = [], fields
        for down in self.down:
            x = down(x)
            features.append(x)
        features = features[self._top :]
        found = [self.merged[-1](x)]
        for level in reversed(range(len(features) - 1)):
            coarse = nn.functional.interpolate(self.up[level](found[0]), scale_factor=2.0, mode="nearest")
            found.insert(0, self.merged[level](coarse + self.across[level](features[level])))
        return found


def block(channels_in: int, channels_out: int, *, stride: int = 1) -> nn.Sequential:
    """Return a 3x3x3 convolution with group norm and ReLU."""
    return nn.Sequential(
        nn.Conv3d(channels_in, channels_out, 3, stride=stride, padding=1, bias=False),
        nn.GroupNorm(math.gcd(_GROUPS, channels_out), channels_out),
        nn.ReLU(inplace=True),
    )
