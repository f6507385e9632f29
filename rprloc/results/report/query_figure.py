"""The figure of a query: a row for each structure, three planes with its true and its found box."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from rprloc.geometry import WALLS, FloatArray
from rprloc.methods.answer import Prediction
from rprloc.results.report.images import write_png
from rprloc.results.report.planes import DPI, FOUND_COLOUR, PLANES, TRUE_COLOUR, Box, Picture, View, draw_plane
from rprloc.scans.scan import Structure

PANEL_INCHES, STRIP_INCHES, HEAD_INCHES = 2.3, 0.3, 0.62
MARGIN_MM, SMALLEST_MM = 45.0, 120.0
"""What a panel shows round the boxes, and its least width."""
_GAP_INCHES = 0.03
_DASHED = (0, (4, 2))


@dataclass(frozen=True)
class Row:
    """A row of the figure: a prediction of the query, and its score in words."""

    prediction: Prediction
    score: str


def draw_query(path: Path, rows: Sequence[Row], *, query: Picture, support: Picture | None, heading: str) -> None:
    """Draw one query as PNG: a row for each prediction, a column for each plane, the support's plane first.

    Planes lie through the middle of the true box, or of the found one where there is no truth.
    """
    columns = len(PLANES) + (support is not None)
    width = columns * PANEL_INCHES
    height = HEAD_INCHES + len(rows) * (PANEL_INCHES + STRIP_INCHES)
    figure = Figure(figsize=(width, height), dpi=DPI, facecolor="black")
    _head(figure, height, heading)
    for i, row in enumerate(rows):
        bottom = height - HEAD_INCHES - (i + 1) * (PANEL_INCHES + STRIP_INCHES)
        words = f"{row.prediction.structure}   {row.score}"
        figure.text(
            0.06 / width, (bottom + PANEL_INCHES + 0.08) / height, words,
            color="white", fontsize=9, parse_math=False,
        )  # fmt: skip
        panels = [
            figure.add_axes((
                (k * PANEL_INCHES + _GAP_INCHES) / width, (bottom + _GAP_INCHES) / height,
                (PANEL_INCHES - 2 * _GAP_INCHES) / width, (PANEL_INCHES - 2 * _GAP_INCHES) / height,
            ))
            for k in range(columns)
        ]  # fmt: skip
        _draw_row(panels, row.prediction, query, support)
    write_png(path, figure)


def _draw_row(panels: Sequence[Axes], prediction: Prediction, query: Picture, support: Picture | None) -> None:
    """Draw one structure of a query into its row of panels."""
    boxes = [*_true(query.structures.get(prediction.structure)), *_found(prediction)]
    width_mm = _panel_width([box.corners_mm for box in boxes])
    if support is not None:
        own = _true(support.structures.get(prediction.structure))
        draw_plane(panels[0], support, _view(own, 0, width_mm), own, "support")
    for number, axes in enumerate(panels[-len(PLANES) :]):
        draw_plane(axes, query, _view(boxes, number, width_mm), boxes, PLANES[number].name)


def _true(structure: Structure | None) -> list[Box]:
    """Return the box of a labelled structure, if there is one."""
    if structure is None:
        return []
    return [Box(structure.box_mm, TRUE_COLOUR, "-", structure.extreme_mm, "o")]


def _found(prediction: Prediction) -> list[Box]:
    """Return the predicted box, or the single landmark, if there is one."""
    named = prediction.points_mm or {}
    if prediction.point and named:
        at = np.array(list(named.values()))
        return [Box(np.repeat(at, 2, axis=0), FOUND_COLOUR, _DASHED, at, "x")]
    if prediction.box_mm is None:
        return []
    points = np.array([named[wall] for wall in WALLS]) if set(named) == set(WALLS) else None
    return [Box(np.array(prediction.box_mm), FOUND_COLOUR, _DASHED, points, "x")]


def _view(boxes: Sequence[Box], number: int, width_mm: float) -> View | None:
    """Return one of the PLANES through the middle of the first box, if there is one."""
    return View(PLANES[number], boxes[0].corners_mm.mean(axis=0), width_mm) if boxes else None


def _panel_width(boxes_mm: Sequence[FloatArray]) -> float:
    """Return a width in mm at which every panel of a row shows all of its boxes, centred on the first."""
    if not boxes_mm:
        return SMALLEST_MM
    centre = boxes_mm[0].mean(axis=0)
    reach = max(float(np.abs(box - centre).max()) for box in boxes_mm)
    return max(SMALLEST_MM, 2 * (reach + MARGIN_MM / 2))


def _head(figure: Figure, height: float, heading: str) -> None:
    """Write the figure's heading and its legend."""
    figure.text(
        0.008, 1 - 0.1 / height, heading, color="white", fontsize=10, fontweight="bold", va="top", parse_math=False
    )
    handles = [
        Line2D(
            [], [], color=TRUE_COLOUR, marker="o", markerfacecolor="none", markersize=5, label="true box and points"
        ),
        Line2D([], [], color=FOUND_COLOUR, linestyle=_DASHED, marker="x", markersize=5, label="found"),
    ]
    figure.legend(
        handles=handles, loc="upper left", bbox_to_anchor=(0.0, 1 - 0.29 / height), ncols=2, fontsize=8,
        labelcolor="white", frameon=False, handlelength=3, borderaxespad=0.1,
    )  # fmt: skip
