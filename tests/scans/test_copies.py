"""Scans that are there twice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk

from rprloc.scans.copies import copies, values_sha256
from rprloc.scans.frame import Frame
from rprloc.scans.preprocess import Source, preprocess
from rprloc.scans.record import ScanRecord
from tests.scans.dicom.made import write_series
from tests.scans.images import ORIENTATIONS, TARGET, image_of, oriented, patient, write

VALUES = np.random.default_rng(3).normal(0, 300, (5, 6, 7)).astype(np.int16)


def record(subject: str, values: str | None, **more: Any) -> ScanRecord:
    """Return the record of a scan with voxels of some name."""
    return ScanRecord(cohort="c", subject=subject, file=f"{subject}.mha", values_sha256=values, **more)


@pytest.mark.parametrize("kind", [np.int32, np.float32, np.float64])
def test_the_same_voxels_have_one_hash_whatever_holds_them(kind: Any) -> None:
    first = values_sha256(image_of(VALUES))
    assert values_sha256(image_of(VALUES.astype(kind), (2, 3, 4), (5.0, 6.0, 7.0))) == first
    assert len(first) == 64


def test_the_same_scan_has_one_hash_in_whatever_order_its_voxels_are_stored() -> None:
    turned = np.array([[0.9, -0.4359, 0], [0.4359, 0.9, 0], [0, 0, 1]])
    image = image_of(VALUES, (2, 3, 4), (5.0, 6.0, 7.0), turned)
    assert {values_sha256(oriented(image, *order)) for order in ORIENTATIONS} == {values_sha256(image)}


def test_a_copy_whose_values_are_stored_otherwise_is_one(tmp_path: Path) -> None:
    image = patient(spacing=(9.0, 9.0, 9.0))[0]
    write(image, tmp_path / "a.nii.gz")
    write(image + 1024, tmp_path / "b.nii.gz")
    found = {name: preprocess(tmp_path, Source("c", name, tmp_path / f"{name}.nii.gz"), TARGET) for name in "ab"}
    assert any("1024 subtracted" in one for one in found["b"].findings)
    assert list(copies(found, ["a"])) == ["b"]


def test_a_series_and_the_nifti_that_a_converter_makes_of_it_are_copies(tmp_path: Path) -> None:
    """Converters store the rows of a slice from the back to the front, and the values with slope and intercept."""
    image = patient()[0]
    write_series(tmp_path / "series", image)
    values = sitk.GetArrayFromImage(image).transpose(2, 1, 0)[:, ::-1].astype(np.int16)
    x, y, z = image.GetSpacing()
    low, _, bottom = image.GetOrigin()
    back = image.TransformIndexToPhysicalPoint((0, image.GetSize()[1] - 1, 0))[1]
    affine = [[-x, 0, 0, -low], [0, y, 0, -back], [0, 0, z, bottom], [0, 0, 0, 1]]
    made = nibabel.Nifti1Image(values + 1024, np.array(affine))
    made.header.set_slope_inter(1, -1024)
    nibabel.save(made, tmp_path / "converted.nii")
    found = {
        name: preprocess(tmp_path, Source("c", name, tmp_path / file), TARGET)
        for name, file in (("series", "series"), ("converted", "converted.nii"))
    }
    assert found["series"].native.frame.agrees(image_frame := Frame.of(image), image.GetSize())
    assert not found["converted"].native.frame.agrees(image_frame, image.GetSize())
    assert list(copies(found, ["series"])) == ["converted"]


def test_other_voxels_or_another_size_have_another_hash() -> None:
    other = VALUES.copy()
    other[-1, -1, -1] += 1
    hashes = [values_sha256(image_of(values)) for values in (VALUES, other, VALUES[::-1], VALUES.reshape(6, 5, 7))]
    assert len(set(hashes)) == 4


def test_values_beyond_float32_and_no_numbers_have_a_hash() -> None:
    values = VALUES.astype(np.float64)
    values[0, 0, :2] = 1e300, np.nan
    assert values_sha256(image_of(values)) == values_sha256(image_of(values))


def test_a_copy_is_known_in_any_file(tmp_path: Path) -> None:
    image = patient()[0]
    first = write(image, tmp_path / "in" / "a.nii.gz")
    (tmp_path / "in" / "link.nii.gz").symlink_to(first)
    (tmp_path / "in" / "copy.nii.gz").write_bytes(first.read_bytes())
    sitk.WriteImage(image, str(tmp_path / "in" / "again.nii.gz"), useCompression=True, compressionLevel=9)
    write(image, tmp_path / "in" / "other.mha")
    write(patient(seed=1)[0], tmp_path / "in" / "z.nii.gz")
    paths = sorted((tmp_path / "in").iterdir())
    names = [path.name.split(".")[0] for path in paths]
    found = {
        name: preprocess(tmp_path, Source("c", name, path), TARGET) for name, path in zip(names, paths, strict=True)
    }
    assert {name: one.values_sha256 for name, one in found.items()} == {
        name: ScanRecord.read(tmp_path / f"c@{name}").values_sha256 for name in names
    }
    said = "its voxels are those of the support a: its answer from a is no measure of anything"
    assert copies(found, ["a", "z"]) == dict.fromkeys(("again", "copy", "link", "other"), said)


def test_what_is_said_of_a_copy() -> None:
    scans = [record("a", "1"), record("b", "1"), record("q", "1"), record("r", "2"), record("n", None)]
    records = {one.subject: one for one in scans}
    assert copies(records, ["a", "b", "n", "gone"]) == {
        "a": "its voxels are those of the support b: its answer from b is no measure of anything",
        "b": "its voxels are those of the support a: its answer from a is no measure of anything",
        "q": "its voxels are those of the supports a and b: its answers from these are no measure of anything",
    }
    # A scan beside itself is none, nor are scans of which nothing is known.
    assert copies(records, ["r", "n"]) == copies({}, ["a"]) == copies(records, []) == {}
