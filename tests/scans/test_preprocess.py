"""From a file to model space, and setting aside what cannot be used with a sentence that names the file."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from rprloc.files import read_json, sha256
from rprloc.geometry import Grid
from rprloc.scans.preprocess import Source, inspected, preprocess
from rprloc.scans.record import ScanRecord
from rprloc.scans.resampling import resample
from rprloc.scans.target import OWN
from tests.scans.dicom import made
from tests.scans.images import LABELS, TARGET, image_of, model_volume, patient, preprocessed, write

SCANS = Path(__file__).parents[2] / "rprloc" / "scans"


def set_aside(folder: Path, record: ScanRecord, name: str) -> str:
    """Return the reason of a scan that was set aside: one sentence that names the file; nothing but JSON is left."""
    assert record.reason is not None
    assert read_json(folder / "c@s" / "s.json") == record.to_json()
    assert [path.name for path in (folder / "c@s").iterdir()] == ["s.json"]
    assert record.reason.startswith(f"{name}: ") and record.reason.endswith(".") and "\n" not in record.reason
    return record.reason


def model_of(record: ScanRecord) -> Grid:
    """Return the grid of a scan that came through."""
    assert record.reason is None and record.model is not None
    return record.model


def test_the_step_loads_nothing_but_its_own_and_the_libraries_of_images() -> None:
    modules = [f"rprloc.scans.{path.stem}" for path in SCANS.glob("[!_]*.py")]
    said = f"import sys, {', '.join(modules)}; print(*sys.modules)"
    found = subprocess.run(
        [sys.executable, "-c", said], cwd=SCANS.parents[1], text=True, check=True, capture_output=True
    )
    loaded = set(found.stdout.split())
    assert not loaded & {
        "torch",
        "pandas",
        "monai",
        "matplotlib",
        "statsmodels",
        "yaml",
        "jsonschema",
        "click",
        "pydicom",
    }
    own = {name for name in loaded if name.startswith("rprloc.") and not name.startswith("rprloc.scans")}
    assert own <= {"rprloc.errors", "rprloc.files", "rprloc.geometry", "rprloc.seeds"}


def test_what_is_written_fits_together(tmp_path: Path) -> None:
    record = preprocessed(tmp_path, *patient())
    assert read_json(tmp_path / "c@s" / "s.json") == record.to_json()
    grid = model_of(record)
    values, body, on_grid = (model_volume(tmp_path, kind) for kind in ("", "body", "label"))
    assert values.shape == body.shape == on_grid.shape == grid.size[::-1]
    assert record.source_sha256 == sha256(tmp_path / "in" / "scan.mha")
    assert record.label_sha256 == sha256(tmp_path / "in" / "label.mha")
    assert record.label and record.native is not None and record.native.size == (22, 18, 14)
    half = np.array(grid.spacing_mm) / 2
    np.testing.assert_allclose(
        record.to_json()["body_box_mm"],
        [np.array(grid.origin_mm) - half, grid.world(np.array(body.shape) - 1) + half],
    )
    # Cropped to the body: each face of the box touches it.
    for axis in range(3):
        assert body.take(0, axis).any() and body.take(-1, axis).any()
    low, high = record.structures["organ"].box_mm
    inside = grid.world(np.argwhere(on_grid == LABELS["organ"]))
    assert np.all(inside >= low - 1e-9) and np.all(inside <= high + 1e-9)


def test_the_finer_volume_covers_the_body_and_shows_the_same(tmp_path: Path) -> None:
    image, _ = patient()
    record = preprocessed(tmp_path, image, matching_spacing=(1.5, 1.0, 0.7))
    grid, finer = model_of(record), record.matching
    assert finer is not None and finer.spacing_mm == (0.7, 1.0, 1.5)
    (low, high), (finer_low, finer_high) = grid.box_mm, finer.box_mm
    np.testing.assert_allclose(finer_low, low)
    assert np.all(finer_high >= high - 1e-6) and np.all(finer_high - high < finer.spacing_mm)
    found = model_volume(tmp_path, "matching")
    assert found.shape == finer.size[::-1]
    np.testing.assert_allclose(found, resample(image, finer, outside=-1024), atol=0.51)
    assert preprocessed(tmp_path / "without", image).matching is None
    assert not (tmp_path / "without" / "c@s" / "s_matching.nii.gz").exists()


def test_the_finer_volume_of_a_scan_at_its_own_spacing(tmp_path: Path) -> None:
    for part, shown in ((1.0, 3.0), (0.5, 1.5)):
        image, _ = patient([mm * part for mm in (2.0, 2.5, 3.0)])
        record = preprocessed(tmp_path / str(part), image, matching_spacing=OWN)
        assert record.matching is not None and record.matching.spacing_mm == (shown,) * 3


def test_the_finer_volume_of_an_mr_scan_has_the_scale_of_the_other(tmp_path: Path) -> None:
    values = np.full((12, 14, 16), 20, dtype=np.float32)
    values[2:10, 3:11, 3:13] = np.linspace(200, 600, 10).astype(np.float32)
    preprocessed(tmp_path, image_of(values), modality="mr", spacing=(1.0,) * 3, matching_spacing=(1.0,) * 3)
    np.testing.assert_array_equal(model_volume(tmp_path, "matching"), model_volume(tmp_path))


def test_mistake_10_cropping_to_the_body_moves_the_origin(tmp_path: Path) -> None:
    # The spacing is the file's: every value that is left must be the file's at the same world point.
    image, _ = patient()
    grid, values = model_of(preprocessed(tmp_path, image)), model_volume(tmp_path)
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
    for ending, record in found.items():
        for name, structure in found[".mha"].structures.items():
            np.testing.assert_allclose(record.structures[name].box_mm, structure.box_mm, atol=1e-4)
        np.testing.assert_array_equal(model_volume(tmp_path / ending), model_volume(tmp_path / ".mha"))


def test_mistake_9_padding_below_air_is_air_before_anything_is_smoothed(tmp_path: Path) -> None:
    values = sitk.GetArrayFromImage(patient()[0])
    values[:, :, :2] = values[:, :3] = -3024
    preprocessed(tmp_path / "padded", image_of(values), spacing=(2.0, 2.0, 2.0))
    preprocessed(tmp_path / "clipped", image_of(np.maximum(values, -1024)), spacing=(2.0, 2.0, 2.0))
    np.testing.assert_array_equal(model_volume(tmp_path / "padded"), model_volume(tmp_path / "clipped"))
    assert model_volume(tmp_path / "padded").min() >= -1024


@pytest.mark.parametrize("air", [-1000, -1024, -3024])
def test_mistake_9_a_scan_of_only_air_is_set_aside(tmp_path: Path, air: int) -> None:
    values = np.full((6, 7, 8), air, dtype=np.int16)
    values[0, 0, 0] += 1
    assert "nothing but air" in set_aside(tmp_path, preprocessed(tmp_path, image_of(values)), "scan.mha")


def test_an_image_of_one_value_is_set_aside(tmp_path: Path) -> None:
    record = preprocessed(tmp_path, image_of(np.full((6, 7, 8), 40, dtype=np.int16)))
    assert "found 40 in every voxel" in set_aside(tmp_path, record, "scan.mha")


def test_what_is_inspected_is_what_would_be_written(tmp_path: Path) -> None:
    record = preprocessed(tmp_path, *patient())
    before = sorted(tmp_path.rglob("*"))
    source = Source("c", "s", tmp_path / "in" / "scan.mha", tmp_path / "in" / "label.mha")
    assert inspected(source, TARGET).to_json() == record.to_json()
    assert sorted(tmp_path.rglob("*")) == before


def test_a_series_gives_the_same_as_the_image_that_it_was_made_from(tmp_path: Path) -> None:
    image, label = patient()
    record = preprocessed(tmp_path / "image", image, label)
    paths = made.write_series(tmp_path / "series", image, series="b")
    made.write_series(tmp_path / "series", image * 0, series="a", names=[f"x{n}" for n in range(14)])
    label_path = write(label, tmp_path / "label.mha")
    source = Source("c", "s", tmp_path / "series", label_path, series="body b")
    found = preprocess(tmp_path, source, TARGET)
    np.testing.assert_array_equal(model_volume(tmp_path), model_volume(tmp_path / "image"))
    np.testing.assert_array_equal(model_volume(tmp_path, "label"), model_volume(tmp_path / "image", "label"))
    assert model_of(found) == model_of(record) and found.structures.keys() == record.structures.keys()
    assert found.source_sha256 == sha256(*paths)


@pytest.mark.parametrize("ending", [".nii.gz", ".mha", ".nrrd"])
def test_voxels_that_are_no_numbers_set_a_scan_aside(tmp_path: Path, ending: str) -> None:
    values = sitk.GetArrayFromImage(patient()[0]).astype(np.float32)
    values[3, 4, 5] = np.nan
    record = preprocessed(tmp_path, image_of(values), ending=ending)
    assert "not finite numbers" in set_aside(tmp_path, record, f"scan{ending}")


def test_a_missing_file_sets_a_scan_aside(tmp_path: Path) -> None:
    record = preprocess(tmp_path, Source("c", "s", tmp_path / "nowhere.nii.gz"), TARGET)
    assert "no such file" in set_aside(tmp_path, record, "nowhere.nii.gz")


def test_a_label_of_another_geometry_sets_a_scan_aside(tmp_path: Path) -> None:
    image = patient()[0]
    for number, (other, part) in enumerate(
        [
            (patient(origin=(-31.0, 17.5, -200.0))[1], "4.0 mm away"),
            (patient(origin=(-31.0, 17.5, -201.0))[1], "3.0 mm away"),
            (patient(spacing=(2.0, 2.5, 6.3))[1], "found a grid of 22 x 18 x 14 voxels of 2 x 2.5 x 6.3 mm, expected"),
        ]
    ):
        record = preprocessed(tmp_path / str(number), image, other)
        assert part in set_aside(tmp_path / str(number), record, "label.mha")


def test_a_faulty_label_leaves_nothing_of_its_scan(tmp_path: Path) -> None:
    # The finer volume is written before the label is read.
    image, label = patient()
    record = preprocessed(tmp_path, image, sitk.Cast(label, sitk.sitkUInt32) * 70000, matching_spacing=(3.0, 3.0, 3.0))
    assert "expected at most 65535" in set_aside(tmp_path, record, "label.mha")


def test_a_label_that_differs_by_the_rounding_of_its_header_is_used(tmp_path: Path) -> None:
    image, label = patient()
    label.SetOrigin((label.GetOrigin()[0] + 0.01, *label.GetOrigin()[1:]))
    assert preprocessed(tmp_path, image, label).usable


def test_a_probability_map_is_no_label(tmp_path: Path) -> None:
    image, label = patient()
    record = preprocessed(tmp_path, image, sitk.Cast(label, sitk.sitkFloat32) * 0.4)
    assert "found the value 0.4, expected whole numbers" in set_aside(tmp_path, record, "label.mha")


def test_a_label_of_floating_point_numbers_is_rounded(tmp_path: Path) -> None:
    image, label = patient()
    expected = preprocessed(tmp_path / "a", image, label)
    found = preprocessed(tmp_path / "b", image, sitk.Cast(label, sitk.sitkFloat32) * 0.99999)
    assert found.to_json()["structures"] == expected.to_json()["structures"]


def test_mistake_11_a_query_needs_no_label_and_an_absent_organ_aborts_nothing(tmp_path: Path) -> None:
    image, label = patient()
    bare = preprocessed(tmp_path / "bare", image)
    assert (bare.usable, bare.label, bare.structures) == (True, False, {})
    assert not (tmp_path / "bare" / "c@s" / "s_label.nii.gz").exists()
    part = preprocessed(tmp_path / "part", image, label, structures=LABELS | {"absent": 9})
    assert part.usable and set(part.structures) == set(LABELS)
    empty = preprocessed(tmp_path / "empty", image, label * 0)
    assert (empty.usable, empty.label, empty.structures) == (True, True, {})


def test_without_named_structures_the_labels_are_taken_as_found(tmp_path: Path) -> None:
    assert set(preprocessed(tmp_path, *patient(), structures=None).structures) == {"label_1", "label_2"}


@pytest.mark.parametrize("gain,shift", [(1.0, 0.0), (1e-5, 0.0), (300.0, -90000.0)])
def test_mr_is_scaled_by_the_percentiles_of_its_body(tmp_path: Path, gain: float, shift: float) -> None:
    random = np.random.default_rng(0)
    values = random.normal(20, 4, (14, 18, 22))
    values[2:12, 3:15, 2:20] = np.linspace(200, 600, 10 * 12 * 18).reshape(10, 12, 18)
    values[5, 5, 5] = 1e4
    image = image_of((values * gain + shift).astype(np.float32))
    assert preprocessed(tmp_path, image, modality="mr", spacing=(1.0, 1.0, 1.0)).usable
    found, body = model_volume(tmp_path), model_volume(tmp_path, "body") > 0
    # One hot voxel does not decide the scale, and no unit does.
    assert found.min() == 0 and found.max() == 1000
    assert abs(np.median(found[body].astype(float)) - 500) < 12
    assert body.shape == (10, 12, 18)


def test_outside_a_turned_mr_scan_lies_its_darkest_value(tmp_path: Path) -> None:
    from scipy.spatial.transform import Rotation

    values = np.random.default_rng(0).normal(-800, 4, (14, 18, 22)).astype(np.float32)
    values[3:11, 4:14, 4:18] = -200
    turn = Rotation.from_euler("z", 30, degrees=True).as_matrix()
    turned = image_of(values, (2, 2, 2), (0, 0, 0), turn)
    record = preprocessed(tmp_path, turned, modality="mr", spacing=(2.0, 2.0, 2.0))
    body = model_volume(tmp_path, "body")
    assert abs(body.sum() - 8 * 10 * 14) < 0.15 * 8 * 10 * 14, record.model


@pytest.mark.parametrize("slices", [1, 2, 3])
def test_a_scan_of_few_slices_is_used(tmp_path: Path, slices: int) -> None:
    image, label = patient()
    part = (slice(None), slice(None), slice(5, 5 + slices))
    low, high = preprocessed(tmp_path, image[part], label[part], spacing=(2.0, 5.0, 5.0)).structures["organ"].box_mm
    assert high[2] - low[2] == pytest.approx(3.0 * slices)


def test_nothing_is_left_of_an_earlier_use(tmp_path: Path) -> None:
    first = preprocessed(tmp_path, *patient())
    assert preprocessed(tmp_path, *patient()).to_json() == first.to_json()
    again = preprocessed(tmp_path, image_of(np.full((6, 7, 8), 40, dtype=np.int16)))
    assert set_aside(tmp_path, again, "scan.mha")


def test_a_label_that_the_box_of_the_body_would_cut_keeps_the_whole_field(tmp_path: Path) -> None:
    values = np.full((40, 40, 40), -1000, dtype=np.int16)
    values[4:20, 4:20, 4:20] = 40
    label = np.zeros_like(values)
    label[10:30, 10:14, 10:14] = 1
    images = [image_of(one, (5.0, 5.0, 5.0)) for one in (values, label)]
    record = preprocessed(tmp_path, *images, structures=None, spacing=(5.0, 5.0, 5.0))
    assert model_of(record).size == (40, 40, 40)
    assert record.findings == ("the box of the body cuts label_1 away: the whole field is kept",)
    label[20:] = 0
    less = preprocessed(tmp_path, images[0], image_of(label, (5.0, 5.0, 5.0)), structures=None, spacing=(5.0, 5.0, 5.0))
    assert model_of(less).size == (16, 16, 16) and less.findings == ()
