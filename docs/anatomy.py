"""Draw docs/results/anatomy.png, `matched` beside registrations in three anatomies: python docs/anatomy.py.

The figures are those of the table in docs/results/anatomy.md.
"""

from __future__ import annotations

import re
from pathlib import Path

import matplotlib as mpl
from matplotlib import pyplot as plt

HERE = Path(__file__).resolve().parent
PAGE = HERE / "results" / "anatomy.md"
PICTURE = HERE / "results" / "anatomy.png"
COHORTS = ("head and neck CT", "abdomen MR", "brain MR")
COLOURS = {"matched": "#d55e00", "convex": "#0072b2", "bspline": "#009e73", "affine": "#777777"}
"""Of Okabe and Ito."""

Figures = dict[str, list[tuple[float, float]]]
"""By method, for each cohort the IoU in % from one support and from three."""


def figures_of(text: str) -> Figures:
    """Return the figures of the page's table of registrations."""
    rows = re.findall(r"^\| `(\w+)` \| (.+;.+) \| [^|]+ \|$", text, re.MULTILINE)
    found: Figures = {}
    for method, cells in rows:
        pairs = [cell.replace("*", "").split(";") for cell in cells.split("|")]
        found[method] = [(_iou(one), _iou(three)) for one, three in pairs]
    return found


def _iou(text: str) -> float:
    """Return the IoU of `63.6 / 4.08`."""
    return float(text.split("/")[0])


def draw(figures: Figures, path: Path) -> None:
    """Draw a bar a method and cohort: one support, and paler what three add."""
    mpl.use("Agg")
    figure, axes = plt.subplots(figsize=(8.5, 3.6), layout="constrained")
    width = 0.8 / len(figures)
    for number, (method, pairs) in enumerate(figures.items()):
        for cohort, (one, three) in enumerate(pairs):
            place = cohort + (number - (len(figures) - 1) / 2) * width
            named = {"label": method} if cohort == 0 else {}
            axes.bar(place, one, width * 0.9, color=COLOURS[method], **named)
            axes.bar(place, three - one, width * 0.9, bottom=one, color=COLOURS[method], alpha=0.45)
    axes.set_xticks(range(len(COHORTS)), COHORTS)
    axes.set_ylabel("IoU with the true boxes, %")
    axes.set_title("from one support; paler: from three together", fontsize=10)
    axes.legend(frameon=False, ncols=len(figures), loc="upper left")
    axes.set_ylim(0, 100)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=110)
    plt.close(figure)


if __name__ == "__main__":
    draw(figures_of(PAGE.read_text(encoding="utf-8")), PICTURE)
