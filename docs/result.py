"""Draw docs/result.png, what `make demo` finds from one annotated scan: python docs/result.py [RESULTS]."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import SimpleITK as sitk
from matplotlib import patches
from matplotlib import pyplot as plt
from numpy.typing import NDArray

HERE = Path(__file__).resolve().parent
DEMO = HERE.parent / "assets" / "demo"
PICTURE = HERE / "result.png"
METHOD = "matched"

COLOURS = {
    "brainstem": (1, "#56b4e9"),
    "mandible": (2, "#e69f00"),
    "parotid_left": (3, "#009e73"),
    "parotid_right": (4, "#cc79a7"),
}
"""The value in the labels and the colour (Okabe and Ito) of each structure."""

Box = NDArray[np.float64]
"""(2, 3): minimum and maximum, x, y, z, in LPS mm."""


def true_boxes(label: Path) -> dict[str, Box]:
    """Return the box of each structure of a label whose axes are those of the patient."""
    image = sitk.ReadImage(label)
    values = sitk.GetArrayFromImage(image)
    origin, spacing = np.array(image.GetOrigin()), np.array(image.GetSpacing())
    found = {}
    for name, (value, _) in COLOURS.items():
        index = np.argwhere(values == value)[:, ::-1]
        if len(index):
            found[name] = origin + spacing * np.stack([index.min(axis=0) - 0.5, index.max(axis=0) + 0.5])
    return found


def found_boxes(predictions: Path) -> tuple[str, dict[str, dict[str, Box]]]:
    """Return the drawn support and, for each query, the boxes that were found from it alone."""
    found: dict[str, dict[str, Box]] = {}
    support = ""
    for line in predictions.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        if row["method"] == METHOD and row["drawn"] and not row["failed"]:
            support = row["support"]
            found.setdefault(row["subject"], {})[row["structure"]] = np.array(row["box_mm"])
    return support, found


def draw(results: Path, path: Path) -> None:
    """Draw the support and the queries from the front, brightest voxels through, with their boxes."""
    mpl.use("Agg")
    support, queries = found_boxes(results / "predictions.jsonl")
    figure, panels = plt.subplots(1, 1 + len(queries), figsize=(13, 3.7), layout="constrained", facecolor="black")
    for axes, subject in zip(panels, [support, *sorted(queries)], strict=True):
        _front(axes, DEMO / "images" / f"{subject}.nii.gz")
        truth = true_boxes(DEMO / "labels" / f"{subject}.nii.gz")
        _look_at(axes, np.array(list(truth.values())))
        for name, box in truth.items():
            _frame(axes, box, COLOURS[name][1], width=2.2 if subject == support else 0.9)
        for name, box in queries.get(subject, {}).items():
            _frame(axes, box, COLOURS[name][1], width=2.2, style=(0, (2, 1)))
        axes.set_title("annotated" if subject == support else "found", color="white", fontsize=14)
    shown = [patches.Patch(color=colour, label=name.replace("_", " ")) for name, (_, colour) in COLOURS.items()]
    figure.legend(handles=shown, loc="outside lower center", ncols=len(shown), frameon=False, labelcolor="white")
    figure.savefig(path, dpi=80)
    plt.close(figure)


def _front(axes: Any, image: Path) -> None:
    """Draw a scan's brightest voxels from the front: the patient's right on the left, superior up."""
    scan = sitk.ReadImage(image)
    x0, _, z0 = scan.GetOrigin()
    dx, _, dz = scan.GetSpacing()
    seen = sitk.GetArrayFromImage(scan).max(axis=1)
    edges = (x0 - dx / 2, x0 + dx * (seen.shape[1] - 0.5), z0 - dz / 2, z0 + dz * (seen.shape[0] - 0.5))
    axes.imshow(seen, cmap="gray", vmin=-200, vmax=1600, extent=edges, origin="lower", interpolation="bilinear")
    axes.set_aspect("equal")
    axes.axis("off")


def _look_at(axes: Any, boxes: Box) -> None:
    """Show the head alone, as large in every panel: boxes (n, 2, 3) are those of its structures."""
    x, z = boxes[..., 0].mean(), boxes[..., 2].min()
    axes.set_xlim(x - 105, x + 105)
    axes.set_ylim(z - 35, z + 195)


def _frame(axes: Any, box: Box, colour: str, *, width: float, style: Any = "-") -> None:
    """Draw a box as seen from the front."""
    (x, _, z), (right, _, top) = box
    axes.add_patch(
        patches.Rectangle((x, z), right - x, top - z, fill=False, edgecolor=colour, linewidth=width, linestyle=style)
    )


if __name__ == "__main__":
    draw(Path(sys.argv[1] if len(sys.argv) > 1 else "results"), PICTURE)
