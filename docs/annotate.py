"""Draw docs/how-to/annotate.png, a ROI and a point on one of the demo's scans: python docs/annotate.py."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib import pyplot as plt

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from rprloc.marks.annotation import Annotated  # noqa: E402
from rprloc.pictures.planes import PLANES, PlaneView  # noqa: E402
from rprloc.results.report.planes import FOUND_COLOUR, TRUE_COLOUR, Box, Picture, draw_plane  # noqa: E402
from rprloc.scans.labels import read_label  # noqa: E402
from rprloc.scans.preprocess import Source, preprocess  # noqa: E402
from rprloc.scans.record import Native  # noqa: E402
from rprloc.scans.target import Target, scan_folder  # noqa: E402
from rprloc.scans.volume import read_volume  # noqa: E402

DEMO = ROOT / "assets" / "demo"
SUBJECT = "kbp_031"
SCHEMA = (
    "https://raw.githubusercontent.com/Slicer/Slicer/main/Modules/Loadable/Markups/Resources/Schema/"
    "markups-schema-v1.0.3.json#"
)


def main() -> None:
    """Draw the picture beside the page."""
    with tempfile.TemporaryDirectory() as folder:
        draw(Path(folder), ROOT / "docs" / "how-to" / "annotate.png")


def draw(folder: Path, path: Path) -> None:
    """Mark the mandible by a ROI and the chin by a point, in `folder`, have both read, and draw them to `path`."""
    mpl.use("Agg")
    image = DEMO / "images" / f"{SUBJECT}.nii.gz"
    annotated = Annotated(image=image, marks=tuple(marked(folder)))
    record = preprocess(
        folder, Source("demo", SUBJECT, image, annotated), Target(modality="ct", spacing=(3.0, 2.0, 2.0))
    )
    shown = Picture.read(folder / scan_folder("demo", SUBJECT), record, "ct")
    mandible, chin = record.structures["mandible"], record.structures["chin"]
    figure, axes = plt.subplots(1, 3, figsize=(10.5, 3.6), layout="constrained", facecolor="black")
    for panel, plane in zip(axes, PLANES, strict=True):
        boxes = [
            Box(mandible.box_mm, TRUE_COLOUR, "-"),
            Box(chin.box_mm, FOUND_COLOUR, "-", chin.extreme_mm, "x"),
        ]
        centre = np.where(np.arange(3) == plane.through, chin.extreme_mm[0], mandible.box_mm.mean(axis=0))
        if plane.through == 1:
            centre[1] += 8.0
        draw_plane(panel, shown, PlaneView(plane, centre, 170.0), boxes, plane.name)
    figure.savefig(path, dpi=100, facecolor="black")
    plt.close(figure)


def marked(folder: Path) -> list[Path]:
    """Write the mandible's ROI and the chin's point as 3D Slicer saves them; return the two files."""
    native = Native.of(read_volume(DEMO / "images" / f"{SUBJECT}.nii.gz"))
    label = DEMO / "labels" / f"{SUBJECT}.nii.gz"
    structures = read_label(label, native, image_name=label.name, structures={"mandible": 2}).structures
    low, high = structures["mandible"].box_mm
    chin = structures["mandible"].extreme_mm[2]
    roi = {
        "type": "ROI",
        "coordinateSystem": "LPS",
        "center": ((low + high) / 2).tolist(),
        "size": (high - low).tolist(),
    }
    point = {"label": "chin", "position": chin.tolist(), "positionStatus": "defined"}
    lists = {"type": "Fiducial", "coordinateSystem": "LPS", "controlPoints": [point]}
    found = []
    for name, markup in (("mandible", roi), ("points", lists)):
        found.append(folder / f"{name}.mrk.json")
        found[-1].write_text(json.dumps({"@schema": SCHEMA, "markups": [markup]}), encoding="utf-8")
    return found


if __name__ == "__main__":
    main()
