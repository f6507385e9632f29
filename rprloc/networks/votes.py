"""Landmark votes: a supervised network in whose crop every cell says where each landmark lies, and how sure it is."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from rprloc.networks.field import STRIDE
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
    votes, weighted by a softmax of what the cells say of themselves (docs/method.md).
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


def votes_of(details: dict[str, Any], width: int) -> Votes:
    """Return an untrained network for the details of its settings; raises LookupError, ValueError or TypeError where
    they are wrong.

    `structures` are names, each with six landmarks, `half_voxel_mm` has each of them, `size` is the crop's in voxels.
    """
    structures = details["structures"]
    if len(set(structures)) < len(structures) or not all(isinstance(name, str) for name in structures):
        raise ValueError("structures that are not different names")
    halves = [details["half_voxel_mm"][name] for name in structures]
    for what, sizes in (("spacing", [details["spacing"]]), ("size", [details["size"]]), ("half_voxel_mm", halves)):
        found = np.array(sizes, dtype=np.float64)
        if found.shape != (len(sizes), 3) or not np.all((found > 0) & (found < math.inf)):
            raise ValueError(f"{what} that are not three positive numbers each")
    if any(size % STRIDE for size in details["size"]):
        raise ValueError(f"a size of {details['size']}, expected multiples of {STRIDE}")
    if not isinstance(details["position_map"], str):
        raise ValueError("a position_map that is no fingerprint")
    middle = np.array(details["middle_latent_mm"], dtype=np.float64)
    if middle.shape != (3,) or not np.isfinite(middle).all():
        raise ValueError("middle_latent_mm that is not three numbers")
    return Votes(6 * len(structures), width=width)
