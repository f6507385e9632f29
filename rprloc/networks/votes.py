"""Landmark votes: a supervised network in whose crop every cell says where each landmark lies, and how sure it is."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from rprloc.networks.field import STRIDE
from rprloc.networks.settings import VotesSettings, check_positive, check_structures
from rprloc.networks.trunk import Trunk

_WIDTHS = (1, 4, 8, 12)
"""Channels of the levels, times the cohort's base width."""
_LEVEL = 1
"""The level whose cells vote: every second voxel."""
_UNIT_CELLS = 4.0
"""What 1 at the network's output stands for: landmarks are some cells away from those that know them."""


class Votes(nn.Module):
    """Windowed crops (B, 1, D, H, W) -> landmarks (B, n, 3) in the crop's (z, y, x), voxel i reaching from i to i + 1,
    and the root mean square distance (B, n) of the votes to them, in voxels.

    Every cell of the second level says for each landmark where it lies from there; the landmark is the mean of these
    votes, weighted by a softmax of what the cells say of themselves (docs/explanation/matched.md).
    """

    def __init__(self, landmarks: int, *, width: int) -> None:
        super().__init__()
        if width % 4:
            raise ValueError(f"width is {width}, expected a multiple of 4")
        if landmarks < 1:
            raise ValueError(f"found {landmarks} landmarks, expected at least one")
        widths = [factor * width for factor in _WIDTHS]
        self.trunk = Trunk(widths, top=_LEVEL)
        self.weights = nn.Conv3d(widths[_LEVEL], landmarks, 1)
        self.ways = nn.Conv3d(widths[_LEVEL], 3 * landmarks, 1)

    def forward(self, crops: Tensor) -> tuple[Tensor, Tensor]:
        """Return the landmarks and how far the votes are apart, in float32 also under autocast."""
        features = self.trunk(crops)[0]
        with torch.autocast(crops.device.type, enabled=False):
            # (B, n, cells) and (B, n, 3, cells): where the weights are is where the votes count.
            weights = self.weights(features.float()).flatten(2).softmax(dim=2)
            ways = self.ways(features.float()).flatten(2).unflatten(1, (-1, 3))
            stride = 2**_LEVEL
            axes = [(torch.arange(size, device=crops.device) + 0.5) * stride for size in features.shape[2:]]
            cells = torch.stack(torch.meshgrid(*axes, indexing="ij")).flatten(1)
            votes = cells + _UNIT_CELLS * stride * ways
            landmarks = (votes * weights[:, :, None]).sum(dim=3)
            apart = (votes - landmarks[..., None]).square().sum(dim=2)
            return landmarks, (apart * weights).sum(dim=2).sqrt()


def votes_of(settings: VotesSettings) -> Votes:
    """Return an untrained network of its settings; raises KeyError or ValueError where they are wrong."""
    check_structures(settings.structures, settings.half_voxel_mm)
    check_positive("matching_spacing", [settings.matching_spacing])
    check_positive("size", [settings.size])
    if any(size % STRIDE for size in settings.size):
        raise ValueError(f"a size of {list(settings.size)}, expected multiples of {STRIDE}")
    if not all(map(math.isfinite, settings.middle_latent_mm)):
        raise ValueError("middle_latent_mm that is not three numbers")
    return Votes(6 * len(settings.structures), width=settings.width)
