"""A label as one image of numbers or as one mask a structure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk

from rprloc.errors import InputError
from rprloc.scans.labels import geometry_of, read_label
from rprloc.scans.preprocess import preprocess
from tests.scans.images import LABELS, image_of, patient, preprocessed, write


def masks_of(folder: Path, label: sitk.Image, *, inside: int = 1) -> dict[str, Path]:
    """Write a mask a structure, `inside` within and 0 outside, as files named by structure; return them by name."""
    masks = {name: sitk.Cast(label == value, sitk.sitkUInt8) * inside for name, value in LABELS.items()}
    return {name: write(mask, folder / f"{name}.nii.gz") for name, mask in masks.items()}


def read(
    source: Path | Mapping[str, Path], structures: Mapping[str, int] | None = LABELS
) -> tuple[sitk.Image, dict[str, Any]]:
    label, found, surfaces = read_label(source, geometry_of(patient()[0]), image_name="scan.mha", structures=structures)
    assert set(surfaces) == set(found)
    return label, found


@pytest.mark.parametrize("inside", [1, 255])
def test_a_mask_a_structure_is_the_same_as_one_image(tmp_path: Path, inside: int) -> None:
    _, label = patient()
    expected, landmarks = read(write(label, tmp_path / "label.nii.gz"))
    combined, found = read(masks_of(tmp_path, label, inside=inside))
    assert list(found) == list(landmarks) == ["organ", "spot"]
    for name, marks in landmarks.items():
        assert found[name]["voxels"] == marks["voxels"]
        np.testing.assert_allclose(found[name]["box_mm"], marks["box_mm"])
        for wall, point in marks["extreme_mm"].items():
            np.testing.assert_allclose(found[name]["extreme_mm"][wall], point)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(combined), sitk.GetArrayFromImage(expected))
    np.testing.assert_allclose(combined.GetOrigin(), expected.GetOrigin(), atol=1e-4)


def test_overlapping_masks_keep_their_own_landmarks_and_the_later_hides_the_earlier(tmp_path: Path) -> None:
    masks = masks_of(tmp_path, patient()[1])
    masks["whole"] = write(patient()[1] > 0, tmp_path / "whole.nii.gz")
    alone, (label, found) = read({"whole": masks["whole"]}, {"whole": 7})[1], read(masks, {"whole": 7, **LABELS})
    assert found["whole"] == alone["whole"]
    np.testing.assert_array_equal(sitk.GetArrayFromImage(label), sitk.GetArrayFromImage(patient()[1]))
    label, again = read(masks, {**LABELS, "whole": 7})
    assert again == found
    assert set(np.unique(sitk.GetArrayFromImage(label))) == {0, 7}


def test_without_named_structures_every_mask_is_one_by_its_name(tmp_path: Path) -> None:
    masks = masks_of(tmp_path, patient()[1])
    label, found = read({name.title(): path for name, path in masks.items()}, None)
    assert set(found) == {"Organ", "Spot"}
    for marks in found.values():
        assert (sitk.GetArrayFromImage(label) == marks["value"]).sum() == marks["voxels"]
    np.testing.assert_array_equal(sitk.GetArrayFromImage(label), sitk.GetArrayFromImage(patient()[1]))


def test_a_structure_without_a_mask_or_with_an_empty_one_is_absent(tmp_path: Path) -> None:
    masks = masks_of(tmp_path, patient()[1])
    masks["empty"] = write(patient()[1] * 0, tmp_path / "empty.nii.gz")
    assert set(read(masks, LABELS | {"empty": 3, "nowhere": 4})[1]) == set(LABELS)
    # It counts among the names all the same.
    assert {name: marks["value"] for name, marks in read(masks, None)[1].items()} == {"organ": 2, "spot": 3}


def test_a_mask_of_another_geometry_or_of_probabilities_sets_the_scan_aside(tmp_path: Path) -> None:
    image, label = patient()
    asked: dict[str, Any] = {"modality": "ct", "spacing": [3, 3, 3], "patch": [8, 8, 8], "structures": LABELS}
    scan = write(image, tmp_path / "in" / "scan.mha")
    for wrong, reason in (
        (sitk.ConstantPad(label, (0, 0, 0), (1, 0, 0)), "spot.nii.gz: found (23, 18, 14) voxels"),
        (sitk.Cast(label, sitk.sitkFloat32) * 0.3, "spot.nii.gz: found the value 0.3"),
    ):
        masks = masks_of(tmp_path, label) | {"spot": write(wrong, tmp_path / "spot.nii.gz")}
        about = preprocess(tmp_path, cohort="c", subject="s", image=scan, label=masks, settings=asked)
        assert about["status"] == "set_aside"
        assert about["reason"].startswith(reason)


@pytest.mark.parametrize("value", [40000, 65535])
def test_large_label_values_are_kept(tmp_path: Path, value: int) -> None:
    image, label = patient()
    values = sitk.GetArrayFromImage(label).astype(np.int32)
    large = image_of(np.where(values == 1, value, -values), image.GetSpacing(), image.GetOrigin())
    about = preprocessed(tmp_path, image, large, structures={"organ": value})
    assert about["structures"]["organ"]["voxels"] == (values == 1).sum()
    written = sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "c@s" / "s_label.nii.gz")))
    assert set(np.unique(written)) == {0, value}


def test_a_label_value_beyond_the_largest_is_refused(tmp_path: Path) -> None:
    large = sitk.Cast(patient()[1], sitk.sitkInt32) * 1_000_000
    with pytest.raises(InputError, match=re.escape("l.mha: found the value 2000000, expected at most 65535")):
        read(write(large, tmp_path / "l.mha"), None)
