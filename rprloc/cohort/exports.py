"""As what answers may be exported, and what `--exports` asks for."""

from __future__ import annotations

import re

from rprloc.cohort.faults import Fault, listed, parameter_fault
from rprloc.errors import nearest

EXPORTS = ("slicer", "masks", "csv", "crops", "rtstruct", "dicomseg")
"""The kinds, in the order in which they are written."""
OUTLINES = ("slicer", "masks", "rtstruct", "dicomseg")
"""Those that are of outlines."""
MARGIN_MM = 10
"""Around the boxes of crops."""


def parse_exports(text: str | None) -> tuple[tuple[str, ...], list[Fault]]:
    """Return the kinds that `--exports` names, between commas or spaces, in their order, and a fault for each unknown
    name.
    """
    names = [name for name in re.split(r"[,\s]+", (text or "").strip()) if name]
    faults = [
        parameter_fault("exports", name, f"{listed(EXPORTS)}{nearest(name, EXPORTS)}")
        for name in names
        if name not in EXPORTS
    ]
    return tuple(kind for kind in EXPORTS if kind in names), faults
