"""What an NRRD file's header says of where its voxels lie, beside what ITK tells."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from rprloc.errors import InputError

_SPACES = (
    b"left-posterior-superior", b"lps", b"right-anterior-superior", b"ras", b"left-anterior-superior", b"las",
)  # fmt: skip
"""NRRD's names of the spaces in which a patient's directions are known."""
_UNITS_MM = {"mm": 1.0, "millimeter": 1.0, "cm": 10.0, "m": 1000.0, "um": 0.001, "µm": 0.001, "micron": 0.001}
"""Of lengths, as files write them."""
_ORIGIN = "its header has no space origin: its first voxel is put at 0"


@dataclass(frozen=True)
class Geometry:
    """How the voxels of a file lie."""

    oriented: bool
    """Whether it is known how the patient lies."""
    unit_mm: float
    """Of all places."""
    findings: tuple[str, ...]


STANDARD = Geometry(oriented=True, unit_mm=1.0, findings=())
"""Of a file that says all, in mm."""


def geometry_of(fields: Mapping[bytes, bytes], name: str) -> Geometry:
    """Return what the fields of a header, in small letters, say; raises InputError for a space without directions and
    for another unit than of lengths.
    """
    directions = b"space directions" in fields
    if b"space" in fields and b"spacings" in fields and not directions:
        raise InputError(f"{name}: found a space and spacings, expected space directions, or spacings alone.")
    oriented = directions and fields.get(b"space") in _SPACES
    said = (_ORIGIN,) if oriented and b"space origin" not in fields else ()
    return Geometry(oriented, _unit_mm(fields, name), said)


def _unit_mm(fields: Mapping[bytes, bytes], name: str) -> float:
    """Return the mm of a file's unit, 1 where it names none."""
    told = re.findall(rb'"([^"]*)"', fields.get(b"space units") or fields.get(b"units") or b"")
    units = sorted({one.decode("utf-8", "replace") for one in told} - {"", "???"})
    if not units:
        return 1.0
    if len(units) > 1 or units[0] not in _UNITS_MM:
        raise InputError(f"{name}: found places in {', '.join(units)[:40]!r}, expected one of {', '.join(_UNITS_MM)}.")
    return _UNITS_MM[units[0]]
