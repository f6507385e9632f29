"""Draw docs/results/accuracy.png, accuracy against seconds of every method: python docs/accuracy.py.

The figures are those of docs/results/openkbp/table4.md, as a run wrote it.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import matplotlib as mpl
from matplotlib import pyplot as plt

HERE = Path(__file__).resolve().parent
TABLE = HERE / "results" / "openkbp" / "table4.md"
PICTURE = HERE / "results" / "accuracy.png"

LOOKS = {
    "matched": ("#d55e00", (6, 4)),
    "student": ("#d55e00", (-8, 8)),
    "regression": ("#0072b2", (6, -14)),
    "position_map": ("#0072b2", (6, -10)),
    "retina_unet": ("#009e73", (-6, -12)),
    "ceiling": ("#009e73", (-8, -4)),
    "affine": ("#777777", (6, -10)),
    "bspline": ("#777777", (6, -4)),
    "convex": ("#777777", (6, 4)),
    "grey_mse": ("#cc79a7", (-6, 6)),
    "feature_mse": ("#cc79a7", (6, 3)),
}
"""The colour (Okabe and Ito) and the place of the words of each method; others have those of what they resemble."""
WORDS = {
    "regression": "regression (the paper's)",
    "retina_unet": "retina_unet (labels)",
    "ceiling": "ceiling (labels)",
    "grey_mse": "grey_*",
    "feature_mse": "feature_*",
}


class Point(NamedTuple):
    """What a method reaches with a number of supports, 0 for one that has learned before."""

    method: str
    supports: int
    iou: float
    seconds: float


def points_of(text: str) -> list[Point]:
    """Return the points of a table 4 as TABULATE writes it."""
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("|")]
    head, *lines = rows
    places = [head.index(name) for name in ("support", "mean", "seconds")]
    found = []
    for row in lines:
        if set(row[0]) == {"-"}:
            continue
        support, mean, seconds = (row[place] for place in places)
        number = re.search(r"\d+", support)
        supports, iou = int(number[0]) if number else 0, float(mean.split(",")[0])
        found.append(Point(row[0].split()[0], supports, iou, float(seconds)))
    return found


def draw(points: list[Point], path: Path) -> None:
    """Draw a line for each method from one support to all of them, the seconds on a logarithmic axis."""
    mpl.use("Agg")
    figure, axes = plt.subplots(figsize=(8.5, 5), layout="constrained")
    for method in dict.fromkeys(point.method for point in points):
        own = [point for point in points if point.method == method]
        like = next((name for name in LOOKS if name.split("_")[0] == method.split("_")[0]), method)
        colour, place = LOOKS.get(like, ("black", (6, 4)))
        seconds, iou = [point.seconds for point in own], [point.iou for point in own]
        axes.plot(seconds, iou, "-", color=colour, linewidth=1.2, alpha=0.7)
        sizes = [70 if point.supports == 0 else 14 + 9 * point.supports for point in own]
        axes.scatter(seconds, iou, s=sizes, color=colour, marker="D" if own[0].supports == 0 else "o", alpha=0.85)
        if like == method:
            axes.annotate(
                WORDS.get(method, method),
                (seconds[-1], iou[-1]),
                xytext=place,
                textcoords="offset points",
                ha="left" if place[0] > 0 else "right",
                color=colour,
                weight="bold" if method == "matched" else "normal",
            )
    axes.set_xscale("log")
    axes.set_xlim(0.01, 400)
    axes.set_xlabel("seconds a scan, four structures, two processor cores")
    axes.set_ylabel("IoU with the true boxes, %")
    axes.set_title("dots: 1, 3, 5 and 9 annotated scans, small to large; diamonds: taught before", fontsize=10)
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=110)
    plt.close(figure)


if __name__ == "__main__":
    draw(points_of(TABLE.read_text(encoding="utf-8")), PICTURE)
