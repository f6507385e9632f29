"""A disk without room: an error that names the file, the old file as it was, no part of a new one."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from rprloc.files import write_text
from rprloc.geometry import Grid
from rprloc.networks.checkpoint import write_tensors
from rprloc.scans.volume import write_volume
from tests.faults.disk import Disk, names, small_disk

NOISE = np.random.default_rng(1).integers(-1000, 1000, (64, 64, 64)).astype(np.int16)
WRITERS = {
    "a.txt": lambda path: write_text(path, "x" * 500_000),
    "a.safetensors": lambda path: write_tensors(path, {"a": torch.zeros(200_000)}, {}),
    "a.nii.gz": lambda path: write_volume(path, NOISE, Grid((64, 64, 64), (1, 1, 1), (0, 0, 0))),
}


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    with small_disk(tmp_path / "disk", size=1 << 20) as disk:
        yield disk


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize("left", [0, 100_000])
def test_a_file_without_room_is_named_and_leaves_the_old_one(disk: Disk, name: str, left: int) -> None:
    path = disk.path / name
    path.write_text("old", encoding="utf-8")
    filler = disk.fill(leave=left)
    with pytest.raises(OSError) as caught:
        WRITERS[name](path)
    assert (caught.value.errno, caught.value.filename) == (errno.ENOSPC, str(path))
    assert path.read_text(encoding="utf-8") == "old"
    assert names(disk.path) == [name, "filler"]
    filler.unlink()
    WRITERS[name](path)
    assert path.stat().st_size > 1000
