"""From a file to model space, and setting aside what cannot be used with a sentence that names the file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk

from rprloc.files import read_json, sha256
from rprloc.geometry import Grid
from rprloc.scans.preprocess import preprocess, scan_folder, subject_of
from tests.scans.images import LABELS, image_of, model_volume, patient, preprocessed, write


def set_aside(folder: Path, about: dict[str, Any], name: str) -> str:
    """Return the reason of a scan that was set aside: one sentence that names the file; nothing but JSON is left."""
    assert about["status"] == "set_aside"
    assert set(about) == {"cohort", "subject", "version", "status", "reason", "file"}
    assert read_json(folder / "c@s" / "s.json") == about
    assert [path.name for path in (folder / "c@s").iterdir()] == ["s.json"]
    reason: str = about["reason"]
    assert reason.startswith(f"{name}: ") and reason.endswith(".") and "\n" not in reason
    return reason


def test_a_folders_name_tells_cohort_and_subject() -> None:
    assert scan_folder("head", "p_1.a-b") == "head@p_1.a-b"
    assert subject_of(Path("somewhere") / "head@p_1.a-b") == "p_1.a-b"


def test_what_is_written_fits_together(tmp_path: Path) -> None:
    image, label = patient()
    about = preprocessed(tmp_path, image, label)
    assert read_json(tmp_path / "c@s" / "s.json") == about
    assert about["status"] == "ok" and about["reason"] is None and about["label"] is True
    grid = Grid.from_json(about["model"])
    values, body, on_grid = (model_volume(tmp_path, kind) for kind in ("", "_body", "_label"))
    assert values.shape == body.shape == on_grid.shape == grid.size[::-1]
    assert about["source_sha256"] == sha256(tmp_path / "in" / "scan.mha")
    assert about["native"]["size"] == [22, 18, 14]
    half = np.array(grid.spacing_mm) / 2
    np.testing.assert_allclose(
        about["body_box_mm"],
        [np.array(grid.origin_mm) - half, grid.world(np.array(body.shape) - 1) + half],
    )
    # Cropped to the body: each face of the box touches it.
    for axis in range(3):
        assert body.take(0, axis).any() and body.take(-1, axis).any()
    organ = about["structures"]["organ"]
    inside = grid.world(np.argwhere(on_grid == LABELS["organ"]))
    assert np.all(inside >= np.array(organ["box_mm"][0]) - 1e-9) and np.all(inside <= np.array(organ["box_mm"][1]))


def test_mistake_10_cropping_to_the_body_moves_the_origin(tmp_path: Path) -> None:
    # The spacing is the file's: every value that is left must be the file's at the same world point.
    image, _ = patient()
    about = preprocessed(tmp_path, image)
    grid, values = Grid.from_json(about["model"]), model_volume(tmp_path)
    assert grid.size != image.GetSize()
    for voxel in [(0, 0, 0), (3, 4, 5), tuple(n - 1 for n in values.shape)]:
        native = image.TransformPhysicalPointToIndex(grid.world(voxel).tolist())
        assert values[voxel] == image[native]


def test_a_scan_whose_spacing_is_the_models_keeps_its_values_exactly(tmp_path: Path) -> None:
    noise = np.random.default_rng(3).integers(-400, 1500, (9, 10, 11)).astype(np.int16)
    preprocessed(tmp_path, image_of(noise, (2.0, 2.5, 3.0), (-77.7, 13.3, 0.1)))
    np.testing.assert_array_equal(model_volume(tmp_path), noise)


def test_every_format_gives_the_same_result(tmp_path: Path) -> None:
    image, label = patient()
    found = {e: preprocessed(tmp_path / e, image, label, ending=e) for e in (".nii", ".nii.gz", ".mha", ".nrrd")}
    for ending, about in found.items():
        for structure, marks in found[".mha"]["structures"].items():
            np.testing.assert_allclose(about["structures"][structure]["box_mm"], marks["box_mm"], atol=1e-4)
        np.testing.assert_array_equal(model_volume(tmp_path / ending), model_volume(tmp_path / ".mha"))


def test_mistake_9_padding_below_air_is_air_before_anything_is_smoothed(tmp_path: Path) -> None:
    values = sitk.GetArrayFromImage(patient()[0])
    values[:, :, :2] = values[:, :3] = -3024
    preprocessed(tmp_path / "padded", image_of(values), spacing=[2.0, 2.0, 2.0])
    preprocessed(tmp_path / "clipped", image_of(np.maximum(values, -1024)), spacing=[2.0, 2.0, 2.0])
    np.testing.assert_array_equal(model_volume(tmp_path / "padded"), model_volume(tmp_path / "clipped"))
    assert model_volume(tmp_path / "padded").min() >= -1024


@pytest.mark.parametrize("air", [-1000, -1024, -3024])
def test_mistake_9_a_scan_of_only_air_is_set_aside(tmp_path: Path, air: int) -> None:
    values = np.full((6, 7, 8), air, dtype=np.int16)
    values[0, 0, 0] += 1
    assert "nothing but air" in set_aside(tmp_path, preprocessed(tmp_path, image_of(values)), "scan.mha")


def test_an_image_of_one_value_is_set_aside(tmp_path: Path) -> None:
    about = preprocessed(tmp_path, image_of(np.full((6, 7, 8), 40, dtype=np.int16)))
    assert "found 40 in every voxel" in set_aside(tmp_path, about, "scan.mha")


@pytest.mark.parametrize("ending", [".nii.gz", ".mha", ".nrrd"])
def test_voxels_that_are_no_numbers_set_a_scan_aside(tmp_path: Path, ending: str) -> None:
    values = sitk.GetArrayFromImage(patient()[0]).astype(np.float32)
    values[3, 4, 5] = np.nan
    about = preprocessed(tmp_path, image_of(values), ending=ending)
    assert "not finite numbers" in set_aside(tmp_path, about, f"scan{ending}")


def test_a_missing_file_sets_a_scan_aside(tmp_path: Path) -> None:
    asked: dict[str, Any] = {"modality": "ct", "spacing": [3, 3, 3], "patch": [1, 1, 1], "structures": None}
    path = tmp_path / "nowhere.nii.gz"
    about = preprocess(tmp_path, cohort="c", subject="s", image=path, label=None, settings=asked)
    assert "no such file" in set_aside(tmp_path, about, "nowhere.nii.gz")


def test_a_label_of_another_geometry_sets_a_scan_aside(tmp_path: Path) -> None:
    image, label = patient()
    larger = sitk.ConstantPad(label, (0, 0, 0), (1, 0, 0))
    for number, (other, part) in enumerate(
        [
            (larger, "found (23, 18, 14) voxels, expected (22, 18, 14)"),
            (patient(origin=(-31.0, 17.5, -200.0))[1], "4.0 mm away"),
            (patient(spacing=(2.0, 2.5, 3.3))[1], "mm away"),
        ]
    ):
        about = preprocessed(tmp_path / str(number), image, other)
        assert part in set_aside(tmp_path / str(number), about, "label.mha")


def test_a_label_that_differs_by_the_rounding_of_its_header_is_used(tmp_path: Path) -> None:
    image, label = patient()
    label.SetOrigin((label.GetOrigin()[0] + 0.01, *label.GetOrigin()[1:]))
    assert preprocessed(tmp_path, image, label)["status"] == "ok"


def test_a_probability_map_is_no_label(tmp_path: Path) -> None:
    image, label = patient()
    about = preprocessed(tmp_path, image, sitk.Cast(label, sitk.sitkFloat32) * 0.4)
    assert "found the value 0.4, expected whole numbers" in set_aside(tmp_path, about, "label.mha")


def test_a_label_of_floating_point_numbers_is_rounded(tmp_path: Path) -> None:
    image, label = patient()
    expected = preprocessed(tmp_path / "a", image, label)
    found = preprocessed(tmp_path / "b", image, sitk.Cast(label, sitk.sitkFloat32) * 0.99999)
    assert found["structures"] == expected["structures"]


def test_mistake_11_a_query_needs_no_label_and_an_absent_organ_aborts_nothing(tmp_path: Path) -> None:
    image, label = patient()
    bare = preprocessed(tmp_path / "bare", image)
    assert (bare["status"], bare["label"], bare["structures"]) == ("ok", False, {})
    assert not (tmp_path / "bare" / "c@s" / "s_label.nii.gz").exists()
    part = preprocessed(tmp_path / "part", image, label, structures=LABELS | {"absent": 9})
    assert part["status"] == "ok" and set(part["structures"]) == set(LABELS)
    empty = preprocessed(tmp_path / "empty", image, label * 0)
    assert (empty["status"], empty["label"], empty["structures"]) == ("ok", True, {})


def test_without_named_structures_the_labels_are_taken_as_found(tmp_path: Path) -> None:
    assert set(preprocessed(tmp_path, *patient(), structures=None)["structures"]) == {"label_1", "label_2"}


@pytest.mark.parametrize("gain,shift", [(1.0, 0.0), (1e-5, 0.0), (300.0, -90000.0)])
def test_mr_is_scaled_by_the_percentiles_of_its_body(tmp_path: Path, gain: float, shift: float) -> None:
    random = np.random.default_rng(0)
    values = random.normal(20, 4, (14, 18, 22))
    values[2:12, 3:15, 2:20] = np.linspace(200, 600, 10 * 12 * 18).reshape(10, 12, 18)
    values[5, 5, 5] = 1e4
    image = image_of((values * gain + shift).astype(np.float32))
    about = preprocessed(tmp_path, image, modality="mr", spacing=[1.0, 1.0, 1.0])
    assert about["status"] == "ok"
    found, body = model_volume(tmp_path), model_volume(tmp_path, "_body") > 0
    # One hot voxel does not decide the scale, and no unit does.
    assert found.min() == 0 and found.max() == 1000
    assert abs(np.median(found[body].astype(float)) - 500) < 12
    assert body.shape == (10, 12, 18)


def test_outside_a_turned_mr_scan_lies_its_darkest_value(tmp_path: Path) -> None:
    from scipy.spatial.transform import Rotation

    values = np.random.default_rng(0).normal(-800, 4, (14, 18, 22)).astype(np.float32)
    values[3:11, 4:14, 4:18] = -200
    turn = Rotation.from_euler("z", 30, degrees=True).as_matrix()
    about = preprocessed(tmp_path, image_of(values, (2, 2, 2), (0, 0, 0), turn), modality="mr", spacing=[2, 2, 2])
    body = model_volume(tmp_path, "_body")
    assert abs(body.sum() - 8 * 10 * 14) < 0.15 * 8 * 10 * 14, about["model"]


@pytest.mark.parametrize("slices", [1, 2, 3])
def test_a_scan_of_few_slices_is_used(tmp_path: Path, slices: int) -> None:
    image, label = patient()
    about = preprocessed(tmp_path, image[:, :, 5 : 5 + slices], label[:, :, 5 : 5 + slices], spacing=[2.0, 5.0, 5.0])
    assert about["status"] == "ok"
    low, high = np.array(about["structures"]["organ"]["box_mm"])
    assert high[2] - low[2] == pytest.approx(3.0 * slices)


def test_nothing_is_left_of_an_earlier_use(tmp_path: Path) -> None:
    write(patient()[0], tmp_path / "in" / "scan.mha")
    first = preprocessed(tmp_path, *patient())
    assert preprocessed(tmp_path, *patient()) == first
