"""What preprocessing makes of a scan, and what its folder is called."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import msgspec

Triple = tuple[float, float, float]
OWN: Literal["own"] = "own"
"""In place of a spacing: what a scan's own voxels show (`rprloc.scans.resampling.own_spacing_mm`)."""
MatchingSpacing = Triple | Literal["own"]


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """The volumes and landmarks that a cohort's scans are to have; lengths in mm, (z, y, x)."""

    modality: str
    spacing: Triple
    structures: Mapping[str, int] | None = None
    """Name -> label value; None for whatever the labels hold."""
    matching_spacing: MatchingSpacing | None = None
    """Of the finer volume, where a method needs one."""


def voxels_of(size_mm: Triple, spacing_mm: Triple) -> tuple[int, int, int]:
    """Return the voxels (z, y, x) nearest to a size in mm, at least one along each axis."""
    z, y, x = (max(1, round(mm / step)) for mm, step in zip(size_mm, spacing_mm, strict=True))
    return z, y, x


def scan_folder(cohort: str, subject: str) -> str:
    """Return the name of a preprocessed scan's folder; no cohort's or subject's name holds an `@`."""
    return f"{cohort}@{subject}"


def subject_of(folder: Path) -> str:
    """Return the subject of a preprocessed scan's folder."""
    return folder.name.partition("@")[2]
