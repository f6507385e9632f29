"""Left and right, as structures are named by them."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

import numpy as np

from rprloc.scans.record import Structure

_TWINS = {"left": "right", "l": "r", "lh": "rh"}
"""Parts of names of structures on the left, and of their twins on the right."""
_SIDES = (
    "Left and right are as each scan's header says. One that exchanges them alone is noticed where the sides look "
    "different, as in most abdomens; in heads and brains it is not."
)
_APART = 0.5
"""Twins whose middles are nearer along x than this part of their width may lie one behind the other."""


def said_of_sides(structures: Collection[str]) -> str:
    """Return what is to be known where structures are named left and right; an empty text where none are."""
    folded = {name.lower() for name in structures}
    return _SIDES if any(_twin(name) in folded for name in structures) else ""


def exchanged(structures: Mapping[str, Structure]) -> tuple[str, ...]:
    """Return a sentence for each structure whose name says left and which lies to the right of its twin, LPS mm."""
    folded = {name.lower(): name for name in structures}
    said = []
    for name, structure in structures.items():
        twin = folded.get(_twin(name) or "")
        if twin is None:
            continue
        left, right = structure.box_mm[:, 0], structures[twin].box_mm[:, 0]
        if left.mean() < right.mean() - _APART * (np.ptp(left) + np.ptp(right)) / 2:
            said.append(f"{name} lies to the patient's right of {twin}, as in a mirrored scan or with exchanged names")
    return tuple(said)


def _twin(name: str) -> str | None:
    """Return the folded name of a left structure's twin; None for a name that says no side, or right."""
    parts = re.split(r"([._-])", name.lower())
    at = next((number for number, part in enumerate(parts) if part in _TWINS), None)
    return None if at is None else "".join([*parts[:at], _TWINS[parts[at]], *parts[at + 1 :]])
