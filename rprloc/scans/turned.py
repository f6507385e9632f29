"""A scan whose axes do not lie as its file says: turned, mirrored, or with axes exchanged, as a scan like any other."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from rprloc.geometry import FloatArray, Grid
from rprloc.scans.record import Native
from rprloc.scans.resampling import covering_grid, resample, resample_label
from rprloc.scans.scan import Scan, Volume

_ENDS = (("left", "right"), ("back", "front"), ("head", "feet"))
"""Where LPS axes point to, and where they come from."""


@dataclass(frozen=True)
class Turn:
    """Where a scan's axes lie in truth: axis i of the patient is `signs[i]` times axis `axes[i]` of the file."""

    axes: tuple[int, int, int]
    signs: tuple[int, int, int]

    @property
    def matrix(self) -> FloatArray:
        """The matrix (3, 3) that takes a point (x, y, z) of the file to the patient's: a permutation with signs."""
        found = np.zeros((3, 3))
        found[range(3), self.axes] = self.signs
        return found

    @property
    def mirrors(self) -> bool:
        """Whether it makes a left hand a right one."""
        return bool(np.linalg.det(self.matrix) < 0)

    @property
    def inverse(self) -> Turn:
        """The turn that undoes it."""
        axes = [self.axes.index(axis) for axis in range(3)]
        signs = [self.signs[axis] for axis in axes]
        return Turn((axes[0], axes[1], axes[2]), (signs[0], signs[1], signs[2]))

    @property
    def mirrored(self) -> Turn:
        """The same turn of the patient with left and right exchanged."""
        x, y, z = self.signs
        return Turn(self.axes, (-x, y, z))

    def back(self, points_mm: FloatArray) -> FloatArray:
        """Return where points (..., 3) of the turned scan lie in the file's frame."""
        return np.asarray(points_mm @ self.matrix)

    def __str__(self) -> str:
        """Return in words where the file's axes lie."""
        exchanged = [
            f"{ends[0]} and {ends[1]}"
            for axis, ends in enumerate(_ENDS)
            if self.axes == (0, 1, 2) and self.signs[axis] < 0
        ]
        if exchanged:
            return f"{' as well as '.join(exchanged)} are exchanged"
        towards = [
            f"{_ENDS[axis][sign < 0]} where its header says {_ENDS[own][0]}"
            for axis, (own, sign) in enumerate(zip(self.axes, self.signs, strict=True))
            if (axis, 1) != (own, sign)
        ]
        return f"its axes are exchanged: {', '.join(towards)}"


UNTURNED = Turn((0, 1, 2), (1, 1, 1))

TURNS = tuple(
    Turn((a, b, c), (x, y, z))
    for a, b, c in itertools.permutations(range(3))
    for x, y, z in itertools.product((1, -1), repeat=3)
)
"""All 48 ways in which axes may be exchanged and turned round, the scan as it is first."""


def turned(scan: Scan, turn: Turn) -> Scan:
    """Return a scan as it is where `turn` says how its axes lie, without its label: on grids of the same spacing, in
    a frame of its own, from which `turn.back` takes points to the file's.
    """
    values, grid = _values(scan.values, scan.grid, turn)
    body = resample_label(_image(scan.body.astype(np.uint8), scan.grid, turn), grid).astype(np.bool_)
    finer = None
    if scan.record.matching is not None:
        volume = scan.matching()
        finer = Volume(*_values(volume.values, volume.grid, turn))
    record = replace(
        scan.record, model=grid, matching=None if finer is None else finer.grid, structures={}, label=False
    )
    return Scan(record, values, body, finer=finer)


def _values(values: NDArray[np.int16], grid: Grid, turn: Turn) -> tuple[NDArray[np.int16], Grid]:
    """Return values (z, y, x) and their grid where a turn says how the axes lie."""
    image = _image(values, grid, turn)
    covering = covering_grid(image, np.asarray(grid.spacing_mm))
    # What is outside a scan is what is at its darkest: its file's edge may cut the patient.
    return np.rint(resample(image, covering, outside=float(values.min()))).astype(np.int16), covering


def _image(values: NDArray[np.generic], grid: Grid, turn: Turn) -> sitk.Image:
    """Return an array (z, y, x) as an image whose axes lie as a turn says."""
    direction, origin = tuple(turn.matrix.ravel().tolist()), tuple((turn.matrix @ grid.origin_mm).tolist())
    lying = Native(size=grid.size, spacing_mm=grid.spacing_mm, direction=direction, origin_mm=origin)
    return lying.image(values)
