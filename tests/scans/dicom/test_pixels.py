"""Stored values are those that SimpleITK's GDCM reads, of files that nobody here wrote."""

from __future__ import annotations

import io

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk

from rprloc.scans.dicom.headers import read_header
from rprloc.scans.dicom.pixels import PixelsError, rescaled, stored_values
from tests.scans.dicom import made
from tests.scans.dicom.made import FOREIGN
from tests.scans.images import patient

FILES = [
    "CT_small.dcm", "693_J2KI.dcm", "J2K_pixelrep_mismatch.dcm", "MR_small.dcm", "MR_small_RLE.dcm",
    "MR_small_bigendian.dcm", "MR_small_implicit.dcm", "MR_small_jp2klossless.dcm", "MR_small_jpeg_ls_lossless.dcm",
    "MR_small_padded.dcm", "examples_overlay.dcm", "dicomdirtests/98892001/CT5N/2062",
]  # fmt: skip


@pytest.mark.parametrize("name", FILES)
def test_values_are_those_of_gdcm(name: str) -> None:
    path = FOREIGN / name
    with path.open("rb") as stream:
        header = read_header(name, stream)
        assert header is not None
        stream.seek(0)
        (values,) = stored_values(stream, [0])
    expected = sitk.GetArrayFromImage(sitk.ReadImage(str(path))).squeeze()
    np.testing.assert_allclose(rescaled(values, header.slices[0]), expected)


def test_pixels_that_are_not_whole_are_told(capfd: pytest.CaptureFixture[str]) -> None:
    for name in ("MR_truncated.dcm", "rtplan.dcm"):
        with (FOREIGN / name).open("rb") as stream, pytest.raises(PixelsError, match="end"):
            list(stored_values(stream, [0]))
    assert capfd.readouterr().err == ""
    content = bytearray((FOREIGN / "MR_small_jp2klossless.dcm").read_bytes())
    start = content.index(b"\xff\x4f\xff\x51")
    content[start : start + 100] = bytes(100)
    with pytest.raises(PixelsError, match="cannot be decoded"):
        list(stored_values(io.BytesIO(bytes(content)), [0]))


def test_an_overlay_in_the_bits_above_the_values_is_no_value() -> None:
    one = made.slice_of(patient()[0], 3, bits=12, signed=True, intercept=0.0)
    values = np.frombuffer(one.PixelData, "<u2") | 0x8000
    one.PixelData = values.tobytes()
    stream = io.BytesIO()
    one.save_as(stream, enforce_file_format=True)
    stream.seek(0)
    (found,) = stored_values(stream, [0])
    np.testing.assert_array_equal(found, sitk.GetArrayFromImage(patient()[0])[3])


def test_a_syntax_that_a_file_does_not_name_is_told_by_its_bytes() -> None:
    one = pydicom.dcmread(FOREIGN / "MR_small_implicit.dcm")
    stream = io.BytesIO()
    pydicom.dcmwrite(stream, one, implicit_vr=True, little_endian=True, enforce_file_format=True)
    content = stream.getvalue().replace(b"\x02\x00\x10\x00UI", b"\x02\x00\x11\x00UI")
    (found,) = stored_values(io.BytesIO(content), [0])
    np.testing.assert_array_equal(found, one.pixel_array)
