"""Small labelled scans whose structures are bright and dark blocks, as folders of preprocessed files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from rprloc.files import read_json, write_json
from rprloc.geometry import Grid
from rprloc.networks.checkpoint import Model, ModelSettings
from rprloc.networks.position_map import PositionMap
from rprloc.scans.volume import write_volume
from rprloc.training.plan import TrainingPlan
from tests.methods.fakes import structure

SPACING = (6.0, 5.0, 4.0)
STRUCTURES = {"bright": 7, "dark": 3}
COHORT: dict[str, Any] = {
    "modality": "ct",
    "spacing": list(SPACING),
    "patch": [24, 20, 16],
    "window": [[-1000, 0], [1000, 1]],
    "network": {"convolution": "isotropic", "width": 4},
    "structures": STRUCTURES,
}
SETTINGS = ModelSettings.of_cohort(COHORT, "retina_unet")
TAUGHT_COHORT = COHORT | {"matching_spacing": list(SPACING)}
"""For networks that are taught: the finer volume is as fine as the other."""
BLOCKS = {"bright": ((6, 8, 9), (12, 13, 16)), "dark": ((11, 15, 4), (16, 20, 10))}
"""Lowest and highest (z, y, x) in voxel edges, before the shift."""
BY_HEART = TrainingPlan(steps=50, groups=1, patches=1, learning_rate=1e-2, decay="cosine", optimiser="muon", warm_up=5)
"""Enough to know two scans by heart."""
LEVELS = {"bright": 900, "dark": -900}


def grid_of(shape: tuple[int, int, int]) -> Grid:
    """Return the grid of a scan."""
    return Grid((shape[2], shape[1], shape[0]), (SPACING[2], SPACING[1], SPACING[0]), (-40.0, 30.0, 100.0))


def write_labelled(
    parent: Path,
    seed: int,
    *,
    present: tuple[str, ...] = ("bright", "dark"),
    labelled: tuple[str, ...] = ("bright", "dark"),
    shape: tuple[int, int, int] = (22, 24, 26),
    matching: bool = False,
    body: bool = True,
) -> Path:
    """Write a preprocessed scan of cohort `c` with its blocks moved by up to two voxels, with a body or without, and
    with the volume for image matching where that is asked for; return its folder.
    """
    random = np.random.default_rng(seed)
    shift = random.integers(-2, 3, 3)
    values = random.normal(0, 40, shape)
    label = np.zeros(shape, dtype=np.uint16)
    folder, name, grid = parent / f"c@s{seed}", f"s{seed}", grid_of(shape)
    about: dict[str, Any] = {}
    for block in present:
        low, high = (np.array(end) + shift for end in BLOCKS[block])
        inside = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
        values[inside] += LEVELS[block]
        if block in labelled:
            label[inside] = STRUCTURES[block]
            box = grid.world(low - 0.5).tolist(), grid.world(high - 0.5).tolist()
            about[block] = {"value": STRUCTURES[block]} | structure(*box)
    write_volume(folder / f"{name}.nii.gz", values.astype(np.int16), grid)
    write_volume(folder / f"{name}_body.nii.gz", np.full(shape, body, dtype=np.uint8), grid)
    if matching:
        write_volume(folder / f"{name}_matching.nii.gz", values.astype(np.int16), grid)
    if labelled:
        write_volume(folder / f"{name}_label.nii.gz", label, grid)
    write_json(
        folder / f"{name}.json",
        {
            "subject": name, "cohort": "c", "status": "ok", "model": grid.to_json(), "source_sha256": f"{seed:064d}",
            "matching": grid.to_json() if matching else None, "structures": about,
        },
    )  # fmt: skip
    return folder


def change_label(folder: Path, by_mm: float) -> None:
    """Move all that a preprocessed scan's JSON says of its structures along x."""
    (path,) = folder.glob("*.json")
    about = read_json(path)
    for entry in about["structures"].values():
        for point in (*entry["extreme_mm"].values(), *entry["box_mm"]):
            point[0] += by_mm
    write_json(path, about)


def from_the_corner(_self: Any, fields: Tensor) -> Tensor:
    """Return as latents (1, 3, D, H, W) how far in mm the voxels of a field are from its first: a position map's answer
    for scans of patients who lie alike.
    """
    axes = [torch.arange(n) * mm for n, mm in zip(fields.shape[2:], SPACING, strict=True)]
    return torch.stack(torch.meshgrid(*axes, indexing="ij"))[None].float()


class KnowsPlaces(PositionMap):
    """The position map of patients who lie alike."""

    forward = from_the_corner


def body_map() -> Model:
    """Return the model of that position map."""
    return Model(KnowsPlaces(width=4), ModelSettings.of_cohort(COHORT, "position_map"))
