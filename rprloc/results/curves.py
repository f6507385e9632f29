"""Training curves: the error of the validation pairs and the loss against the step."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from rprloc.results.figures import write_png

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7")
"""Blue, vermilion, green and purple of Okabe and Ito; one for each network."""

Log = Sequence[Mapping[str, Any]]


def draw_training(path: Path, logs: Mapping[str, Log]) -> None:
    """Draw the training logs of one cohort's networks as PNG: errors in mm at the left, losses at the right.

    `logs` holds for each network the objects of its log: step, loss, train_error_mm and
    validation_error_mm, each of which may be missing or null. Axes are logarithmic where the values span more than a
    factor of three, since a fine network's offsets are ten times smaller than a coarse one's.
    """
    figure = Figure(figsize=(9.2, 3.2), dpi=110, facecolor="white", layout="constrained")
    errors, losses = figure.subplots(1, 2)
    for (stage, log), colour in zip(logs.items(), COLOURS * len(logs), strict=False):
        _draw(errors, log, "train_error_mm", f"{stage}, training", colour, ":")
        _draw(errors, log, "validation_error_mm", f"{stage}, validation", colour, "-")
        _draw(losses, log, "loss", stage, colour, "-")
    _finish(errors, "mean error of an offset, a position or a box's wall [mm]")
    _finish(losses, "loss")
    write_png(path, figure)


def points(log: Log, name: str) -> tuple[list[float], list[float]]:
    """Return the steps and values of one curve: the entries that are positive numbers, as a logarithmic axis needs."""
    good = [entry for entry in log if _positive(entry.get("step")) and _positive(entry.get(name))]
    return [float(entry["step"]) for entry in good], [float(entry[name]) for entry in good]


def _positive(value: Any) -> bool:
    """Say whether a value is a positive, finite number."""
    return isinstance(value, int | float) and math.isfinite(value) and value > 0


def _draw(axes: Axes, log: Log, name: str, label: str, colour: str, style: str) -> None:
    """Draw one curve, or nothing where the log lacks it; a single entry is still a visible dot."""
    steps, values = points(log, name)
    if steps:
        marker = "o" if len(steps) < 30 and style == "-" else ""
        (line,) = axes.plot(steps, values, style, color=colour, marker=marker, markersize=3, linewidth=1.3)
        line.set_label(label)


def _finish(axes: Axes, title: str) -> None:
    """Name the axes, or say that there is nothing to draw."""
    axes.set_title(title, fontsize=9, loc="left")
    axes.set_xlabel("step", fontsize=8)
    axes.tick_params(labelsize=8, which="both")
    axes.spines[["top", "right"]].set_visible(False)
    if not axes.lines:
        axes.text(0.5, 0.5, "not in the log", transform=axes.transAxes, ha="center", fontsize=9)
        return
    values = [float(value) for line in axes.lines for value in np.asarray(line.get_ydata())]
    if max(values) > 3 * min(values):
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter("{x:g}")
        axes.yaxis.set_minor_formatter(NullFormatter())
    axes.grid(alpha=0.3, which="both", linewidth=0.5)
    axes.legend(fontsize=7, framealpha=0.8, edgecolor="none")
