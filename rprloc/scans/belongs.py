"""Signs that a label is not of its scan."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rprloc.scans.body import Mask
from rprloc.scans.record import Structure

_IN_AIR_PART = 0.5
"""Of a structure's voxels that lie outside the body where the label is not of the scan."""


def in_air(structures: Mapping[str, Structure], label: NDArray[np.integer[Any]], body: Mask) -> tuple[str, ...]:
    """Return what is to be said where a label (z, y, x) draws structures that lie mostly outside the body (z, y, x)."""
    drawn = np.bincount(label.ravel(), minlength=1)
    outside = np.bincount(label[~body], minlength=len(drawn))
    said = [
        f"{name} {outside[one.value] / drawn[one.value]:.0%}"
        for name, one in structures.items()
        if one.is_drawn and one.value < len(drawn) and outside[one.value] > _IN_AIR_PART * drawn[one.value]
    ]
    return (
        (f"of {', '.join(said)} of what is drawn lies in air, as of another scan's label or of a moved one",)
        if said
        else ()
    )
