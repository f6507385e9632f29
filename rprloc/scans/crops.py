"""Scans of which the crop to the body keeps much less than it does of the others of their cohort."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from rprloc.scans.record import ScanRecord

_FEWEST = 5
"""Scans of a cohort that say what is usual."""
_MUCH_LESS = 0.5
"""Times what the middle one keeps."""


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


def _kept(record: ScanRecord) -> float:
    """Return the part of a scan's field that its grid in model space holds."""
    assert record.native is not None and record.model is not None
    low, high = record.model.box_mm
    return float(np.prod(high - low) / np.prod(np.multiply(record.native.size, record.native.spacing_mm)))
