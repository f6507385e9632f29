"""Is a wrong spacing told? `python -m benchmarks.stretched SHEET,SETTINGS[,SPLIT...] ...`.

Each argument is a cohort: its sample sheet, its settings file and the splits to take (all without one). The first
annotated scan is laid by `matched`, without a network, on each other one as it is and with headers that say that its
voxels are twice or half as long. A line has of how many it is told that they are longer than the support.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pandas as pd
import SimpleITK as sitk

from benchmarks.bundled import target_of
from benchmarks.lost import annotated, matched
from rprloc.cohort.settings import Settings
from rprloc.geometry import box_of_points
from rprloc.methods.clock import Clock
from rprloc.methods.judged import Court
from rprloc.methods.lost import OFF_MM
from rprloc.methods.stretched import stretched
from rprloc.networks.device import set_up_cpu
from rprloc.results.measure.metrics import wall_distance
from rprloc.scans.preprocess import Source, preprocess
from rprloc.scans.scan import Scan
from rprloc.scans.target import scan_folder

KINDS = {"as it is": (1, 1, 1), "twice along z": (1, 1, 2), "half along z": (1, 1, 0.5), "twice along x": (2, 1, 1)}
"""By what its voxels' lengths along the file's axes are multiplied."""

Task = tuple[str, Settings, tuple[Path, Path], tuple[Path, Path]]
"""A cohort's name and settings, and image and label of the support and of a query."""


def main(arguments: Sequence[str]) -> None:
    """Print a table."""
    tasks: list[Task] = []
    for argument in arguments:
        sheet, file, *splits = argument.split(",")
        settings, scans = annotated(Path(sheet), file, splits)
        tasks += [(Path(sheet).parent.name, settings, scans[0][1:], one[1:]) for one in scans[1:]]
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        rows = pd.DataFrame([row for found in pool.map(_looked_at, tasks) for row in found])
    print("| cohort | voxels | scans | told | not told, answers within 20 mm | not told, farther off or lost |")
    print("|---" * 6 + "|")
    for (cohort, kind), own in rows.groupby(["cohort", "kind"], sort=False):
        rest = own[~own["told"]]
        near = int((rest["off_mm"] < OFF_MM).sum())
        print(f"| {cohort} | {kind} | {len(own)} | {own['told'].sum()} | {near} | {len(rest) - near} |")


def _looked_at(task: Task) -> list[dict[str, object]]:
    """Return a row for each kind of header of a query."""
    set_up_cpu(1)
    cohort, settings, support, query = task
    window = settings.window
    rows: list[dict[str, object]] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        first = _preprocessed(folder, "support", support, settings)
        if first is None:
            return rows
        method = matched(window)
        method.prepare([first])
        court = Court([first], window, seed=1)
        for number, (kind, times) in enumerate(KINDS.items()):
            files = _with_spacing(folder, number, query, times)
            scan = _preprocessed(folder, f"query{number}", files, settings)
            if scan is None:
                continue
            judged = court.answered(method, scan, Clock())
            off = [
                wall_distance(scan.structures[key.structure].box_mm, box_of_points(one.points_mm))
                for key, one in judged.kept.items()
                if key.structure in scan.structures
            ]
            said = None if judged.turned is not None else stretched({"support": first}, judged.kept)
            rows.append({"cohort": cohort, "kind": kind, "told": said is not None})
            rows[-1]["off_mm"] = float(np.mean(off)) if off else np.inf
    return rows


def _with_spacing(
    folder: Path, number: int, files: tuple[Path, Path], times: tuple[float, float, float]
) -> tuple[Path, Path]:
    """Write an image and its label with other voxel sizes; return where."""
    written = folder / f"image{number}.nii.gz", folder / f"label{number}.nii.gz"
    for path, to in zip(files, written, strict=True):
        image = sitk.ReadImage(str(path))
        image.SetSpacing([mm * by for mm, by in zip(image.GetSpacing(), times, strict=True)])
        sitk.WriteImage(image, str(to))
    return written


def _preprocessed(folder: Path, subject: str, files: tuple[Path, Path], settings: Settings) -> Scan | None:
    """Return a scan in model space, None where it was set aside."""
    target = target_of(settings)
    preprocess(folder, Source(cohort="c", subject=subject, image=files[0], label=files[1]), target)
    return Scan.read(folder / scan_folder("c", subject))


if __name__ == "__main__":
    main(sys.argv[1:])
