"""A structure of a scan as signed distances, linear between voxels where its mask has steps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from rprloc.geometry import FloatArray
from rprloc.scans.outlines import Outline
from rprloc.scans.record import Native

_RIM = 3
"""Voxels around a mask in which its distance is known."""
_MOST_VOXELS = 1 << 20
"""Of a support's distances that are kept: a larger structure's are thinned out."""


@dataclass(frozen=True)
class Shape:
    """A structure of a support as signed distances in mm, positive inside."""

    distances: NDArray[np.float32]
    """(z, y, x)."""
    native: Native
    first: FloatArray
    """(3,), the first distance's voxel (i, j, k) in the support's grid."""
    step: int
    """Voxels between distances."""

    @classmethod
    def of(cls, outline: Outline, native: Native) -> Shape:
        """Compute the distances of an outline on a support's grid to the surface between its voxels and others."""
        inside = np.pad(outline.inside, _RIM)
        spacing = native.spacing_mm[::-1]
        within, beyond = (ndimage.distance_transform_edt(mask, sampling=spacing) for mask in (inside, ~inside))
        step = int(np.ceil((inside.size / _MOST_VOXELS) ** (1 / 3)))
        distances = np.ascontiguousarray((within - beyond)[::step, ::step, ::step], dtype=np.float32)
        distances -= _level(distances, inside.sum() / step**3)
        return cls(distances, native, np.array(outline.first, dtype=np.float64) - _RIM, step)

    @property
    def volume_mm3(self) -> float:
        """How large it is."""
        voxel_mm3 = float(abs(np.linalg.det(self.native.frame.axes_mm)))
        return float((self.distances > 0).sum()) * self.step**3 * voxel_mm3

    def outwards(self, points_mm: FloatArray, beside_mm: float) -> FloatArray:
        """Return the way out of it (n, 3) at points (n, 3) in mm: against the slope of the distances, as they are some
        mm to either side.
        """
        ends = beside_mm * np.eye(3)
        slopes = [self.at(points_mm + end) - self.at(points_mm - end) for end in ends]
        return -np.stack(slopes, axis=1).astype(np.float64)

    def at(self, points_mm: FloatArray) -> NDArray[np.float32]:
        """Return the distances (n,) at points (n, 3) in mm; beyond the rim at least as far outside as there."""
        voxel = (self.native.frame.voxel(points_mm) - self.first) / self.step
        last = np.array(self.distances.shape[::-1]) - 1
        beyond = np.maximum(np.maximum(-voxel, voxel - last), 0) * self.step * self.native.spacing_mm
        found = ndimage.map_coordinates(self.distances, voxel.T[::-1], order=1, mode="nearest")
        return np.asarray(found - np.linalg.norm(beyond, axis=1), dtype=np.float32)


def _level(distances: NDArray[np.float32], voxels: float) -> np.float32:
    """Return the distance beyond which there is the volume of so many voxels, midway between those of a grid as well.

    Between voxels linear interpolation cuts corners: above 0 a small structure would lose a fifth of its volume.
    """
    parts = [distances]
    for axis in range(3):
        # A quarter of a voxel to either side; the rim has no end that matters.
        parts = [0.75 * one + 0.25 * np.roll(one, way, axis) for one in parts for way in (-1, 1)]
    values = np.concatenate([one.ravel() for one in parts])
    most = int(np.clip(round(voxels * len(parts)), 1, len(values) - 1))
    return np.float32(-np.partition(-values, most)[most])
