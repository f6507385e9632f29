"""The file of a scan for the viewer: a crop around its structures, their boxes, outlines and landmarks, and its page.

It is a script that hands one record to the viewer, since pages that are opened from a disk may read nothing else.
"""

from __future__ import annotations

import html
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

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


@dataclass(frozen=True, kw_only=True)
class Item:
    """A structure: where it was found, where it truly is, as far as either is known."""

    name: str
    found: Mapping[str, Any] | None = None
    """What the viewer tells of the answer: `box_mm`, `points_mm`, `lost`, `within_90_mm`, `failed`, `reason`."""
    true: Mapping[str, Any] | None = None
    """`box_mm` and `points_mm`."""
    found_outline: Laid | None = field(default=None, repr=False)
    true_outline: Laid | None = field(default=None, repr=False)

    @property
    def boxes_mm(self) -> list[FloatArray]:
        """The boxes (2, 3), the found one first."""
        both = [one for one in (self.found, self.true) if one is not None]
        return [np.array(one["box_mm"]) for one in both if one.get("box_mm") is not None]


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


def write_viewer_file(path: Path, shown: Shown) -> bool:
    """Write the file of a scan, MOST_BYTES at most; tell whether there is anything to show."""
    crop = shown.crop
    if crop is None:
        return False
    window, knots = window_of(crop.values, shown.modality), knots_of(crop.values, shown.modality)
    about = {
        "cohort": shown.cohort, "subject": shown.subject, "modality": shown.modality,
        "window": window, "knots": knots,
    }  # fmt: skip
    text = _script(about | _part(shown.items, crop, knots))
    while len(text) > MOST_BYTES and np.prod(crop.size) > _FEWEST_VOXELS:
        crop = crop.coarser(int(np.prod(crop.size)) // 2)
        text = _script(about | _part(shown.items, crop, knots))
    write_text(path, text)
    return True


def _part(items: Sequence[Item], crop: Laid, knots: Knots) -> dict[str, Any]:
    """Return what a crop shows, in the best quality for which there is room, or the worst."""
    about = {**_grid(crop), **_structures(items, crop)}
    room = MOST_BYTES - len(_script(about)) - 1000
    return about | _picture(kept(crop.values, knots), room)


def _script(about: Mapping[str, Any]) -> str:
    """Return the script that hands a record to the viewer; letters of other scripts are escaped."""
    return f"rprloc({json.dumps(about, allow_nan=False)});\n"


def _grid(crop: Laid) -> dict[str, Any]:
    """Return where the crop's voxels lie and the letters of the planes' sides."""
    return {
        "size": list(crop.size),
        "axes_mm": crop.frame.axes_mm.tolist(),
        "origin_mm": crop.frame.origin_mm.tolist(),
        "columns": columns_of(crop.size),
        "sides": {plane.name: plane.sides(crop.frame) for plane in PLANES},
    }


def _structures(items: Sequence[Item], crop: Laid) -> dict[str, Any]:
    """Return the structures, and their outlines as the bits of exact volumes, eight in each."""
    told: list[dict[str, Any]] = []
    masks: list[NDArray[np.bool_]] = []
    for item in items:
        one: dict[str, Any] = {"name": item.name, "found": item.found, "true": item.true}
        for kind, outline in (("found", item.found_outline), ("true", item.true_outline)):
            if outline is not None:
                one[f"{kind}_outline"] = len(masks)
                masks.append(outline.on(crop))
        told.append(one)
    volumes = []
    for start in range(0, len(masks), 8):
        bits: NDArray[np.uint8] = np.zeros(crop.values.shape, dtype=np.uint8)
        for bit, mask in enumerate(masks[start : start + 8]):
            bits |= mask.astype(np.uint8) << bit
        volumes.append(webp_uri(webp(mosaic(bits), "exact")))
    return {"structures": told, "outlines": volumes}


def _picture(grey: NDArray[np.uint8], room: int) -> dict[str, Any]:
    """Return the crop's values in the best quality for which there is room, or the worst."""
    flat, uri, quality = mosaic(grey), "", QUALITIES[0]
    for quality in QUALITIES:
        if quality == "exact" and grey.size * _BITS_EXACT / 8 * 4 / 3 > 2 * room:
            continue
        uri = webp_uri(webp(flat, quality))
        if len(uri) <= room:
            break
    return {"values": uri, "exact": quality == "exact"}


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
