"""Which values of a scan are shown black and white, and how they are kept in a byte."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rprloc.scans.volume import SOFT_TISSUE_HU

CT_KNOTS = ((-1024.0, 0.0), (-200.0, 48.0), (300.0, 215.0), (1500.0, 248.0), (3071.0, 255.0))
"""Values in HU and the grey that keeps them: steps of 3 HU in soft tissue, of 17 in lung, of 36 in bone."""
Knots = tuple[tuple[float, float], ...]


def window_of(values: NDArray[Any], modality: str) -> tuple[float, float]:
    """Return the values shown as black and white: of MR, whose values mean nothing, nearly all of those in the body."""
    inside = values[values > 0] if modality == "mr" else values[:0]
    if not inside.size:
        return SOFT_TISSUE_HU
    low, high = (float(value) for value in np.percentile(inside, [1, 99]))
    return low, max(high, low + 1)


def knots_of(values: NDArray[Any], modality: str) -> Knots:
    """Return the curve (value, grey) by which values are kept in a byte."""
    if modality != "mr" or not (values > 0).any():
        return CT_KNOTS
    low, high = (float(value) for value in np.percentile(values, [0, 99.9]))
    return (low, 0.0), (max(high, low + 1), 255.0)


def kept(values: NDArray[Any], knots: Knots) -> NDArray[np.uint8]:
    """Return values as bytes."""
    at, grey = zip(*knots, strict=True)
    return np.interp(values, at, grey).round().astype(np.uint8)
