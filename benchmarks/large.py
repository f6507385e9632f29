"""What the largest scans take: python -m benchmarks.large [--folder FOLDER].

A made body of 1,800 mm, 512 x 512 x 1,000 voxels, twice: one annotated, one to be searched by `matched` without
weights. A line for each process of a run: its most memory and its seconds.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import SimpleITK as sitk

from benchmarks.cluster import NEXTFLOW, ROOT, gigabytes
from benchmarks.measurement import Measurement
from rprloc.importers.phantom import anatomy

SIZE, SPACING_MM = (512, 512, 1000), (0.8, 0.8, 1.8)
"""(x, y, z)."""
STRETCH = (0.45, 0.45, 1 / 6)
"""Millimetres of the phantom's anatomy, 300 mm high, for one of the body."""
GOAL_GB = 4.0


def write_scan(folder: Path, subject: str, *, seed: int) -> None:
    """Write a scan of the body, moved by some millimetres, and its label; made at half the resolution."""
    random = np.random.default_rng(seed)
    moved = random.uniform(-10, 10, 3)
    half = tuple(n // 2 for n in SIZE)
    axes = [
        share * (2 * step * (np.arange(n) - (n - 1) / 2) + by)
        for n, step, share, by in zip(half, SPACING_MM, STRETCH, moved, strict=True)
    ]
    values, label = (np.empty(half[::-1], dtype=kind) for kind in (np.int16, np.uint8))
    for number, height in enumerate(axes[2]):
        place = np.stack(np.broadcast_arrays(axes[0], axes[1][:, np.newaxis], height), axis=-1)
        grey, label[number] = anatomy(place, random.normal(0, 12, place.shape[:2]))
        values[number] = np.clip(np.rint(grey), -1000, 3071)
    for kind, voxels in (("image", values), ("label", label)):
        written = sitk.Expand(sitk.GetImageFromArray(voxels), [2, 2, 2], sitk.sitkNearestNeighbor)
        written.SetSpacing(SPACING_MM)
        sitk.WriteImage(written, str(folder / f"{subject}_{kind}.nii"))


def measure(folder: Path) -> list[Measurement]:
    """Run the pipeline on both scans in an empty folder; return the most memory and the seconds of each process."""
    for seed, subject in enumerate(("support", "query")):
        write_scan(folder, subject, seed=seed)
    rows = ["subject,image,label,split", "support,support_image.nii,support_label.nii,validation"]
    (folder / "samples.csv").write_text("\n".join([*rows, "query,query_image.nii,query_label.nii,test"]) + "\n")
    asked = ["run", ROOT / "main.nf", "--input", "samples.csv", "--weights", "none", "--exports", "slicer,masks,crops"]
    environment = os.environ | {"NXF_ANSI_LOG": "false"}
    done = subprocess.run(
        [str(NEXTFLOW), *map(str, asked)], cwd=folder, env=environment, text=True, capture_output=True, check=False
    )
    if done.returncode:
        sys.exit(done.stdout + done.stderr)
    trace = pd.read_csv(folder / "results" / "pipeline_info" / "execution_trace.txt", sep="\t")
    process = trace.name.str.extract(r"(\w+)(?: \(|$)")[0]
    seconds = trace.realtime.map(lambda text: pd.Timedelta(text).total_seconds())
    most, longest = trace.peak_rss.map(gigabytes).groupby(process).max(), seconds.groupby(process).max()
    memory = [Measurement(f"large scans: {name}, memory", float(value), "GB", GOAL_GB) for name, value in most.items()]
    return memory + [Measurement(f"large scans: {name}", float(value), "s") for name, value in longest.items()]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path())
    with tempfile.TemporaryDirectory(dir=parser.parse_args().folder) as folder:
        for measurement in measure(Path(folder).resolve()):
            print(measurement.line(), flush=True)


if __name__ == "__main__":
    main()
