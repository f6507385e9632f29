"""Scans of which the field, or what the crop to the body keeps of it, is unlike that of others of their cohort."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from rprloc.geometry import FloatArray
from rprloc.scans.nifti import listed
from rprloc.scans.record import ScanRecord
from rprloc.scans.target import Triple

_MUCH_SMALLER = 0.5
"""Times what the supports' crops hold along an axis: of the shared heads, abdomens and brains each holds at least 0.76
times what any other one does, or its field.
"""
_OTHER_SIZE = 0.3
"""Times the others' field, or they its: no choice of a field makes so much, but another unit or a lost spacing does."""


def usual_crop_mm(supports: Iterable[ScanRecord]) -> Triple | None:
    """Return what the supports' crops usually hold along x, y, z; None where none of them can be used."""
    crops = [np.ptp(one.model.box_mm, axis=0) for one in supports if one.model is not None]
    if not crops:
        return None
    x, y, z = np.median(crops, axis=0).tolist()
    return x, y, z


def is_small_crop(record: ScanRecord, usual_mm: Triple | None) -> bool:
    """Tell whether a scan's crop holds much less along an axis than is usual, though its field does not. A field that
    is much smaller shows another part: a neck is no small trunk.

    (lib/Crops.groovy asks the same: only Nextflow has the files of a scan at hand when its supports are known.)
    """
    if usual_mm is None or record.model is None or record.field_mm is None:
        return False
    field_mm, crop_mm = (np.ptp(box, axis=0) for box in (record.field_mm, record.model.box_mm))
    alike = (field_mm >= _MUCH_SMALLER * np.array(usual_mm)).all()
    return bool(alike and (crop_mm < _MUCH_SMALLER * np.minimum(field_mm, usual_mm)).any())


def odd_fields(records: Mapping[str, ScanRecord]) -> dict[str, str]:
    """Return what is to be said of each scan of a cohort whose field is of another size than the others', along both of
    its longer sides, by subject.
    """
    sides = {subject: _sides_mm(one) for subject, one in records.items() if one.usable and one.native}
    found = {}
    for subject, own in sides.items():
        others = [other for name, other in sides.items() if name != subject]
        if not others:
            continue
        usual: FloatArray = np.median(others, axis=0)
        if (own[:2] < _OTHER_SIZE * usual[:2]).all() or (usual[:2] < _OTHER_SIZE * own[:2]).all():
            found[subject] = (
                f"its field measures {listed(own)} mm and that of the cohort's other scans usually {listed(usual)} mm, "
                "as where a spacing was lost or is in another unit"
            )
    return found


def _sides_mm(record: ScanRecord) -> FloatArray:
    """Return the extents (3,) of a scan's field, the longest first."""
    assert record.native is not None
    return np.sort(np.multiply(record.native.size, record.native.spacing_mm))[::-1]
