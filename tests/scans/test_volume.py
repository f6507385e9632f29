"""Reading what can be used, refusing the rest in one sentence, and resampling on the physical grid."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk

from rprloc.errors import InputError
from rprloc.geometry import Grid
from rprloc.scans.resampling import covering_grid, resample, resample_label
from rprloc.scans.volume import read_model_volume, read_volume, write_volume
from tests.scans.images import image_of, write

FORMATS = [".nii", ".nii.gz", ".mha", ".nrrd"]
NOISE = np.random.default_rng(5).normal(0, 300, (12, 14, 16)).astype(np.int16)


def refusal(path: Path) -> str:
    """Return the one sentence that refuses a file, which names it without its folder."""
    with pytest.raises(InputError) as caught:
        read_volume(path)
    (sentence,) = caught.value.errors
    assert sentence.startswith(f"{path.name}: ")
    assert sentence.endswith(".") and "\n" not in sentence
    assert str(path.parent) not in sentence
    return sentence


@pytest.mark.parametrize("ending", FORMATS)
@pytest.mark.parametrize("kind", [np.int16, np.uint8, np.int32, np.float32, np.float64])
def test_every_format_keeps_values_and_geometry(tmp_path: Path, ending: str, kind: Any) -> None:
    image = image_of(np.abs(NOISE % 200).astype(kind), (0.9, 1.1, 2.5), (-120.5, 33.25, 800.0))
    found = read_volume(write(image, tmp_path / f"a, b's{ending}"))
    np.testing.assert_array_equal(sitk.GetArrayFromImage(found), sitk.GetArrayFromImage(image))
    np.testing.assert_allclose(found.GetOrigin(), image.GetOrigin(), atol=1e-4)
    np.testing.assert_allclose(found.GetSpacing(), image.GetSpacing(), atol=1e-6)
    np.testing.assert_allclose(found.GetDirection(), image.GetDirection(), atol=1e-6)


@pytest.mark.parametrize("ending", FORMATS)
@pytest.mark.parametrize("part", [0.0, 0.004, 0.5, 0.999])
def test_a_file_cut_short_is_refused(tmp_path: Path, ending: str, part: float) -> None:
    whole = write(image_of(NOISE), tmp_path / f"whole{ending}").read_bytes()
    path = tmp_path / f"cut{ending}"
    path.write_bytes(whole[: int(part * len(whole))])
    assert "expected" in refusal(path)


def test_a_damaged_gzip_file_is_refused(tmp_path: Path) -> None:
    path = write(image_of(NOISE), tmp_path / "a.nii.gz")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)
    assert "expected a" in refusal(path)


@pytest.mark.parametrize("ending", FORMATS)
def test_a_text_file_is_refused(tmp_path: Path, ending: str) -> None:
    (tmp_path / f"a{ending}").write_text("this is no image\n" * 50, encoding="utf-8")
    assert "expected a readable 3D image" in refusal(tmp_path / f"a{ending}")


@pytest.mark.parametrize("ending", [".nii.gz", ".mha", ".nrrd"])
def test_two_and_four_dimensions_and_colour_are_refused(tmp_path: Path, ending: str) -> None:
    image = image_of(NOISE)
    assert "found 2 dimensions, expected 3" in refusal(write(image[:, :, 3], tmp_path / f"2d{ending}"))
    assert "found 4 dimensions, expected 3" in refusal(write(sitk.JoinSeries([image, image]), tmp_path / f"4d{ending}"))
    assert "found 3 values a voxel" in refusal(write(sitk.Compose([image] * 3), tmp_path / f"rgb{ending}"))


@pytest.mark.parametrize("name", ["a.mhd", "a.nhdr", "a.hdr", "a.img", "a.MHD"])
def test_a_header_without_its_voxels_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("ObjectType = Image\n", encoding="utf-8")
    assert "voxels lie in another file" in refusal(tmp_path / name)


def test_missing_and_unknown_files_are_refused(tmp_path: Path) -> None:
    assert refusal(tmp_path / "a.nii.gz") == "a.nii.gz: no such file."
    assert "unknown kind of file, expected one of .nii, .nii.gz, .mha, .nrrd" in refusal(tmp_path / "a.png")
    assert "unknown kind of file" in refusal(tmp_path / "nii")


@pytest.mark.parametrize("ending", [".nii", ".nii.gz"])
@pytest.mark.parametrize("number", [np.nan, np.inf])
def test_nifti_voxels_that_are_no_numbers_are_refused_and_not_read_as_water(
    tmp_path: Path, ending: str, number: float
) -> None:
    for kind in (np.float32, np.float64):
        values = NOISE.astype(kind)
        values[-1, -1, -1] = number
        assert "not finite numbers" in refusal(write(image_of(values), tmp_path / f"a{ending}"))


def test_mistake_10_no_slice_is_lost_and_the_new_spacing_is_what_the_voxels_have() -> None:
    values = np.zeros((7, 5, 5), dtype=np.int16)
    values[-1] = 1000
    image = image_of(values, (2.0, 2.0, 3.0), (5.0, 6.0, 7.0))
    grid = covering_grid(image, np.array([2.0, 2.0, 2.0]))
    # 7 slices of 3 mm are 21 mm: 11 of 2 mm. The lower edges agree: 7 - 1.5 = 6.5 - 1 + 1.
    assert grid == Grid((5, 5, 11), (2.0, 2.0, 2.0), (5.0, 6.0, 6.5))
    moved = resample(image, grid, outside=0)
    assert moved.shape == (11, 5, 5)
    # The last native slice is centred at 25 mm; the grid's slice at 24.5 mm is the one nearest.
    assert np.all(moved[9] > 800)


def test_mistake_10_resampling_follows_the_physical_grid() -> None:
    # Grey values that are a linear function of the world point stay so on any grid inside.
    index = np.moveaxis(np.indices((12, 14, 16))[::-1], 0, -1).astype(float)
    world = np.array([-7.0, 3.0, 40.0]) + index * [1.5, 2.0, 3.0]
    image = image_of((world @ [1.0, -2.0, 0.5]).astype(np.float64), (1.5, 2.0, 3.0), (-7.0, 3.0, 40.0))
    grid = Grid((9, 8, 7), (1.3, 1.9, 2.9), (-3.3, 6.1, 45.7))
    centres = grid.world(np.moveaxis(np.indices((7, 8, 9)), 0, -1))
    np.testing.assert_allclose(resample(image, grid), centres @ [1.0, -2.0, 0.5], atol=1e-4)


def test_a_scan_that_has_the_spacing_already_keeps_its_values() -> None:
    image = image_of(NOISE, (1.1, 0.9, 2.7), (-120.3, 33.7, 0.1))
    grid = covering_grid(image, np.array([1.1, 0.9, 2.7]))
    assert grid.size == (16, 14, 12)
    np.testing.assert_array_equal(np.rint(resample(image, grid)), NOISE)


def test_the_grid_holds_every_voxel_and_hardly_more() -> None:
    for size, spacing, wanted in [((10, 11, 12), (0.7, 1.3, 5.0), (2.0, 2.0, 2.0)), ((1, 1, 1), (3, 3, 3), (4, 4, 4))]:
        image = image_of(np.zeros(size[::-1], dtype=np.uint8), spacing, (1.0, 2.0, 3.0))
        grid = covering_grid(image, np.array(wanted, dtype=float))
        low = np.array([1.0, 2.0, 3.0]) - np.array(spacing) / 2
        high = low + np.array(size) * spacing
        start = np.array(grid.origin_mm) - np.array(wanted) / 2
        end = start + np.array(grid.size) * wanted
        np.testing.assert_allclose(start, low)
        assert np.all(end >= high - 1e-2 * np.array(wanted)) and np.all(end - high < wanted)


def test_coarsening_smooths_a_checkerboard_away_and_keeps_the_mean() -> None:
    z, y, x = np.indices((24, 24, 24))
    board = image_of((100 + 400 * ((x + y + z) % 2)).astype(np.int16))
    moved = resample(board, covering_grid(board, np.array([4.0, 4.0, 4.0])))
    assert moved.shape == (6, 6, 6)
    np.testing.assert_allclose(moved, 300, atol=5)
    flat = image_of(np.full((24, 24, 24), 123, dtype=np.int16))
    np.testing.assert_allclose(resample(flat, covering_grid(flat, np.array([4.0, 3.0, 2.0]))), 123, atol=0.01)


def test_smoothing_keeps_the_mean_of_noise_and_leaves_other_axes_alone() -> None:
    noise = np.random.default_rng(1).normal(100, 50, (40, 40, 40)).astype(np.float32)
    image = image_of(noise)
    moved = resample(image, covering_grid(image, np.array([4.0, 4.0, 4.0])))
    assert abs(moved.mean() - noise.mean()) < 3
    assert moved.std() < 10
    stripes = image_of(np.where(np.indices((8, 8, 8))[0] % 2, 1000, 0).astype(np.int16))
    # Only x coarsens: the stripes along z stay as they are.
    np.testing.assert_allclose(resample(stripes, covering_grid(stripes, np.array([4.0, 1.0, 1.0])))[1], 1000, atol=0.1)


def test_labels_are_never_mixed() -> None:
    label = image_of((np.indices((9, 9, 9)).sum(axis=0) % 5).astype(np.uint8))
    moved = resample_label(label, covering_grid(label, np.array([2.0, 1.4, 0.6])))
    assert set(np.unique(moved)) <= {0, 1, 2, 3, 4}


def test_outside_the_file_lies_air() -> None:
    image = image_of(np.full((5, 5, 5), 40, dtype=np.int16))
    moved = resample(image, Grid((9, 5, 5), (1.0, 1.0, 1.0), (-2.0, 0.0, 0.0)))
    assert np.all(moved[:, :, [0, 1, -1, -2]] == -1024)
    assert np.all(moved[:, :, 2:7] == 40)


def test_a_written_volume_is_read_back(tmp_path: Path) -> None:
    grid = Grid((16, 14, 12), (2.0, 2.0, 3.0), (-10.5, 20.25, 3.0))
    write_volume(tmp_path / "new" / "a.nii.gz", NOISE, grid)
    found = read_volume(tmp_path / "new" / "a.nii.gz")
    np.testing.assert_array_equal(read_model_volume(tmp_path / "new" / "a.nii.gz"), NOISE)
    assert (found.GetSpacing(), found.GetOrigin()) == (grid.spacing_mm, grid.origin_mm)
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["a.nii.gz"]
