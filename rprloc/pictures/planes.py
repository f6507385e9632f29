"""The three planes through a place of a scan, on its own voxels, with boxes and outlines: a small picture."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from scipy.ndimage import binary_erosion, map_coordinates

from rprloc.geometry import FloatArray
from rprloc.pictures.laid import Laid, letters_of
from rprloc.scans.frame import Frame

TRUE, FOUND = (0x56, 0xB4, 0xE9), (0xE6, 0x9F, 0x00)
"""Sky blue and orange of Okabe and Ito, which colour-blind readers tell apart."""
PIXELS, GAP = 240, 4
"""The side of a plane in a picture, and what lies between two."""
_DASH = 5


@dataclass(frozen=True)
class Plane:
    """One of the three planes of laid voxels; axes are 0 = x, 1 = y, 2 = z."""

    name: str
    across: int
    """The axis along the width; it grows to the right."""
    along: int
    """The axis along the height."""
    through: int
    upwards: bool
    """Whether the axis along the height grows upwards: the superior side is above, and the anterior one."""

    def sides(self, frame: Frame) -> tuple[str, str, str, str]:
        """Return the letters of the left, right, upper and lower side."""
        right, left = letters_of(frame.axes_mm[:, self.across])
        far, near = letters_of(frame.axes_mm[:, self.along])
        return (left, right, far, near) if self.upwards else (left, right, near, far)


PLANES = (
    Plane("axial", 0, 1, 2, upwards=False),
    Plane("coronal", 0, 2, 1, upwards=True),
    Plane("sagittal", 1, 2, 0, upwards=True),
)


@dataclass(frozen=True, kw_only=True)
class Overlay:
    """What is drawn over a scan: a box (2, 3) in LPS mm, or a single landmark twice, and an outline, if any."""

    box_mm: FloatArray
    colour: tuple[int, int, int]
    dashed: bool = False
    outline: Laid | None = field(default=None, repr=False)

    @property
    def is_point(self) -> bool:
        """Whether it is a single landmark."""
        return not (self.box_mm[1] > self.box_mm[0]).any()


@dataclass(frozen=True)
class PlaneView:
    """What a plane shows: a square of `width_mm` around a voxel's centre (3,) in LPS mm."""

    plane: Plane
    centre_mm: FloatArray
    width_mm: float

    def places(self, frame: Frame) -> tuple[FloatArray, FloatArray, int]:
        """Return for voxels of a frame, along the same axes, where each column and row of pixels lies, and which
        slice it is.
        """
        centre = frame.voxel(self.centre_mm)
        steps = (np.arange(PIXELS) + 0.5 - PIXELS / 2) * self.width_mm / PIXELS
        spacing, plane = frame.spacing_mm, self.plane
        rows = -steps if plane.upwards else steps
        across = centre[plane.across] + steps / spacing[plane.across]
        along = centre[plane.along] + rows / spacing[plane.along]
        return across, along, int(np.floor(centre[plane.through] + 0.5))

    def pixel(self, voxels: FloatArray, frame: Frame) -> FloatArray:
        """Return where voxels (..., 3) of a frame lie on the picture (..., 2), right and down."""
        moved = (voxels - frame.voxel(self.centre_mm)) * frame.spacing_mm * PIXELS / self.width_mm
        right, down = moved[..., self.plane.across], moved[..., self.plane.along]
        return np.stack([right, -down if self.plane.upwards else down], axis=-1) + PIXELS / 2 - 0.5


def draw_planes(scan: Laid, window: tuple[float, float], overlays: Sequence[Overlay], width_mm: float) -> Image.Image:
    """Draw the axial, coronal and sagittal plane through the middle of the first overlay, side by side."""
    middle = np.floor(scan.frame.voxel(overlays[0].box_mm.mean(axis=0)) + 0.5)
    centre = scan.frame.world(np.clip(middle, 0, np.array(scan.size) - 1))
    whole = Image.new("RGB", (3 * PIXELS + 2 * GAP, PIXELS))
    for number, plane in enumerate(PLANES):
        panel = _panel(scan, window, overlays, PlaneView(plane, centre, width_mm))
        whole.paste(panel, (number * (PIXELS + GAP), 0))
    return whole


