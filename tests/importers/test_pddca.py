"""PDDCA: a folder a patient, one NRRD mask a structure."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from rprloc.errors import InputError
from rprloc.importers.dataset import HEAD_NECK
from rprloc.importers.pddca import find, read
from tests.scans.images import image_of, write

SPACING, ORIGIN = (1.1, 1.2, 3.0), (-30.0, -250.5, -200.0)


def write_patient(folder: Path, **masks: tuple[int, int, int]) -> Path:
    """Write a patient with a mask of one voxel (z, y, x) a structure."""
    ct = np.full((8, 10, 12), -1000, dtype=np.int16)
    ct[1:7, 2:9, 2:11] = 60
    write(image_of(ct, SPACING, ORIGIN), folder / "img.nrrd")
    for name, voxel in masks.items():
        mask = np.zeros(ct.shape, dtype=np.uint8)
        mask[voxel] = 1
        write(image_of(mask, SPACING, ORIGIN), folder / "structures" / f"{name}.nrrd")
    return folder


def test_masks_become_one_label_on_the_scan(tmp_path: Path) -> None:
    voxels = {"BrainStem": (5, 6, 6), "Parotid_L": (3, 5, 9), "Parotid_R": (3, 5, 3), "OpticNerve_L": (6, 3, 8)}
    scan = read(write_patient(tmp_path / "0522c0014", **voxels))
    assert scan.label is not None
    found = sitk.GetArrayFromImage(scan.label)
    named = {"brainstem": "BrainStem", "parotid_left": "Parotid_L", "parotid_right": "Parotid_R"}
    for name, file in (named | {"optic_nerve_left": "OpticNerve_L"}).items():
        assert np.argwhere(found == HEAD_NECK[name]).tolist() == [list(voxels[file])]
    # The left parotid is the one at larger x, in LPS millimetres.
    shape = sitk.LabelShapeStatisticsImageFilter()
    shape.Execute(scan.label)
    centre = shape.GetCentroid(HEAD_NECK["parotid_left"])
    np.testing.assert_allclose(centre, [o + s * i for o, s, i in zip(ORIGIN, SPACING, (9, 5, 3), strict=True)])
    assert sitk.GetArrayFromImage(scan.image).dtype == np.int16
    assert scan.image.GetOrigin() == scan.label.GetOrigin() == ORIGIN


def test_of_overlapping_masks_the_papers_organ_is_seen(tmp_path: Path) -> None:
    scan = read(write_patient(tmp_path / "0522c0014", Submandibular_L=(3, 5, 9), Mandible=(3, 5, 9)))
    assert set(np.unique(sitk.GetArrayFromImage(scan.label))) == {0, HEAD_NECK["mandible"]}


def test_a_patient_without_masks_has_no_label(tmp_path: Path) -> None:
    assert read(write_patient(tmp_path / "0522c0014")).label is None


def test_patients_of_all_parts_are_found_once(tmp_path: Path) -> None:
    for name in ("PDDCA-1.4.1_part2/0522c0555", "PDDCA-1.4.1_part1/0522c0001"):
        write_patient(tmp_path / name)
    assert [patient.subject for patient in find(tmp_path)] == ["0522c0001", "0522c0555"]
    with pytest.raises(InputError, match=r"found no img\.nrrd"):
        find(tmp_path / "PDDCA-1.4.1_part1" / "0522c0001" / "structures")


def test_a_mask_of_another_grid_is_refused(tmp_path: Path) -> None:
    folder = write_patient(tmp_path / "0522c0014")
    write(image_of(np.ones((8, 10, 11), dtype=np.uint8)), folder / "structures" / "Mandible.nrrd")
    with pytest.raises(InputError, match=r"Mandible\.nrrd: its field lies .* away from that of 0522c0014/img\.nrrd"):
        read(folder)
