"""NIfTI voxels are what ITK reads of whole files, whatever their type, order, scale and packing."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk

from rprloc.errors import InputError
from rprloc.scans.nifti import read_header
from rprloc.scans.volume import read_volume

VALUES = np.random.default_rng(2).integers(0, 120, (3, 4, 5))
TYPES = {"u1": 2, "i2": 4, "i4": 8, "f4": 16, "f8": 64, "i1": 256, "u2": 512, "u4": 768, "i8": 1024, "u8": 1280}


def nifti(
    kind: str = "<i2", *, scale: tuple[float, float] = (1.0, 0.0), offset: int = 352, size: Any = (3, 5, 4, 3, 1)
) -> bytes:
    """Return a NIfTI-1 file of VALUES as a scanner's software might write it."""
    order, number = kind[0], np.dtype(kind)
    header = bytearray(offset or 352)
    struct.pack_into(f"{order}i", header, 0, 348)
    struct.pack_into(f"{order}8h", header, 40, *size, 1, 1, 1)
    struct.pack_into(f"{order}hh", header, 70, TYPES[kind[1:]], 8 * number.itemsize)
    struct.pack_into(f"{order}8f", header, 76, 1, 1.5, 2, 2.5, 1, 1, 1, 1)
    struct.pack_into(f"{order}3f", header, 108, offset, *scale)
    # The file's axes are the patient's, by the quaternion's form: code 1, no turn, an origin.
    struct.pack_into(f"{order}h", header, 252, 1)
    struct.pack_into(f"{order}3f", header, 268, -10, 20, 30)
    header[344:348] = b"n+1\0"
    return bytes(header) + VALUES.astype(number).tobytes()


def same_as_itk(path: Path) -> sitk.Image:
    """Return what is read of a file, which must be what ITK reads."""
    found, expected = read_volume(path), sitk.ReadImage(str(path))
    assert found.GetPixelID() == expected.GetPixelID()
    np.testing.assert_array_equal(sitk.GetArrayFromImage(found), sitk.GetArrayFromImage(expected))
    for ask in ("GetSize", "GetSpacing", "GetOrigin", "GetDirection"):
        assert getattr(found, ask)() == getattr(expected, ask)()
    return found


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("kind", TYPES)
def test_voxels_of_every_type_and_order_are_read_as_itk_reads_them(tmp_path: Path, kind: str, order: str) -> None:
    (tmp_path / "a.nii").write_bytes(nifti(order + kind))
    found = same_as_itk(tmp_path / "a.nii")
    np.testing.assert_array_equal(sitk.GetArrayFromImage(found), VALUES)


@pytest.mark.parametrize("kind", ["<u1", ">i2", "<f4", "<f8"])
@pytest.mark.parametrize("scale", [(2.5, -1024.0), (1.0, -1024.0), (0.0, 0.0), (np.nan, 0.0), (1e-3, 0.0)])
def test_voxels_are_scaled_as_itk_scales_them(tmp_path: Path, kind: str, scale: Any) -> None:
    (tmp_path / "a.nii").write_bytes(nifti(kind, scale=scale))
    same_as_itk(tmp_path / "a.nii")


@pytest.mark.parametrize("kind", ["<u1", ">i2", "<f4", "<f8"])
@pytest.mark.parametrize("scale", [(0.0, 7.0), (np.nan, -1024.0), (np.inf, 3.0), (0.0, np.nan)])
def test_without_a_slope_nothing_is_scaled_and_no_intercept_added(tmp_path: Path, kind: str, scale: Any) -> None:
    (tmp_path / "a.nii").write_bytes(nifti(kind, scale=scale))
    found = sitk.GetArrayFromImage(read_volume(tmp_path / "a.nii"))
    assert found.dtype == np.dtype(kind).newbyteorder("=")
    np.testing.assert_array_equal(found, VALUES)


@pytest.mark.parametrize("content", [nifti(offset=400), nifti(size=(4, 5, 4, 3, 1))])
def test_extensions_a_fourth_axis_of_one_volume_are_read(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.nii").write_bytes(content)
    same_as_itk(tmp_path / "a.nii")


def test_voxels_without_a_place_follow_the_header(tmp_path: Path) -> None:
    # ITK reads from the header's last four bytes on, two voxels too early.
    (tmp_path / "a.nii").write_bytes(nifti(offset=0))
    np.testing.assert_array_equal(sitk.GetArrayFromImage(read_volume(tmp_path / "a.nii")), VALUES)


@pytest.mark.parametrize("tail", [b"", b"\0" * 100_000])
def test_gzip_in_several_parts_and_with_padding_is_read(tmp_path: Path, tail: bytes) -> None:
    content = nifti()
    parts = [gzip.compress(part) for part in (content[:100], content[100:360], content[360:])]
    (tmp_path / "a.nii.gz").write_bytes(b"".join(parts) + tail)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(read_volume(tmp_path / "a.nii.gz")), VALUES)


