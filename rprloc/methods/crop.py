"""The part of a scan's finer volume around its structures, where the position map says that they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rprloc.geometry import FloatArray, Grid
from rprloc.networks.patches import AIR, apply_window
from rprloc.networks.settings import VotesSettings
from rprloc.scans.scan import Scan


@dataclass(frozen=True)
class Crop:
    """Windowed grey values and where they are."""

    levels: Tensor
    """(z, y, x) float32; air beyond the scan."""
    grid: Grid
    """Of the whole volume."""
    first: NDArray[np.int64]
    """The volume's voxel (z, y, x) at which the crop begins, which may lie outside."""

    @classmethod
    def of(
        cls, scan: Scan, middle_mm: FloatArray, size: Sequence[int], settings: VotesSettings, device: torch.device
    ) -> Crop:
        """Cut `size` voxels (z, y, x) around a point (3,) out of a scan's finer volume, at the spacing with which the
        network of `settings` was trained. Raises InputError where there is no such volume.
        """
        volume = scan.matching(settings.matching_spacing[::-1])
        first = np.rint(volume.grid.voxel(middle_mm) + 0.5 - np.asarray(size) / 2).astype(np.int64)
        low = np.clip(first, 0, volume.values.shape)
        high = np.clip(first + size, low, volume.values.shape)
        values = np.full(tuple(size), AIR[settings.modality], dtype=np.int16)
        into, inside = (
            tuple(slice(int(a), int(b)) for a, b in zip(*ends, strict=True))
            for ends in ((low - first, high - first), (low, high))
        )
        if np.all(high > low):
            values[into] = volume.values[inside]
        levels = apply_window(torch.from_numpy(values).to(device), settings.window)
        return cls(levels, volume.grid, first)

    def to_edges(self, points_mm: FloatArray) -> FloatArray:
        """Return points (..., 3) in (x, y, z) mm in the crop's (z, y, x), where voxel i reaches from i to i + 1."""
        return np.asarray(self.grid.voxel(points_mm) + 0.5 - self.first)

    def to_world(self, edges: FloatArray) -> FloatArray:
        """Return the points (..., 3) in (x, y, z) mm of places (..., 3) in the crop: the inverse of `to_edges`."""
        return self.grid.world(np.asarray(edges, dtype=np.float64) + self.first - 0.5)
