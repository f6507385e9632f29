"""The projection network of the paper: from a patch to its latent position (figure 1)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from rprloc.networks.settings import PatchSettings

CONVOLUTIONS = ("in_plane", "isotropic")
"""`in_plane`: 1x3x3 then 3x1x1, for thick slices (head and neck); `isotropic`: two 3x3x3 (pancreas)."""

_BLOCK_WIDTHS = (2, 2, 4, 8, 4)
_POOLED_BLOCKS = 3
_GROUPS = 8


class ResidualBlock(nn.Module):
    """Two convolutions with group norm and ReLU beside a shortcut; channels (B, C, D, H, W) -> (B, C', D, H, W)."""

    def __init__(self, channels_in: int, channels_out: int, convolution: str) -> None:
        super().__init__()
        kernels = [(1, 3, 3), (3, 1, 1)] if convolution == "in_plane" else [(3, 3, 3), (3, 3, 3)]
        self.convolutions = nn.ModuleList()
        self.norms = nn.ModuleList()
        for number, kernel in enumerate(kernels):
            padding = (kernel[0] // 2, kernel[1] // 2, kernel[2] // 2)
            channels = channels_in if number == 0 else channels_out
            self.convolutions.append(nn.Conv3d(channels, channels_out, kernel, padding=padding, bias=False))
            # Group norm: instance norm over near-constant patches (air, brain) blows noise up.
            self.norms.append(nn.GroupNorm(_GROUPS, channels_out))
        self.shortcut = nn.Identity() if channels_in == channels_out else nn.Conv3d(channels_in, channels_out, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's output for x (B, C, D, H, W)."""
        y = torch.relu(self.norms[0](self.convolutions[0](x)))
        y = self.norms[1](self.convolutions[1](y))
        return torch.relu(y + self.shortcut(x))


class Pnet(nn.Module):
    """Project patches (B, D, H, W) of windowed grey values to latents (B, 3) (section 2 and figure 1 of the paper).

    Five residual blocks of 2b, 2b, 4b, 8b, 4b channels for base width b, max-pooling by 2 after the first three
    wherever an axis is still at least 4 voxels long, then three fully connected layers of 8b, 4b and 3 outputs with
    ReLU between them (without it three linear layers are one).
    """

    def __init__(self, patch_voxels: tuple[int, int, int], *, width: int, convolution: str) -> None:
        super().__init__()
        if convolution not in CONVOLUTIONS:
            raise ValueError(f"convolution is {convolution!r}, expected one of {CONVOLUTIONS}")
        if width % 4:
            raise ValueError(f"width is {width}, expected a multiple of 4")
        self.patch_voxels = patch_voxels
        self.blocks = nn.ModuleList()
        self.pools: list[tuple[int, int, int]] = []
        size, channels = list(patch_voxels), 1
        for number, factor in enumerate(_BLOCK_WIDTHS):
            self.blocks.append(ResidualBlock(channels, factor * width, convolution))
            channels = factor * width
            pool = [2 if number < _POOLED_BLOCKS and n >= 4 else 1 for n in size]
            size = [n // p for n, p in zip(size, pool, strict=True)]
            self.pools.append((pool[0], pool[1], pool[2]))
        features = channels * size[0] * size[1] * size[2]
        self.head = nn.Sequential(
            nn.Linear(features, 8 * width),
            nn.ReLU(),
            nn.Linear(8 * width, 4 * width),
            nn.ReLU(),
            nn.Linear(4 * width, 3),
        )

    def forward(self, patches: Tensor) -> Tensor:
        """Return the latents (B, 3), in float32 also under autocast."""
        x = patches.unsqueeze(1)
        for block, pool in zip(self.blocks, self.pools, strict=True):
            x = _block_output(block, x)
            if pool != (1, 1, 1):
                x = nn.functional.max_pool3d(x, pool)
        x = self.head[:-1](x.flatten(1))
        # The last layer decides millimetres out of several hundred: 8 bits of mantissa would be steps of a millimetre.
        with torch.autocast(x.device.type, enabled=False):
            latent: Tensor = self.head[-1](x.float())
        return latent


def _block_output(block: nn.Module, x: Tensor) -> Tensor:
    """Return a block's output, in float32 where fewer than three slices are left.

    oneDNN's bfloat16 weight gradient of a convolution that is deeper than its input reads memory that nobody wrote
    (seen with torch 2.15 on a CPU with avx512_bf16: up to 25 of 25 gradients not finite at depth 2, none from depth 3
    on; tests/networks/test_pnet.py). The deep blocks are small, so float32 costs little there.
    """
    output: Tensor
    if x.shape[2] >= 3 or not torch.is_autocast_enabled(x.device.type):
        output = block(x)
        return output
    with torch.autocast(x.device.type, enabled=False):
        output = block(x.float())
    return output


def pnet_of(settings: PatchSettings) -> Pnet:
    """Return an untrained network of its settings; raises ValueError where they are wrong."""
    return Pnet(settings.patch_voxels, width=settings.width, convolution=settings.convolution)
