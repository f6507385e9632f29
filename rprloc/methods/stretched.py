"""Whether a query is longer along one axis than its supports: then the spacing that its header names is doubted."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from rprloc.geometry import FloatArray
from rprloc.methods.answer import Answers, Found, Key
from rprloc.methods.looks import affine_of, corners_of
from rprloc.scans.scan import Scan

LIMIT = 1.4
"""Patients of a cohort differ by less (docs/results/lost.md)."""
_WAYS = ("from left to right", "from front to back", "from feet to head")


def stretched(supports: Mapping[str, Scan], answers: Answers) -> str | None:
    """Return what is to be said of a query, "what: what was done", in which supports (by subject) were laid LIMIT times
    as long along one axis as along the others, or as short; None for any other. Methods that find walls without laying
    a support on the query tell nothing.
    """
    together: dict[tuple[str, str, str], list[tuple[FloatArray, FloatArray]]] = {}
    for key, answer in answers.items():
        support = supports.get(key.support)
        if not isinstance(answer, Found) or answer.carry is None or support is None:
            continue
        if key.structure in support.structures:
            points = corners_of(support, key.structure, answer.points_mm)
            together.setdefault(_alone(key), []).append((points, answer.points_mm))
    if not together:
        return None
    lengths = np.median([_lengths(pairs) for pairs in together.values()], axis=0)
    other = lengths * 1.5 - lengths.sum() / 2
    axis = int(np.abs(other).argmax())
    times = float(np.exp(other[axis]))
    if 1 / LIMIT < times < LIMIT:
        return None
    return (
        f"by its looks it is {times:.1f} times as long {_WAYS[axis]} as the supports: answered as its header says, "
        f"whose spacing is doubted"
    )


def _alone(key: Key) -> tuple[str, str, str]:
    """Return of what answer of one support a key is."""
    return key.method, key.setting, key.support


def _lengths(pairs: list[tuple[FloatArray, FloatArray]]) -> FloatArray:
    """Return the logarithms (3,) of how much longer the axes become that take points of a support to their answers."""
    laid = affine_of(*(np.concatenate(points) for points in zip(*pairs, strict=True)))
    return np.asarray(np.log(np.maximum(np.linalg.norm(laid.matrix, axis=0), 1e-3)))
