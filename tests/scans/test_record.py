"""The record of a preprocessed scan: what is written comes back, and another is refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rprloc.errors import InputError
from rprloc.files import read_json, write_json
from rprloc.geometry import WALLS
from rprloc.scans.record import NO_HOUNSFIELD, Native, ScanRecord, Structure, records_of
from rprloc.scans.scan import (
    Scan,
)
from tests.scans.images import image_of, patient, preprocessed
from tests.scans.written import record_of, set_aside_record, structure_of

NATIVE = Native(
    size=(6, 5, 4), spacing_mm=(1.0, 2.0, 3.0), direction=(0, -1, 0, 1, 0, 0, 0, 0, 1), origin_mm=(10.0, 20.0, 30.0)
)


def test_the_grid_of_a_file_is_its_images() -> None:
    image = image_of(np.zeros((4, 5, 6), dtype=np.int16), (1, 2, 3), (10, 20, 30), ((0, -1, 0), (1, 0, 0), (0, 0, 1)))
    native = Native.of(image)
    assert native == NATIVE == Native.from_json(native.to_json())
    for voxel in ((0, 0, 0), (5, 4, 3), (1, 0, 2)):
        np.testing.assert_allclose(native.frame.world(np.array(voxel)), image.TransformIndexToPhysicalPoint(voxel))


def test_a_structure_names_its_walls_in_json() -> None:
    structure = structure_of((0, 1, 2), (10, 11, 12), value=7, half_voxel_mm=(0.5, 0.5, 1.5))
    about = structure.to_json()
    assert about["extreme_mm"]["left"] == [10, 6, 7] and about["extreme_mm"]["inferior"] == [5, 6, 2]
    assert list(about["extreme_mm"]) == list(WALLS)
    assert Structure.from_json(about).to_json() == about


def test_a_record_comes_back(tmp_path: Path) -> None:
    record = preprocessed(tmp_path, *patient(), matching_spacing=(2.0, 2.0, 2.0))
    again = ScanRecord.read(tmp_path / "c@s")
    assert again.to_json() == record.to_json() == read_json(tmp_path / "c@s" / "s.json")
    assert again.usable and again.label and again.reason is None
    assert (again.native, again.model, again.matching) == (record.native, record.model, record.matching)


def test_a_record_of_a_scan_that_was_set_aside_has_its_reason_and_no_more(tmp_path: Path) -> None:
    record = set_aside_record("x", "x.nii.gz: found nothing, expected a scan.")
    folder = record.write(tmp_path)
    about = {"cohort", "subject", "version", "status", "reason", "file", "findings", "oriented"}
    assert set(read_json(folder / "x.json")) == about
    assert ScanRecord.read(folder) == record and not record.usable
    assert Scan.read(folder) is None


def test_a_record_of_a_scan_without_a_label_says_so(tmp_path: Path) -> None:
    again = ScanRecord.read(record_of("x").write(tmp_path))
    assert not again.label and again.structures == {}


@pytest.mark.parametrize(
    "damage",
    [
        lambda about: about.pop("cohort"),
        lambda about: about["model"].pop("size"),
        lambda about: about["structures"]["organ"]["extreme_mm"].pop("left"),
        lambda about: about["structures"]["organ"].update(voxels="many"),
        lambda about: about.update(structures=[1]),
    ],
)
def test_a_damaged_record_is_refused(tmp_path: Path, damage: Callable[[Any], Any]) -> None:
    folder = record_of("x", structures={"organ": structure_of((0, 0, 0), (4, 4, 4))}).write(tmp_path)
    about = read_json(folder / "x.json")
    damage(about)
    write_json(folder / "x.json", about)
    with pytest.raises(InputError, match=r"^x\.json: expected the record of a preprocessed scan, found "):
        ScanRecord.read(folder)


def test_records_are_told_apart_by_subject(tmp_path: Path) -> None:
    folders = [record_of("a").write(tmp_path), set_aside_record("b").write(tmp_path)]
    assert {subject: record.usable for subject, record in records_of(folders).items()} == {"a": True, "b": False}
    with pytest.raises(InputError, match=r"gone\.json: expected a JSON file"):
        records_of([tmp_path / "c@gone"])


def test_the_status_follows_from_the_findings_and_the_reason() -> None:
    """FAIL comes before WARN."""
    about = {"cohort": "c", "subject": "s", "file": "s.nii.gz"}
    assert ScanRecord(**about).status == "PASS"  # type: ignore[arg-type]
    assert ScanRecord(**about, findings=("odd: used",)).status == "WARN"  # type: ignore[arg-type]
    assert ScanRecord(**about, findings=("odd: used",), reason="bad.").status == "FAIL"  # type: ignore[arg-type]


def test_a_single_landmark_and_open_walls_come_back() -> None:
    at = np.array([[1.25, -2.5, 3.75]])
    point = Structure(value=0, box_mm=np.repeat(at, 2, axis=0), extreme_mm=at, half_voxel_mm=(0, 0, 0), voxels=0)
    assert point.is_point and not point.is_drawn
    again = Structure.from_json(point.to_json())
    assert (
        again.to_json() == point.to_json() and again.is_point and point.to_json()["extreme_mm"] == {"point": [*at[0]]}
    )
    box = replace(structure_of([0, 0, 0], [1, 1, 1]), open_walls=("left",))
    assert Structure.from_json(box.to_json()).open_walls == ("left",) and box.is_drawn and not box.is_point


def test_a_field_is_the_box_around_all_voxels() -> None:
    # i goes to the back, j to the right.
    np.testing.assert_allclose(NATIVE.field_mm, [[1, 19.5, 28.5], [11, 25.5, 40.5]])
    assert record_of().field_mm is None


def test_what_was_found_says_whether_values_are_hounsfield_units() -> None:
    assert ScanRecord(cohort="c", subject="s", file="f", findings=("the body fills 99% of the field",)).hounsfield
    odd = f"values of 0 to 9: used as it is, {NO_HOUNSFIELD}"
    assert not ScanRecord(cohort="c", subject="s", file="f", findings=("x", odd)).hounsfield
