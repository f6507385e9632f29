"""Slices that are missing, empty, twice there or in another order."""

from __future__ import annotations

from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

_FEWEST = 8
"""Slices that say what is usual."""
_TIMES = 3.0
"""How many times as much two slices differ as those beside them; of 125 ordinary scans none exceeds 1.7."""
_COPIES_PART = 0.2
"""Of the slices that show something, those that are their neighbour's copy: a few may be a scanner's."""
_RUN = 2
"""Copies in a row at most that a program makes of one slice."""
_ENDS = (1, 99)
"""Percentiles beyond which values count no more: a piece of metal is no other slice."""
_NAMED = 3
"""Gaps that are named."""
_ALTERNATING = 1.15
"""How many times as much the next slice differs as the one behind it where two scans alternate; of 125 ordinary scans
none exceeds 0.7.
"""
_CELLS = 96
"""About how many pixels along an axis are compared."""


def slice_findings(image: sitk.Image) -> tuple[str, ...]:
    """Return what is odd about the order of a scan's slices, which lie along its file's third axis."""
    values = sitk.GetArrayViewFromImage(image)
    every = [max(1, size // _CELLS) for size in values.shape[1:]]
    slices = np.asarray(values[:, :: every[0], :: every[1]], dtype=np.float32)
    if len(slices) < _FEWEST or np.isnan(slices).any():
        return ()
    shown = np.ptp(slices, axis=(1, 2)) > 0
    if empty := _between(shown):
        return (f"{empty}, as where slices could not be read: what lies there is not seen",)
    copies = _copies((slices[1:] == slices[:-1]).all(axis=(1, 2)) & shown[1:])
    if copies > _COPIES_PART * np.count_nonzero(shown):
        return (
            f"{copies} of {len(slices)} slices are copies of those before them: places along the slices may be wrong",
        )
    next_, second = (float(np.abs(slices[step:] - slices[:-step]).mean()) for step in (1, 2))
    if next_ > _ALTERNATING * second:
        return ("every second of its slices looks as of another scan: neighbours are less alike than those beyond",)
    # Beside an empty slice, as padding is, any other differs.
    apart = np.where(shown[1:] & shown[:-1], _apart(slices), 0.0)
    jump = int(apart.argmax())
    if apart[jump] <= _TIMES:
        return ()
    return (
        f"slices {jump + 1} and {jump + 2} of {len(slices)} differ {apart[jump]:.0f} times as much as those beside "
        "them, as where slices are missing or in another order",
    )


def _between(shown: NDArray[np.bool_]) -> str:
    """Return in words which slices (n,) between those that show something show nothing; empty where all do."""
    there = np.flatnonzero(shown)
    gaps = np.flatnonzero(np.diff(there) > 1)
    if not len(gaps):
        return ""
    ends = [(there[gap] + 2, there[gap + 1]) for gap in gaps]
    ranges = [f"{first} to {last}" if first < last else f"{first}" for first, last in ends]
    return f"of {len(shown)} slices {' and '.join(ranges[:_NAMED])}{' and others' * (len(ranges) > _NAMED)} are empty"


def _copies(same: NDArray[np.bool_]) -> int:
    """Return how many slices are copies of those before them (n,), but for long runs: no patient has them."""
    ends = np.flatnonzero(np.diff(np.concatenate([[0], same.astype(np.int8), [0]])))
    runs = ends[1::2] - ends[::2]
    return int(runs[runs <= _RUN].sum())


def _apart(slices: NDArray[np.float32]) -> NDArray[Any]:
    """Return how many times as much two slices of (n, y, x) differ as those before and behind them do (n - 1,)."""
    differences = np.abs(np.diff(np.clip(slices, *np.percentile(slices, _ENDS)), axis=0)).mean(axis=(1, 2))
    usual = np.median(differences[differences > 0]) if differences.any() else 1.0
    beside = np.maximum(np.maximum(differences[:-2], differences[2:]), usual)
    return np.concatenate([[0.0], differences[1:-1] / beside, [0.0]])
