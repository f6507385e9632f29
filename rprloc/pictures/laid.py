"""A scan's voxels, or a part of them, with their axes named and turned as radiologists look at a patient.

No voxel is resampled: axes are exchanged and turned round until the first grows to the patient's left, the second to
the posterior, the third to the superior, each as nearly as the scan's own axes do.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rprloc.geometry import FloatArray
from rprloc.scans.frame import Frame

SLANTED = 0.3
"""From this part of an axis on a second letter says that it slants: 17 degrees."""
_LETTERS = (("R", "L"), ("A", "P"), ("I", "S"))


@dataclass(frozen=True)
class Laid:
    """Voxels (z, y, x) whose axes x, y, z point as nearly as may be to the left, the posterior and the superior."""

    values: NDArray[Any]
    frame: Frame

    @classmethod
    def of(cls, values: NDArray[Any], frame: Frame, first: Sequence[int] = (0, 0, 0)) -> Laid:
        """Lay voxels (k, j, i) of a frame, of which `first` (i, j, k) is the first one, without copying them."""
        axes, turned = _axes_of(frame)
        laid = values.transpose([2 - axes[2], 2 - axes[1], 2 - axes[0]])
        columns, corner = frame.axes_mm[:, axes], np.asarray(first, dtype=np.float64)
        for world, axis in enumerate(axes):
            if turned[world]:
                laid = np.flip(laid, axis=2 - world)
                corner[axis] += values.shape[2 - axis] - 1
        return cls(laid, Frame(columns * np.where(turned, -1, 1), frame.world(corner)))

    @property
    def size(self) -> tuple[int, int, int]:
        """Voxels along x, y, z."""
        z, y, x = self.values.shape
        return x, y, z

    def part(self, low_mm: FloatArray, high_mm: FloatArray) -> Laid | None:
        """Return the voxels that a box along the LPS axes touches; None where it touches none."""
        corners = np.array(list(itertools.product(*zip(low_mm, high_mm, strict=True))))
        edges = self.frame.voxel(corners) + 0.5
        first = np.clip(np.floor(edges.min(axis=0)), 0, self.size).astype(int)
        stop = np.clip(np.ceil(edges.max(axis=0)), 0, self.size).astype(int)
        if not (stop > first).all():
            return None
        part = self.values[first[2] : stop[2], first[1] : stop[1], first[0] : stop[0]]
        return Laid(part, Frame(self.frame.axes_mm, self.frame.world(first.astype(np.float64))))

    def coarser(self, most: int) -> Laid:
        """Return means of blocks of voxels, so many at most: the finest axes are made coarser first."""
        steps, spacing = np.ones(3, dtype=int), self.frame.spacing_mm
        while np.prod(np.array(self.size) // steps) > most:
            can = np.array(self.size) // (steps + 1) >= 1
            steps[int(np.argmin(np.where(can, spacing * steps, np.inf)))] += 1
        return self._blocks(steps)

    def _blocks(self, steps: NDArray[np.int_]) -> Laid:
        """Return means of blocks of so many voxels along x, y, z; what is left over at the ends is cut off."""
        if (steps == 1).all():
            return self
        size = np.array(self.size) // steps
        cut = self.values[: size[2] * steps[2], : size[1] * steps[1], : size[0] * steps[0]]
        blocks = cut.reshape(size[2], steps[2], size[1], steps[1], size[0], steps[0]).mean(axis=(1, 3, 5))
        frame = Frame(self.frame.axes_mm * steps, self.frame.world((steps - 1) / 2))
        return Laid(blocks.astype(np.float32), frame)

    def on(self, other: Laid) -> NDArray[np.bool_]:
        """Return which voxels (z, y, x) of another grid along the same axes lie in this mask, by their centres."""
        found = np.zeros(other.values.shape, dtype=np.bool_)
        step = np.diag(np.linalg.inv(self.frame.axes_mm) @ other.frame.axes_mm)
        start = self.frame.voxel(other.frame.origin_mm)
        places = [np.floor(start[a] + step[a] * np.arange(other.size[a]) + 0.5).astype(int) for a in range(3)]
        inside = [np.flatnonzero((own >= 0) & (own < n)) for own, n in zip(places, self.size, strict=True)]
        into = np.ix_(*(inside[axis] for axis in (2, 1, 0)))
        found[into] = self.values[np.ix_(*(places[axis][inside[axis]] for axis in (2, 1, 0)))]
        return found


def _axes_of(frame: Frame) -> tuple[list[int], NDArray[np.bool_]]:
    """Return which axis of voxels serves for x, y and z, each another one, and which of them have to be turned."""
    direction = frame.direction
    axes = max(itertools.permutations(range(3)), key=lambda one: sum(abs(direction[w, a]) for w, a in enumerate(one)))
    return list(axes), np.array([direction[world, axis] < 0 for world, axis in enumerate(axes)])


def letters_of(direction: FloatArray) -> tuple[str, str]:
    """Return what a side is called, and the one across, that an axis (3,), LPS, points to: `L` and `R`, or `LP` and
    `RA` where it slants.
    """
    size = np.abs(direction) / np.linalg.norm(direction)
    named = [axis for axis in np.argsort(-size, kind="stable") if size[axis] >= SLANTED]
    ends = ["".join(_LETTERS[axis][int((direction[axis] > 0) == far)] for axis in named) for far in (True, False)]
    return ends[0], ends[1]
