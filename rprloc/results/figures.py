"""Pictures of the answers: three planes through each structure with its true and found box (figure 4 of the paper)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from numpy.typing import NDArray
from PIL import Image

from rprloc.files import whole_file
from rprloc.geometry import WALLS, FloatArray, Grid
from rprloc.scans.volume import read_volume

CT_WINDOW = (-160.0, 240.0)
"""Soft tissue: width 400, level 40 HU."""

TRUE_COLOUR, FOUND_COLOUR = "#56B4E9", "#E69F00"
"""Sky blue and orange of Okabe and Ito, which colour-blind readers tell apart."""

PANEL_INCHES, STRIP_INCHES, HEAD_INCHES, DPI = 2.3, 0.3, 0.62, 110
MARGIN_MM, SMALLEST_MM = 45.0, 120.0
"""What a panel shows round the boxes, and its least width."""

Row = dict[str, Any]

_SIDES = ((0.02, 0.5, "left", "center"), (0.98, 0.5, "right", "center"),
          (0.5, 0.98, "center", "top"), (0.5, 0.02, "center", "bottom"))  # fmt: skip
"""Where the letters of the left, right, upper and lower side stand."""


@dataclass(frozen=True)
class Plane:
    """One of the three planes; world axes are 0 = x, 1 = y, 2 = z (LPS)."""

    name: str
    across: int
    """Axis along the panel's width; it grows to the right."""
    along: int
    """Axis along the panel's height; it grows upwards, in the axial plane downwards."""
    through: int
    letters: tuple[str, str, str, str]
    """The directions at the left, right, upper and lower side, as radiologists look at the patient."""

    @property
    def downwards(self) -> bool:
        """Whether the axis along the height grows downwards: posterior is at the lower side."""
        return self.along == 1


PLANES = (
    Plane("axial", 0, 1, 2, ("R", "L", "A", "P")),
    Plane("coronal", 0, 2, 1, ("R", "L", "S", "I")),
    Plane("sagittal", 1, 2, 0, ("A", "P", "S", "I")),
)


@dataclass(frozen=True)
class Picture:
    """A preprocessed scan to be drawn: voxels (z, y, x), their grid, the values shown as black and white, the truth."""

    subject: str
    voxels: NDArray[np.int16]
    grid: Grid
    window: tuple[float, float]
    structures: Mapping[str, Row]


def load_picture(folder: Path, scan: Row, modality: str = "ct", *, fine: bool = False) -> Picture:
    """Read a preprocessed scan's voxels, given its folder and JSON; raises InputError where it cannot be read.

    `fine` asks for the finer volume that some methods match, where the scan has one.
    """
    matching = folder / f"{scan['subject']}_matching.nii.gz"
    fine = fine and "matching" in scan and matching.exists()
    image = read_volume(matching if fine else folder / f"{scan['subject']}.nii.gz")
    voxels = sitk.GetArrayFromImage(image).astype(np.int16, copy=False)
    inside = voxels[voxels > 0] if modality == "mr" else voxels[:0]
    window = tuple(float(v) for v in np.percentile(inside, [1, 99])) if inside.size else CT_WINDOW
    grid = Grid.from_json(scan["matching" if fine else "model"])
    return Picture(scan["subject"], voxels, grid, (window[0], window[1]), scan["structures"])


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


def draw_panel(
    axes: Axes,
    picture: Picture,
    plane: Plane,
    centre_mm: FloatArray,
    width_mm: float,
    true: Row | None = None,
    found: Row | None = None,
) -> None:
    """Draw one plane through `centre_mm`, a square of `width_mm`, with the true and the found box and their points.

    `true` is an entry of a scan's structures, `found` a prediction. A box that the plane does not cut is drawn thin.
    """
    _draw_scan(axes, picture, plane, centre_mm, width_mm)
    for entry, colour, style, marker in ((true, TRUE_COLOUR, "-", "o"), (found, FOUND_COLOUR, (0, (4, 2)), "x")):
        if entry is not None and entry["box_mm"] is not None:
            _draw_box(axes, plane, np.asarray(entry["box_mm"]), float(centre_mm[plane.through]), colour, style)
            _draw_points(axes, plane, entry.get("extreme_mm") or entry.get("points_mm") or {}, colour, marker)


