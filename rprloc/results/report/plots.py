"""Distributions of errors as dots with words on them, laid out for the page: one line a structure, wall or method."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from rprloc.geometry import WALLS
from rprloc.results.frame import alone, groups_of, together
from rprloc.results.report.answers import Pictures
from rprloc.results.report.material import Material
from rprloc.results.report.words import number, percent

MOST_DOTS = 300
"""Of a line: of more every n-th in the order of size is drawn."""
LEFT, WIDTH, LINE = 170, 620, 26
"""Where a plot's axis begins, how long it is and how high a line is, in pixels."""


@dataclass(frozen=True)
class Dot:
    """A value, from 0 to 1 along the axis, and its words."""

    place: float
    words: str


@dataclass(frozen=True)
class Strip:
    """A line of a plot: its dots and their median."""

    label: str
    dots: tuple[Dot, ...]
    middle: Dot | None


@dataclass(frozen=True)
class Plot:
    """A plot: its lines, and the ticks of its axis in words."""

    title: str
    axis: str
    strips: tuple[Strip, ...]
    ticks: tuple[Dot, ...]


def plots_of(material: Material, pictures: Pictures) -> tuple[Plot, ...]:
    """Return the plots of a cohort: errors of the answers to use by structure and by wall, of all methods, and what
    each method costs; none without truth.
    """
    found = [
        _plot("How far answers are off, by structure", "mm", _by_structure(material)),
        _plot("How far walls are off", "mm", _by_wall(material, pictures)),
    ]
    if material.several:
        found += [
            _plot("IoU of every method", "%", _by_method(material)),
            _plot("Seconds a structure takes by every method", "s", _seconds(material)),
        ]
    return tuple(plot for plot in found if plot is not None)


Values = Mapping[str, Sequence[tuple[float, str]]]
"""By line: values and their words."""


def _plot(title: str, axis: str, lines: Values) -> Plot | None:
    """Lay out a plot from 0 to the largest value; None without any."""
    every = [value for own in lines.values() for value, _ in own]
    if not every:
        return None
    # Where all are 0 the axis still has a length.
    largest = max(every) or 1.0
    step = _step(largest)
    end = step * math.ceil(largest / step)
    strips = tuple(_strip(label, own, end) for label, own in lines.items() if own)
    ticks = tuple(Dot(value / end, f"{value:g}") for value in np.arange(0, end + step / 2, step).round(6).tolist())
    return Plot(title, axis, strips, ticks)


def _step(largest: float) -> float:
    """Return a round step of which some five make up a length."""
    rough = largest / 5
    power = 10.0 ** math.floor(math.log10(rough))
    return next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * 0.999)


def _strip(label: str, values: Sequence[tuple[float, str]], end: float) -> Strip:
    """Return a line of a plot."""
    ordered = sorted(values)
    every = max(1, math.ceil(len(ordered) / MOST_DOTS))
    middle = float(np.median([value for value, _ in ordered]))
    dots = tuple(Dot(round(value / end, 4), words) for value, words in ordered[::every])
    return Strip(label, dots, Dot(round(middle / end, 4), f"{label}: median {middle:.3g}, n = {len(ordered)}"))


def _by_structure(material: Material) -> Values:
    """Return how far the answers to use are off, single landmarks among them."""
    rows = to_use(material.main)
    off = rows["awd_mm"].fillna(rows["mre_mm"]).where(~rows["failed"])
    found: dict[str, list[tuple[float, str]]] = {}
    for value, subject, structure in zip(off, rows["subject"], rows["structure"], strict=True):
        if not math.isnan(value):
            found.setdefault(str(structure), []).append((value, f"{structure} in {subject}: {number(value, 1)} mm"))
    return found


def _by_wall(material: Material, pictures: Pictures) -> Values:
    """Return how far each wall of the answers to use is from the true one."""
    found: dict[str, list[tuple[float, str]]] = {wall: [] for wall in WALLS}
    for subject, own in material.to_use().items():
        seen = pictures.get((material.shown.cohort, subject))
        for one in own:
            true = None if seen is None else seen.true_mm.get(one.structure)
            if one.failed or one.box_mm is None or true is None:
                continue
            off = np.abs(np.array(one.box_mm) - np.array(true)).T.ravel().tolist()
            for wall, value in zip(WALLS, off, strict=True):
                found[wall].append((value, f"{wall} wall of {one.structure} in {subject}: {number(value, 1)} mm"))
    return found


def _by_method(material: Material) -> Values:
    """Return the IoU of all answers of each method, misses as 0."""
    return {
        group.label: [
            (100 * row["iou"], f"{row['structure']} in {row['subject']}: {percent(row['iou'], 0)} %")
            for row in rows.to_dict("records")
        ]
        for group in groups_of(material.metrics)
        if len(rows := to_use(group.rows).dropna(subset="iou"))
    }


def _seconds(material: Material) -> Values:
    """Return the mean seconds of an answer by each method, with what they buy."""
    found = {}
    for group in groups_of(material.metrics):
        rows = alone(group.rows).dropna(subset=["iou", "seconds"])
        if len(rows):
            seconds, iou = float(rows["seconds"].mean()), float(rows["iou"].mean())
            words = f"{group.label}: {seconds:.2g} s, mean IoU {percent(iou, 1)} %"
            found[f"{group.label} ({percent(iou, 0)} %)"] = [(seconds, words)]
    return found


def to_use(main: pd.DataFrame) -> pd.DataFrame:
    """Return of one method's metrics rows those of all supports together and, for queries without, of the drawn one."""
    every = together(main)
    return pd.concat([every, main[main["drawn"] & ~main["subject"].isin(every["subject"])]])
