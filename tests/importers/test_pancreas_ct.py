"""Pancreas-CT: a DICOM series and a label whose header is wrong, put together voxel by voxel."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk

from rprloc.errors import InputError
from rprloc.importers.pancreas_ct import find, published_split, read, read_series
from tests.scans.images import image_of, write

SPACING, ORIGIN = (0.8, 0.8, 2.5), (-150.0, -120.0, -400.0)
PANCREAS = (slice(5, 8), slice(3, 6), slice(9, 13))  # z, y, x: above the middle, in front, to the left


def scan() -> sitk.Image:
    """Return an abdomen of fat in air whose pancreas is of soft tissue."""
    ct = np.full((9, 14, 16), -1000, dtype=np.int16)
    ct[:, 2:13, 2:15] = -300
    ct[PANCREAS] = 90
    return image_of(ct, SPACING, ORIGIN)


def write_series(image: sitk.Image, folder: Path, order: Sequence[int] | None = None) -> Path:
    """Write an image as a CT series of one file a slice, whose names follow `order` and not the positions."""
    folder.mkdir(parents=True)
    writer = sitk.ImageFileWriter()
    writer.KeepOriginalImageUIDOn()
    direction = image.GetDirection()
    for number, k in enumerate(order or range(image.GetSize()[2])):
        plane = sitk.Cast(image[:, :, k], sitk.sitkInt16)
        position = image.TransformIndexToPhysicalPoint((0, 0, k))
        for key, value in {
            "0008|0060": "CT",
            "0020|000d": "1.2.3.4",
            "0020|000e": "1.2.3.4.5",
            "0020|0013": str(k + 1),
            "0020|0032": "\\".join(f"{p:.4f}" for p in position),
            "0020|0037": "\\".join(f"{d:g}" for d in (*direction[0::3], *direction[1::3])),
            "0028|1052": "0",
            "0028|1053": "1",
        }.items():
            plane.SetMetaData(key, value)
        writer.SetFileName(str(folder / f"{number:06d}.dcm"))
        writer.Execute(plane)
    return folder


def write_label(folder: Path, number: int = 1, values: np.ndarray | None = None) -> Path:
    """Write a label as published: the scan's voxels under a header that turns it upside down in a viewer."""
    mask = np.zeros((9, 14, 16), dtype=np.uint8)
    mask[PANCREAS] = 1
    image = image_of(mask if values is None else values, SPACING, (0, 0, 0), ((-1, 0, 0), (0, -1, 0), (0, 0, 1)))
    return write(image, folder / "TCIA_pancreas_labels-02-05-2017" / f"label{number:04d}.nii.gz")


def test_the_label_lies_on_the_pancreas_whatever_its_header_says(tmp_path: Path) -> None:
    folder = tmp_path / "Pancreas-CT" / "PANCREAS_0001"
    write_series(scan(), folder / "11-24-2015-NA-18957" / "Pancreas-99667", order=[3, 8, 0, 5, 1, 7, 2, 6, 4])
    found = read(folder, write_label(tmp_path))
    assert found.label is not None and found.remarks == ()
    np.testing.assert_array_equal(sitk.GetArrayFromImage(found.image), sitk.GetArrayFromImage(scan()))
    for image in (found.image, found.label):
        np.testing.assert_allclose(image.GetOrigin(), ORIGIN)
        np.testing.assert_allclose(image.GetSpacing(), SPACING)
    shape = sitk.LabelShapeStatisticsImageFilter()
    shape.Execute(found.label)
    # In LPS: x to the left, y to the back, z up.
    expected = [o + s * i for o, s, i in zip(ORIGIN, SPACING, (10.5, 4, 6), strict=True)]
    np.testing.assert_allclose(shape.GetCentroid(1), expected)


def test_slices_from_above_are_brought_into_the_labels_order(tmp_path: Path) -> None:
    # Feet first and on the belly: the rows run to the left and to the front, the slices' normal points down.
    turned = image_of(
        sitk.GetArrayFromImage(scan())[::-1, ::-1], SPACING, (1, 2, 3), ((1, 0, 0), (0, -1, 0), (0, 0, -1))
    )
    found = read_series(write_series(turned, tmp_path / "PANCREAS_0001"))
    assert found.GetDirection()[8] > 0
    for point in ((1.0, 2.0, 3.0), (5.0, -4.4, -7.0)):
        index = turned.TransformPhysicalPointToIndex(point)
        assert found[found.TransformPhysicalPointToIndex(point)] == turned[index]


def test_a_label_that_does_not_lie_in_soft_tissue_is_remarked_on(tmp_path: Path) -> None:
    write_series(scan(), tmp_path / "PANCREAS_0002")
    flipped = np.zeros((9, 14, 16), dtype=np.uint8)
    flipped[PANCREAS] = 1
    found = read(tmp_path / "PANCREAS_0002", write_label(tmp_path, 2, flipped[:, ::-1]))
    assert found.remarks == ("0% of label0002.nii.gz lie in soft tissue, it may be turned.",)


def test_the_largest_series_is_the_scan(tmp_path: Path) -> None:
    folder = tmp_path / "PANCREAS_0003"
    write_series(scan()[:, :, :2], folder / "study" / "scout")
    write_series(scan(), folder / "study" / "series")
    assert read_series(folder).GetSize() == (16, 14, 9)


def test_patients_without_a_label_and_labels_without_a_patient(tmp_path: Path) -> None:
    for number in (1, 24):
        write_series(scan(), tmp_path / "manifest" / "Pancreas-CT" / f"PANCREAS_{number:04d}")
    write_label(tmp_path, 1)
    write_label(tmp_path, 25)
    patients = find(tmp_path)
    assert [patient.subject for patient in patients] == ["pancreas_0001", "pancreas_0024"]
    assert patients[0].read().label is not None
    assert patients[1].read().label is None
    with pytest.raises(InputError, match="found no label"):
        find(tmp_path / "manifest")
    with pytest.raises(InputError, match="found no folder of a patient"):
        find(tmp_path / "TCIA_pancreas_labels-02-05-2017")


def test_broken_patients_are_refused_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "PANCREAS_0001").mkdir()
    with pytest.raises(InputError, match="PANCREAS_0001: found no DICOM series"):
        read(tmp_path / "PANCREAS_0001", None)
    write_series(scan(), tmp_path / "PANCREAS_0002")
    with pytest.raises(InputError, match=r"label0002\.nii\.gz: found \(16, 14, 8\) voxels, expected \(16, 14, 9\)"):
        read(tmp_path / "PANCREAS_0002", write_label(tmp_path, 2, np.zeros((8, 14, 16), dtype=np.uint8)))


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda path: path.unlink(), "PANCREAS_0001: found slices 2.5 to 5 mm apart, expected even gaps"),
        (lambda path: path.write_bytes(path.read_bytes()[:-100]), "PANCREAS_0001: found 000004.dcm, which is no whole"),
        (lambda path: path.write_bytes(b""), "PANCREAS_0001: found 000004.dcm, which is no whole DICOM file"),
    ],
    ids=["missing", "cut", "empty"],
)
def test_a_series_without_one_of_its_slices_is_refused(tmp_path: Path, damage: Any, reason: str) -> None:
    folder = tmp_path / "PANCREAS_0001"
    damage(write_series(scan(), folder / "study" / "series") / "000004.dcm")
    with pytest.raises(InputError, match=reason):
        read(folder, None)


def test_the_authors_split_has_the_papers_numbers() -> None:
    splits = [published_split(f"pancreas_{number:04d}") for number in range(1, 83)]
    assert [splits.count(split) for split in ("train", "validation", "test")] == [50, 11, 21]
