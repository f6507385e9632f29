"""Small scans whose grey values tell where one is, in memory and as folders of preprocessed files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from rprloc.cohort.tasks import Learning
from rprloc.geometry import Grid
from rprloc.networks.patches import PaddedScan
from rprloc.networks.settings import PatchSettings, Voxels
from rprloc.scans.record import ScanRecord
from rprloc.scans.scan import write_scan_volume
from rprloc.training.data import TrainingScan
from rprloc.training.sampling import BodyVoxels

SPACING = (3.0, 2.0, 2.0)
COHORT = Learning(
    modality="ct",
    window=((-500.0, 0.0), (500.0, 1.0)),
    spacing=SPACING,
    convolution="isotropic",
    width=4,
    patch=(24.0, 16.0, 16.0),
    r=60.0,
)
SETTINGS = PatchSettings.of_cohort("coarse", COHORT)


def values_of(seed: int) -> NDArray[np.int16]:
    """Return grey values (20, 24, 28) whose levels and waves depend on the position, the same in every scan."""
    z, y, x = np.indices((20, 24, 28), dtype=float)
    values = 12 * z + 60 * np.sin(x / 6) + 60 * np.cos(y / 5) + 6 * x - 100
    random = np.random.default_rng(seed)
    shift = random.integers(-1, 2, 3)
    return np.asarray(np.roll(values, shift, (0, 1, 2)) + random.normal(0, 5, values.shape), dtype=np.int16)


def body() -> NDArray[np.bool_]:
    """Return the body of every scan."""
    mask = np.zeros((20, 24, 28), dtype=bool)
    mask[2:18, 2:22, 2:26] = True
    return mask


def scan(seed: int, crop: Voxels = SETTINGS.patch_voxels) -> TrainingScan:
    """Return a training scan named by its seed, padded for crops of a size."""
    padded = PaddedScan.of(values_of(seed), crop, modality="ct", device=torch.device("cpu"))
    return TrainingScan(f"s{seed}", padded, BodyVoxels.of(body()))


def write_scan(parent: Path, seed: int, *, spacing: tuple[float, ...] = SPACING) -> Path:
    """Write a preprocessed scan of cohort `c` and return its folder."""
    grid = Grid((28, 24, 20), (spacing[2], spacing[1], spacing[0]), (0.0, 0.0, 0.0))
    about = ScanRecord(cohort="c", subject=f"s{seed}", file=f"s{seed}.mha", model=grid, source_sha256=f"{seed:064d}")
    folder = about.write(parent)
    write_scan_volume(folder, values_of(seed), grid)
    write_scan_volume(folder, body().astype(np.uint8), grid, "body")
    return folder


def write_set_aside(parent: Path, name: str) -> Path:
    """Write the folder of a scan that was set aside."""
    return ScanRecord(cohort="c", subject=name, file=f"{name}.mha", reason="it is empty").write(parent)
