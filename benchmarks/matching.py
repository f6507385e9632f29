"""Template matching by grey values: six templates of 16 x 64 x 64 voxels, a scan of 60 x 200 x 200, three measures."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.measurement import Measurement
from rprloc.geometry import WALLS, Grid, box_of_points
from rprloc.methods.clock import Clock
from rprloc.methods.grey import Grey, Look
from rprloc.methods.templates import Matcher
from rprloc.networks.device import set_up_cpu
from rprloc.networks.patches import PaddedScan, apply_window
from rprloc.scans.record import ScanRecord, Structure
from rprloc.scans.scan import Scan

SHAPE, SIZE = (60, 200, 200), (16, 64, 64)
GRID = Grid((200, 200, 60), (2.0, 2.0, 5.0), (0.0, 0.0, 0.0))
WINDOW = ((-1000.0, 0.0), (0.0, 0.3), (400.0, 1.0))
METHODS = ("grey_mse", "grey_cosine", "grey_ncc")
STRIDE = 2
"""The paper's."""
REPEATS, WINDOWS = 5, 20


def measure() -> list[Measurement]:
    """Search six templates by three measures, a process of its own for the memory.

    What is compared takes turns, so that whatever else the machine does slows all of it; medians.
    """
    set_up_cpu(None)
    support, query = scan("s", 1), scan("q", 2)
    method = prepared(support)
    ours, transforms, window = turns(lambda: method.locate(query, Clock()), ffts(), direct(support, query))
    positions = int(np.prod([len(range(0, length, STRIDE)) for length in SHAPE]))
    compared = window / WINDOWS * positions
    return [
        Measurement("matching: seconds for 6 templates, 3 measures, every position", ours, "s"),
        Measurement("matching: hours by direct sums at stride 2, from a sample of windows", compared / 3600, "h"),
        Measurement("matching: a thousand times our seconds / those of direct sums", 1000 * ours / compared, "", 1),
        Measurement("matching: our seconds / those of our FFTs alone", ours / transforms, "", 3),
        Measurement("matching: memory / the scan in single precision", memory(), "", 12),
    ]


def scan(subject: str, seed: int, shape: tuple[int, ...] = SHAPE) -> Scan:
    """Return a scan of noise with one structure in its middle; every voxel is body."""
    noise = np.random.default_rng(seed).integers(-1024, 500, shape, dtype=np.int16)
    middle = GRID.world(np.array(shape) / 2)
    points = np.array([middle + 7 * number for number in range(len(WALLS))])
    organ = Structure(value=1, box_mm=box_of_points(points), extreme_mm=points, half_voxel_mm=(1.0, 1.0, 2.5), voxels=1)
    grid = Grid((shape[2], shape[1], shape[0]), GRID.spacing_mm, GRID.origin_mm)
    record = ScanRecord(cohort="c", subject=subject, file="noise", model=grid, structures={"organ": organ})
    return Scan(record, noise, np.ones(shape, dtype=bool))


def prepared(support: Scan) -> Grey:
    """Return the method with a support's templates."""
    look = Look(patch_voxels=SIZE, window=WINDOW, modality="ct")
    method = Grey(dict.fromkeys(METHODS, "extreme.s1"), look, device=CPU)
    method.prepare([support])
    return method


CPU = torch.device("cpu")


def turns(*works: Callable[[], object]) -> list[float]:
    """Return the median seconds of calls that take turns, after one turn that warms up."""
    taken: list[list[float]] = [[] for _ in works]
    for _ in range(REPEATS + 1):
        for work, seconds in zip(works, taken, strict=True):
            start = time.perf_counter()
            work()
            seconds.append(time.perf_counter() - start)
    return [float(np.median(seconds[1:])) for seconds in taken]


def ffts() -> Callable[[], None]:
    """Return what does the FFTs that a search needs and nothing else: one of the scan, two for each template."""
    padded = torch.rand([length + size - 1 for length, size in zip(SHAPE, SIZE, strict=True)])
    template = torch.rand(SIZE)
    shape = Matcher.fft_shape(SHAPE, SIZE)

    def work() -> None:
        torch.fft.rfftn(padded, s=shape)
        for _ in WALLS:
            torch.fft.irfftn(torch.fft.rfftn(template, s=shape), s=shape)

    return work


def direct(support: Scan, query: Scan) -> Callable[[], None]:
    """Return what compares WINDOWS windows of the query with six templates by three measures, in single precision."""
    depth, height, width = SIZE
    found = levels(support)
    templates = [np.ascontiguousarray(found[n : n + depth, n : n + height, n : n + width]) for n in range(len(WALLS))]
    volume = levels(query)
    places = np.random.default_rng(3).integers(0, SHAPE, (WINDOWS, 3)).tolist()

    def work() -> None:
        for z, y, x in places:
            window = volume[z : z + depth, y : y + height, x : x + width]
            for template in templates:
                ((window - template) ** 2).mean()
                (window * template).sum() / np.sqrt((window**2).sum() * (template**2).sum())
                one, two = window - window.mean(), template - template.mean()
                (one * two).sum() / np.sqrt((one**2).sum() * (two**2).sum())

    return work


def levels(of: Scan) -> NDArray[np.float32]:
    """Return a scan's windowed grey values, padded for templates."""
    return np.asarray(apply_window(PaddedScan.of(of.values, SIZE, modality="ct", device=CPU).values, WINDOW))


def memory() -> float:
    """Return the most memory that a search takes in a process of its own, in volumes of the scan as float32."""
    done = subprocess.run([sys.executable, "-m", "benchmarks.matching"], capture_output=True, text=True, check=True)
    return float(json.loads(done.stdout))


def _resident(name: str) -> int:
    """Return a figure of the process's memory in bytes: VmRSS now, VmHWM at most."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(name))


def _child() -> float:
    """Search once, and measure: what the process of its own does."""
    set_up_cpu(None)
    support, query = scan("s", 1), scan("q", 2)
    method = prepared(support)
    small = scan("w", 3, (4, 8, 8))
    method.locate(small, Clock())  # what libraries load is no memory of the search
    before = _resident("VmRSS")
    method.locate(query, Clock())
    return (_resident("VmHWM") - before) / (4 * query.values.size)


if __name__ == "__main__":
    print(json.dumps(_child()))
