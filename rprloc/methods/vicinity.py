"""What is compared of part of a scan near its structures: features for matching, and grey values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage

from rprloc.errors import InputError
from rprloc.geometry import FloatArray, Grid
from rprloc.methods.coupled import Features
from rprloc.methods.images import RegistrationError, Window, beyond_window
from rprloc.networks.patches import apply_window
from rprloc.scans.scan import Scan

_RIM = 4
"""Voxels around the compared part of a scan whose features are right only if their neighbours are there."""


@dataclass(frozen=True)
class Vicinity:
    """Part of a scan."""

    features: Features
    greys: NDArray[np.float32]
    """(z, y, x), windowed, on the grid of the features."""

    @property
    def step_mm(self) -> float:
        """The largest of its voxels' sides."""
        return max(self.features.grid.spacing_mm)

    @classmethod
    def of(cls, levels: torch.Tensor, grid: Grid) -> Vicinity:
        """Compute the features of windowed grey values (z, y, x)."""
        return cls(Features.fewer_of(levels, grid), levels.float().cpu().numpy())

    def grey(self, points_mm: FloatArray) -> FloatArray:
        """Return the grey values (...) at points (..., 3) in mm, linearly between voxels; NaN beyond the outermost."""
        voxel = self.features.grid.voxel(points_mm).reshape(-1, 3).T
        found = ndimage.map_coordinates(self.greys, voxel, order=1, cval=np.nan, output=np.float64)
        return np.asarray(found.reshape(points_mm.shape[:-1]))


@dataclass(frozen=True)
class Reader:
    """How scans are read."""

    window: Window
    device: torch.device

    def shown(self, scan: Scan, box_mm: FloatArray, spacing_mm: Sequence[float], *, outside: str) -> Vicinity:
        """Return what a scan shows in a box (2, 3) in mm, at a spacing; raises RegistrationError where that is nothing,
        which says `outside` where the scan does not reach the box.
        """
        try:
            volume = scan.matching(spacing_mm)
        except InputError as error:
            raise RegistrationError(str(error).rstrip(".")) from error
        first = np.floor(volume.grid.voxel(box_mm[0])).astype(int) - _RIM
        stop = np.ceil(volume.grid.voxel(box_mm[1])).astype(int) + 1 + _RIM
        first, stop = np.maximum(first, 0), np.minimum(stop, volume.values.shape)
        if np.any(stop - first < 1):
            raise RegistrationError(outside)
        z, y, x = (slice(int(start), int(end)) for start, end in zip(first, stop, strict=True))
        levels = apply_window(torch.from_numpy(volume.values[z, y, x].copy()).to(self.device), self.window)
        if levels.min() == levels.max():
            raise RegistrationError(
                f"the scan {scan.subject} shows one grey value only where the structures should be"
                + beyond_window(volume.values[z, y, x], self.window)
            )
        d, h, w = levels.shape
        origin = volume.grid.world(first)
        return Vicinity.of(levels, Grid((w, h, d), volume.grid.spacing_mm, (*origin.tolist(),)))
