"""The file of a scan for the viewer: a crop around its structures, their boxes, outlines and landmarks, and its page.

It is a script that hands one record to the viewer, since pages that are opened from a disk may read nothing else.
"""

from __future__ import annotations

import html
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import msgspec
import numpy as np
from numpy.typing import NDArray

from rprloc.files import write_text
from rprloc.geometry import FloatArray
from rprloc.pictures.laid import Laid
from rprloc.pictures.mosaic import Quality, columns_of, mosaic, webp, webp_uri
from rprloc.pictures.planes import PLANES
from rprloc.pictures.window import Knots, kept, knots_of, window_of

MOST_BYTES = 500_000
"""Of a scan's file."""
MOST_VOXELS = 4_000_000
"""Of its crop: finer ones become means of blocks."""
MARGIN_MM = 20.0
"""What the crop shows around all boxes."""
QUALITIES: tuple[Quality, ...] = ("exact", 92, 80, 65)
"""Of the crop, the first that is small enough; with none of them the crop is made coarser."""
_FEWEST_VOXELS = 1000
"""A crop that has no more is made no coarser, however long the rest is."""
_BITS_EXACT = 5
"""Bits that a voxel of a CT scan takes as exact WebP, about: more voxels than this lets in are not tried exactly."""


class ShownAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What the viewer says of an answer, in the words of a prediction."""

    box_mm: Sequence[Sequence[float]] | None
    points_mm: Mapping[str, Sequence[float]] | None
    lost: float | None
    within_90_mm: Mapping[str, float] | None
    open_walls: tuple[str, ...]
    failed: bool
    reason: str | None


class ShownTruth(msgspec.Struct, frozen=True, kw_only=True):
    """Where a structure truly is."""

    box_mm: Sequence[Sequence[float]]
    points_mm: Mapping[str, Sequence[float]]


@dataclass(frozen=True, kw_only=True)
class Item:
    """A structure: where it was found, where it truly is, as far as either is known."""

    name: str
    found: ShownAnswer | None = None
    true: ShownTruth | None = None
    found_outline: Laid | None = field(default=None, repr=False)
    true_outline: Laid | None = field(default=None, repr=False)

    @property
    def boxes_mm(self) -> list[FloatArray]:
        """The boxes (2, 3), the found one first."""
        both = [one for one in (self.found, self.true) if one is not None]
        return [np.array(one.box_mm) for one in both if one.box_mm is not None]


@dataclass(frozen=True, kw_only=True)
class Shown:
    """A scan to be shown: all of its voxels, laid, and its structures."""

    cohort: str
    subject: str
    modality: str
    scan: Laid
    items: Sequence[Item]

    @property
    def crop(self) -> Laid | None:
        """The part of the scan around all boxes."""
        boxes = [box for item in self.items for box in item.boxes_mm]
        if not boxes:
            return None
        low, high = np.min(boxes, axis=(0, 1)) - MARGIN_MM, np.max(boxes, axis=(0, 1)) + MARGIN_MM
        part = self.scan.part(low, high)
        return None if part is None else part.coarser(MOST_VOXELS)


class _Structure(msgspec.Struct, frozen=True, omit_defaults=True):
    """A structure in the file."""

    name: str
    found: ShownAnswer | None
    true: ShownTruth | None
    found_outline: int | None = None
    """The number of its outline among all."""
    true_outline: int | None = None


class _About(msgspec.Struct, frozen=True, kw_only=True):
    """What the file says of the scan, whatever its crop."""

    cohort: str
    subject: str
    modality: str
    window: tuple[float, float]
    knots: Knots


class _Part(msgspec.Struct, frozen=True, kw_only=True):
    """What the file says of the crop beside its values."""

    size: tuple[int, int, int]
    axes_mm: list[list[float]]
    origin_mm: list[float]
    columns: int
    sides: Mapping[str, tuple[str, str, str, str]]
    """By plane, the letters of its left, right, upper and lower side."""
    structures: Sequence[_Structure]
    outlines: Sequence[str]
    """Of eight outlines each, as the bits of a volume."""


class _Values(msgspec.Struct, frozen=True):
    """The crop's values, and whether they are exact."""

    values: str
    exact: bool


