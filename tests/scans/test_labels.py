"""A label as one image of numbers or as one mask a structure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk

from rprloc.errors import InputError
from rprloc.scans.labels import Label, read_label
from rprloc.scans.preprocess import Source, preprocess
from rprloc.scans.record import Native
from rprloc.scans.scan import volume_path
from tests.scans.images import LABELS, TARGET, image_of, patient, preprocessed, write


def masks_of(folder: Path, label: sitk.Image, *, inside: int = 1) -> dict[str, Path]:
    """Write a mask a structure, `inside` within and 0 outside, as files named by structure; return them by name."""
    masks = {name: sitk.Cast(label == value, sitk.sitkUInt8) * inside for name, value in LABELS.items()}
    return {name: write(mask, folder / f"{name}.nii.gz") for name, mask in masks.items()}


def read(source: Path | Mapping[str, Path], structures: Mapping[str, int] | None = LABELS) -> Label:
    """Read a label of `patient`."""
    label = read_label(source, Native.of(patient()[0]), image_name="scan.mha", structures=structures)
    assert set(label.surfaces) == set(label.structures)
    return label


def values(label: Label) -> np.ndarray:
    return sitk.GetArrayFromImage(label.image)


def landmarks(label: Label) -> dict[str, dict[str, object]]:
    return {name: structure.to_json() for name, structure in label.structures.items()}


@pytest.mark.parametrize("inside", [1, 255])
def test_a_mask_a_structure_is_the_same_as_one_image(tmp_path: Path, inside: int) -> None:
    _, label = patient()
    expected, found = read(write(label, tmp_path / "label.nii.gz")), read(masks_of(tmp_path, label, inside=inside))
    assert list(found.structures) == list(expected.structures) == ["organ", "spot"]
    for name, structure in expected.structures.items():
        assert found.structures[name].voxels == structure.voxels
        np.testing.assert_allclose(found.structures[name].box_mm, structure.box_mm)
        np.testing.assert_allclose(found.structures[name].extreme_mm, structure.extreme_mm)
        np.testing.assert_array_equal(found.surfaces[name], expected.surfaces[name])
    np.testing.assert_array_equal(values(found), values(expected))
    np.testing.assert_allclose(found.image.GetOrigin(), expected.image.GetOrigin(), atol=1e-4)


def test_overlapping_masks_keep_their_own_landmarks_and_the_later_hides_the_earlier(tmp_path: Path) -> None:
    masks = masks_of(tmp_path, patient()[1])
    masks["whole"] = write(patient()[1] > 0, tmp_path / "whole.nii.gz")
    alone, label = read({"whole": masks["whole"]}, {"whole": 7}), read(masks, {"whole": 7, **LABELS})
    assert landmarks(label)["whole"] == landmarks(alone)["whole"]
    np.testing.assert_array_equal(values(label), sitk.GetArrayFromImage(patient()[1]))
    again = read(masks, {**LABELS, "whole": 7})
    assert landmarks(again) == landmarks(label)
    assert set(np.unique(values(again))) == {0, 7}


def test_without_named_structures_every_mask_is_one_by_its_name(tmp_path: Path) -> None:
    masks = masks_of(tmp_path, patient()[1])
    label = read({name.title(): path for name, path in masks.items()}, None)
    assert set(label.structures) == {"Organ", "Spot"}
    for structure in label.structures.values():
        assert (values(label) == structure.value).sum() == structure.voxels
    np.testing.assert_array_equal(values(label), sitk.GetArrayFromImage(patient()[1]))


def test_a_structure_without_a_mask_or_with_an_empty_one_is_absent(tmp_path: Path) -> None:
    masks = masks_of(tmp_path, patient()[1])
    masks["empty"] = write(patient()[1] * 0, tmp_path / "empty.nii.gz")
    assert set(read(masks, LABELS | {"empty": 3, "nowhere": 4}).structures) == set(LABELS)
    # It counts among the names all the same.
    assert {name: one.value for name, one in read(masks, None).structures.items()} == {"organ": 2, "spot": 3}


def test_a_mask_of_another_geometry_or_of_probabilities_sets_the_scan_aside(tmp_path: Path) -> None:
    image, label = patient()
    scan = write(image, tmp_path / "in" / "scan.mha")
    for wrong, reason in (
        (image_of(sitk.GetArrayFromImage(label), origin=(0, 0, 0)), "spot.nii.gz: its field lies up to 205.0 mm away"),
        (sitk.Cast(label, sitk.sitkFloat32) * 0.3, "spot.nii.gz: found the value 0.3"),
    ):
        masks = masks_of(tmp_path, label) | {"spot": write(wrong, tmp_path / "spot.nii.gz")}
        record = preprocess(tmp_path, Source("c", "s", scan, masks), TARGET)
        assert record.reason is not None and record.reason.startswith(reason)


@pytest.mark.parametrize("value", [40000, 65535])
def test_large_label_values_are_kept(tmp_path: Path, value: int) -> None:
    image, label = patient()
    small = sitk.GetArrayFromImage(label).astype(np.int32)
    large = image_of(np.where(small == 1, value, -small), image.GetSpacing(), image.GetOrigin())
    record = preprocessed(tmp_path, image, large, structures={"organ": value})
    assert record.structures["organ"].voxels == (small == 1).sum()
    written = sitk.GetArrayFromImage(sitk.ReadImage(str(volume_path(tmp_path / "c@s", "label"))))
    assert set(np.unique(written)) == {0, value}


def test_a_label_value_beyond_the_largest_is_refused(tmp_path: Path) -> None:
    large = sitk.Cast(patient()[1], sitk.sitkInt32) * 1_000_000
    with pytest.raises(InputError, match=re.escape("l.mha: found the value 2000000, expected at most 65535")):
        read(write(large, tmp_path / "l.mha"), None)


def test_what_is_odd_about_a_label_s_own_frame_is_said_unless_its_scan_is_so_too(tmp_path: Path) -> None:
    image, label = patient()
    path = write(label, tmp_path / "label.nii.gz")
    whole = nib.load(path)
    away = np.array(whole.affine)
    away[:3, 3] += 30
    whole.set_qform(away, 1)
    whole.set_sform(whole.affine if whole.get_sform(coded=True)[1] else np.array(whole.affine), 1)
    nib.save(whole, path)
    native = Native.of(image)
    said = read_label(path, native, image_name="scan.mha", structures=LABELS).findings
    assert len(said) == 1 and said[0].startswith("label.nii.gz: its sform and its qform")
    known = (said[0].removeprefix("label.nii.gz: "),)
    assert read_label(path, native, image_name="scan.mha", structures=LABELS, known=known).findings == ()


@pytest.mark.parametrize("form", ["one image", "a mask a structure"])
def test_stray_voxels_of_a_structure_have_no_say_and_are_said(tmp_path: Path, form: str) -> None:
    label = sitk.Image(200, 14, 14, sitk.sitkUInt8)
    label[4:12, 4:12, 4:12] = 1
    clean = read_label(
        write(label, tmp_path / "clean.nii.gz"), Native.of(label), image_name="scan.mha", structures={"organ": 1}
    )
    label[190, 5, 5] = 1
    stray = write(label, tmp_path / "stray.nii.gz")
    source = stray if form == "one image" else {"organ": stray}
    found = read_label(source, Native.of(label), image_name="scan.mha", structures={"organ": 1})
    assert landmarks(found) == landmarks(clean)
    np.testing.assert_array_equal(values(found), values(clean))
    assert found.findings == ("stray.nii.gz: organ: 1 of 513 voxels lie about 180 mm from the rest: left out",)
    assert not clean.findings


def test_a_mask_of_few_values_is_taken_whole_and_said_and_one_of_many_is_none(tmp_path: Path) -> None:
    image, label = patient()
    mask = sitk.GetArrayFromImage(label == LABELS["organ"])
    parts = mask.copy()
    parts[:6] *= 2
    whole = read({"organ": write(like(label, mask), tmp_path / "one.nii.gz")})
    found = read({"organ": write(like(label, parts), tmp_path / "two.nii.gz")})
    assert landmarks(found) == landmarks(whole)
    assert found.findings == ("two.nii.gz: found the values 1, 2 in a mask: all are taken for the structure",)
    scan = np.clip(sitk.GetArrayFromImage(image), 0, None).astype(np.uint16)
    with pytest.raises(InputError, match=r"scan.nii.gz: found \d+ values .* expected one, as a mask has"):
        read({"organ": write(like(label, scan), tmp_path / "scan.nii.gz")})


def like(image: sitk.Image, values: np.ndarray) -> sitk.Image:
    """Return an image of values on another's voxels."""
    made = sitk.GetImageFromArray(values)
    made.CopyInformation(image)
    return made


