"""Figure 4 of the paper: one query, three planes through a structure, and the box of every method beside the truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from rprloc.geometry import FloatArray
from rprloc.results.figures import (
    DPI,
    FOUND_COLOUR,
    PLANES,
    TRUE_COLOUR,
    Box,
    Picture,
    draw_plane,
    write_png,
)
from rprloc.results.method_words import in_order, words_of

PANEL_INCHES, HEAD_INCHES, LINE_INCHES = 2.1, 0.34, 0.17
MARGIN, SMALLEST_MM, WIDEST_MM = 1.5, 90.0, 240.0
"""A panel is so many times as wide as the boxes it shows, within these bounds; a box far off is named, not shown."""

STYLES = (
    (FOUND_COLOUR, (0, (4, 2))),
    ("#F0E442", (0, (5, 1.5, 1, 1.5))),
    ("#CC79A7", (0, (1.6, 1))),
)
"""Orange dashed, yellow dash-dotted, purple dotted, of Okabe and Ito: one for each method of a column."""

Row = dict[str, Any]


@dataclass(frozen=True)
class Answer:
    """One method's answer for one structure of a query: its box (2, 3) in LPS mm, if any, and its score in words."""

    method: str
    box_mm: Sequence[Sequence[float]] | None
    score: str


def median_query(main: pd.DataFrame, usable: Sequence[str]) -> str | None:
    """Return the query that lies in the middle of all by the mean IoU of its drawn answers, None without any.

    `main` are one cohort's metrics rows of the main method, `usable` the queries that can be drawn. Of an even number
    it is the worse one of the two in the middle; without truth it is the first query.
    """
    drawn = main[main["drawn"] & main["subject"].isin(usable)]
    means = drawn.groupby("subject")["iou"].mean().dropna().sort_index().sort_values(kind="stable")
    if len(means):
        return str(means.index[(len(means) - 1) // 2])
    return next(iter(usable), None)


def draw_structure(
    path: Path,
    *,
    query: Picture,
    support: Picture | None,
    structure: str,
    answers: Sequence[Answer],
    heading: str,
) -> None:
    """Draw one structure of a query as PNG: a column for the support and each family of methods, a row for each plane.

    Planes lie through the middle of the true box, or of the first method's where there is no truth; in the support
    through the middle of its own box. Each column's legend, above it, has the scores. A box that the plane does not cut
    is drawn thin; the legend says of one beyond the panels that it is far off.
    """
    columns = _columns(answers)
    true = _corners(query.structures.get(structure, {}).get("box_mm"))
    template = _corners(support.structures.get(structure, {}).get("box_mm")) if support is not None else None
    centre, width_mm = _view(true, template, answers)
    across = len(columns) + (support is not None)
    lines = max([1, *(len(column) for column in columns.values())])
    width, height = across * PANEL_INCHES, HEAD_INCHES + (lines + 1.6) * LINE_INCHES + len(PLANES) * PANEL_INCHES
    figure = Figure(figsize=(width, height), dpi=DPI, facecolor="black")
    figure.text(0.06 / width, 1 - 0.09 / height, heading, va="top", fontsize=10, fontweight="bold", **_TEXT)
    _legend(figure, [(TRUE_COLOUR, "-", "true box")], "upper right", 1 - 0.08 / width, 1 - 0.12 / height)
    place = 0
    if support is not None:
        own = [] if template is None else [Box(template, TRUE_COLOUR, "-")]
        middle = None if template is None else template.mean(axis=0)
        _draw_column(figure, place, "support", [], support, own, middle, width_mm)
        place += 1
    for family, members in columns.items():
        boxes = [] if true is None else [Box(true, TRUE_COLOUR, "-")]
        legend = []
        for answer, (colour, style) in zip(members, STYLES * len(members), strict=False):
            box = _corners(answer.box_mm)
            hidden = box is not None and _outside(box, centre, width_mm)
            legend.append((colour, style, f"{answer.method} {'far off' if hidden else answer.score}"))
            if box is not None:
                boxes.append(Box(box, colour, style))
        _draw_column(figure, place, family, legend, query, boxes, centre, width_mm)
        place += 1
    # A palette would fade the colours that tell the methods apart.
    write_png(path, figure, palette=False)


_TEXT: dict[str, Any] = {"color": "white", "parse_math": False}


def _columns(answers: Sequence[Answer]) -> dict[str, list[Answer]]:
    """Return the answers by family in the order of table 3."""
    by_method = {answer.method: answer for answer in answers}
    columns: dict[str, list[Answer]] = {}
    for method in in_order(by_method):
        columns.setdefault(words_of(method).family, []).append(by_method[method])
    return columns


def _corners(box_mm: Sequence[Sequence[float]] | None) -> FloatArray | None:
    """Return a box as an array (2, 3), None where there is none."""
    return None if box_mm is None else np.asarray(box_mm, dtype=np.float64)


def _view(
    true: FloatArray | None, template: FloatArray | None, answers: Sequence[Answer]
) -> tuple[FloatArray | None, float]:
    """Return the point that the query's planes go through and the width of every panel in mm."""
    found = [box for answer in answers if (box := _corners(answer.box_mm)) is not None]
    first = next((box for box in (true, *found) if box is not None), None)
    shown = [box - box.mean(axis=0) for box in (template,) if box is not None]
    if first is None:
        return None, SMALLEST_MM
    centre = first.mean(axis=0)
    shown += [box - centre for box in (first, *found)]
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
    entries: Sequence[tuple[str, Any, str]],
    anchor: Literal["upper left", "upper right"],
    x: float,
    y: float,
) -> None:
    """Write a legend of lines (colour, style, words) whose corner `anchor` lies at fractions of the figure."""
    handles = [Line2D([], [], color=colour, ls=style, linewidth=1.7, label=words) for colour, style, words in entries]
    written = figure.legend(
        handles=handles, loc=anchor, bbox_to_anchor=(x, y), fontsize=7.5, labelcolor="white", frameon=False,
        handlelength=2.8, handletextpad=0.5, borderaxespad=0, borderpad=0, labelspacing=0.35,
    )  # fmt: skip
    for text in written.get_texts():
        text.set_parse_math(False)


def _draw_column(
    figure: Figure,
    place: int,
    title: str,
    legend: Sequence[tuple[str, Any, str]],
    picture: Picture,
    boxes: Sequence[Box],
    centre_mm: FloatArray | None,
    width_mm: float,
) -> None:
    """Draw the three planes of one picture into the column at `place`, below its title and its legend."""
    width, height = figure.get_size_inches()
    left, top = place * PANEL_INCHES, height - HEAD_INCHES
    figure.text((left + 0.06) / width, (top - 0.02) / height, title, va="top", fontsize=9, **_TEXT)
    if legend:
        _legend(figure, legend, "upper left", (left + 0.04) / width, (top - 1.2 * LINE_INCHES) / height)
    gap = 0.03
    for number, plane in enumerate(PLANES):
        bottom = (len(PLANES) - 1 - number) * PANEL_INCHES
        axes = figure.add_axes((
            (left + gap) / width, (bottom + gap) / height,
            (PANEL_INCHES - 2 * gap) / width, (PANEL_INCHES - 2 * gap) / height,
        ))  # fmt: skip
        draw_plane(axes, picture, plane, centre_mm, width_mm, boxes, plane.name)
