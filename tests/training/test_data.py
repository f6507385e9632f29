"""Reading the scans of a training: order, refusals, and those that do not fit into memory."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from rprloc.errors import InputError
from rprloc.training import data
from rprloc.training.data import read_training_scans
from tests.training.scans import SETTINGS, body, values_of, write_scan, write_set_aside

CPU = torch.device("cpu")


def test_scans_are_read_in_order_and_those_set_aside_left_out(tmp_path: Path) -> None:
    folders = [write_scan(tmp_path, 2), write_set_aside(tmp_path, "broken"), write_scan(tmp_path, 1)]
    scans = read_training_scans(folders, SETTINGS, device=CPU, scratch=tmp_path)
    assert [scan.subject for scan in scans] == ["s1", "s2"]
    assert (scans[0].body.mask == body()).all()
    pad = [n // 2 for n in SETTINGS.patch_voxels]
    inside = scans[0].scan.values[pad[0] : pad[0] + 20, pad[1] : pad[1] + 24, pad[2] : pad[2] + 28]
    assert (inside.numpy() == values_of(1)).all()


def test_mistake_1_scans_of_another_spacing_are_refused(tmp_path: Path) -> None:
    folder = write_scan(tmp_path, 1, spacing=(3.0, 2.0, 2.5))
    with pytest.raises(InputError, match=r"s1.json: found a spacing of \[3.0, 2.0, 2.5\] mm"):
        read_training_scans([folder], SETTINGS, device=CPU, scratch=tmp_path)


def test_scans_beyond_the_bound_are_mapped_and_say_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folders, scratch = [write_scan(tmp_path, number) for number in range(4)], tmp_path / "scratch"
    scratch.mkdir()
    inside = read_training_scans(folders, SETTINGS, device=CPU, scratch=scratch)
    assert not list(scratch.iterdir())
    monkeypatch.setattr(data, "MEMORY_BYTES", 2 * inside[0].nbytes)
    mapped = read_training_scans(folders, SETTINGS, device=CPU, scratch=scratch)
    assert {path.name.split(".")[0] for path in scratch.iterdir()} == {"s2", "s3"}
    assert mapped[1] is mapped[1] and mapped[2] is not mapped[2]
    centres = torch.tensor([[0, 0, 0], [19, 23, 27], [7, 8, 9]])
    for one, two in zip(inside, mapped, strict=True):
        assert one.subject == two.subject
        assert torch.equal(one.scan.crop(centres), two.scan.crop(centres))
        np.testing.assert_array_equal(one.body.mask, two.body.mask)
        np.testing.assert_array_equal(one.body.voxels, two.body.voxels)
