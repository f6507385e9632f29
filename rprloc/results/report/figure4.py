"""Figure 4 of the paper: three planes through a structure of a query, and the box of every method beside the truth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from rprloc.catalogue import in_order
from rprloc.geometry import FloatArray
from rprloc.pictures.planes import PLANES, PlaneView
from rprloc.results.report.images import write_png
from rprloc.results.report.planes import DPI, FOUND_COLOUR, TRUE_COLOUR, Box, Picture, draw_plane
from rprloc.results.words import column_of
from rprloc.scans.record import Structure

PANEL_INCHES, HEAD_INCHES, LINE_INCHES = 2.1, 0.34, 0.17
MARGIN, SMALLEST_MM, WIDEST_MM = 1.5, 90.0, 240.0
"""A panel is so many times as wide as the boxes it shows, within these bounds; a box far off is named, not shown."""
_GAP_INCHES = 0.03

STYLES: tuple[tuple[str, Any], ...] = (
    (FOUND_COLOUR, (0, (4, 2))),
    ("#F0E442", (0, (5, 1.5, 1, 1.5))),
    ("#CC79A7", (0, (1.6, 1))),
    ("#009E73", (0, (9, 2))),
)
"""Orange dashed, yellow dash-dotted, purple dotted, green with long dashes, of Okabe and Ito: one for each method of a
column."""


@dataclass(frozen=True)
class MethodBox:
    """What one method predicts of a structure: the box (2, 3) in LPS mm, or twice the single landmark, if any, and its
    score in words.
    """

    method: str
    box_mm: FloatArray | None
    score: str


@dataclass(frozen=True)
class _Entry:
    """A line of a legend."""

    colour: str
    style: Any
    words: str


@dataclass(frozen=True)
class _Column:
    """A column of the figure: three planes of one picture through a point (3,), if there is one, below its legend."""

    title: str
    legend: Sequence[_Entry]
    picture: Picture
    boxes: Sequence[Box]
    centre_mm: FloatArray | None


def draw_structure(
    path: Path,
    structure: str,
    found: Sequence[MethodBox],
    *,
    query: Picture,
    support: Picture | None,
    heading: str,
) -> None:
    """Draw one structure of a query as PNG: a column for the support and each family of methods, a row for each plane.

    Planes lie through the middle of the true box, or of the first method's where there is no truth; in the support
    through the middle of its own box. Each column's legend, above it, has the scores. A box that the plane does not cut
    is drawn thin; the legend says of one beyond the panels that it is far off.
    """
    true = _true(query.structures.get(structure))
    template = [] if support is None else _true(support.structures.get(structure))
    centre, width_mm = _shown(true, template, found)
    columns = [] if support is None else [_support_column(support, template)]
    for title, members in _families(found).items():
        boxes, legend = _found(members, centre, width_mm)
        columns.append(_Column(title, legend, query, [*true, *boxes], centre))
    lines = max([1, *(len(column.legend) for column in columns)])
    width, height = len(columns) * PANEL_INCHES, HEAD_INCHES + (lines + 1.6) * LINE_INCHES + len(PLANES) * PANEL_INCHES
    figure = Figure(figsize=(width, height), dpi=DPI, facecolor="black")
    _write(figure, (0.06 / width, 1 - 0.09 / height), heading, size=10, weight="bold")
    truth = [_Entry(TRUE_COLOUR, "-", "true box")]
    _legend(figure, truth, "upper right", (1 - 0.08 / width, 1 - 0.12 / height))
    for place, column in enumerate(columns):
        _draw_column(figure, place, column, width_mm)
    # A palette would fade the colours that tell the methods apart.
    write_png(path, figure, palette=False)


def _families(found: Sequence[MethodBox]) -> Mapping[str, list[MethodBox]]:
    """Return the methods' boxes by column, in the order of the tables."""
    by_method = {one.method: one for one in found}
    columns: dict[str, list[MethodBox]] = {}
    for method in in_order(by_method):
        columns.setdefault(column_of(method), []).append(by_method[method])
    return columns


def _true(structure: Structure | None) -> list[Box]:
    """Return the box of a labelled structure, if there is one."""
    if structure is None:
        return []
    return [Box(structure.box_mm, TRUE_COLOUR, "-", structure.extreme_mm if structure.is_point else None, "o")]


