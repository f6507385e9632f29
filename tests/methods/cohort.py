"""A tiny preprocessed cohort and the tasks that search it, for the tests of the LOCALIZE step and of all methods."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import torch
from scipy.ndimage import gaussian_filter

from rprloc.catalogue import Family, load, methods, network_named, settings_of
from rprloc.cohort.tasks import Folders, Learning, Search, Seen
from rprloc.methods.answer import Prediction
from rprloc.methods.localize import localize
from rprloc.networks.checkpoint import Model, new_network, write_model
from rprloc.networks.settings import DetectorSettings, NetworkSettings, VotesSettings
from rprloc.scans.record import ScanRecord
from tests.methods.fakes import structure
from tests.scans.written import grid_of, set_aside_record, write_scan

STRUCTURES = ("organ", "spot")
HAS = {"a": STRUCTURES, "b": ("organ",), "c": (), "d": ()}
"""What each scan's label shows; `broken` was set aside and `gone` never came."""
COHORT = Learning(
    modality="ct", window=((-500.0, 0.0), (500.0, 1.0)), spacing=(6.0, 5.0, 5.0), convolution="isotropic", width=4,
    patch=(24.0, 20.0, 20.0), matching_spacing=(3.0, 2.5, 2.5), r=60.0,
)  # fmt: skip
SEEN = Seen(modality="ct", window=COHORT.window, spacing=COHORT.spacing, patch=(24.0, 20.0, 20.0))
PARAMETERS = {"template_stride": 2, "registration_supports": 2}
VALUES = PARAMETERS | {"starts": 3}
_SHAPE = (14, 16, 18)
_BOXES = {"organ": ((20.0, 20.0, 18.0), (45.0, 42.0, 48.0)), "spot": ((55.0, 55.0, 55.0), (61.0, 61.0, 61.0))}


def write_cohort(folder: Path) -> Folders:
    """Write the scans and no model."""
    for number, (subject, names) in enumerate(HAS.items()):
        move = np.array([2.0, -3.0, 4.0]) * number
        shapes = {name: structure(move + low, move + high) for name, (low, high) in _BOXES.items()}
        fine = _values(number, move)
        record = ScanRecord(
            cohort="c", subject=subject, file=f"{subject}.mha", label=bool(names),
            model=grid_of(_SHAPE, COHORT.spacing[::-1], move),
            matching=grid_of(fine.shape, np.array(COHORT.spacing[::-1]) / 2, move - np.array(COHORT.spacing[::-1]) / 4),
            structures={name: shapes[name] for name in names},
        )  # fmt: skip
        values = fine.reshape(_SHAPE[0], 2, _SHAPE[1], 2, _SHAPE[2], 2).mean(axis=(1, 3, 5))
        write_scan(folder, record, values, values > -500, matching=fine)
    write_scan(folder, set_aside_record("broken"))
    return Folders(scans={path.name: path for path in folder.iterdir()}, models=())


SLABS = {"flat": (1, 0), "slab": (3, 0), "sheet": (1, 2), "strip": (2, 1)}
"""Voxels that a thin scan has along an axis (z, y, x) of `a`'s, from the organ's middle on."""