def test_a_file_that_only_its_name_calls_gzip_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.nii.gz").write_bytes(nifti())
    np.testing.assert_array_equal(sitk.GetArrayFromImage(read_volume(tmp_path / "a.nii.gz")), VALUES)


def test_a_gzip_file_that_begins_with_an_empty_part_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.nii.gz").write_bytes(gzip.compress(b"") + gzip.compress(nifti()))
    np.testing.assert_array_equal(sitk.GetArrayFromImage(read_volume(tmp_path / "a.nii.gz")), VALUES)


def test_a_gzip_file_that_its_name_does_not_call_so_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.nii").write_bytes(gzip.compress(nifti()))
    with pytest.raises(
        InputError, match=r"^a\.nii: found a compressed file, expected a name that ends in \.nii\.gz\.$"
    ):
        read_volume(tmp_path / "a.nii")


@pytest.mark.parametrize("left", [2, 10, 30])
def test_a_gzip_file_of_a_few_bytes_is_one_that_ends_early(tmp_path: Path, left: int) -> None:
    (tmp_path / "a.nii.gz").write_bytes(gzip.compress(nifti())[:left])
    with pytest.raises(
        InputError, match=r"^a\.nii\.gz: expected a whole file, found: compressed voxels that end early"
    ):
        read_volume(tmp_path / "a.nii.gz")


@pytest.mark.parametrize("lost", [1, 4, 8, 9, 40])
def test_every_byte_that_a_gzip_file_lacks_is_missed(tmp_path: Path, lost: int) -> None:
    (tmp_path / "a.nii.gz").write_bytes(gzip.compress(nifti())[:-lost])
    with pytest.raises(
        InputError, match=r"^a\.nii\.gz: expected a whole file, found: compressed voxels that end early"
    ):
        read_volume(tmp_path / "a.nii.gz")


def test_voxels_that_a_gzip_file_lacks_are_counted(tmp_path: Path) -> None:
    (tmp_path / "a.nii.gz").write_bytes(gzip.compress(nifti()[:-20]))
    with pytest.raises(InputError, match=r"^a\.nii\.gz: found 100 bytes of voxels, expected 120\.$"):
        read_volume(tmp_path / "a.nii.gz")


@pytest.mark.parametrize(
    ("kind", "at", "value", "found"),
    [
        ("4s", 344, b"ni1\0", "found no NIfTI header of a single file"),
        ("4s", 344, b"\0\0\0\0", "found no NIfTI header of a single file"),
        ("h", 42, 0, "found sizes of 0 x 4 x 3 voxels"),
        ("h", 44, -4, "found sizes of 5 x -4 x 3 voxels"),
        ("h", 40, 9, "found sizes of 0 voxels"),
        ("h", 70, 32, "found voxels of NIfTI's datatype 32, expected one real number each"),
        ("h", 70, 128, "found 3 values a voxel, expected 1"),
        ("f", 108, np.inf, "found voxels that start at byte inf, expected them after the header"),
        ("f", 112, 1e38, "not finite numbers"),
    ],
)
def test_impossible_headers_are_refused(tmp_path: Path, kind: str, at: int, value: Any, found: str) -> None:
    content = bytearray(nifti())
    struct.pack_into(f"<{kind}", content, at, value)
    (tmp_path / "a.nii").write_bytes(content)
    with pytest.raises(InputError) as caught:
        read_volume(tmp_path / "a.nii")
    assert str(caught.value).startswith("a.nii: ") and found in str(caught.value)


def test_a_header_tells_type_scale_and_place(tmp_path: Path) -> None:
    (tmp_path / "a.nii").write_bytes(nifti(">f4", scale=(2.0, 3.0), offset=400))
    header = read_header(tmp_path / "a.nii")
    assert (header.kind, header.bytes, header.sizes) == (np.dtype(">f4"), 240, (5, 4, 3))
    assert (header.offset, header.slope, header.intercept) == (400, 2.0, 3.0)
    assert header.fields["pixdim"][1:4].tolist() == [1.5, 2.0, 2.5]


def test_a_file_that_was_compressed_twice_is_called_so(tmp_path: Path) -> None:
    path = tmp_path / "a.nii.gz"
    path.write_bytes(gzip.compress(gzip.compress(bytes(2000))))
    with pytest.raises(InputError, match=r"a.nii.gz: found a file that was compressed twice, expected it to be once."):
        read_header(path)
