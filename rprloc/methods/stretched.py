"""Whether a query is longer along one axis than its supports: then the spacing that its header names is doubted."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from rprloc.geometry import FloatArray
from rprloc.methods.answer import Found, Key
from rprloc.methods.looks import Points, laid_of
from rprloc.scans.scan import Scan

LIMIT = 1.4
"""Patients of a cohort differ by less (docs/results/lost.md)."""
_WAYS = ("from left to right", "from front to back", "from feet to head")


def stretched(supports: Mapping[str, Scan], answers: Mapping[Key, Found]) -> str | None:
    """Return what is to be said of a query, "what: what was done", in which supports (by subject) were laid LIMIT times
    as long along one axis as along the others, or as short; None for any other. Methods that find walls without laying
    a support on the query tell nothing.
    """
    together: dict[tuple[str, str, str], dict[str, FloatArray]] = {}
    for key, answer in answers.items():
        support = supports.get(key.support)
        if answer.carry is not None and support is not None and key.structure in support.structures:
            together.setdefault((key.method, key.setting, key.support), {})[key.structure] = answer.points_mm
    if not together:
        return None
    lengths = np.median([_lengths(supports[name], own) for (_, _, name), own in together.items()], axis=0)
    other = lengths * 1.5 - lengths.sum() / 2
    axis = int(np.abs(other).argmax())
    times = float(np.exp(other[axis]))
    if 1 / LIMIT < times < LIMIT:
        return None
    return (
        f"by its looks it is {times:.1f} times as long {_WAYS[axis]} as the supports: answered as its header says, "
        f"whose spacing is doubted"
    )


def _lengths(support: Scan, answers: Points) -> FloatArray:
    """Return the logarithms (3,) of how much longer the axes become that take a support to answers."""
    return np.asarray(np.log(np.maximum(np.linalg.norm(laid_of(support, answers).matrix, axis=0), 1e-3)))
