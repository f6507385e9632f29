"""World and voxel coordinates, walls and boxes.

World points are LPS millimetres in the order (x, y, z); voxel indices are (z, y, x), as arrays are. A scan in model
space has the identity direction: one origin and one spacing say everything.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float64]

WALLS = ("right", "left", "anterior", "posterior", "inferior", "superior")
"""The six walls of a box: x min, x max, y min, y max, z min, z max."""

CORNERS = ("minimum", "maximum")
"""The two diagonal corners of a box."""

POINT = ("point",)
"""What a single landmark has."""

LANDMARKS = {len(names): names for names in (WALLS, CORNERS, POINT)}
"""What landmarks are called, by how many there are."""

FAR_MM = 2.0
"""What is further from the robust mean counts as if it were so far."""
_ROUNDS = 40


@dataclass(frozen=True)
class Grid:
    """The voxel grid of a scan in model space: identity direction, axes x, y, z in LPS millimetres."""

    size: tuple[int, int, int]
    """Voxels along x, y, z."""
    spacing_mm: tuple[float, float, float]
    origin_mm: tuple[float, float, float]
    """World point of the first voxel's centre."""

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Grid:
        """Read the `model` entry of a preprocessed scan's JSON."""
        x, y, z = (int(n) for n in values["size"])
        sx, sy, sz = (float(s) for s in values["spacing_mm"])
        ox, oy, oz = (float(o) for o in values["origin_mm"])
        return cls((x, y, z), (sx, sy, sz), (ox, oy, oz))

    def to_json(self) -> dict[str, Any]:
        """Return the entry that `from_json` reads."""
        return {"size": list(self.size), "spacing_mm": list(self.spacing_mm), "origin_mm": list(self.origin_mm)}

    @property
    def box_mm(self) -> FloatArray:
        """The box (2, 3) in mm from the first to the last voxel's outer edges."""
        return self.world(np.stack([np.zeros(3), np.array(self.size[::-1])]) - 0.5)

    def world(self, index_voxel: Any) -> FloatArray:
        """Return the world points (..., 3) in (x, y, z) mm of voxel indices (..., 3) in (z, y, x)."""
        index = np.asarray(index_voxel, dtype=np.float64)[..., ::-1]
        return np.asarray(self.origin_mm) + index * np.asarray(self.spacing_mm)

    def voxel(self, points_mm: Any) -> FloatArray:
        """Return the fractional voxel indices (..., 3) in (z, y, x) of world points (..., 3) in (x, y, z) mm."""
        index = (np.asarray(points_mm, dtype=np.float64) - np.asarray(self.origin_mm)) / np.asarray(self.spacing_mm)
        return index[..., ::-1]

    def nearest_voxel(self, points_mm: Any) -> NDArray[np.int64]:
        """Return the voxel indices (..., 3) in (z, y, x) nearest to world points, kept inside the grid."""
        last = np.asarray(self.size[::-1]) - 1
        return np.clip(np.rint(self.voxel(points_mm)), 0, last).astype(np.int64)


@dataclass(frozen=True)
class Affine:
    """A point p (x, y, z) of the support lies at matrix p + shift in the query, in mm."""

    matrix: FloatArray
    """(3, 3)."""
    shift: FloatArray
    """(3,)."""

    def carried(self, points_mm: FloatArray) -> FloatArray:
        """Return where points (..., 3) lie in the query."""
        return np.asarray(points_mm @ self.matrix.T + self.shift)


def robust_mean(values_mm: Any, axis: int = 0, weights: Any = 1.0) -> FloatArray:
    """Return the mean of values in mm along an axis, by weights that are broadcast to them; what is far away has only
    so much say, and NaN are left out.

    It is Huber's M-estimate of location (Annals of Mathematical Statistics 1964), by iteratively reweighted means from
    the median on: a value counts as if it were at most 2 mm away. So it is nearly the mean where the values agree, and
    hardly further from the others than the median where one of them is wrong. Walls keep their order.
    """
    values = np.asarray(values_mm, dtype=np.float64)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "All-NaN slice encountered", RuntimeWarning)
        middle = np.nanmedian(values, axis=axis, keepdims=True)
    known = ~np.isnan(values) * np.asarray(weights, dtype=np.float64)
    for _ in range(_ROUNDS):
        residuals = np.where(known > 0, values - middle, 0)
        own = known / np.maximum(1, np.abs(residuals) / FAR_MM)
        # Where there is no value at all 0 / 0 would warn, and the median is NaN already.
        total = np.maximum(own.sum(axis=axis, keepdims=True), np.finfo(np.float64).tiny)
        middle = middle + (own * residuals).sum(axis=axis, keepdims=True) / total
    return np.asarray(middle.squeeze(axis=axis))


def walls_of(directions: Iterable[Sequence[float]]) -> tuple[str, ...]:
    """Return the walls that lie in directions (3,), LPS, each of the axis nearest it, in the order of WALLS."""
    numbers = set()
    for direction in directions:
        axis = max(range(3), key=lambda i: abs(direction[i]))
        numbers.add(2 * axis + int(direction[axis] > 0))
    return tuple(WALLS[number] for number in sorted(numbers))


def wall_centres(box_mm: Any) -> FloatArray:
    """Return the middles (6, 3) of the walls of a box (2, 3), in the order of WALLS."""
    box = np.asarray(box_mm, dtype=np.float64)
    centres = np.tile(box.mean(axis=0), (len(WALLS), 1))
    for number in range(len(WALLS)):
        axis, end = divmod(number, 2)
        centres[number, axis] = box[end, axis]
    return centres


def box_of_points(points_mm: Any) -> FloatArray:
    """Return the box (2, 3) in mm, minimum and maximum, of points (..., n, 3) (section 2 of the paper)."""
    points = np.asarray(points_mm, dtype=np.float64)
    return np.stack([points.min(axis=-2), points.max(axis=-2)], axis=-2)


def box_iou(first_mm: ArrayLike, second_mm: ArrayLike) -> FloatArray:
    """Return the intersection over union (...) of boxes (..., 2, 3), a fraction; two boxes without volume give 0."""
    first, second = np.asarray(first_mm, dtype=np.float64), np.asarray(second_mm, dtype=np.float64)
    low = np.maximum(first[..., 0, :], second[..., 0, :])
    high = np.minimum(first[..., 1, :], second[..., 1, :])
    common = np.prod(np.clip(high - low, 0, None), axis=-1)
    union = _volume(first) + _volume(second) - common
    return np.asarray(np.divide(common, union, out=np.zeros_like(union), where=union > 0))


def _volume(box_mm: FloatArray) -> FloatArray:
    """Return the volumes (...) in cubic mm of boxes (..., 2, 3)."""
    return np.asarray(np.prod(box_mm[..., 1, :] - box_mm[..., 0, :], axis=-1))
