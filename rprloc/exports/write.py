"""Every kind of file that answers are exported as."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rprloc.cohort.exports import MARGIN_MM
from rprloc.errors import InputError
from rprloc.exports.boxes import write_boxes
from rprloc.exports.crops import write_crops
from rprloc.exports.masks import write_masks
from rprloc.exports.query import Query
from rprloc.exports.slicer import write_slicer


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
