"""What PREPROCESS is asked for, as it comes out of the plan's JSON."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from rprloc.scans.target import OWN, Target, scan_folder, subject_of, voxels_of

GIVEN: dict[str, Any] = {
    "modality": "mr",
    "spacing": [6, 3, 3.5],
    "structures": {"liver": 4},
    "matching_spacing": [3, 3, 3],
}


def test_numbers_of_json_become_triples_of_mm() -> None:
    target = msgspec.convert(GIVEN, Target)
    assert target.spacing == (6.0, 3.0, 3.5) and all(isinstance(mm, float) for mm in target.spacing)
    assert target.structures == {"liver": 4}
    own = msgspec.structs.replace(target, matching_spacing=OWN)
    for one in (target, own):
        assert msgspec.convert(msgspec.to_builtins(one), Target) == one


def test_structures_and_the_finer_volume_may_be_left_out() -> None:
    target = msgspec.convert({key: GIVEN[key] for key in ("modality", "spacing")}, Target)
    assert target.structures is None and target.matching_spacing is None


@pytest.mark.parametrize(
    "wrong",
    [{"spacing": [6, 3]}, {"matching_spacing": 4}, {"matching_spacing": "its"}, {"structures": {"liver": "four"}}],
)
def test_another_shape_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(GIVEN | wrong, Target)


def test_sizes_in_voxels_and_names_of_folders() -> None:
    assert voxels_of((48, 64, 64), (3, 1, 1)) == (16, 64, 64)
    assert voxels_of((10, 1, 7.4), (4, 6, 3)) == (2, 1, 2)
    assert scan_folder("c", "a") == "c@a"
    assert subject_of(Path("x") / scan_folder("c", "s.1")) == "s.1"
