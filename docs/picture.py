"""Draw docs/matched.png, the idea of the default method on two of the demo's scans: python docs/picture.py."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import torch
from matplotlib import pyplot as plt

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.bundled import openkbp_settings, preprocessed  # noqa: E402
from rprloc.cohort.weights import shipped_folder  # noqa: E402
from rprloc.geometry import FloatArray  # noqa: E402
from rprloc.methods.answer import Found  # noqa: E402
from rprloc.methods.body_map import BodyMap  # noqa: E402
from rprloc.methods.clock import Clock  # noqa: E402
from rprloc.methods.matched import Matched  # noqa: E402
from rprloc.methods.start import MapStart  # noqa: E402
from rprloc.networks.checkpoint import read_model  # noqa: E402
from rprloc.scans.scan import Scan  # noqa: E402

STRUCTURE = "mandible"
COLOURS = ("#0072b2", "#d55e00")
"""Of the truth and of what was found (Okabe and Ito)."""


def main() -> None:
    """Find the structure of a support in a query and draw both, grey and coloured by the position map."""
    mpl.use("Agg")
    settings = openkbp_settings()
    model = read_model(shipped_folder("head-neck-ct") / "position_map.safetensors")
    start = MapStart(model, seed=1)
    method = Matched(start, window=settings.window, structures=[STRUCTURE], device=torch.device("cpu"))
    with tempfile.TemporaryDirectory() as folder:
        scans = preprocessed(Path(folder), matching=True)
        support, query = (Scan.read(scans[split][0]) for split in ("validation", "test"))
        assert support is not None and query is not None
        method.prepare([support])
        (answer,) = method.locate(query, Clock()).values()
        found = answer.points_mm if isinstance(answer, Found) else np.zeros((0, 3))
        maps = [BodyMap(model, scan) for scan in (support, query)]
        shown = [scan.structures[STRUCTURE].extreme_mm for scan in (support, query)]
        figure, axes = plt.subplots(1, 4, figsize=(13, 4.6), layout="constrained")
        for column, (scan, body_map, points) in enumerate(zip((support, query), maps, shown, strict=True)):
            x_mm = float(points[:, 0].mean())
            _draw(axes[2 * column], scan, x_mm, None)
            _draw(axes[2 * column + 1], scan, x_mm, _colours(body_map, scan, x_mm, maps[0]))
            for place in axes[2 * column : 2 * column + 2]:
                place.plot(points[:, 1], points[:, 2], "o", color=COLOURS[0], markeredgecolor="white")
                if column:
                    place.plot(found[:, 1], found[:, 2], "X", color=COLOURS[1], markeredgecolor="white")
        titles = ("support", "its position map", "query", "its position map")
        for place, title in zip(axes, titles, strict=True):
            place.set_title(title)
        figure.savefig(ROOT / "docs" / "matched.png", dpi=110)


def _plane(scan: Scan, x_mm: float) -> FloatArray:
    """Return the world points (z, y, 3) of the voxels of a scan's sagittal plane."""
    _, y, z = scan.grid.size
    column = scan.grid.nearest_voxel([x_mm, 0, 0])[2]
    index = np.stack(np.meshgrid(np.arange(z), np.arange(y), indexing="ij"), axis=-1)
    return scan.grid.world(np.concatenate([index, np.full((z, y, 1), column)], axis=-1))


def _colours(body_map: BodyMap, scan: Scan, x_mm: float, first: BodyMap) -> FloatArray:
    """Return the latents of a plane as colours (z, y, 3), in units of the first map's body."""
    points = _plane(scan, x_mm)
    latents = body_map.at(points.reshape(-1, 3)).reshape(points.shape)
    low, high = np.percentile(first.latents_mm, [2, 98], axis=0)
    return np.asarray(np.clip((latents - low) / (high - low), 0, 1))


def _draw(axes: Any, scan: Scan, x_mm: float, colours: FloatArray | None) -> None:
    """Draw a sagittal plane, in colours where they are given: anterior to the left, superior up."""
    points = _plane(scan, x_mm)
    column = scan.grid.nearest_voxel([x_mm, 0, 0])[2]
    grey = np.clip((scan.values[:, :, column] + 160.0) / 400, 0, 1)[..., None] * np.ones(3)
    if colours is not None:
        inside = scan.body[:, :, column, None]
        grey = np.where(inside, 0.35 * grey + 0.65 * colours, grey)
    (y0, z0), (y1, z1) = points[0, 0, 1:], points[-1, -1, 1:]
    _, step_y, step_z = scan.grid.spacing_mm
    edges = (y0 - step_y / 2, y1 + step_y / 2, z0 - step_z / 2, z1 + step_z / 2)
    axes.imshow(grey, extent=edges, origin="lower", interpolation="bilinear")
    axes.set_aspect("equal")
    axes.set_xlabel("y, mm (P to the right)")
    axes.set_ylabel("z, mm (S up)")


if __name__ == "__main__":
    main()
