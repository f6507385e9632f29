"""Every kind of file that answers are exported as."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rprloc.errors import InputError, nearest
from rprloc.exports.boxes import write_boxes
from rprloc.exports.crops import write_crops
from rprloc.exports.masks import write_masks
from rprloc.exports.query import Query
from rprloc.exports.slicer import write_slicer

KINDS = ("slicer", "masks", "csv", "crops")
MARGIN_MM = 10
"""Around the boxes of crops."""


def parse_kinds(text: str | None) -> tuple[str, ...]:
    """Return the kinds that `--exports` names, between commas; none for no text. Raises InputError for unknown ones."""
    names = [name.strip() for name in (text or "").split(",") if name.strip()]
    for name in names:
        if name not in KINDS:
            raise InputError(f"exports: found {name!r}, expected some of {', '.join(KINDS)}{nearest(name, KINDS)}.")
    return tuple(kind for kind in KINDS if kind in names)


def write_exports(folder: Path, kinds: Sequence[str], query: Query, *, margin_mm: float = MARGIN_MM) -> list[str]:
    """Write a query's answers below a folder, <kind>/<cohort>/..., and return sentences on what could not be written.

    Raises OSError, as for a full disk.
    """
    said: list[str] = []
    if "slicer" in kinds:
        write_slicer(folder, query)
    if "csv" in kinds:
        write_boxes(folder, query)
    if "masks" in kinds:
        said += write_masks(folder, query)
    if "crops" in kinds:
        try:
            said += write_crops(folder, query, margin_mm=margin_mm)
        except InputError as error:
            said += error.errors
    return said
