"""What PREPROCESS costs beside reading, resampling and writing alone: its time, its memory and its start."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import msgspec
import numpy as np
import SimpleITK as sitk

from benchmarks.bundled import ASSETS
from benchmarks.measurement import Measurement, seconds_of
from rprloc.cohort.settings import load_settings
from rprloc.cohort.tasks import Preprocess, to_json
from rprloc.importers.phantom import anatomy
from rprloc.scans.preprocess import Source, preprocess
from rprloc.scans.resampling import covering_grid
from rprloc.scans.target import Target

SIZE, SPACING_MM = (512, 512, 150), (1.0, 1.0, 3.0)
"""A head-and-neck CT (x, y, z): 79 MB of int16."""

REPEATS = 3

_MEMORY = """
import json, re, sys
from pathlib import Path
import msgspec, numpy, scipy.ndimage, SimpleITK
from rprloc.scans.preprocess import Source, preprocess
from rprloc.scans.target import Target
given = json.load(sys.stdin)
SimpleITK.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
most = lambda: int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1])
before = most()
source = Source("c", "s", Path(given["image"]), Path(given["label"]))
record = preprocess(Path(given["folder"]), source, msgspec.convert(given["target"], Target))
assert record.usable, record.reason
print(1024 * (most() - before))
"""
"""Prints the most bytes that a scan takes above the libraries, in a process of its own.

Read from the kernel, as `ru_maxrss` counts what the process that started this one took.
"""


@dataclass(frozen=True)
class Work:
    """What one scan's step is given, and the folder to write to."""

    image: Path
    label: Path
    folder: Path
    target: Target


def measure() -> list[Measurement]:
    """Return the measurements, on one thread as the command has by default."""
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    rows = []
    with tempfile.TemporaryDirectory() as name:
        image, label = _write_scan(Path(name))
        for cohort in ("openkbp", "head_neck"):
            work = Work(image, label, Path(name) / cohort, _target(cohort))
            mm = "x".join(f"{step:g}" for step in work.target.spacing)
            scan = f"512x512x150 CT to {mm} mm"
            rows += [
                Measurement(f"{scan}: time / read, resample and write alone", _ratio(work), "", 1.5),
                Measurement(f"{scan}: memory above the libraries / int16 voxels", _memory(work), "", 4),
            ]
            if cohort == "openkbp":
                rows.append(Measurement(f"{scan}: the same, no anti-aliasing there", _ratio(work, smoothed=False)))
        image, label = (ASSETS / "demo" / kind / "kbp_002.nii.gz" for kind in ("images", "labels"))
        demo = Work(image, label, Path(name), _target("openkbp"))
        rows.append(Measurement("a demo scan: time / read, resample and write alone", _ratio(demo), "", 1.5))
    rows.append(Measurement("preprocessing: start of the command", _start_seconds(), "s", 1))
    return rows


def _target(cohort: str) -> Target:
    """Return what a cohort's scans become, with whatever their labels hold and without the finer volume."""
    settings, _ = load_settings(ASSETS / "cohorts" / f"{cohort}.yml", name=f"{cohort}.yml")
    assert settings is not None
    return Target(modality=settings.modality, spacing=settings.spacing)


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


def _ratio(work: Work, *, smoothed: bool = True) -> float:
    """Return the median of the step's seconds over those of reading, resampling and writing alone, taken in turn."""

    def step() -> None:
        preprocess(work.folder, Source("c", "s", work.image, work.label), work.target)

    def alone() -> None:
        _alone(work, smoothed=smoothed)

    step()
    alone()
    return median(_seconds(step) / _seconds(alone) for _ in range(REPEATS))


def _seconds(work: Callable[[], None]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _alone(work: Work, *, smoothed: bool) -> None:
    """Read a scan and its label, put them on the model's grid and write them, with SimpleITK and nothing else."""
    image, label = sitk.ReadImage(str(work.image)), sitk.ReadImage(str(work.label))
    grid = covering_grid(image, np.array(work.target.spacing[::-1]))
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
        path = work.folder / f"alone_{name}.nii.gz"
        sitk.WriteImage(sitk.Cast(moved, sitk.sitkInt16), str(path), useCompression=True, compressionLevel=1)


def _memory(work: Work) -> float:
    """Return the most bytes that the step takes above the libraries, over the scan's bytes as int16."""
    given = {"image": str(work.image), "label": str(work.label), "folder": str(work.folder)}
    given |= {"target": msgspec.to_builtins(work.target)}
    found = subprocess.run(
        [sys.executable, "-c", _MEMORY], input=json.dumps(given), env=os.environ | {"OPENBLAS_NUM_THREADS": "1"},
        cwd=ASSETS.parent, text=True, check=True, capture_output=True,
    )  # fmt: skip
    return int(found.stdout) / (2 * int(np.prod(SIZE)))


def _start_seconds() -> float:
    """Return the seconds that the command takes for a scan that it refuses at once: its start and imports."""
    with tempfile.TemporaryDirectory() as name:
        (Path(name) / "image").mkdir()
        (Path(name) / "image" / "empty.nii.gz").touch()
        command = [sys.executable, "-m", "rprloc.cli", "step", "preprocess", "--image", "image", "--label", "label"]
        target = Target(modality="ct", spacing=(6, 6, 6))
        task = Preprocess(id="c@s", cohort="c", subject="s", image="empty.nii.gz", target=target)
        values = json.dumps(to_json(task))

        def start() -> None:
            environment = os.environ | {"PYTHONPATH": str(ASSETS.parent)}
            subprocess.run(command, input=values, cwd=name, env=environment, text=True, check=True, capture_output=True)

        return seconds_of(start, repeats=REPEATS)
