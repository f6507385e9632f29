"""Reading what can be used and refusing the rest in one sentence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk

from rprloc.errors import InputError
from rprloc.geometry import Grid
from rprloc.scans.frame import UNKNOWN
from rprloc.scans.volume import open_layers, open_volume, read_model_volume, read_volume, write_volume
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


@pytest.mark.parametrize("ending", [".Nii.Gz", ".NII.gz", ".nii.GZ", ".Nii", ".NII", ".NII.GZ", ".Mha", ".nRRd"])
def test_a_name_in_any_case_is_read(tmp_path: Path, ending: str) -> None:
    image = image_of(NOISE, (0.9, 1.1, 2.5), (-120.5, 33.25, 800.0))
    path = tmp_path / f"a{ending}"
    write(image, tmp_path / f"b{ending.lower()}").rename(path)
    found = read_volume(path)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(found), NOISE)
    np.testing.assert_allclose(found.GetOrigin(), image.GetOrigin(), atol=1e-4)
    path.write_bytes(path.read_bytes()[:100])
    assert "expected" in refusal(path)


@pytest.mark.parametrize("name", ["slice", "slice.dcm", "slice.nii", "slice.bin"])
def test_dicom_is_called_so_by_its_content(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(bytes(128) + b"DICM" + bytes(400))
    expected = "found a DICOM file, expected one file"
    assert expected in refusal(tmp_path / name)


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
    (tmp_path / name).write_text("ObjectType = Image\nElementDataFile = a.raw\ndata file: a.raw\n", encoding="utf-8")
    assert "beside it, expected" in refusal(tmp_path / name)


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("ending", [".mhd", ".nhdr", ".hdr", ".img"])
def test_a_header_beside_its_voxels_is_read(tmp_path: Path, ending: str, packed: bool) -> None:
    image = image_of(NOISE, (0.9, 1.1, 2.5), (-120.5, 33.25, 800.0))
    sitk.WriteImage(image, str(tmp_path / f"a b{ending}"), useCompression=packed)
    opened = open_volume(tmp_path / f"a b{ending}")
    np.testing.assert_array_equal(sitk.GetArrayFromImage(opened.image), NOISE)
    np.testing.assert_allclose(opened.image.GetOrigin(), image.GetOrigin(), atol=1e-4)
    np.testing.assert_allclose(opened.image.GetDirection(), image.GetDirection(), atol=1e-6)
    assert opened.oriented and opened.findings == ()
    assert sorted(opened.files) == sorted(tmp_path.iterdir())
    for path in opened.files:
        path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(InputError, match=r"^a b\..*expected"):
        open_volume(tmp_path / f"a b{ending}")


def test_nifti_2_is_read(tmp_path: Path) -> None:
    image = image_of(NOISE, (0.9, 1.1, 2.5), (-120.5, 33.25, 800.0))
    affine = np.diag([-0.9, -1.1, 2.5, 1.0])
    affine[:3, 3] = 120.5, -33.25, 800.0
    made = nibabel.Nifti2Image(NOISE.transpose(2, 1, 0), affine)
    for name in ("a.nii", "a.nii.gz", "b.hdr"):
        kind = nibabel.Nifti2Pair if name == "b.hdr" else nibabel.Nifti2Image
        nibabel.save(kind(made.dataobj, affine), tmp_path / name)
        found = open_volume(tmp_path / name)
        np.testing.assert_array_equal(sitk.GetArrayFromImage(found.image), NOISE)
        np.testing.assert_allclose(found.image.GetOrigin(), image.GetOrigin(), atol=1e-4)
        np.testing.assert_allclose(found.image.GetSpacing(), image.GetSpacing(), atol=1e-6)
        assert found.findings == ()


def test_of_an_analyze_pair_nobody_knows_how_the_patient_lies(tmp_path: Path) -> None:
    nibabel.save(nibabel.AnalyzeImage(NOISE.transpose(2, 1, 0), np.diag([0.9, 1.1, 2.5, 1.0])), tmp_path / "a.img")
    for name in ("a.img", "a.hdr"):
        found = open_volume(tmp_path / name)
        np.testing.assert_array_equal(sitk.GetArrayFromImage(found.image), NOISE)
        np.testing.assert_allclose(found.image.GetSpacing(), (0.9, 1.1, 2.5), atol=1e-6)
        assert not found.oriented and found.findings == (UNKNOWN,)


def test_missing_and_unknown_files_are_refused(tmp_path: Path) -> None:
    assert refusal(tmp_path / "a.nii.gz") == "a.nii.gz: found no such file, expected an image."
    assert "unknown kind of file, expected one of .nii, .nii.gz, .hdr, .img, .mha, .mhd, .nrrd, .nhdr" in refusal(
        tmp_path / "a.png"
    )
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


def test_a_written_volume_is_read_back(tmp_path: Path) -> None:
    grid = Grid((16, 14, 12), (2.0, 2.0, 3.0), (-10.5, 20.25, 3.0))
    write_volume(tmp_path / "new" / "a.nii.gz", NOISE, grid)
    found = read_volume(tmp_path / "new" / "a.nii.gz")
    np.testing.assert_array_equal(read_model_volume(tmp_path / "new" / "a.nii.gz"), NOISE)
    assert (found.GetSpacing(), found.GetOrigin()) == (grid.spacing_mm, grid.origin_mm)
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["a.nii.gz"]


def test_layers_are_read_with_the_header_s_own_fields_and_one_layer_is_no_image_of_several(tmp_path: Path) -> None:
    values = np.stack([NOISE, -NOISE], axis=-1)
    image = sitk.GetImageFromArray(values, isVector=True)
    image.SetMetaData("Segment0_Name", "liver")
    path = write(image, tmp_path / "a.nrrd")
    layers, own = open_layers(path)
    np.testing.assert_array_equal(np.stack([sitk.GetArrayFromImage(one.image) for one in layers], axis=-1), values)
    assert own["Segment0_Name"] == "liver"
    assert refusal(path) == "a.nrrd: found 2 values a voxel, expected 1."
    (single,), _ = open_layers(write(sitk.GetImageFromArray(NOISE), tmp_path / "b.nrrd"))
    np.testing.assert_array_equal(sitk.GetArrayFromImage(single.image), NOISE)
    with pytest.raises(InputError, match=r"c\.mha: found another kind of file, expected NRRD\."):
        open_layers(write(sitk.GetImageFromArray(NOISE), tmp_path / "c.mha"))
