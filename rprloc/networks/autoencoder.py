"""The convolutional auto-encoder whose code template matching by features compares."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rprloc.networks.settings import CodeSettings

CODE_CHANNELS = 4
CODE_STRIDE = 2
"""Voxels from one cell of the code to the next."""
HALO = 4
"""Voxels that a cell of the code sees on each side of its centre: 9 voxels an axis."""

_SLAB_VOXELS = 1 << 19
"""Voxels that are encoded at once: what their layers hold stays small however large a scan is."""


class Autoencoder(nn.Module):
    """Encode grey values in cells of CODE_CHANNELS numbers, one at every CODE_STRIDE-th voxel, and decode them.

    Encoder, for base width b: 3x3x3 convolutions to b, 2b (stride 2) and 2b channels, each with ReLU, and a 1x1x1 one
    to the code. It neither pads nor normalises: a cell depends on the 9 voxels an axis around its centre alone,
    whatever else is encoded. The decoder mirrors it and is needed for training only.
    """

    def __init__(self, *, width: int) -> None:
        super().__init__()
        self.fine = nn.Conv3d(1, width, 3)
        self.down = nn.Conv3d(width, 2 * width, 3, stride=CODE_STRIDE)
        self.coarse = nn.Conv3d(2 * width, 2 * width, 3)
        self.code = nn.Conv3d(2 * width, CODE_CHANNELS, 1)
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
        x = torch.relu(self.fine(crops.unsqueeze(1)))
        x = torch.relu(self.down(x))
        code: Tensor = self.code(torch.relu(self.coarse(x)))
        return code

    def dense(self, values: Tensor) -> Tensor:
        """Return the code (CODE_CHANNELS, z - 2 HALO, ...) of a volume (z, y, x) centred on every voxel of its inside.

        The layer of stride 2 keeps every voxel and the kernel after it is dilated by 2 instead: every second voxel of
        the result is what `encode` returns, from the one or the other start.
        """
        depth = values.shape[0] - 2 * HALO
        step = max(HALO, _SLAB_VOXELS // (values.shape[1] * values.shape[2]))
        slabs = [values[start : min(start + step, depth) + 2 * HALO] for start in range(0, depth, step)]
        return torch.cat([self._dense_slab(slab) for slab in slabs], dim=1)

    def _dense_slab(self, values: Tensor) -> Tensor:
        """Return the code of a volume that is encoded at once."""
        x = torch.relu(self.fine(values[None, None]))
        x = torch.relu(F.conv3d(x, self.down.weight, self.down.bias))
        x = torch.relu(F.conv3d(x, self.coarse.weight, self.coarse.bias, dilation=CODE_STRIDE))
        code: Tensor = self.code(x)
        return code[0]

    def forward(self, crops: Tensor) -> Tensor:
        """Return the inside (B, 2 d, 2 h, 2 w) of crops as their code (B, CODE_CHANNELS, d, h, w) has it."""
        decoded: Tensor = self.decoder(self.encode(crops))
        return decoded.squeeze(1)


def autoencoder_of(settings: CodeSettings) -> Autoencoder:
    """Return an untrained network of its settings."""
    return Autoencoder(width=settings.width)
