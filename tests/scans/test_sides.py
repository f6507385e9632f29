"""Left and right in names."""

from __future__ import annotations

import numpy as np
import pytest

from rprloc.scans.record import Structure
from rprloc.scans.sides import exchanged, said_of_sides


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
