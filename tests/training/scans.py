"""Small scans whose grey values tell where one is, in memory and as folders of preprocessed files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from rprloc.files import write_json
from rprloc.geometry import Grid
from rprloc.networks.checkpoint import ModelSettings
from rprloc.networks.patches import PaddedScan
from rprloc.scans.volume import write_volume
from rprloc.training.data import TrainingScan
from rprloc.training.sampling import BodyVoxels

SPACING = (3.0, 2.0, 2.0)
COHORT = {
    "modality": "ct",
    "spacing": list(SPACING),
    "patch": [24, 16, 16],
    "window": [[-500, 0], [500, 1]],
    "network": {"convolution": "isotropic", "width": 4},
    "r": 60,
}
SETTINGS = ModelSettings.of_cohort(COHORT, "coarse")


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


def scan(seed: int, settings: ModelSettings = SETTINGS) -> TrainingScan:
    """Return a training scan named by its seed."""
    padded = PaddedScan.of(
        values_of(seed), settings.patch_voxels, modality=settings.modality, device=torch.device("cpu")
    )
    return TrainingScan(f"s{seed}", padded, BodyVoxels.of(body()))


def write_scan(parent: Path, seed: int, *, spacing: tuple[float, ...] = SPACING) -> Path:
    """Write a preprocessed scan of cohort `c` and return its folder."""
    folder, name = parent / f"c@s{seed}", f"s{seed}"
    grid = Grid((28, 24, 20), (spacing[2], spacing[1], spacing[0]), (0.0, 0.0, 0.0))
    write_volume(folder / f"{name}.nii.gz", values_of(seed), grid)
    write_volume(folder / f"{name}_body.nii.gz", body().astype(np.uint8), grid)
    about = {"subject": name, "cohort": "c", "status": "ok", "model": grid.to_json(), "source_sha256": f"{seed:064d}"}
    write_json(folder / f"{name}.json", about | {"structures": {}})
    return folder


def write_set_aside(parent: Path, name: str) -> Path:
    """Write the folder of a scan that was set aside."""
    write_json(parent / f"c@{name}" / f"{name}.json", {"subject": name, "cohort": "c", "status": "set_aside"})
    return parent / f"c@{name}"
