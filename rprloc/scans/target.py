"""What preprocessing makes of a scan."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

Triple = tuple[float, float, float]


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """The volumes and landmarks that a cohort's scans are to have; lengths in mm, (z, y, x)."""

    modality: str
    spacing: Triple
    patch: Triple
    structures: Mapping[str, int] | None = None
    """Name -> label value; None for whatever the labels hold."""
    matching_spacing: Triple | None = None
    """Of the finer volume, where a method needs one."""
