"""Risk-coverage curves: how wrong the most certain answers are, against how many of them are kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from rprloc.geometry import FloatArray
from rprloc.results.report.images import COLOURS, write_png

SHARES = np.linspace(0.05, 1, 96)
"""Of the answers that are kept, where a curve is drawn: fewer than one in twenty are one answer's luck."""


def draw_risks(path: Path, curves: Mapping[str, Sequence[Sequence[float]]]) -> None:
    """Draw risk-coverage curves as PNG: a line for each kind of answers, the mean of its structures' curves.

    `curves` holds for each kind the curves (n,) of its structures, of 1 - IoU. A dotted line is at the error of all
    answers, where doubts that tell nothing would leave the curve.
    """
    figure = Figure(figsize=(5.4, 3.2), dpi=110, facecolor="white", layout="constrained")
    axes = figure.subplots()
    for (kind, structures), colour in zip(curves.items(), COLOURS, strict=False):
        risk = mean_risk(structures)
        axes.plot(100 * SHARES, risk, color=colour, linewidth=1.3, label=kind)
        axes.axhline(risk[-1], color=colour, linewidth=1, linestyle=":")
    axes.set_title("mean 1 - IoU of the answers that are kept", fontsize=9, loc="left")
    axes.set_xlabel("answers that are kept, those least likely lost first [%]", fontsize=8)
    axes.set_xlim(0, 100)
    axes.tick_params(labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.3, linewidth=0.5)
    axes.legend(fontsize=7, framealpha=0.8, edgecolor="none")
    write_png(path, figure)


def mean_risk(curves: Sequence[Sequence[float]]) -> FloatArray:
    """Return the mean over curves (n,), each of its own length, at SHARES of the answers; flat before the first one."""
    return np.mean([np.interp(SHARES, np.arange(1, len(one) + 1) / len(one), one) for one in curves], axis=0)