@dataclass(frozen=True)
class Box:
    """A box (2, 3) in LPS mm to be drawn, with its colour and line style."""

    corners_mm: FloatArray
    colour: str
    style: Any


def draw_plane(
    axes: Axes,
    picture: Picture,
    plane: Plane,
    centre_mm: FloatArray | None,
    width_mm: float,
    boxes: Sequence[Box],
    title: str,
) -> None:
    """Draw one plane through `centre_mm`, a square of `width_mm`, with any boxes, or say that there is nothing to show.

    A box that the plane does not cut is drawn thin.
    """
    if centre_mm is None:
        _say_nothing(axes)
    else:
        _draw_scan(axes, picture, plane, centre_mm, width_mm)
        for box in boxes:
            _draw_box(axes, plane, box.corners_mm, float(centre_mm[plane.through]), box.colour, box.style)
    _text(axes, 0.02, 0.98, title, ha="left", va="top", fontsize=7)


def _draw_scan(axes: Axes, picture: Picture, plane: Plane, centre_mm: FloatArray, width_mm: float) -> None:
    """Draw the voxels of one plane, a square of `width_mm`, with the letters of its sides."""
    image, extent = plane_image(picture, plane, float(centre_mm[plane.through]))
    low, high = picture.window
    axes.set_facecolor("black")
    axes.imshow(image, cmap="gray", vmin=low, vmax=high, origin="lower", extent=extent, interpolation="bilinear")
    across, along, half = centre_mm[plane.across], centre_mm[plane.along], width_mm / 2
    axes.set_xlim(across - half, across + half)
    axes.set_ylim(*((along + half, along - half) if plane.downwards else (along - half, along + half)))
    axes.set_aspect("equal")
    axes.set_xticks([])
    axes.set_yticks([])
    for letter, (x, y, horizontal, vertical) in zip(plane.letters, _SIDES, strict=True):
        _text(axes, x, y, letter, ha=horizontal, va=vertical, fontsize=8)


def _draw_box(axes: Axes, plane: Plane, box_mm: FloatArray, position_mm: float, colour: str, style: Any) -> None:
    """Draw a box's outline as seen along the plane's normal."""
    low, high = box_mm
    cut = low[plane.through] <= position_mm <= high[plane.through]
    width, height = high[plane.across] - low[plane.across], high[plane.along] - low[plane.along]
    outline = Rectangle(
        (low[plane.across], low[plane.along]), width, height, fill=False, edgecolor=colour, linestyle=style,
        linewidth=1.6 if cut else 0.7,
    )  # fmt: skip
    outline.set_path_effects([patheffects.withStroke(linewidth=2.8 if cut else 1.4, foreground="black", alpha=0.5)])
    axes.add_patch(outline)