def test_a_label_of_other_values_than_the_structures_is_told(tmp_path: Path) -> None:
    label = read(write(patient()[1] * 51, tmp_path / "label.nii.gz"))
    assert not label.structures
    assert label.findings == (
        "label.nii.gz: its values (51, 102) are none of the structures' (organ 1, spot 2), as the settings number them",
    )


def test_a_label_of_structures_that_the_settings_leave_out_is_not_told(tmp_path: Path) -> None:
    label = read(write((patient()[1] > 0) * 3, tmp_path / "label.nii.gz"))
    assert (label.structures, label.findings) == ({}, ())


@pytest.mark.parametrize("levels", [100, 255])
def test_a_scan_of_a_few_hundred_values_is_no_label(tmp_path: Path, levels: int) -> None:
    shape = sitk.GetArrayFromImage(patient()[0]).shape
    z, y, x = np.indices(shape)
    smooth = levels * (0.5 + 0.3 * np.sin(z + y / 3) * np.cos(x / 4)) + np.random.default_rng(0).normal(0, 4, shape)
    image = native_image(np.clip(smooth, 0, levels).astype(np.uint8))
    with pytest.raises(
        InputError, match=r"found \d+ values from \d+ to \d+, expected one a structure, .*: is it a scan\?"
    ):
        read(write(image, tmp_path / "label.nii.gz"))


def test_an_atlas_of_a_hundred_small_structures_and_as_many_points_is_a_label(tmp_path: Path) -> None:
    z, y, x = np.indices(sitk.GetArrayFromImage(patient()[0]).shape)
    blocks = (z // 3) * 36 + (y // 3) * 6 + x // 4 + 1
    label = read(write(native_image(blocks.astype(np.uint16)), tmp_path / "a.nii.gz"), None)
    assert len(label.structures) > 100
    points = np.zeros(z.shape, dtype=np.uint16)
    points[::2, ::3, ::3] = (np.arange(points[::2, ::3, ::3].size) + 1).reshape(points[::2, ::3, ::3].shape)
    assert len(read(write(native_image(points), tmp_path / "b.nii.gz"), None).structures) > 100


def native_image(values: np.ndarray) -> sitk.Image:
    """Return values on the voxels of `patient`."""
    image = sitk.GetImageFromArray(values)
    image.CopyInformation(patient()[1])
    return image
