"""Draw docs/explanation/flow.png, the way a run goes: python docs/flow.py."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
from matplotlib import patches
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

PICTURE = Path(__file__).resolve().parent / "explanation" / "flow.png"

STEPS = {
    "samples.csv": (0.0, 0.0, "sheet, parameters,\nsettings, weights", "#dddddd"),
    "NAMES": (1.6, 0.0, "which files\nthe sheet names", "#b3d7f0"),
    "CHECK": (3.2, 0.0, "all faults,\nor the plan", "#b3d7f0"),
    "PREPROCESS": (4.8, 0.0, "each scan:\nmodel space", "#fbe3b0"),
    "TRAIN": (6.4, 0.7, "each network", "#fbe3b0"),
    "TEACH": (8.0, 0.7, "each network that\nanother one teaches", "#fbe3b0"),
    "LOCALIZE": (9.6, 0.0, "each family of methods,\neach batch of queries", "#bfe3d6"),
    "EVALUATE": (9.6, -1.5, "each cohort:\nmetrics", "#ecc7da"),
    "TABULATE": (8.0, -1.1, "tables of\nall cohorts", "#ecc7da"),
    "VIEW": (8.0, -1.85, "pictures and\nviewers, each batch", "#ecc7da"),
    "EXPORT": (8.0, -2.6, "each query: files\nfor other programs", "#ecc7da"),
    "REPORT": (6.4, -1.5, "report.html", "#ecc7da"),
}
"""Where each step stands, what it works on, and the colour of its subworkflow."""
ARROWS = (
    ("samples.csv", "NAMES"),
    ("NAMES", "CHECK"),
    ("CHECK", "PREPROCESS"),
    ("PREPROCESS", "TRAIN"),
    ("TRAIN", "TEACH"),
    ("TEACH", "LOCALIZE"),
    ("PREPROCESS", "LOCALIZE"),
    ("LOCALIZE", "EVALUATE"),
    ("EVALUATE", "EXPORT"),
    ("EVALUATE", "TABULATE"),
    ("EVALUATE", "VIEW"),
    ("TABULATE", "REPORT"),
    ("VIEW", "REPORT"),
)
WORKFLOWS = {"workflows/learn.nf": "#fbe3b0", "workflows/search.nf": "#bfe3d6", "workflows/tell.nf": "#ecc7da"}
WIDTH, HEIGHT = 1.3, 0.55


def draw(path: Path) -> None:
    """Draw the steps and what goes from one to the next."""
    mpl.use("Agg")
    figure, axes = plt.subplots(figsize=(13, 4.5), layout="constrained")
    for name, (x, y, words, colour) in STEPS.items():
        corner = (x - WIDTH / 2, y - HEIGHT / 2)
        axes.add_patch(patches.FancyBboxPatch(corner, WIDTH, HEIGHT, boxstyle="round,pad=0.03", facecolor=colour))
        axes.text(x, y + 0.14, name, ha="center", va="center", weight="bold", fontsize=10)
        axes.text(x, y - 0.1, words, ha="center", va="center", fontsize=7.5)
    for before, after in ARROWS:
        _arrow(axes, before, after)
    for place, (name, colour) in enumerate(WORKFLOWS.items()):
        look = {"facecolor": colour, "boxstyle": "round"}
        axes.text(0.4, -1.5 - 0.3 * place, name, bbox=look, ha="center", fontsize=8)
    axes.set_xlim(-0.8, 10.4)
    axes.set_ylim(-3.0, 1.15)
    axes.axis("off")
    figure.savefig(path, dpi=90)
    plt.close(figure)


def _arrow(axes: Axes, before: str, after: str) -> None:
    """Draw an arrow between the sides of two steps that look at each other."""
    (x, y, *_), (to_x, to_y, *_) = STEPS[before], STEPS[after]
    side = (WIDTH / 2 + 0.04) * ((to_x > x) - (to_x < x))
    rise = (HEIGHT / 2 + 0.04) * ((to_y > y) - (to_y < y)) if to_x == x else 0
    axes.annotate("", (to_x - side, to_y - rise), (x + side, y + rise), arrowprops={"arrowstyle": "->", "lw": 1.2})


if __name__ == "__main__":
    draw(PICTURE)
