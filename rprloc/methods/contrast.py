"""How a structure's grey values stand out against those around it, in a support and where a query is to have it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rprloc.geometry import Affine, FloatArray, box_of_points
from rprloc.methods.laid import Places
from rprloc.methods.looks import Looks
from rprloc.scans.shapes import Shape

_AROUND_MM = 15.0
"""Beyond the structure that it is compared with."""
_POINTS = 1500
"""Drawn within its box, and as many within what is around."""
_RIM_MM, _RIM = 2.0, 0.3
"""Around the surface that counts for neither side: mm, but within at most so much of the structure's depth."""
_LEAST_MM = 5.0
"""Half the size that a structure of which only points are known has at least."""
_FEWEST = 20
"""Points of each side that both scans must show."""


@dataclass(frozen=True)
class Contrast:
    """Points in a structure of a support and around it."""

    points_mm: FloatArray
    """(n, 3)."""
    greys: FloatArray
    """(n,), NaN where the support does not show them."""
    within: NDArray[np.bool_]
    """(n,)."""

    @classmethod
    def of(cls, looks: Looks, points_mm: FloatArray, shape: Shape | None, generator: np.random.Generator) -> Contrast:
        """Draw points of a structure with known points (n, 3); without its shape it is taken for an ellipsoid."""
        low, high = box_of_points(points_mm)
        middle, half = (low + high) / 2, np.maximum((high - low) / 2, _LEAST_MM)
        drawn = middle + np.concatenate(
            [generator.uniform(-1, 1, (_POINTS, 3)) * size for size in (half, half + _AROUND_MM)]
        )
        if shape is None:
            depth = (1 - np.linalg.norm((drawn - middle) / half, axis=1)) * half.min()
        else:
            depth = shape.at(drawn).astype(np.float64)
        rim = min(_RIM_MM, _RIM * max(float(depth.max()), 0.0))
        counts = (depth > rim) | (depth < -_RIM_MM)
        return cls(drawn[counts], _greys(looks, drawn[counts]), depth[counts] > 0)

    def differs(self, query: Looks, laid: Affine) -> float | None:
        """Return how differently the structure stands out in a query on which it is laid, in standard deviations of the
        grey values; None where they do not show enough of it.
        """
        there = _greys(query, laid.carried(self.points_mm))
        seen = np.isfinite(self.greys) & np.isfinite(there)
        within = self.within[seen]
        if min(within.sum(), (~within).sum()) < _FEWEST:
            return None
        own, found = (_stands_out(greys[seen], within) for greys in (self.greys, there))
        return abs(own - found)


def _stands_out(greys: FloatArray, within: NDArray[np.bool_]) -> float:
    """Return how much brighter grey values (n,) are within than around."""
    return float((np.median(greys[within]) - np.median(greys[~within])) / (greys.std() + 1e-3))


def _greys(looks: Looks, points_mm: FloatArray) -> FloatArray:
    """Return the grey values (n,) at points (n, 3); NaN where the scan does not show them."""
    places = Places.of(looks.features, points_mm)
    return np.where(places.values[-1].numpy() > 0, places.grey, np.nan)
