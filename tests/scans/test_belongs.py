"""A label that is not of its scan."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from rprloc.scans.belongs import exchanged, in_air, said_of_sides
from rprloc.scans.record import Structure
from tests.scans.images import image_of, patient, preprocessed


def structure(x_mm: float, value: int = 1) -> Structure:
    """Return a structure whose middle lies at x."""
    box = np.array([[x_mm - 10, 0, 0], [x_mm + 10, 20, 20]], dtype=float)
    return Structure(value=value, box_mm=box, extreme_mm=np.zeros((6, 3)), half_voxel_mm=(1, 1, 1), voxels=8)


@pytest.mark.parametrize(
    ("left", "right"),
    [("kidney_left", "kidney_right"), ("lung_l", "lung_r"), ("Left-Hippocampus", "Right-Hippocampus"),
     ("ctx-lh-insula", "ctx-rh-insula"), ("Kidney_L", "kidney_R")],
)  # fmt: skip
def test_sides_that_are_exchanged_are_told(left: str, right: str) -> None:
    (said,) = exchanged({left: structure(-40), right: structure(30)})
    assert said.startswith(f"{left} lies to the patient's right of {right}")
    assert not exchanged({left: structure(30), right: structure(-40)})


def test_it_is_said_that_headers_tell_sides_where_structures_are_named_by_them() -> None:
    assert "as each scan's header says" in said_of_sides({"liver", "Kidney_L", "kidney_R"})
    assert said_of_sides({"liver", "kidney_left", "vertebra_l1"}) == said_of_sides(set()) == ""


def test_what_has_no_twin_or_lies_in_the_middle_is_not_told() -> None:
    assert not exchanged({"kidney_left": structure(-40), "liver": structure(30), "vertebra_l1": structure(60)})
    assert not exchanged({"artery_left": structure(-4), "artery_right": structure(3)})


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
