"""Tiny preprocessed scans, written as PREPROCESS leaves them: for the tests of what reads them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from rprloc.geometry import WALLS, Grid
from rprloc.scans.record import ScanRecord, Structure
from rprloc.scans.scan import write_scan_volume


def grid_of(shape: Any, spacing_mm: Any = (2.0, 2.0, 2.0), origin_mm: Any = (0.0, 0.0, 0.0)) -> Grid:
    """Return the grid of an array of `shape` (z, y, x); spacing and origin are (x, y, z) mm."""
    z, y, x = (int(n) for n in shape)
    return Grid((x, y, z), tuple(float(s) for s in spacing_mm), tuple(float(o) for o in origin_mm))


def structure_of(low_mm: Any, high_mm: Any, *, value: int = 1, half_voxel_mm: Any = (1.0, 1.0, 1.0)) -> Structure:
    """Return a structure that fills a box, its extreme points in the middles of the walls."""
    box = np.array([low_mm, high_mm], dtype=np.float64)
    extreme = np.tile(box.mean(axis=0), (len(WALLS), 1))
    for number in range(len(WALLS)):
        axis, upper = divmod(number, 2)
        extreme[number, axis] = box[upper, axis]
    x, y, z = (float(mm) for mm in half_voxel_mm)
    return Structure(value=value, box_mm=box, extreme_mm=extreme, half_voxel_mm=(x, y, z), voxels=1)


def record_of(
    subject: str = "s",
    model: Grid | None = None,
    structures: dict[str, Structure] | None = None,
    **more: Any,
) -> ScanRecord:
    """Return the record of a usable scan of cohort `c` on `model`, of 4 x 5 x 6 voxels (z, y, x) of 2 mm without one;
    `more` are other fields of ScanRecord.
    """
    given = {"cohort": "c", "file": f"{subject}.nii.gz", "label": bool(structures)} | more
    model = model or grid_of((4, 5, 6))
    return ScanRecord(subject=subject, model=model, structures=structures or {}, **given)


def set_aside_record(subject: str = "s", reason: str = "s.nii.gz: found nothing, expected a scan.") -> ScanRecord:
    """Return the record of a scan of cohort `c` that could not be used."""
    return ScanRecord(cohort="c", subject=subject, file=f"{subject}.nii.gz", reason=reason)


def write_scan(
    parent: Path, record: ScanRecord, values: Any = None, body: Any = None, *, matching: Any = None, label: Any = None
) -> Path:
    """Write a scan's record and, where it is usable, its volumes (z, y, x) into `parent`; return its folder.

    `values` are of air and `body` is everywhere unless they are given; `matching` lies on the record's finer grid.
    """
    folder = record.write(parent)
    if not record.usable or record.model is None:
        return folder
    shape = record.model.size[::-1]
    values = np.full(shape, -1000) if values is None else values
    body = np.ones(shape) if body is None else body
    write_scan_volume(folder, np.asarray(values, dtype=np.int16), record.model)
    write_scan_volume(folder, np.asarray(body, dtype=np.uint8), record.model, "body")
    if label is not None:
        write_scan_volume(folder, np.asarray(label, dtype=np.uint16), record.model, "label")
    if matching is not None:
        assert record.matching is not None
        write_scan_volume(folder, np.asarray(matching, dtype=np.int16), record.matching, "matching")
    return folder
