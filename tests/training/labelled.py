"""Small labelled scans whose structures are bright and dark blocks, as folders of preprocessed files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from rprloc.catalogue.rows import Length
from rprloc.cohort.tasks import Learning
from rprloc.geometry import Grid
from rprloc.networks.checkpoint import Model
from rprloc.networks.position_map import PositionMap
from rprloc.networks.settings import DetectorSettings, MapSettings
from rprloc.scans.record import ScanRecord, Structure
from rprloc.scans.scan import write_scan_volume
from tests.methods.fakes import structure

SPACING = (6.0, 5.0, 4.0)
STRUCTURES = {"bright": 7, "dark": 3}
COHORT = Learning(
    modality="ct",
    window=((-1000.0, 0.0), (1000.0, 1.0)),
    spacing=SPACING,
    convolution="isotropic",
    width=4,
    matching_spacing=SPACING,
    structures=STRUCTURES,
)
"""The finer volume is as fine as the other."""
SETTINGS = DetectorSettings.of_cohort("retina_unet", COHORT)
BLOCKS = {"bright": ((6, 8, 9), (12, 13, 16)), "dark": ((11, 15, 4), (16, 20, 10))}
"""Lowest and highest (z, y, x) in voxel edges, before the shift."""
BY_HEART = Length(steps=50, groups=1, patches=1, learning_rate=1e-2, decay="cosine", optimiser="muon", warm_up=5)
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
    shape: tuple[int, int, int] = (22, 24, 24),
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
    grid, structures = grid_of(shape), {}
    for block in present:
        low, high = (np.array(end) + shift for end in BLOCKS[block])
        inside = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
        values[inside] += LEVELS[block]
        if block in labelled:
            label[inside] = STRUCTURES[block]
            box = grid.world(low - 0.5).tolist(), grid.world(high - 0.5).tolist()
            structures[block] = structure(*box, value=STRUCTURES[block])
    about = ScanRecord(
        cohort="c", subject=f"s{seed}", file=f"s{seed}.mha", model=grid, matching=grid if matching else None,
        source_sha256=f"{seed:064d}", label=bool(labelled), structures=structures,
    )  # fmt: skip
    folder = about.write(parent)
    write_scan_volume(folder, values.astype(np.int16), grid)
    write_scan_volume(folder, np.full(shape, body, dtype=np.uint8), grid, "body")
    if matching:
        write_scan_volume(folder, values.astype(np.int16), grid, "matching")
    if labelled:
        write_scan_volume(folder, label, grid, "label")
    return folder


def relabel(folder: Path, change: Callable[[str, Structure], tuple[str, Structure]]) -> None:
    """Change the names or the places that a preprocessed scan's record says of its structures."""
    about = ScanRecord.read(folder)
    replace(about, structures=dict(change(*item) for item in about.structures.items())).write(folder.parent)


def change_label(folder: Path, by_mm: float) -> None:
    """Move all that a preprocessed scan's record says of its structures along x."""
    move = np.array([by_mm, 0.0, 0.0])
    relabel(
        folder,
        lambda name, of: (name, replace(of, box_mm=of.box_mm + move, extreme_mm=of.extreme_mm + move)),
    )


def from_the_corner(_self: Any, fields: Tensor) -> Tensor:
    """Return as latents (1, 3, D, H, W) how far in mm the voxels of a field are from its first: a position map's answer
    for scans of patients who lie alike.
    """
    axes = [torch.arange(n) * mm for n, mm in zip(fields.shape[2:], SPACING, strict=True)]
    return torch.stack(torch.meshgrid(*axes, indexing="ij"))[None].float()


class KnowsPlaces(PositionMap):
    """The position map of patients who lie alike."""

    forward = from_the_corner


def position_map() -> Model:
    """Return the model of that position map."""
    return Model(KnowsPlaces(width=4), MapSettings.of_cohort("position_map", COHORT))
