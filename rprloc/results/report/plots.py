"""Distributions of errors as dots with words on them, laid out for the page: one line a structure, wall or method."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

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
HEIGHT, WORDS = 260, 15
"""How high the plot of costs is, and the least distance of two dots' words, in pixels."""


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


class Spot(NamedTuple):
    """A method in the plot of costs: places from 0 to 1, from the left and from below, and where its name stands."""

    across: float
    up: float
    label: str
    words: str
    label_up: float


@dataclass(frozen=True)
class Costs:
    """How good each method is against the seconds it takes, which grow by powers of ten; ticks of both axes."""

    spots: tuple[Spot, ...]
    seconds: tuple[Dot, ...]
    iou: tuple[Dot, ...]


def plots_of(material: Material, pictures: Pictures) -> tuple[Plot, ...]:
    """Return the plots of a cohort: errors of the answers to use by structure and by wall, and of all methods; none
    without truth.
    """
    found = [
        _plot("How far answers are off, by structure", "mm", _by_structure(material)),
        _plot("How far walls are off", "mm", _by_wall(material, pictures)),
    ]
    if material.several:
        found.append(_plot("IoU of every method", "%", _by_method(material)))
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


def costs_of(material: Material) -> Costs | None:
    """Return the mean IoU of each method, its misses as 0, against the mean seconds of an answer; None where fewer than
    two have both.
    """
    known: list[tuple[str, float, float]] = []
    for group in groups_of(material.metrics):
        rows = alone(group.rows).dropna(subset=["iou", "seconds"])
        if len(rows) and rows["seconds"].mean() > 0:
            known.append((group.label, float(rows["seconds"].mean()), float(rows["iou"].mean())))
    if len(known) < 2:
        return None
    powers = [math.log10(seconds) for _, seconds, _ in known]
    low, high = math.floor(min(powers)), max(math.ceil(max(powers)), math.floor(min(powers)) + 1)
    spots: list[Spot] = []
    for (label, seconds, iou), power in sorted(zip(known, powers, strict=True), key=lambda one: one[0][2]):
        words = f"{label}: {seconds:.2g} s a structure, mean IoU {percent(iou, 1)} %"
        free = spots[-1].label_up + WORDS / HEIGHT if spots else iou
        spots.append(Spot((power - low) / (high - low), iou, label, words, max(iou, free)))
    ticks = tuple(Dot((power - low) / (high - low), f"{10.0**power:g}") for power in range(low, high + 1))
    return Costs(tuple(spots), ticks, tuple(Dot(step / 5, f"{20 * step}") for step in range(6)))


def to_use(main: pd.DataFrame) -> pd.DataFrame:
    """Return of one method's metrics rows those of all supports together and, for queries without, of the drawn one."""
    every = together(main)
    return pd.concat([every, main[main["drawn"] & ~main["subject"].isin(every["subject"])]])
