"""A training from a thousand scans, more than its memory may hold."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import msgspec
import torch

from benchmarks.bundled import copies, openkbp_learning, preprocessed
from benchmarks.measurement import Measurement, seconds_of
from benchmarks.training import Stepper
from rprloc.cohort.tasks import Learning, from_json
from rprloc.networks.device import set_up_cpu
from rprloc.networks.settings import PatchSettings
from rprloc.training import data

SCANS = 1000
STEPS = 30


def measure() -> list[Measurement]:
    """Train a few steps with all scans in memory and with the product's bound, each in a process of its own."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        few = preprocessed(folder / "few")
        many = copies([scan for scans in few.values() for scan in scans], folder / "many", SCANS)
        within = _trained(many, folder, memory_bytes=1 << 40)
        bound = _trained(many, folder, memory_bytes=1 << 30)
    return [
        Measurement(f"memory: {SCANS} scans unpacked", bound["size"] / 2**30, "GiB"),
        Measurement("memory: first pass, reading and unpacking", bound["reading"], "s"),
        Measurement("memory: resident at most, bound 1 GiB", bound["peak"] / 2**30, "GiB", 4),
        Measurement(
            "memory: a step with the bound / one with all scans in memory", bound["step"] / within["step"], "", 1.2
        ),
    ]


def _trained(scans: list[Path], scratch: Path, *, memory_bytes: int) -> dict[str, float]:
    """Return what one training process measured."""
    given = {
        "scans": [str(scan) for scan in scans],
        "settings": msgspec.to_builtins(openkbp_learning("coarse")),
        "memory_bytes": memory_bytes,
        "scratch": str(scratch),
    }
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.memory"], input=json.dumps(given), capture_output=True, text=True, check=True
    )
    found: dict[str, float] = json.loads(done.stdout)
    return found


def _child(given: dict[str, Any]) -> dict[str, float]:
    """Read the scans, train, and measure: what the process of its own does."""
    set_up_cpu(None)
    data.MEMORY_BYTES = given["memory_bytes"]
    settings = PatchSettings.of_cohort("coarse", from_json(given["settings"], Learning))
    folders, cpu = [Path(folder) for folder in given["scans"]], torch.device("cpu")
    with tempfile.TemporaryDirectory(dir=given["scratch"]) as scratch:
        started = time.perf_counter()
        scans = data.read_training_scans(
            folders, settings, crop=settings.patch_voxels, device=cpu, scratch=Path(scratch)
        )
        reading = time.perf_counter() - started
        step = seconds_of(Stepper(scans, settings).step, repeats=STEPS)
        size = sum(scan.nbytes for scan in scans)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {"reading": reading, "size": size, "step": step, "peak": peak}


if __name__ == "__main__":
    print(json.dumps(_child(json.load(sys.stdin))))
