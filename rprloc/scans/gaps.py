"""Gaps: slices that were left out where a structure was drawn on every second or third one."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from rprloc.scans.boxes import LabelVoxels

_FEWEST = 3
"""Gaps: two lie between three pieces of what has pieces."""
_NAMED = 8
"""Structures that a sentence lists at most."""
_ALIKE = 0.8
"""Part of the drawn slices that stand alone, and of the gaps that are as long as the commonest: specks, as vessels are,
have gaps of any length.
"""


def gaps(label: LabelVoxels, values: Mapping[str, int]) -> tuple[str, ...]:
    """Return a sentence of the structures of the values that are drawn on some slices and not on those between."""
    found = []
    for name, value in values.items():
        mask = label.inside(value)
        for axis in range(3):
            drawn: NDArray[np.bool_] = np.asarray(mask.any(axis=tuple({0, 1, 2} - {axis})))
            if _regular(drawn):
                found.append(f"{name} on {np.count_nonzero(drawn)} of {len(drawn)}")
                break
    if not found:
        return ()
    more = f" and {len(found) - _NAMED} others" if len(found) > _NAMED else ""
    return (f"drawn with gaps between slices ({', '.join(found[:_NAMED])}{more}), which outlines will have too",)


def _regular(drawn: NDArray[np.bool_]) -> bool:
    """Tell whether of slices (n,), whose first and last are drawn, mostly single ones are, in even distances."""
    ends = np.flatnonzero(np.diff(np.concatenate([[False], drawn, [False]]).astype(np.int8)))
    runs, between = ends[1::2] - ends[::2], ends[2::2] - ends[1:-1:2]
    if len(between) < _FEWEST:
        return False
    return bool((runs == 1).mean() >= _ALIKE and np.bincount(between).max() >= _ALIKE * len(between))