def write_slabs(folder: Path) -> Folders:
    """Write thin parts of scan `a`, each with the part of the organ that it shows."""
    for number, (subject, (count, axis)) in enumerate(SLABS.items()):
        fine = _values(0, np.zeros(3))
        part: list[slice] = [slice(None)] * 3
        part[axis] = slice(10, 10 + 2 * count)
        fine = fine[tuple(part)]
        shape = tuple(n // 2 for n in fine.shape)
        start = np.zeros(3)
        start[2 - axis] = 5 * COHORT.spacing[axis]
        spacing = np.array(COHORT.spacing[::-1])
        low, high = (np.array(end) for end in _BOXES["organ"])
        low[2 - axis], high[2 - axis] = start[2 - axis] - spacing[2 - axis] / 2, start[2 - axis] + spacing[2 - axis]
        record = ScanRecord(
            cohort="c", subject=subject, file=f"{subject}.mha", label=True, source_sha256=f"{number:064d}",
            model=grid_of(shape, spacing, start), matching=grid_of(fine.shape, spacing / 2, start - spacing / 4),
            structures={"organ": structure(low, high)},
        )  # fmt: skip
        values = fine.reshape(*(n for size in shape for n in (size, 2))).mean(axis=(1, 3, 5))
        write_scan(folder, record, values, values > -500, matching=fine)
    return Folders(scans={path.name: path for path in folder.iterdir()}, models=())


def _values(seed: int, move: np.ndarray) -> np.ndarray:
    """Return a finer volume (z, y, x) of smooth tissue with a bright organ, in air."""
    shape = tuple(2 * n for n in _SHAPE)
    tissue = gaussian_filter(np.random.default_rng(seed).normal(size=shape), 2)
    values = np.full(shape, -1000.0)
    inside = (slice(2, -3), slice(4, -4), slice(4, -3))
    values[inside] = 40 + 200 * (tissue / tissue.std())[inside]
    values[7:16, 9:17, 9:18] += 300
    return np.rint(values)


def write_networks(folder: Path, names: Sequence[str], *, cohort: Learning = COHORT) -> list[Path]:
    """Write untrained networks, and what they need, as trained on the cohort."""
    needed = [need for name in names for need in network_named(name).needs]
    paths: dict[str, Path] = {}
    fingerprint = ""
    for name in dict.fromkeys([*needed, *names]):
        settings = _told(load(network_named(name).settings).of_cohort(name, cohort), fingerprint)
        model = Model(new_network(settings, seed=1), settings)
        fingerprint = model.fingerprint if name == "position_map" else fingerprint
        paths[name] = folder / f"{name}.safetensors"
        write_model(paths[name], model)
    return list(paths.values())


def _told(settings: NetworkSettings, position_map: str) -> NetworkSettings:
    """Return a network's settings as if it had learned one of the structures."""
    own: dict[str, Any] = {"structures": ("organ",), "half_voxel_mm": {"organ": (1.0, 1.0, 1.0)}}
    if isinstance(settings, DetectorSettings):
        return msgspec.structs.replace(settings, anchors=((5.0, 5.0, 5.0),), **own)
    if isinstance(settings, VotesSettings):
        middle = (0.0, 0.0, 0.0)
        return msgspec.structs.replace(
            settings, size=(24, 24, 24), middle_latent_mm=middle, position_map=position_map, **own
        )
    return settings


def search_of(family: Family, queries: str, supports: str = "a b c", **changes: Any) -> Search:
    """Return the task of a family that searches scans, given by name, in all settings of its methods but those of
    extras.
    """
    asked = {
        method.name: tuple(settings_of(method, VALUES, tables=True))
        for method in methods()
        if method.family.name == family.name and not method.module
    }
    values: dict[str, Any] = {
        "id": "c.1", "cohort": "c", "family": family.name, "make": family.make, "methods": asked, "batch": "1",
        "queries": tuple(f"c@{name}" for name in queries.split()),
        "supports": tuple(f"c@{name}" for name in supports.split() if family.supports),
        "most_supports": PARAMETERS[family.most_supports] if family.most_supports else None,
        "structures": STRUCTURES, "seen": SEEN, "parameters": PARAMETERS,
    }  # fmt: skip
    return Search(**(values | changes))


def located(folders: Folders, search: Search) -> list[Prediction]:
    """Return the predictions of a task on one thread of the processor."""
    return localize(search, folders, device=torch.device("cpu"), threads=1)


def answers(rows: Sequence[Prediction]) -> list[Prediction]:
    """Return predictions without the time that they took, in the order of their keys."""
    plain = [msgspec.structs.replace(row, seconds={}, first=False) for row in rows]
    return sorted(plain, key=lambda row: (row.subject, *row.key))
