"""OpenKBP: the published text files, real and made up, against what is known about them."""

from __future__ import annotations

import gzip
import shutil
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from numpy.typing import NDArray

from rprloc.errors import InputError
from rprloc.importers import openkbp
from rprloc.importers.dataset import HEAD_NECK
from rprloc.importers.openkbp import find, read, whole_slices

ROOT = Path(__file__).parents[2]
SHAPE = (128, 128, 128)  # anterior to posterior, right to left, superior to inferior


def write_patient(
    folder: Path, ct: NDArray[np.int_], spacing: tuple[float, ...] = (4, 4, 2.5), **masks: object
) -> Path:
    """Write a patient as published: sparse CSV files of arrays along the published axes."""
    folder.mkdir(parents=True)
    index = np.flatnonzero(ct)
    lines = [f"{i},{v:.1f}" for i, v in zip(index, ct.reshape(-1)[index], strict=True)]
    (folder / "ct.csv").write_text("\n".join([",data", *lines]) + "\n")
    (folder / "voxel_dimensions.csv").write_text("".join(f"{step:.18e}\n" for step in spacing))
    for name, mask in masks.items():
        lines = [f"{i}," for i in np.flatnonzero(mask)]
        (folder / f"{name}.csv").write_text("\n".join([",data", *lines]) + "\n")
    return folder


def body(first: int = 0, last: int = 127) -> NDArray[np.int_]:
    """Return a body of 1050 (50 HU) in the slices from `first` to `last`, counted from above."""
    ct = np.zeros(SHAPE, dtype=int)
    ct[45:65, 50:74, first : last + 1] = 1050
    return ct


def test_a_real_patient_equals_the_converted_scan_of_the_demo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = shutil.copytree(Path(__file__).parent / "open-kbp" / "pt_4", tmp_path / "pt_4")
    (folder / "ct.csv").write_bytes(gzip.decompress((folder / "ct.csv.gz").read_bytes()))
    monkeypatch.setattr(openkbp, "SHORTEST_MM", 75)
    scan = read(folder)
    images = [scan.image, sitk.ReadImage(str(ROOT / "assets/demo/images/kbp_004.nii.gz"))]
    # The whole scan reaches from the first slice from above to the 116th: of these the 13th to the 42nd are here.
    found, expected = sitk.GetArrayFromImage(images[0]), sitk.GetArrayFromImage(images[1])[116 - 42 : 116 - 12]
    np.testing.assert_array_equal(found, expected)
    assert found.dtype == expected.dtype
    for geometry in ("GetSpacing", "GetOrigin", "GetDirection"):
        assert getattr(images[0], geometry)() == getattr(images[1], geometry)()
    label = sitk.GetArrayFromImage(sitk.ReadImage(str(ROOT / "assets/demo/labels/kbp_004.nii.gz")))[116 - 42 : 116 - 12]
    assert scan.label is not None
    # The right parotid reaches beyond these slices.
    np.testing.assert_array_equal(sitk.GetArrayFromImage(scan.label), np.where(label == HEAD_NECK["brainstem"], 1, 0))


def test_a_voxel_lands_on_its_place_in_the_world(tmp_path: Path) -> None:
    ct, mask = body(), np.zeros(SHAPE, dtype=bool)
    ct[50, 60, 30], mask[50, 60, 30:32] = 3000, True
    scan = read(write_patient(tmp_path / "pt_7", ct, (3.0, 3.0, 2.0), LeftParotid=mask))
    assert scan.image.GetSize() == (128, 128, 128)
    spot = scan.image.TransformPhysicalPointToIndex((60 * 3.0, 50 * 3.0, (127 - 30) * 2.0))
    assert scan.image[spot] == 2000
    assert scan.image[0, 0, 0] == -1000
    shape = sitk.LabelShapeStatisticsImageFilter()
    shape.Execute(scan.label)
    assert shape.GetLabels() == (HEAD_NECK["parotid_left"],)
    np.testing.assert_allclose(shape.GetCentroid(HEAD_NECK["parotid_left"]), (180.0, 150.0, 96.5 * 2.0))


