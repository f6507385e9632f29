"""A label that is not of its scan."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import SimpleITK as sitk

from rprloc.scans.belongs import in_air
from tests.scans.images import image_of, patient, preprocessed
from tests.scans.test_sides import structure


def test_a_structure_in_air_is_told_and_one_of_which_a_part_is_is_not() -> None:
    body = np.zeros((4, 4, 4), dtype=np.bool_)
    body[:, :2] = True
    label = np.zeros(body.shape, dtype=np.uint16)
    label[0, :, 0], label[1, 1:, 0], label[2, :2, 0] = 1, 2, 3
    found = {name: structure(0, value) for value, name in enumerate(["half", "out", "inside", "nowhere"], start=1)}
    assert in_air(found, label, body) == (
        "of out 67% of what is drawn lies in air, as of another scan's label or of a moved one",
    )


def test_a_scan_says_that_its_label_lies_in_air(tmp_path: Path) -> None:
    image, label = patient()
    assert preprocessed(tmp_path / "own", image, label).findings == ()
    moved = np.roll(sitk.GetArrayFromImage(label), 10, axis=1)
    record = preprocessed(tmp_path / "moved", image, image_of(moved, image.GetSpacing(), image.GetOrigin()))
    assert "lies in air" in " ".join(record.findings)
    assert record.status == "WARN"
