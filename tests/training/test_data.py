"""Reading the scans of a training: order, refusals, and those that do not fit into memory."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from rprloc.errors import InputError
from rprloc.training import data
from rprloc.training.data import Kept, half_voxels, read_training_scans
from tests.training.labelled import relabel, write_labelled
from tests.training.scans import SETTINGS, body, values_of, write_scan, write_set_aside

CPU = torch.device("cpu")
CROP = SETTINGS.patch_voxels


def test_scans_are_read_in_order_and_those_set_aside_left_out(tmp_path: Path) -> None:
    folders = [write_scan(tmp_path, 1), write_set_aside(tmp_path, "broken"), write_scan(tmp_path, 2)]
    scans = read_training_scans(folders, SETTINGS, crop=CROP, device=CPU, scratch=tmp_path)
    assert [scan.subject for scan in scans] == ["s1", "s2"]
    assert (scans[0].body.mask == body()).all()
    pad = [n // 2 for n in CROP]
    inside = scans[0].scan.values[pad[0] : pad[0] + 20, pad[1] : pad[1] + 24, pad[2] : pad[2] + 28]
    assert (inside.numpy() == values_of(1)).all()


def test_mistake_1_scans_of_another_spacing_are_refused(tmp_path: Path) -> None:
    folder = write_scan(tmp_path, 1, spacing=(3.0, 2.0, 2.5))
    with pytest.raises(InputError, match=r"s1.json: found a spacing of \[3.0, 2.0, 2.5\] mm"):
        read_training_scans([folder], SETTINGS, crop=CROP, device=CPU, scratch=tmp_path)


def test_scans_beyond_the_bound_are_mapped_and_say_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folders, scratch = [write_scan(tmp_path, number) for number in range(4)], tmp_path / "scratch"
    scratch.mkdir()
    inside = read_training_scans(folders, SETTINGS, crop=CROP, device=CPU, scratch=scratch)
    assert not list(scratch.iterdir())
    monkeypatch.setattr(data, "MEMORY_BYTES", 2 * inside[0].nbytes)
    mapped = read_training_scans(folders, SETTINGS, crop=CROP, device=CPU, scratch=scratch)
    assert {path.name.split(".")[0] for path in scratch.iterdir()} == {"s2", "s3"}
    assert mapped[1] is mapped[1] and mapped[2] is not mapped[2]
    centres = torch.tensor([[0, 0, 0], [19, 23, 27], [7, 8, 9]])
    for one, two in zip(inside, mapped, strict=True):
        assert one.subject == two.subject
        assert torch.equal(one.scan.crop(centres), two.scan.crop(centres))
        np.testing.assert_array_equal(one.body.mask, two.body.mask)
        np.testing.assert_array_equal(one.body.voxels, two.body.voxels)


class Read:
    """Reads arrays that say how many bytes they take, and remembers which."""

    def __init__(self) -> None:
        self.read: list[str] = []

    def __call__(self, folder: Path) -> NDArray[np.int8]:
        self.read.append(folder.name)
        return np.full(10, ord(folder.name), dtype=np.int8)


def test_what_fits_is_kept_and_the_rest_is_read_at_each_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data, "MEMORY_BYTES", 20)
    read = Read()
    kept = Kept([Path(name) for name in "abcd"], read)
    assert len(kept) == 4 and read.read == []
    for _ in range(3):
        assert [int(one[0]) for one in kept] == [ord(name) for name in "abcd"]
    assert read.read == ["a", "b", "c", "d", "c", "d", "c", "d"]
    assert kept[1] is kept[1] and kept[2] is not kept[2]


def test_everything_is_read_once_where_there_is_room_and_only_what_is_used() -> None:
    read = Read()
    kept = Kept([Path(name) for name in "abcd"], read)
    for _ in range(2):
        assert int(kept[2][0]) == ord("c")
    assert read.read == ["c"] and kept[2] is kept[2]


def test_what_reading_raises_is_raised_at_each_use() -> None:
    def broken(folder: Path) -> NDArray[np.int8]:
        raise InputError(f"{folder}: broken.")

    kept = Kept([Path("a")], broken)
    for _ in range(2):
        with pytest.raises(InputError, match="a: broken"):
            kept[0]


def test_half_voxels_are_the_median_of_the_scans_that_have_the_structure(tmp_path: Path) -> None:
    folders = [write_labelled(tmp_path, n, labelled=("bright", "dark") if n < 2 else ("bright",)) for n in range(3)]
    for folder, mm in zip(folders, (0.25, 0.5, 2.0), strict=True):
        relabel(folder, lambda name, of, mm=mm: (name, replace(of, half_voxel_mm=(0.5, mm, 1.5))))
    found = half_voxels([*folders, write_set_aside(tmp_path, "broken")], ["bright", "dark"])
    assert found == {"bright": (0.5, 0.5, 1.5), "dark": (0.5, 0.375, 1.5)}
