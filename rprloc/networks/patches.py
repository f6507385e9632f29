"""Patches of a scan, windowed, as one gather for any number of centres."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rprloc.scans.volume import AIR_HU

AIR = {"ct": AIR_HU, "mr": 0}
"""Value of what lies outside a preprocessed scan, by modality."""


@dataclass(frozen=True)
class PaddedScan:
    """A scan's grey values on the computing device with air for half a patch around them."""

    values: Tensor
    """(z, y, x) int16, padded."""
    patch_voxels: tuple[int, int, int]

    @classmethod
    def of(
        cls, values: NDArray[np.int16], patch_voxels: tuple[int, int, int], *, modality: str, device: torch.device
    ) -> PaddedScan:
        """Pad a preprocessed scan (z, y, x); patches may overhang its edges and see air there."""
        pads = [(n // 2, n - n // 2 - 1) for n in patch_voxels]
        padded = np.pad(values, pads, constant_values=AIR[modality])
        return cls(torch.from_numpy(padded).to(device), patch_voxels)

    def crop(self, centres_voxel: Tensor) -> Tensor:
        """Return the patches (n, d, h, w) int16 whose centres are voxels (n, 3) of the unpadded scan, in (z, y, x).

        Voxel `size // 2` of a patch is its centre, for even sizes too.
        """
        depth, height, width = self.patch_voxels
        windows = self.values.unfold(0, depth, 1).unfold(1, height, 1).unfold(2, width, 1)
        return windows[centres_voxel[:, 0], centres_voxel[:, 1], centres_voxel[:, 2]]


def apply_window(values: Tensor, knots: Sequence[tuple[float, float]]) -> Tensor:
    """Return grey values mapped piecewise linearly through knots (value, level), constant beyond the ends, float32."""
    values = values.float()
    mapped = torch.full_like(values, knots[0][1])
    for (low, low_level), (high, high_level) in pairwise(knots):
        mapped += (values - low).clamp(0, high - low) * ((high_level - low_level) / (high - low))
    return mapped
