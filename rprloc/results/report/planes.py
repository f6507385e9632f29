"""Planes through a scan with the boxes that lie in it, as radiologists look at them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from rprloc.errors import InputError
from rprloc.geometry import WALLS, FloatArray, Grid
from rprloc.pictures.planes import FOUND, TRUE, Plane, PlaneView
from rprloc.pictures.window import window_of
from rprloc.scans.frame import Frame
from rprloc.scans.record import ScanRecord, Structure
from rprloc.scans.scan import volume_path
from rprloc.scans.volume import read_model_volume

TRUE_COLOUR, FOUND_COLOUR = ("#{:02X}{:02X}{:02X}".format(*colour) for colour in (TRUE, FOUND))
_STRAIGHT = Frame(np.eye(3), np.zeros(3))
"""The directions of model space."""

DPI = 110

_SIDES = ((0.02, 0.5, "left", "center"), (0.98, 0.5, "right", "center"),
          (0.5, 0.98, "center", "top"), (0.5, 0.02, "center", "bottom"))  # fmt: skip
"""Where the letters of the left, right, upper and lower side stand."""


@dataclass(frozen=True)
class Box:
    """A box (2, 3) in LPS mm to be drawn, with its colour and line style, and the points of its walls, if any; or a
    single landmark, twice.
    """

    corners_mm: FloatArray
    colour: str
    style: Any
    points_mm: FloatArray | None = None
    """(6, 3), in the order of WALLS, or (1, 3)."""
    marker: str = ""


@dataclass(frozen=True)
class Picture:
    """A preprocessed scan to be drawn: voxels (z, y, x), their grid, the values shown as black and white, the truth."""

    voxels: NDArray[np.int16]
    grid: Grid
    window: tuple[float, float]
    structures: Mapping[str, Structure]

    @classmethod
    def read(cls, folder: Path, record: ScanRecord, modality: str, *, fine: bool = False) -> Picture:
        """Read a usable scan's voxels from its folder; raises InputError where they cannot be read.

        `fine` asks for the finer volume that some methods match, where the scan has one.
        """
        fine = fine and record.matching is not None
        grid = record.matching if fine else record.model
        if grid is None:
            raise InputError(f"{record.subject}: found no volume to draw, expected one from PREPROCESS.")
        voxels = read_model_volume(volume_path(folder, "matching" if fine else ""))
        return cls(voxels, grid, window_of(voxels, modality), record.structures)


def plane_image(
    picture: Picture, plane: Plane, position_mm: float
) -> tuple[NDArray[np.int16], tuple[float, float, float, float]]:
    """Return the plane's voxels nearest to a position in mm, and their extent.

    Rows grow along the plane's height axis, columns along its width axis; the extent is (first column's edge, last
    column's edge, first row's edge, last row's edge) in world mm.
    """
    origin, spacing = np.asarray(picture.grid.origin_mm), np.asarray(picture.grid.spacing_mm)
    size = np.asarray(picture.grid.size)
    index = int(np.rint((position_mm - origin[plane.through]) / spacing[plane.through]))
    voxels: NDArray[np.int16] = np.take(picture.voxels, [index], axis=2 - plane.through, mode="clip")
    low, high = (origin - spacing / 2).tolist(), (origin + (size - 0.5) * spacing).tolist()
    extent = (low[plane.across], high[plane.across], low[plane.along], high[plane.along])
    return voxels.squeeze(2 - plane.through), extent


def draw_plane(axes: Axes, picture: Picture, view: PlaneView | None, boxes: Sequence[Box], title: str) -> None:
    """Draw one plane of a picture with boxes and their points, or say, without a view, that there is nothing to show.

    A box that the plane does not cut is drawn thin.
    """
    if view is None:
        axes.set_facecolor("black")
        axes.set_xticks([])
        axes.set_yticks([])
        _text(axes, 0.5, 0.5, "nothing to show", ha="center", va="center", fontsize=8)
    else:
        _draw_scan(axes, picture, view)
        for box in boxes:
            _draw_box(axes, view, box)
            _draw_points(axes, view.plane, box)
    _text(axes, 0.02, 0.98, title, ha="left", va="top", fontsize=7)


def _draw_scan(axes: Axes, picture: Picture, view: PlaneView) -> None:
    """Draw the voxels of one plane with the letters of its sides."""
    plane = view.plane
    image, extent = plane_image(picture, plane, float(view.centre_mm[plane.through]))
    low, high = picture.window
    axes.set_facecolor("black")
    axes.imshow(image, cmap="gray", vmin=low, vmax=high, origin="lower", extent=extent, interpolation="bilinear")
    across, along, half = view.centre_mm[plane.across], view.centre_mm[plane.along], view.width_mm / 2
    axes.set_xlim(across - half, across + half)
    axes.set_ylim(*((along - half, along + half) if plane.upwards else (along + half, along - half)))
    axes.set_aspect("equal")
    axes.set_xticks([])
    axes.set_yticks([])
    for letter, (x, y, horizontal, vertical) in zip(plane.sides(_STRAIGHT), _SIDES, strict=True):
        _text(axes, x, y, letter, ha=horizontal, va=vertical, fontsize=8)


def _draw_box(axes: Axes, view: PlaneView, box: Box) -> None:
    """Draw a box's outline as seen along the plane's normal."""
    plane, (low, high) = view.plane, box.corners_mm
    if not (high > low).any():
        return
    cut = low[plane.through] <= view.centre_mm[plane.through] <= high[plane.through]
    width, height = high[plane.across] - low[plane.across], high[plane.along] - low[plane.along]
    outline = Rectangle(
        (low[plane.across], low[plane.along]), width, height, fill=False, edgecolor=box.colour, linestyle=box.style,
        linewidth=1.6 if cut else 0.7,
    )  # fmt: skip
    outline.set_path_effects([patheffects.withStroke(linewidth=2.8 if cut else 1.4, foreground="black", alpha=0.5)])
    axes.add_patch(outline)


def _draw_points(axes: Axes, plane: Plane, box: Box) -> None:
    """Draw the points of the four walls that the panel shows from the side, or a single landmark."""
    if box.points_mm is None:
        return
    single = len(box.points_mm) == 1
    shown = [0] if single else [i for i in range(len(WALLS)) if i // 2 != plane.through]
    axes.plot(
        box.points_mm[shown, plane.across], box.points_mm[shown, plane.along], linestyle="none", marker=box.marker,
        markersize=9 if single else 4.5, markeredgewidth=1.6 if single else 1.1, markerfacecolor="none",
        markeredgecolor=box.colour,
    )  # fmt: skip


def _text(axes: Axes, x: float, y: float, text: str, **style: Any) -> None:
    """Write plain text, never a formula, in white at a place given in fractions of the axes."""
    written = axes.text(x, y, text, transform=axes.transAxes, color="white", parse_math=False, **style)
    written.set_path_effects([patheffects.withStroke(linewidth=2, foreground="black")])