def _panel(scan: Laid, window: tuple[float, float], overlays: Sequence[Overlay], view: PlaneView) -> Image.Image:
    """Draw one plane."""
    low, high = window
    grey = np.clip((_slice(scan, view, order=1, beyond=low) - low) / (high - low), 0, 1)
    colours = np.repeat((255 * grey).astype(np.uint8)[..., None], 3, axis=2)
    for overlay in overlays:
        if overlay.outline is not None:
            inside = _slice(overlay.outline, view, order=0, beyond=0) > 0
            colours[inside & ~binary_erosion(inside)] = overlay.colour
    panel = Image.fromarray(colours)
    pen = ImageDraw.Draw(panel)
    for overlay in overlays:
        if overlay.is_point:
            _cross(pen, view.pixel(scan.frame.voxel(overlay.box_mm[0]), scan.frame), overlay.colour)
        else:
            _box(pen, scan.frame, view, overlay)
    _letters(pen, view.plane.sides(scan.frame))
    return panel


def _slice(laid: Laid, view: PlaneView, *, order: Literal[0, 1], beyond: float) -> NDArray[np.float32]:
    """Return the pixels of a plane (rows, columns), `beyond` where there are no voxels."""
    across, along, number = view.places(laid.frame)
    through = view.plane.through
    if not 0 <= number < laid.size[through]:
        return np.full((PIXELS, PIXELS), beyond, dtype=np.float32)
    flat: NDArray[np.float32] = np.take(laid.values, number, axis=2 - through).astype(np.float32)
    where = np.stack(np.meshgrid(along, across, indexing="ij"))
    return map_coordinates(flat, where, order=order, mode="constant", cval=beyond)


def section(box_mm: FloatArray, frame: Frame, plane: Plane, number: float) -> FloatArray:
    """Return the corners (n, 3), in voxels and in order, of what a plane cuts of a box along the LPS axes: a rectangle
    where the scan lies along these axes, up to six corners where it is oblique; none where it passes by.
    """
    corners = frame.voxel(np.array(list(itertools.product(*box_mm.T))))
    through, cut = plane.through, []
    for a, b in itertools.combinations(range(8), 2):
        one, other = corners[a], corners[b]
        # Corners of an edge differ in one of the three digits of their number.
        if (a ^ b).bit_count() != 1 or (one[through] - number) * (other[through] - number) > 0:
            continue
        way = other[through] - one[through]
        cut += [one, other] if way == 0 else [one + (other - one) * (number - one[through]) / way]
    if len(cut) < 3:
        return np.empty((0, 3))
    found = np.array(cut)
    flat = found[:, [plane.across, plane.along]]
    moved = flat - flat.mean(axis=0)
    return np.asarray(found[np.argsort(np.arctan2(moved[:, 1], moved[:, 0]))])


def _box(pen: ImageDraw.ImageDraw, frame: Frame, view: PlaneView, overlay: Overlay) -> None:
    """Draw what the plane cuts of a box."""
    number = np.floor(frame.voxel(view.centre_mm)[view.plane.through] + 0.5)
    corners = view.pixel(section(overlay.box_mm, frame, view.plane, number), frame)
    for start, end in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        length = float(np.linalg.norm(end - start))
        pieces = max(1, round(length / _DASH)) if overlay.dashed else 1
        at = np.linspace(0, 1, pieces + 1)[:, None] * (end - start) + start
        for piece in range(0, pieces, 2):
            pen.line([*at[piece], *at[piece + 1]], fill=overlay.colour, width=2)


def _cross(pen: ImageDraw.ImageDraw, place: FloatArray, colour: tuple[int, int, int]) -> None:
    """Draw a single landmark."""
    x, y = place
    pen.line([x - 7, y, x + 7, y], fill=colour, width=2)
    pen.line([x, y - 7, x, y + 7], fill=colour, width=2)


def _letters(pen: ImageDraw.ImageDraw, sides: tuple[str, str, str, str]) -> None:
    """Write the letters of the left, right, upper and lower side."""
    font = ImageFont.load_default(12)
    middle, end = PIXELS / 2, PIXELS - 3
    for words, place, anchor in zip(
        sides, ((3, middle), (end, middle), (middle, 3), (middle, end)), ("lm", "rm", "mt", "mb"), strict=True
    ):
        pen.text(place, words, fill="white", font=font, anchor=anchor, stroke_width=1, stroke_fill="black")


def width_of(boxes_mm: Sequence[FloatArray]) -> float:
    """Return the width in mm of planes that show boxes and half as much around, centred on the first."""
    centre = boxes_mm[0].mean(axis=0)
    reach = max(float(np.abs(box - centre).max()) for box in boxes_mm)
    size = float((boxes_mm[0][1] - boxes_mm[0][0]).max())
    return float(np.clip(2 * reach + max(0.5 * size, AROUND_MM), 2 * AROUND_MM, WIDEST_MM))


AROUND_MM, WIDEST_MM = 40.0, 500.0
"""What is seen around a structure at the least, and the widest plane: a whole trunk."""
