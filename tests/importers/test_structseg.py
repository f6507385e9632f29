"""StructSeg 2019: the values of its labels, and labels whose headers are not to be trusted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from rprloc.errors import InputError
from rprloc.importers.dataset import HEAD_NECK
from rprloc.importers.structseg import find, read
from tests.scans.images import image_of, write

PUBLISHED = {
    1: "brainstem", 2: "eye_left", 3: "eye_right", 4: "lens_left", 5: "lens_right", 6: "optic_nerve_left",
    7: "optic_nerve_right", 8: "optic_chiasm", 9: "temporal_lobe_left", 10: "temporal_lobe_right", 11: "pituitary",
    12: "parotid_left", 13: "parotid_right", 14: "inner_ear_left", 15: "inner_ear_right", 16: "middle_ear_left",
    17: "middle_ear_right", 18: "temporomandibular_joint_left", 19: "temporomandibular_joint_right",
    20: "spinal_cord", 21: "mandible", 22: "mandible",
}  # fmt: skip


def write_patient(folder: Path, ending: str = ".nii.gz", label: sitk.Image | None = None) -> Path:
    """Write a patient whose label holds each value at one voxel, x = value, of slice 4, row 5."""
    ct = np.full((8, 10, 24), -1000, dtype=np.int16)
    ct[1:7, 2:9, 1:23] = 60
    values = np.zeros(ct.shape, dtype=np.uint8)
    values[4, 5, :23] = np.arange(23)
    direction = ((-1, 0, 0), (0, -1, 0), (0, 0, 1))
    write(image_of(ct, (1, 1, 3), (10, 20, 30), direction), folder / f"data{ending}")
    write(label or image_of(values, (1, 1, 3), (10, 20, 30), direction), folder / f"label{ending}")
    return folder


@pytest.mark.parametrize("ending", [".nii", ".nii.gz"])
def test_each_published_value_becomes_its_structure(tmp_path: Path, ending: str) -> None:
    scan = read(write_patient(tmp_path / "1", ending))
    found = sitk.GetArrayFromImage(scan.label)
    for value, name in PUBLISHED.items():
        assert found[4, 5, value] == HEAD_NECK[name], name
    assert (found > 0).sum() == 22
    np.testing.assert_allclose(scan.image.GetDirection(), (-1, 0, 0, 0, -1, 0, 0, 0, 1))


def test_a_labels_header_is_not_trusted_but_its_size(tmp_path: Path) -> None:
    values = np.zeros((8, 10, 24), dtype=np.float32)
    values[2, 3, 4] = 20
    scan = read(write_patient(tmp_path / "1", label=image_of(values)))
    assert scan.label is not None
    assert np.argwhere(sitk.GetArrayFromImage(scan.label) == HEAD_NECK["spinal_cord"]).tolist() == [[2, 3, 4]]
    np.testing.assert_allclose(scan.label.GetOrigin(), scan.image.GetOrigin())
    for wrong, reason in (
        (image_of(np.zeros((8, 10, 23), dtype=np.uint8)), r"2/label\.nii\.gz: found \(23, 10, 8\) voxels"),
        (image_of(np.full((8, 10, 24), 23, dtype=np.uint8)), r"2/label\.nii\.gz: found values from 23 to 23"),
    ):
        with pytest.raises(InputError, match=reason):
            read(write_patient(tmp_path / "2", label=wrong))


def test_patients_are_sorted_by_number(tmp_path: Path) -> None:
    for name in ("10", "2", "notes"):
        write_patient(tmp_path / "HaN_OAR" / name)
    assert [patient.subject for patient in find(tmp_path)] == ["structseg_02", "structseg_10"]
    with pytest.raises(InputError, match=r"found no data\.nii\.gz"):
        find(tmp_path / "HaN_OAR" / "notes")


def test_a_truncated_scan_is_refused(tmp_path: Path) -> None:
    path = write_patient(tmp_path / "1") / "data.nii.gz"
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(InputError, match=r"data\.nii\.gz: expected a whole file"):
        read(path.parent)