def _support_column(support: Picture, template: Sequence[Box]) -> _Column:
    """Return the column of the support, whose planes lie through the middle of its own box."""
    return _Column("support", (), support, template, template[0].corners_mm.mean(axis=0) if template else None)


def _found(
    members: Sequence[MethodBox], centre_mm: FloatArray | None, width_mm: float
) -> tuple[list[Box], list[_Entry]]:
    """Return the boxes of one column's methods and its legend."""
    boxes, legend = [], []
    for one, (colour, style) in zip(members, STYLES * len(members), strict=False):
        hidden = one.box_mm is not None and _outside(one.box_mm, centre_mm, width_mm)
        legend.append(_Entry(colour, style, f"{one.method} {'far off' if hidden else one.score}"))
        if one.box_mm is not None:
            is_point = not (one.box_mm[1] > one.box_mm[0]).any()
            boxes.append(Box(one.box_mm, colour, style, one.box_mm[:1] if is_point else None, "x"))
    return boxes, legend


def _shown(true: Sequence[Box], template: Sequence[Box], found: Sequence[MethodBox]) -> tuple[FloatArray | None, float]:
    """Return the point that the query's planes go through and the width of every panel in mm."""
    boxes = [*(box.corners_mm for box in true), *(one.box_mm for one in found if one.box_mm is not None)]
    if not boxes:
        return None, SMALLEST_MM
    centre = boxes[0].mean(axis=0)
    shown = [box.corners_mm - box.corners_mm.mean(axis=0) for box in template]
    shown += [box - centre for box in boxes]
    reach = [float(np.abs(box).max()) for box in shown]
    # What reaches farther than a panel can show is not there to be seen.
    reach = [mm for mm in reach if 2 * mm <= WIDEST_MM] or reach[:1]
    return centre, float(np.clip(2 * MARGIN * max(reach), SMALLEST_MM, WIDEST_MM))


def _outside(box_mm: FloatArray, centre_mm: FloatArray | None, width_mm: float) -> bool:
    """Say whether a box lies wholly outside the cube that the panels show."""
    if centre_mm is None:
        return False
    low, high = box_mm - centre_mm
    return bool(((low > width_mm / 2) | (high < -width_mm / 2)).any())


def _legend(
    figure: Figure,
    entries: Sequence[_Entry],
    anchor: Literal["upper left", "upper right"],
    place: tuple[float, float],
) -> None:
    """Write a legend whose corner `anchor` lies at a place in fractions of the figure."""
    handles = [Line2D([], [], color=one.colour, ls=one.style, linewidth=1.7, label=one.words) for one in entries]
    written = figure.legend(
        handles=handles, loc=anchor, bbox_to_anchor=place, fontsize=7.5, labelcolor="white", frameon=False,
        handlelength=2.8, handletextpad=0.5, borderaxespad=0, borderpad=0, labelspacing=0.35,
    )  # fmt: skip
    for text in written.get_texts():
        text.set_parse_math(False)


def _write(figure: Figure, place: tuple[float, float], text: str, *, size: float, weight: str = "normal") -> None:
    """Write plain text, never a formula, whose upper left corner lies at a place in fractions of the figure."""
    figure.text(*place, text, va="top", fontsize=size, fontweight=weight, color="white", parse_math=False)


def _draw_column(figure: Figure, place: int, column: _Column, width_mm: float) -> None:
    """Draw one column below its title and its legend."""
    width, height = figure.get_size_inches()
    left, top = place * PANEL_INCHES, height - HEAD_INCHES
    _write(figure, ((left + 0.06) / width, (top - 0.02) / height), column.title, size=9)
    if column.legend:
        corner = ((left + 0.04) / width, (top - 1.2 * LINE_INCHES) / height)
        _legend(figure, column.legend, "upper left", corner)
    for number, plane in enumerate(PLANES):
        bottom = (len(PLANES) - 1 - number) * PANEL_INCHES
        axes = figure.add_axes((
            (left + _GAP_INCHES) / width, (bottom + _GAP_INCHES) / height,
            (PANEL_INCHES - 2 * _GAP_INCHES) / width, (PANEL_INCHES - 2 * _GAP_INCHES) / height,
        ))  # fmt: skip
        view = None if column.centre_mm is None else PlaneView(plane, column.centre_mm, width_mm)
        draw_plane(axes, column.picture, view, column.boxes, plane.name)
