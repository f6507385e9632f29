"""Preprocessed scans, ready to draw patches from: in memory as far as they fit, the others mapped from files."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar, overload

import numpy as np
import torch
from numpy.typing import NDArray

from rprloc.errors import InputError
from rprloc.networks.patches import PaddedScan
from rprloc.networks.settings import NetworkSettings, Voxels
from rprloc.scans.record import ScanRecord
from rprloc.scans.scan import Scan
from rprloc.scans.target import Triple
from rprloc.training.sampling import BodyVoxels
from rprloc.training.task import Lessons

MEMORY_BYTES = 1 << 30
"""What the scans of a training may take in memory. The system keeps what it can of the others' files there as well."""


class Sized(Protocol):
    """What takes memory."""

    @property
    def nbytes(self) -> int:
        """How much."""


T = TypeVar("T", bound=Sized)


class Kept(Generic[T]):
    """What is read from some folders, in memory as far as it fits, the rest read at each use."""

    def __init__(self, folders: Sequence[Path], read: Callable[[Path], T]) -> None:
        """Take the folders and what reads one."""
        self._folders, self._read = folders, read
        self._kept: dict[int, T] = {}
        self._left = MEMORY_BYTES

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._folders)

    def __iter__(self) -> Iterator[T]:
        """Yield every one."""
        return (self[number] for number in range(len(self)))

    def __getitem__(self, number: int) -> T:
        """Return one; raises what reading it raises."""
        if number in self._kept:
            return self._kept[number]
        found = self._read(self._folders[number])
        self._left -= found.nbytes
        if self._left >= 0:
            self._kept[number] = found
        return found


@dataclass(frozen=True)
class TrainingScan:
    """One scan's grey values and body."""

    subject: str
    scan: PaddedScan
    body: BodyVoxels

    @property
    def nbytes(self) -> int:
        """The memory that the scan takes."""
        return self.scan.values.nbytes + self.body.mask.nbytes + self.body.voxels.nbytes


class TrainingScans(Sequence[TrainingScan]):
    """Scans that are in memory or come from a mapped file each time they are asked for."""

    def __init__(self, scans: Sequence[TrainingScan | Callable[[], TrainingScan]]) -> None:
        self._scans = scans

    def __len__(self) -> int:
        """Return how many scans there are."""
        return len(self._scans)

    @overload
    def __getitem__(self, number: int) -> TrainingScan: ...
    @overload
    def __getitem__(self, number: slice) -> TrainingScans: ...
    def __getitem__(self, number: int | slice) -> TrainingScan | TrainingScans:
        """Return one scan, or some."""
        if isinstance(number, slice):
            return TrainingScans(self._scans[number])
        scan = self._scans[number]
        return scan if isinstance(scan, TrainingScan) else scan()


def lesson_scans(lessons: Lessons, settings: NetworkSettings, *, crop: Voxels) -> tuple[TrainingScans, TrainingScans]:
    """Return the training and the validation scans of a task, padded for crops of a size (z, y, x); raises InputError
    as `read_training_scans` does.
    """
    training, validation = (
        read_training_scans(folders, settings, crop=crop, device=lessons.device, scratch=lessons.scratch)
        for folders in (lessons.training, lessons.validation)
    )
    return training, validation


def read_training_scans(
    folders: Sequence[Path], settings: NetworkSettings, *, crop: Voxels, device: torch.device, scratch: Path
) -> TrainingScans:
    """Read preprocessed scans from their folders, padded for crops of a size (z, y, x), without those that were set
    aside.

    Scans beyond MEMORY_BYTES are unpacked once into the folder `scratch` and mapped from there, so that a training
    from a thousand scans takes no more memory than one from fifty. Raises InputError where a scan has another spacing
    than `settings` ask for.
    """
    scans: list[TrainingScan | Callable[[], TrainingScan]] = []
    left = MEMORY_BYTES
    for folder in folders:
        found = Scan.read(folder)
        if found is None:
            continue
        check_spacing(found.record, settings)
        padded = PaddedScan.of(found.values, crop, modality=settings.modality, device=device)
        scan = TrainingScan(found.subject, padded, BodyVoxels.of(found.body))
        left -= scan.nbytes
        scans.append(scan if left >= 0 else _mapped(scan, scratch, device))
    return TrainingScans(scans)


def check_spacing(record: ScanRecord, settings: NetworkSettings) -> None:
    """Refuse a scan of another spacing than a network's settings ask for; raises InputError."""
    assert record.model is not None
    found = record.model.spacing_mm[::-1]
    if found != settings.spacing:
        raise InputError(
            f"{record.subject}.json: found a spacing of {list(found)} mm (z, y, x), expected {list(settings.spacing)}."
        )


def _mapped(scan: TrainingScan, scratch: Path, device: torch.device) -> Callable[[], TrainingScan]:
    """Write a scan's arrays to `scratch` and return what opens them; only the pages that are used are read."""
    subject, patch = scan.subject, scan.scan.patch_voxels
    arrays = {"values": scan.scan.values.cpu().numpy(), "mask": scan.body.mask, "voxels": scan.body.voxels}
    paths = {name: scratch / f"{subject}.{name}.npy" for name in arrays}
    for name, array in arrays.items():
        np.save(paths[name], array, allow_pickle=False)

    def opened() -> TrainingScan:
        values, mask, voxels = (_map(paths[name]) for name in ("values", "mask", "voxels"))
        return TrainingScan(subject, PaddedScan(torch.from_numpy(values).to(device), patch), BodyVoxels(mask, voxels))

    return opened


def _map(path: Path) -> NDArray[Any]:
    """Map an array's file; nothing is ever written to it, but torch warns of arrays that are not writable."""
    return np.asarray(np.load(path, mmap_mode="c", allow_pickle=False))


def half_voxels(folders: Sequence[Path], names: Sequence[str]) -> dict[str, Triple]:
    """Return half a native voxel in mm (x, y, z) of each structure's labels, the median of some folders' scans."""
    records = [ScanRecord.read(folder) for folder in folders]
    found = {}
    for name in names:
        halves = [record.structures[name].half_voxel_mm for record in records if name in record.structures]
        x, y, z = np.median(halves, axis=0).tolist()
        found[name] = (x, y, z)
    return found
