"""What a header says, of files that nobody here wrote as well, and what of it may be shown."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest

from rprloc.scans.dicom.headers import LIST, Header, called, plain, read_header
from tests.scans.dicom import made
from tests.scans.images import patient

"""Files of many makers, which come with pydicom."""


def header_of(**fields: Any) -> Header:
    """Return the header of a slice with other fields."""
    stream = io.BytesIO()
    made.slice_of(patient()[0], 2, fields=fields).save_as(stream, enforce_file_format=True)
    stream.seek(0)
    found = read_header("x", stream)
    assert found is not None
    return found


def test_what_is_read_of_a_slice() -> None:
    found = header_of(SeriesNumber="7", GantryDetectorTilt="3.5")
    assert (found.kind, found.modality, found.number, found.whole) == ("CT Image", "ct", 7, True)
    assert found.tilt_degrees == 3.5 and found.reference_uid == made.uid_of("frame")
    (one,) = found.slices
    np.testing.assert_allclose(one.position_mm, [-31.0, 17.5, -198.0])
    np.testing.assert_allclose(one.orientation, [[1, 0, 0], [0, 1, 0]])
    assert (one.spacing_mm, one.size, one.slope, one.intercept) == ((2.0, 2.5), (22, 18), 1.0, -1024.0)


def test_every_frame_of_a_file_is_a_slice() -> None:
    stream = io.BytesIO()
    made.multiframe_of(patient()[0]).save_as(stream, enforce_file_format=True)
    stream.seek(0)
    found = read_header("x", stream)
    assert found is not None and found.kind == "Enhanced CT Image" and len(found.slices) == 14
    assert [one.frame for one in found.slices] == list(range(14))
    assert {(one.spacing_mm, one.intercept, one.unit) for one in found.slices} == {((2.0, 2.5), -1024.0, "HU")}


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({"ImagePositionPatient": None}, "image without a place"),
        ({"ImageOrientationPatient": ["0", "0", "0", "0", "0", "0"]}, "image without a place"),
        ({"PixelSpacing": ["0", "1"]}, "image without the size of its pixels"),
        ({"PixelSpacing": None}, "image without the size of its pixels"),
        ({"NumberOfFrames": "3"}, "image whose frames are not as many as it says"),
        ({"SamplesPerPixel": 3}, "image in colours"),
        ({"ImageType": ["DERIVED", "SECONDARY", "LOCALIZER"]}, "localizer"),
        ({"SOPClassUID": "1.2.3.4"}, "object of an unknown class"),
    ],
)
def test_what_is_no_slice_of_a_volume_has_a_name(fields: dict[str, Any], kind: str) -> None:
    found = header_of(**fields)
    assert (found.kind, found.slices, found.modality) == (kind, (), None)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("CT_small.dcm", "CT Image"),
        ("MR_small_bigendian.dcm", "MR Image"),
        ("rtstruct.dcm", "RT Structure Set"),
        ("ExplVR_LitEndNoMeta.dcm", "RT Ion Plan"),
        ("liver_1frame.dcm", "Segmentation"),
        ("test-SR.dcm", "Comprehensive SR"),
        ("examples_palette.dcm", "Ultrasound Image"),
        ("rtplan_truncated.dcm", "RT Plan"),
    ],
)
def test_files_that_nobody_here_wrote(name: str, kind: str) -> None:
    with (made.FOREIGN / name).open("rb") as stream:
        found = read_header(name, stream)
    assert found is not None and found.kind == kind
    assert len(found.slices) == (kind in ("CT Image", "MR Image"))


def test_a_list_of_a_disks_files_is_called_so() -> None:
    with (made.FOREIGN / "dicomdirtests" / "DICOMDIR").open("rb") as stream:
        found = read_header("DICOMDIR", stream)
    assert found is not None and found.kind == LIST and not found.slices


def test_a_file_of_zeros_or_of_endless_elements_is_damaged_and_not_read_to_its_end() -> None:
    element = b"\x09\x00\x10\x00LO\x00\x00"
    whole = io.BytesIO()
    made.slice_of(patient()[0], 2).save_as(whole, enforce_file_format=True)
    meta = whole.getvalue()[132 : 144 + int.from_bytes(whole.getvalue()[140:144], "little")]
    for content in (bytes(80_000_000), meta + bytes(80_000_000), element * 200_000, meta + element * 200_000):
        stream = io.BytesIO(bytes(128) + b"DICM" + content)
        found = read_header("x", stream)
        assert found is not None and not found.whole
        assert stream.tell() < 2_000_000


def test_bytes_after_a_mark_are_a_damaged_file() -> None:
    for content in (b"", b"\xff" * 400, b"\x02\x00\x10\x00UI\x50\x00"):
        found = read_header("x", io.BytesIO(bytes(128) + b"DICM" + content))
        assert found is not None and not found.whole


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Thorax  1.0 B31f", "Thorax 1.0 B31f"),
        ("<b>\x1b[31m'x'\n\"y\"`$(rm)`|&;", "b [31m x y $(rm)"),
        ("Kopf\u202e\u0000 ä", "Kopf ä"),
        ("x" * 100, "x" * 37 + "..."),
        (None, ""),
    ],
)
def test_a_strangers_text_is_plain(text: Any, expected: str) -> None:
    assert plain(text) == expected


def test_a_description_says_not_who_the_patient_is() -> None:
    found = header_of(SeriesDescription="zweistein, a. MRN7654321 Abdomen ACC998877")
    assert found.description == "..., a. ... Abdomen ..."
    assert not any(secret in repr(found) for secret in made.SECRETS.values())


def test_of_which_acquisition_a_slice_is() -> None:
    assert [header_of(AcquisitionNumber=number).slices[0].acquisition for number in ("4", None)] == [4, None]


def test_a_description_is_known_again_whatever_is_struck_out_of_it() -> None:
    found = header_of(SeriesDescription="Thorax 1.0 B31f", InstitutionName="Thorax Clinic")
    assert found.description == "... 1.0 B31f" and "Thorax" not in repr(found)
    assert found.called == called(" thorax  1.0 b31F") != called("1.0 B31f")


def test_a_file_of_old_may_have_zeros_where_others_have_their_mark() -> None:
    with (made.FOREIGN / "ExplVR_LitEndNoMeta.dcm").open("rb") as stream:
        content = stream.read()
    assert content[128:132] != b"DICM"
    start = b"\x08\x00\x05\x00CS" + (160).to_bytes(2, "little") + b"ISO_IR 100".ljust(160, b"\0")
    found = read_header("x", io.BytesIO(start + content))
    assert found is not None and found.kind != "file that is damaged"
