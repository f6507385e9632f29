"""Every kind of file that answers are exported as."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from rprloc.cohort.exports import MARGIN_MM
from rprloc.errors import InputError
from rprloc.exports.boxes import write_boxes
from rprloc.exports.crops import write_crops
from rprloc.exports.masks import write_masks
from rprloc.exports.query import Query
from rprloc.exports.scene import write_scene
from rprloc.exports.slicer import write_slicer


def write_exports(folder: Path, kinds: Sequence[str], query: Query, *, margin_mm: float = MARGIN_MM) -> list[str]:
    """Write a query's answers below a folder, <kind>/<cohort>/..., and return sentences on what could not be written.

    Raises OSError, as for a full disk.
    """
    said: list[str] = []
    if "slicer" in kinds:
        write_slicer(folder, query)
        said += _tried(lambda: write_scene(folder, query))
    if "csv" in kinds:
        write_boxes(folder, query)
    if "masks" in kinds:
        said += write_masks(folder, query)
    if "crops" in kinds:
        said += _tried(lambda: write_crops(folder, query, margin_mm=margin_mm))
    if wanted := [kind for kind in ("rtstruct", "dicomseg") if kind in kinds]:
        # pydicom takes as long to load as a small scan to read.
        from rprloc.exports.dicom import write_dicom

        said += _tried(lambda: write_dicom(folder, query, wanted))
    return said


def _tried(write: Callable[[], list[str] | None]) -> list[str]:
    """Return what is to be said after writing, a scan that cannot be read among it."""
    try:
        return write() or []
    except InputError as error:
        return error.errors