def test_values_are_clipped_as_stored_in_twelve_bits(tmp_path: Path) -> None:
    ct = body()
    ct[50, 60, 30], ct[50, 61, 30] = 4071, 5000
    assert sitk.GetArrayFromImage(read(write_patient(tmp_path / "pt_1", ct)).image).max() == 3095


def test_slices_with_only_tubes_round_organs_go_and_organs_that_reach_into_them(tmp_path: Path) -> None:
    ct, inside, beyond = body(10, 109), np.zeros(SHAPE, dtype=bool), np.zeros(SHAPE, dtype=bool)
    ct[55:65, 55:65, 110:125] = 1050
    inside[56:60, 56:60, 90:110], beyond[56:60, 56:60, 100:115] = True, True
    scan = read(write_patient(tmp_path / "pt_1", ct, Brainstem=inside, SpinalCord=beyond))
    assert scan.image.GetSize()[2] == 100
    assert sitk.GetArrayFromImage(scan.image)[0].max() == 50
    assert set(np.unique(sitk.GetArrayFromImage(scan.label))) == {0, HEAD_NECK["brainstem"]}


def test_a_tapering_head_and_a_sloping_shoulder_are_whole() -> None:
    y, x = np.mgrid[:80, :80] - 40
    radii = [30, 29, 25, 20, 14, 12, 12, 12, 13, 15, 17, 19, 20, 20, 19, 17, 14, 11, 8, 5, 0, 0]
    assert whole_slices(np.array([x**2 + y**2 < radius**2 for radius in radii])) == slice(0, 20)


def test_patients_are_found_wherever_they_lie(tmp_path: Path) -> None:
    for name in ("provided-data/train-pats/pt_12", "provided-data/test-pats/pt_3", "results/pt_x"):
        (tmp_path / name).mkdir(parents=True)
    assert [patient.subject for patient in find(tmp_path)] == ["kbp_003", "kbp_012"]
    assert [patient.subject for patient in find(tmp_path / "provided-data/test-pats/pt_3")] == ["kbp_003"]
    with pytest.raises(InputError, match="expected pt_1, pt_2"):
        find(tmp_path / "results")


@pytest.mark.parametrize(
    ("file", "text", "reason"),
    [
        ("ct.csv", None, "pt_5/ct.csv: expected a table of numbers, found: No such file"),
        ("ct.csv", "", "pt_5/ct.csv: expected a table of numbers, found: No columns"),
        ("ct.csv", ",data\n5,one\n", "pt_5/ct.csv: expected a table of numbers, found: could not convert"),
        ("ct.csv", ",data\n5,\n", "pt_5/ct.csv: found voxels without a number"),
        ("ct.csv", ",data\n2097152,7.0\n", "pt_5/ct.csv: found voxels outside"),
        ("ct.csv", ",data\n", "pt_5: found whole slices over 0 mm only"),
        ("Larynx.csv", ",data\n-1,\n", "pt_5/Larynx.csv: found voxels outside"),
        ("voxel_dimensions.csv", "4\n4\n", "pt_5/voxel_dimensions.csv: found [4.0, 4.0], expected three"),
        ("voxel_dimensions.csv", "4\n4\n0\n", "expected three positive numbers"),
        ("voxel_dimensions.csv", "4\n4\n1\n", "pt_5: found whole slices over 128 mm only, expected at least 200 mm."),
    ],
)
def test_a_broken_patient_is_refused_in_a_sentence(tmp_path: Path, file: str, text: str | None, reason: str) -> None:
    folder = write_patient(tmp_path / "pt_5", body())
    (folder / file).unlink(missing_ok=True) if text is None else (folder / file).write_text(text)
    with pytest.raises(InputError) as caught:
        read(folder)
    (sentence,) = caught.value.errors
    assert reason in sentence
    assert sentence.endswith(".")
    assert "\n" not in sentence
