"""Which scans does the shipped position map know? `python -m benchmarks.field SHEET ...`: a line a sheet.

Of each sheet all scans, read as CT whatever they are: how many lie in the field of the weights that ship, as
`--weights auto` sees it, and by how many mm their maps are bent (rprloc/methods/field.py).
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np

from rprloc.cohort.sheet import parse_sheet
from rprloc.cohort.weights import shipped_folder
from rprloc.methods.body_map import BodyMap
from rprloc.methods.field import out_of_field
from rprloc.networks.checkpoint import read_model
from rprloc.networks.device import device_of
from rprloc.scans.preprocess import Source, preprocess
from rprloc.scans.scan import Scan
from rprloc.scans.target import Target

TARGET = Target(modality="ct", spacing=(6.0, 6.0, 6.0))


def line_of(sheet: Path) -> str:
    """Return what is found of a sheet's scans."""
    model = read_model(shipped_folder("head-neck-ct") / "position_map.safetensors", device=device_of("cpu"))
    known, bent_mm = 0, []
    for row in parse_sheet(sheet.read_bytes(), training=False).rows:
        with tempfile.TemporaryDirectory() as folder:
            record = preprocess(Path(folder), Source("c", row.subject, sheet.parent / row.image), TARGET)
            scan = Scan.read(Path(folder) / f"c@{record.subject}")
            if scan is not None:
                known += out_of_field([scan], model) is None
                bent_mm.append(BodyMap(model, scan).bent_mm())
    low, high = np.percentile(bent_mm, [0, 100])
    return f"{sheet}: {known} of {len(bent_mm)} in the field; bent by {low:.1f} to {high:.1f} mm"


if __name__ == "__main__":
    for given in sys.argv[1:]:
        print(line_of(Path(given)), flush=True)
