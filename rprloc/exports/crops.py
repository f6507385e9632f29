"""What a scan shows around each box: its own voxels, where they lie."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from rprloc.exports.boxes import voxels_of
from rprloc.exports.masks import write_nifti
from rprloc.exports.query import Query, extent_of
from rprloc.scans.frame import Frame
from rprloc.scans.opening import open_scan

_PLAIN = {"int64": "int32", "uint64": "uint32", "bool": "uint8"}
"""Types that few programs read, and those that take their place."""


def write_crops(parent: Path, query: Query, *, margin_mm: float) -> list[str]:
    """Write crops/<cohort>/<subject>/<structure>.nii.gz, the scan's values around each box and a margin; return what is
    to be said.

    Raises InputError where the scan cannot be read.
    """
    if not query.found:
        return []
    image = open_scan(query.image, series=query.series, modality=query.modality).image
    values, frame = sitk.GetArrayViewFromImage(image), query.native.frame
    folder, names, said = query.folder(parent, "crops") / query.name, query.files, []
    for one in query.found:
        extent = extent_of(one)
        assert extent is not None
        first, stop = voxels_of(extent, query.native, margin_mm)
        if not (stop > first).all():
            said.append(f"{query.record.subject}: the box of {one.structure} holds no voxel, so there is no crop.")
            continue
        part = values[tuple(slice(int(a), int(b)) for a, b in zip(first[::-1], stop[::-1], strict=True))]
        write_nifti(
            folder / f"{names[one.structure]}.nii.gz",
            plain(part),
            Frame(frame.axes_mm, frame.world(first.astype(np.float64))),
        )
    return said


def plain(values: NDArray[Any]) -> NDArray[Any]:
    """Return values of a type that most programs read."""
    return values.astype(_PLAIN.get(values.dtype.name, values.dtype.name), copy=False)
