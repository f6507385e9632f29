"""Training curves: the error of the validation pairs and the loss against the step."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from rprloc.errors import InputError
from rprloc.results.report.images import COLOURS, write_png


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """A point of a training's curve; an error that is not one in mm has another name and is not drawn."""

    step: float
    loss: float | None = None
    train_error_mm: float | None = None
    validation_error_mm: float | None = None


Log = Sequence[Entry]


def read_log(path: Path) -> Log:
    """Read the curve that a training wrote as JSON lines; raises InputError where it is none."""
    try:
        return msgspec.json.Decoder(Entry).decode_lines(path.read_bytes())
    except (OSError, msgspec.DecodeError) as error:
        raise InputError(f"{path.name}: expected the curve of a training, found: {error}.") from error


def draw_training(path: Path, logs: Mapping[str, Log]) -> None:
    """Draw the training logs of one cohort's networks as PNG: errors in mm at the left, losses at the right.

    `logs` holds the log of each network. Axes are logarithmic where the values span more than a factor of three, since
    a fine network's offsets are ten times smaller than a coarse one's.
    """
    figure = Figure(figsize=(9.2, 3.2), dpi=110, facecolor="white", layout="constrained")
    errors, losses = figure.subplots(1, 2)
    for (network, log), colour in zip(logs.items(), COLOURS * len(logs), strict=False):
        _draw(errors, points(log, "train_error_mm"), f"{network}, training", colour, ":")
        _draw(errors, points(log, "validation_error_mm"), f"{network}, validation", colour, "-")
        _draw(losses, points(log, "loss"), network, colour, "-")
    _finish(errors, "mean error of an offset, a position or a box's wall [mm]")
    _finish(losses, "loss")
    write_png(path, figure)


def points(log: Log, name: str) -> list[tuple[float, float]]:
    """Return the steps and values of one curve: those that are positive numbers, as a logarithmic axis needs."""
    values = [(entry.step, getattr(entry, name)) for entry in log]
    return [(step, value) for step, value in values if value is not None and math.isfinite(value) and value > 0 < step]


def _draw(axes: Axes, curve: Sequence[tuple[float, float]], label: str, colour: str, style: str) -> None:
    """Draw one curve, or nothing where the log lacks it; a single entry is still a visible dot."""
    if curve:
        marker = "o" if len(curve) < 30 and style == "-" else ""
        (line,) = axes.plot(*zip(*curve, strict=True), style, color=colour, marker=marker, markersize=3, linewidth=1.3)
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
