"""What scans.csv says of a scan."""

from __future__ import annotations

import numpy as np

from rprloc.scans.nifti import listed
from rprloc.scans.scan import ScanRecord


def told(scan: ScanRecord) -> dict[str, str]:
    """Return a scan's status, what was found, what was done about it and what was measured, by the column's name.

    A finding reads "what: done" or, where nothing was done, "what"; those of one scan are joined by semicolons.
    """
    if scan.reason is not None:
        return {"status": "FAIL", "findings": scan.reason.rstrip("."), "done": "set aside"}
    parts = [finding.rpartition(": ") for finding in scan.findings]
    return {
        "status": scan.status,
        "findings": "; ".join(what or rest for what, _, rest in parts),
        "done": "; ".join(rest for what, _, rest in parts if what),
    } | _measured(scan)


def _measured(scan: ScanRecord) -> dict[str, str]:
    """Return what was measured of a scan that can be used."""
    if scan.native is None or scan.model is None:
        return {}
    low, high = scan.model.box_mm
    return {
        "voxels": " x ".join(str(n) for n in scan.native.size),
        "spacing_mm": listed(scan.native.spacing_mm),
        "field_mm": listed(np.multiply(scan.native.size, scan.native.spacing_mm)),
        "body_box_mm": listed(high - low),
        "oriented": "yes" if scan.oriented else "no",
        "structures": str(len(scan.structures)),
    }
