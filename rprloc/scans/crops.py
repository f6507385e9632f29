"""Scans of which the field, or what the crop to the body keeps of it, is unlike that of the others of their cohort."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from rprloc.geometry import FloatArray
from rprloc.scans.nifti import listed
from rprloc.scans.record import ScanRecord

_FEWEST = 5
"""Scans of a cohort that say what is usual."""
_MUCH_LESS = 0.5
"""Times what the middle one keeps."""
_OTHER_SIZE = 0.3
"""Times the others' field, or they its: no choice of a field makes so much, but another unit or a lost spacing does."""


def small_crops(records: Mapping[str, ScanRecord]) -> dict[str, str]:
    """Return what is to be said of each scan of a cohort whose crop keeps less than half of what is usual of the field,
    by subject; `records` are the cohort's.
    """
    kept = {subject: _kept(one) for subject, one in records.items() if one.usable and one.native and one.model}
    if len(kept) < _FEWEST:
        return {}
    usual = float(np.median(list(kept.values())))
    return {
        subject: f"the crop to the body keeps {share:.0%} of the field, and of the cohort's scans usually {usual:.0%}"
        for subject, share in kept.items()
        if share < _MUCH_LESS * usual
    }


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


def _kept(record: ScanRecord) -> float:
    """Return the part of a scan's field that its grid in model space holds."""
    assert record.native is not None and record.model is not None
    low, high = record.model.box_mm
    return float(np.prod(high - low) / np.prod(np.multiply(record.native.size, record.native.spacing_mm)))
