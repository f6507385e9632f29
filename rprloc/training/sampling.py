"""Drawing patch centres: anywhere in the body (coarse) or close together (fine)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

IndexArray = NDArray[np.int64]

_TRIES = 8


@dataclass(frozen=True)
class BodyVoxels:
    """The body of one scan, to draw patch centres from."""

    mask: NDArray[np.bool_]
    """(z, y, x)."""
    voxels: NDArray[np.int32]
    """(n,), the number of every voxel of the mask in C order."""

    @classmethod
    def of(cls, mask: NDArray[np.bool_]) -> BodyVoxels:
        """List the voxels of a body mask (z, y, x)."""
        return cls(mask, np.flatnonzero(mask).astype(np.int32))

    def draw(self, count: int, generator: np.random.Generator) -> IndexArray:
        """Return `count` voxels (count, 3) of the body in (z, y, x), each equally likely, repeats allowed."""
        numbers = self.voxels[generator.integers(len(self.voxels), size=count)]
        return np.stack(np.unravel_index(numbers, self.mask.shape), axis=1)

    def draw_near(
        self, count: int, reach_mm: float, spacing_mm: tuple[float, float, float], generator: np.random.Generator
    ) -> IndexArray:
        """Return `count` voxels (count, 3): one anywhere in the body, the others within +-reach of it on each axis.

        `spacing_mm` is (z, y, x). Voxels exactly at the reach may be drawn. The fine network is trained on such
        groups (section 2 of the paper, M_f).
        """
        anchor = self.draw(1, generator)
        reach = np.floor(reach_mm / np.asarray(spacing_mm) + 1e-6).astype(np.int64)
        moved = anchor + generator.integers(-reach, reach + 1, size=((count - 1) * _TRIES, 3))
        inside = np.all((moved >= 0) & (moved < self.mask.shape), axis=1)
        inside[inside] = self.mask[tuple(moved[inside].T)]
        near = moved[inside][: count - 1]
        # In a corner of the body hardly any draw may hit: the anchor itself is always right.
        missing = np.repeat(anchor, count - 1 - len(near), axis=0)
        return np.concatenate([anchor, near, missing])


def draw_group(
    body: BodyVoxels,
    count: int,
    *,
    network: str,
    r_mm: float,
    spacing_mm: tuple[float, float, float],
    generator: np.random.Generator,
) -> IndexArray:
    """Return the centres (count, 3) of a group of patches of one scan, in voxels (z, y, x)."""
    if network == "coarse":
        return body.draw(count, generator)
    return body.draw_near(count, r_mm, spacing_mm, generator)
