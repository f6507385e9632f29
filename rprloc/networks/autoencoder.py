"""The convolutional auto-encoder whose code template matching by features compares."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rprloc.cohort.methods import CODE_STRIDE

CODE_CHANNELS = 8
HALO = 4
"""Voxels that a cell of the code sees on each side of its centre: 9 voxels an axis."""

_SLAB_VOXELS = 1 << 18
"""Voxels that are encoded at once: what their layers hold stays small however large a scan is."""


class Autoencoder(nn.Module):
    """Encode grey values in cells of CODE_CHANNELS numbers, one at every CODE_STRIDE-th voxel, and decode them.

    Encoder, for base width b: 3x3x3 convolutions to b, 2b (stride 2) and 2b channels, each with ReLU, and a 1x1x1 one
    to the code. It neither pads nor normalises: a cell depends on the 9 voxels an axis around its centre alone, whatever
    else is encoded. The decoder mirrors it and is needed for training only.
    """

    def __init__(self, *, width: int) -> None:
        super().__init__()
        self.encoder = nn.ModuleList(
            [
                nn.Conv3d(1, width, 3),
                nn.Conv3d(width, 2 * width, 3, stride=CODE_STRIDE),
                nn.Conv3d(2 * width, 2 * width, 3),
                nn.Conv3d(2 * width, CODE_CHANNELS, 1),
            ]
        )
        self.decoder = nn.Sequential(
            nn.Conv3d(CODE_CHANNELS, 2 * width, 1),
            nn.ReLU(),
            nn.Conv3d(2 * width, 2 * width, 3, padding=1),
            nn.ReLU(),
            nn.Upsample(scale_factor=CODE_STRIDE),
            nn.Conv3d(2 * width, width, 3, padding=1),
            nn.ReLU(),
            nn.Conv3d(width, 1, 3, padding=1),
        )

    def encode(self, crops: Tensor) -> Tensor:
        """Return the code (B, CODE_CHANNELS, d, h, w) of crops (B, D, H, W); cell i is centred on voxel HALO + 2 i."""
        x = crops.unsqueeze(1)
        for layer in self.encoder[:-1]:
            x = torch.relu(layer(x))
        code: Tensor = self.encoder[-1](x)
        return code

    def dense(self, values: Tensor) -> Tensor:
        """Return the code (CODE_CHANNELS, z - 2 HALO, ...) of a volume (z, y, x) centred on every voxel of its inside.

        What follows the layer of stride 2 has its kernels dilated by 2 instead: every second voxel of the result is
        what `encode` returns, from the one or the other start.
        """
        depth = values.shape[0] - 2 * HALO
        step = max(1, _SLAB_VOXELS // (values.shape[1] * values.shape[2]))
        # A view of the slabs with their halo, one after the other along z.
        slabs = [values[start : min(start + step, depth) + 2 * HALO] for start in range(0, depth, step)]
        return torch.cat([self._dense_slab(slab) for slab in slabs], dim=1)

    def _dense_slab(self, values: Tensor) -> Tensor:
        """Return the code of a volume that is encoded at once."""
        x, dilation = values[None, None], 1
        for layer in self.encoder[:-1]:
            x = torch.relu(F.conv3d(x, layer.weight, layer.bias, dilation=dilation))
            dilation *= layer.stride[0]
        code: Tensor = self.encoder[-1](x)
        return code[0]

    def forward(self, crops: Tensor) -> Tensor:
        """Return the inside (B, 2 d, 2 h, 2 w) of crops as their code (B, CODE_CHANNELS, d, h, w) has it."""
        decoded: Tensor = self.decoder(self.encode(crops))
        return decoded.squeeze(1)
