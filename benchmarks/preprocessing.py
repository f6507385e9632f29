"""What PREPROCESS costs beside reading, resampling and writing alone: its time, its memory and its start."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import SimpleITK as sitk

from benchmarks.bundled import ASSETS
from benchmarks.measurement import Measurement, seconds_of
from rprloc.importers.phantom import anatomy
from rprloc.cohort.settings import read_settings
from rprloc.scans.preprocess import preprocess
from rprloc.scans.resampling import covering_grid

SIZE, SPACING_MM = (512, 512, 150), (1.0, 1.0, 3.0)
"""A head-and-neck CT (x, y, z): 79 MB of int16."""

REPEATS = 3

_MEMORY = """
import json, re, sys
from pathlib import Path
import numpy, scipy.ndimage, SimpleITK
from rprloc.scans.preprocess import preprocess
given = json.load(sys.stdin)
SimpleITK.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
most = lambda: int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1])
before = most()
image, label, folder = Path(given["image"]), Path(given["label"]), Path(given["folder"])
about = preprocess(folder, cohort="c", subject="s", image=image, label=label, settings=given["settings"])
assert about["status"] == "ok", about["reason"]
print(1024 * (most() - before))
"""
"""Prints the most bytes that a scan takes above the libraries, in a process of its own.

Read from the kernel, as `ru_maxrss` counts what the process that started this one took.
"""


def measure() -> list[Measurement]:
    """Return the measurements, on one thread as the command has by default."""
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    rows = []
    with tempfile.TemporaryDirectory() as name:
        image, label = _write_scan(Path(name))
        for cohort in ("openkbp", "head_neck"):
            work = _work(cohort, image, label, Path(name) / cohort)
            mm = "x".join(f"{step:g}" for step in work["settings"]["spacing"])
            scan = f"512x512x150 CT to {mm} mm"
            rows += [
                Measurement(f"{scan}: time / read, resample and write alone", _ratio(work), "", 1.5),
                Measurement(f"{scan}: memory above the libraries / int16 voxels", _memory(work), "", 4),
            ]
            if cohort == "openkbp":
                rows.append(Measurement(f"{scan}: the same, no anti-aliasing there", _ratio(work, smoothed=False)))
        demo = _work(
            "openkbp", ASSETS / "demo/images/kbp_002.nii.gz", ASSETS / "demo/labels/kbp_002.nii.gz", Path(name)
        )
        rows.append(Measurement("a demo scan: time / read, resample and write alone", _ratio(demo), "", 1.5))
    rows.append(Measurement("preprocessing: start of the command", _start_seconds(), "s", 1))
    return rows


def _work(cohort: str, image: Path, label: Path, folder: Path) -> dict[str, Any]:
    """Return what one scan's step is given: settings, files and the folder to write to."""
    settings = read_settings(ASSETS / "cohorts" / f"{cohort}.yml").preprocess() | {"structures": None}
    return {"image": str(image), "label": str(label), "folder": str(folder), "settings": settings}


def _write_scan(folder: Path) -> tuple[Path, Path]:
    """Write a noisy CT of the phantom's anatomy, enlarged, and its label; return the files."""
    random = np.random.default_rng(0)
    x, y, z = (0.45 * step * (np.arange(n) - (n - 1) / 2) for n, step in zip(SIZE, SPACING_MM, strict=True))
    values, label = (np.empty(SIZE[::-1], dtype=kind) for kind in (np.int16, np.uint8))
    for number, height in enumerate(z):
        place = np.stack(np.broadcast_arrays(x, y[:, np.newaxis], height), axis=-1)
        grey, label[number] = anatomy(place, random.normal(0, 12, place.shape[:2]))
        values[number] = np.clip(np.rint(grey + random.normal(0, 8, grey.shape)), -1000, 3071)
    paths = folder / "image.nii.gz", folder / "label.nii.gz"
    for path, voxels in zip(paths, (values, label), strict=True):
        written = sitk.GetImageFromArray(voxels)
        written.SetSpacing(SPACING_MM)
        sitk.WriteImage(written, str(path), useCompression=True, compressionLevel=1)
    return paths


def _ratio(work: dict[str, Any], *, smoothed: bool = True) -> float:
    """Return the median of the step's seconds over those of reading, resampling and writing alone, taken in turn."""
    image, label, folder = Path(work["image"]), Path(work["label"]), Path(work["folder"])

    def step() -> None:
        preprocess(folder, cohort="c", subject="s", image=image, label=label, settings=work["settings"])

    def alone() -> None:
        _alone(image, label, folder, work["settings"]["spacing"], smoothed=smoothed)

    step()
    alone()
    return median(_seconds(step) / _seconds(alone) for _ in range(REPEATS))


def _seconds(work: Callable[[], None]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _alone(image_path: Path, label_path: Path, folder: Path, spacing: list[float], *, smoothed: bool) -> None:
    """Read a scan and its label, put them on the model's grid and write them, with SimpleITK and nothing else."""
    image, label = sitk.ReadImage(str(image_path)), sitk.ReadImage(str(label_path))
    grid = covering_grid(image, np.array(spacing[::-1]))
    for axis, (native, coarse) in enumerate(zip(image.GetSpacing(), grid.spacing_mm, strict=True)):
        if smoothed and coarse > native * 1.01:
            gaussian = sitk.RecursiveGaussianImageFilter()
            gaussian.SetSigma(float(np.sqrt(coarse**2 - native**2)) / 2.3548)
            gaussian.SetDirection(axis)
            image = gaussian.Execute(image)
    for name, scan, interpolator, outside in (
        ("image", image, sitk.sitkLinear, -1024),
        ("label", label, sitk.sitkNearestNeighbor, 0),
    ):
        moved = sitk.Resample(
            scan, grid.size, sitk.Transform(), interpolator, grid.origin_mm, grid.spacing_mm, np.eye(3).ravel(), outside
        )
        path = folder / f"alone_{name}.nii.gz"
        sitk.WriteImage(sitk.Cast(moved, sitk.sitkInt16), str(path), useCompression=True, compressionLevel=1)


def _memory(work: dict[str, Any]) -> float:
    """Return the most bytes that the step takes above the libraries, over the scan's bytes as int16."""
    found = subprocess.run(
        [sys.executable, "-c", _MEMORY], input=json.dumps(work), env=os.environ | {"OPENBLAS_NUM_THREADS": "1"},
        cwd=ASSETS.parent, text=True, check=True, capture_output=True,
    )  # fmt: skip
    return int(found.stdout) / (2 * int(np.prod(SIZE)))


def _start_seconds() -> float:
    """Return the seconds that the command takes for a scan that it refuses at once: its start and imports."""
    with tempfile.TemporaryDirectory() as name:
        (Path(name) / "image").mkdir()
        (Path(name) / "image" / "empty.nii.gz").touch()
        options = ["--cohort", "c", "--subject", "s", "--image", "image", "--label", "label"]
        command = [sys.executable, "-m", "rprloc.cli", "step", "preprocess", *options]
        values = json.dumps({"modality": "ct", "spacing": [6, 6, 6], "patch": [6, 6, 6], "structures": None})

        def start() -> None:
            environment = os.environ | {"PYTHONPATH": str(ASSETS.parent)}
            subprocess.run(command, input=values, cwd=name, env=environment, text=True, check=True, capture_output=True)

        return seconds_of(start, repeats=REPEATS)