def _draw_points(axes: Axes, plane: Plane, points_mm: Mapping[str, Sequence[float]], colour: str, marker: str) -> None:
    """Draw the extreme points of the four walls that the panel shows from the side."""
    walls = [wall for i, wall in enumerate(WALLS) if i // 2 != plane.through]
    points = np.array([points_mm[wall] for wall in walls if wall in points_mm], dtype=float).reshape(-1, 3)
    axes.plot(
        points[:, plane.across], points[:, plane.along], linestyle="none", marker=marker, markersize=4.5,
        markeredgewidth=1.1, markerfacecolor="none", markeredgecolor=colour,
    )  # fmt: skip


def _text(axes: Axes, x: float, y: float, text: str, **style: Any) -> None:
    """Write plain text, never a formula, in white at a place given in fractions of the axes."""
    written = axes.text(x, y, text, transform=axes.transAxes, color="white", parse_math=False, **style)
    written.set_path_effects([patheffects.withStroke(linewidth=2, foreground="black")])


def draw_query(
    path: Path,
    *,
    query: Picture,
    answers: Sequence[Row],
    scores: Mapping[str, str],
    heading: str,
    support: Picture | None = None,
) -> None:
    """Draw one query as PNG: a row for each answer's structure, a column for each plane, the support's plane first.

    `answers` are predictions of this query with one setting and one support; `scores` are words for each structure,
    such as its IoU and AWD. Planes lie through the middle of the true box, or of the found one where there is no truth.
    """
    columns = len(PLANES) + (support is not None)
    width = columns * PANEL_INCHES
    height = HEAD_INCHES + len(answers) * (PANEL_INCHES + STRIP_INCHES)
    figure = Figure(figsize=(width, height), dpi=DPI, facecolor="black")
    _head(figure, height, heading, support)
    gap = 0.03
    for i, answer in enumerate(answers):
        bottom = height - HEAD_INCHES - (i + 1) * (PANEL_INCHES + STRIP_INCHES)
        words = f"{answer['structure']}   {scores[answer['structure']]}"
        figure.text(
            0.06 / width, (bottom + PANEL_INCHES + 0.08) / height, words,
            color="white", fontsize=9, parse_math=False,
        )  # fmt: skip
        panels = [
            figure.add_axes((
                (k * PANEL_INCHES + gap) / width, (bottom + gap) / height,
                (PANEL_INCHES - 2 * gap) / width, (PANEL_INCHES - 2 * gap) / height,
            ))
            for k in range(columns)
        ]  # fmt: skip
        _draw_row(panels, query, answer, support)
    write_png(path, figure)


def _draw_row(panels: Sequence[Axes], query: Picture, answer: Row, support: Picture | None) -> None:
    """Draw one structure of a query into its row of panels."""
    true = query.structures.get(answer["structure"])
    boxes = [np.asarray(entry["box_mm"]) for entry in (true, answer) if entry and entry["box_mm"]]
    width = _panel_width(boxes)
    if support is not None:
        template = support.structures.get(answer["structure"])
        shown = [np.asarray(template["box_mm"])] if template else []
        _draw_or_say(panels[0], support, PLANES[0], shown, width, template, None, "support")
    for axes, plane in zip(panels[-len(PLANES) :], PLANES, strict=True):
        _draw_or_say(axes, query, plane, boxes, width, true, answer, plane.name)


def _draw_or_say(
    axes: Axes,
    picture: Picture,
    plane: Plane,
    boxes: Sequence[FloatArray],
    width_mm: float,
    true: Row | None,
    found: Row | None,
    title: str,
) -> None:
    """Draw a panel through the middle of the first box, or say in it that there is none."""
    if boxes:
        draw_panel(axes, picture, plane, boxes[0].mean(axis=0), width_mm, true, found)
    else:
        _say_nothing(axes)
    _text(axes, 0.02, 0.98, title, ha="left", va="top", fontsize=7)


def _say_nothing(axes: Axes) -> None:
    """Say in a panel that there is nothing to draw."""
    axes.set_facecolor("black")
    axes.set_xticks([])
    axes.set_yticks([])
    _text(axes, 0.5, 0.5, "nothing to show", ha="center", va="center", fontsize=8)


def _panel_width(boxes: Sequence[FloatArray]) -> float:
    """Return a width in mm at which every panel of a row shows all of its boxes, centred on the first."""
    if not boxes:
        return SMALLEST_MM
    centre = boxes[0].mean(axis=0)
    reach = max(float(np.abs(box - centre).max()) for box in boxes)
    return max(SMALLEST_MM, 2 * (reach + MARGIN_MM / 2))


def _head(figure: Figure, height: float, heading: str, support: Picture | None) -> None:
    """Write the figure's heading and its legend."""
    figure.text(
        0.008, 1 - 0.1 / height, heading, color="white", fontsize=10, fontweight="bold", va="top", parse_math=False
    )
    handles = [
        Line2D(
            [], [], color=TRUE_COLOUR, marker="o", markerfacecolor="none", markersize=5, label="true box and points"
        ),
        Line2D([], [], color=FOUND_COLOUR, linestyle=(0, (4, 2)), marker="x", markersize=5, label="found"),
    ]
    figure.legend(
        handles=handles, loc="upper left", bbox_to_anchor=(0.0, 1 - 0.29 / height), ncols=2, fontsize=8,
        labelcolor="white", frameon=False, handlelength=3, borderaxespad=0.1,
    )  # fmt: skip


def write_png(path: Path, figure: Figure, *, palette: bool = True) -> None:
    """Write a figure as PNG, whole; with a palette of 256 colours where greys and one or two line colours are all."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()  # type: ignore[no-untyped-call]
    image = Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")  # type: ignore[no-untyped-call]
    if palette:
        image = image.quantize(256, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    with whole_file(path) as temporary:
        image.save(temporary, optimize=True)