def write_viewer_file(path: Path, shown: Shown) -> bool:
    """Write the file of a scan, MOST_BYTES at most; tell whether there is anything to show."""
    crop = shown.crop
    if crop is None:
        return False
    window, knots = window_of(crop.values, shown.modality), knots_of(crop.values, shown.modality)
    about = _About(
        cohort=shown.cohort, subject=shown.subject, modality=shown.modality, window=window, knots=knots
    )  # fmt: skip
    text = _script(about, *_parts(shown.items, crop, knots))
    while len(text) > MOST_BYTES and np.prod(crop.size) > _FEWEST_VOXELS:
        crop = crop.coarser(int(np.prod(crop.size)) // 2)
        text = _script(about, *_parts(shown.items, crop, knots))
    write_text(path, text)
    return True


def _parts(items: Sequence[Item], crop: Laid, knots: Knots) -> tuple[_Part, _Values]:
    """Return what a crop shows, in the best quality for which there is room, or the worst."""
    structures, outlines = _structures(items, crop)
    part = _Part(
        size=crop.size,
        axes_mm=crop.frame.axes_mm.tolist(),
        origin_mm=crop.frame.origin_mm.tolist(),
        columns=columns_of(crop.size),
        sides={plane.name: plane.sides(crop.frame) for plane in PLANES},
        structures=structures,
        outlines=outlines,
    )
    room = MOST_BYTES - len(_script(part)) - 1000
    return part, _values(kept(crop.values, knots), room)


def _script(*records: msgspec.Struct) -> str:
    """Return the script that hands the fields of records to the viewer; letters of other scripts are escaped."""
    fields = {name: value for one in records for name, value in msgspec.to_builtins(one).items()}
    return f"rprloc({json.dumps(fields, allow_nan=False)});\n"


def _structures(items: Sequence[Item], crop: Laid) -> tuple[list[_Structure], list[str]]:
    """Return the structures, and their outlines as the bits of exact volumes, eight in each."""
    told: list[_Structure] = []
    masks: list[NDArray[np.bool_]] = []
    for item in items:
        numbers: list[int | None] = []
        for outline in (item.found_outline, item.true_outline):
            numbers.append(None if outline is None else len(masks))
            masks += [] if outline is None else [outline.on(crop)]
        told.append(_Structure(item.name, item.found, item.true, *numbers))
    volumes = []
    for start in range(0, len(masks), 8):
        bits: NDArray[np.uint8] = np.zeros(crop.values.shape, dtype=np.uint8)
        for bit, mask in enumerate(masks[start : start + 8]):
            bits |= mask.astype(np.uint8) << bit
        volumes.append(webp_uri(webp(mosaic(bits), "exact")))
    return told, volumes


def _values(grey: NDArray[np.uint8], room: int) -> _Values:
    """Return the crop's values in the best quality for which there is room, or the worst."""
    flat, uri, quality = mosaic(grey), "", QUALITIES[0]
    for quality in QUALITIES:
        if quality == "exact" and grey.size * _BITS_EXACT / 8 * 4 / 3 > 2 * room:
            continue
        uri = webp_uri(webp(flat, quality))
        if len(uri) <= room:
            break
    return _Values(uri, quality == "exact")


def write_viewer_page(path: Path, names: Sequence[str], *, title: str) -> None:
    """Write the page that shows a scan's file, and its support's after it where there is one, in the viewer; `names`
    are those of files beside it.
    """
    scripts = "\n".join(f'<script src="{html.escape(quote(name))}"></script>' for name in names)
    write_text(path, _PAGE.format(title=html.escape(title), scripts=scripts))


_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; script-src 'self' file:; \
style-src 'self' file:">
<title>{title}</title>
<link rel="stylesheet" href="../viewer.css">
</head>
<body>
<noscript>The viewer needs JavaScript.</noscript>
<script src="../viewer.js"></script>
{scripts}
</body>
</html>
"""
