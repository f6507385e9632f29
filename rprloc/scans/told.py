"""What scans.csv says of a scan."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping

import numpy as np

from rprloc.scans.nifti import listed
from rprloc.scans.record import ScanRecord

_FILE = re.compile(r"[^:,]+\.[A-Za-z][A-Za-z0-9]{0,8}")
"""The name of a file."""

SCAN_COLUMNS = (
    "cohort", "subject", "file", "status", "findings", "done", "voxels", "spacing_mm", "field_mm", "body_box_mm",
    "oriented", "structures",
)  # fmt: skip
"""Of scans.csv, all of them texts; what is not known of a scan is empty."""


def told(scan: ScanRecord) -> dict[str, str]:
    """Return a scan's status, what was found, what was done about it and what was measured, by the column's name.

    A finding reads "what: done" or, where nothing was done, "what"; those of one scan are joined by semicolons.
    """
    if scan.reason is not None:
        return {"status": "FAIL", "findings": scan.reason.rstrip("."), "done": "set aside"}
    parts = [_parted(finding) for finding in scan.findings]
    return {
        "status": scan.status,
        "findings": "; ".join(what for what, _ in parts),
        "done": "; ".join(done for _, done in parts if done),
    } | _measured(scan)


def _parted(finding: str) -> tuple[str, str]:
    """Return what was found and what was done, which may be nothing: a finding may begin with the name of its file."""
    what, _, done = finding.rpartition(": ")
    return (finding, "") if not what or _FILE.fullmatch(what) else (what, done)


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


def csv_line(scan: ScanRecord | None) -> str:
    """Return a scan's line of scans.csv without its end, or the line of the columns' names."""
    cells: Mapping[str, str] = dict(zip(SCAN_COLUMNS, SCAN_COLUMNS, strict=True))
    if scan is not None:
        cells = {"cohort": scan.cohort, "subject": scan.subject, "file": scan.file} | told(scan)
    stream = io.StringIO()
    csv.writer(stream, lineterminator="").writerow([cells.get(name, "") for name in SCAN_COLUMNS])
    return stream.getvalue()


def page_lines(scan: ScanRecord) -> list[str]:
    """Return what is told of a scan as lines for a person: its status, what was measured, and each finding."""
    about = told(scan)
    measured = []
    if "voxels" in about:
        measured = [f"{about['voxels']} voxels of {about['spacing_mm']} mm", f"body {about['body_box_mm']} mm"]
        measured += [] if scan.oriented else ["orientation unknown"]
        measured += [f"structures {', '.join(scan.structures)}"] if scan.structures else []
    first = f"{about['status']}  {scan.subject}" + (f": {', '.join(measured)}" if measured else "")
    return [first, *(f"      {one}" for one in (scan.findings if scan.reason is None else [scan.reason]))]
