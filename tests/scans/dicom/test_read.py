"""A series is the scan that it was made from: every value at its place in the world, however it was written."""

from __future__ import annotations

import errno
import os
import re
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
from pydicom.dataset import Dataset

from rprloc.errors import InputError
from rprloc.scans.dicom.read import open_dicom, read_stack
from rprloc.scans.frame import Frame
from rprloc.scans.volume import Opened, read_volume
from tests.scans.dicom import made
from tests.scans.images import image_of, oriented, patient, write

PATIENT = patient()[0]
SMALL = 0.01
"""Millimetres."""


def same_world(found: sitk.Image, expected: sitk.Image, within: float = 0.5) -> None:
    """Every voxel of the expected image has its value at its place in the world, within SMALL."""
    frame, other = Frame.of(found), Frame.of(expected)
    values, wanted = sitk.GetArrayFromImage(found), sitk.GetArrayFromImage(expected)
    index = np.stack(np.meshgrid(*[np.arange(n) for n in expected.GetSize()], indexing="ij"), axis=-1).reshape(-1, 3)
    world = other.world(index.astype(float))
    nearest = np.rint(frame.voxel(world)).astype(int)
    assert np.abs(frame.world(nearest.astype(float)) - world).max() <= SMALL
    assert (nearest >= 0).all() and (nearest < found.GetSize()).all()
    i, j, k = nearest.T
    np.testing.assert_allclose(values[k, j, i], wanted[tuple(index.T[::-1])], atol=within)


def turned(degrees: float) -> sitk.Image:
    """Return the patient with axes turned against those of the world."""
    turn = np.array(sitk.Euler3DTransform((0, 0, 0), *np.radians([degrees, -5.0, 3.0])).GetMatrix()).reshape(3, 3)
    return image_of(sitk.GetArrayFromImage(PATIENT), (2.0, 2.5, 3.0), (-31.0, 17.5, -204.0), turn)


def sheared(degrees: float = 15.0) -> sitk.Image:
    """Return the patient in slices that are tilted about x, of which each lies above the one before."""
    tilt = np.radians(degrees)
    direction = np.array([[1, 0, 0], [0, np.cos(tilt), 0], [0, -np.sin(tilt), 1]])
    return image_of(sitk.GetArrayFromImage(PATIENT), (2.0, 2.5, 3.0), (-31.0, 17.5, -204.0), direction)


def with_others(folder: Path) -> None:
    """Write the patient's series beside another one, and both beside what is no scan."""
    made.write_series(folder / "a", PATIENT, series="wanted", fields={"SeriesNumber": "3"})
    made.write_series(folder / "b", PATIENT * 0 + 7, series="other", fields={"SeriesNumber": "4"})


def as_series(image: sitk.Image, **how: Any) -> Callable[[Path], None]:
    """Return what writes an image as a series."""
    return lambda folder: made.write_series(folder, image, **how) and None


def reversed_names(folder: Path) -> None:
    names = [f"IM{99 - number:04d}" for number in range(PATIENT.GetSize()[2])]
    made.write_series(folder, PATIENT, names=names)


def multiframe(folder: Path) -> None:
    count = PATIENT.GetSize()[2]
    order = np.random.default_rng(1).permutation(count).tolist()
    made.save(made.multiframe_of(PATIENT, order=order), folder / "IM1")


EXACT: dict[str, tuple[Callable[[Path], None], sitk.Image]] = {
    "as it is": (as_series(PATIENT), PATIENT),
    "reverse order": (reversed_names, PATIENT),
    "from above": (as_series(oriented(PATIENT, (0, 1, 2), (1, 1, -1))), PATIENT),
    "sagittal": (as_series(oriented(PATIENT, (1, 2, 0), (1, -1, 1))), PATIENT),
    "coronal": (as_series(oriented(PATIENT, (0, 2, 1), (1, -1, 1))), PATIENT),
    "oblique": (as_series(turned(20.0)), turned(20.0)),
    "tilted": (as_series(sheared()), sheared()),
    "signed": (as_series(PATIENT, signed=True, intercept=0.0), PATIENT),
    "signed, 16 bits": (as_series(PATIENT, signed=True, intercept=0.0, bits=16), PATIENT),
    "unsigned, 16 bits": (as_series(PATIENT, bits=16), PATIENT),
    "slope 0.5, intercept -1024": (as_series(PATIENT, slope=0.5), PATIENT),
    "JPEG 2000": (as_series(PATIENT, syntax=made.JPEG_2000), PATIENT),
    "JPEG 2000, signed": (as_series(PATIENT, syntax=made.JPEG_2000, signed=True, intercept=0.0), PATIENT),
    "JPEG-LS": (as_series(PATIENT, syntax=made.JPEG_LS), PATIENT),
    "JPEG lossless": (as_series(PATIENT, syntax=made.JPEG_LOSSLESS), PATIENT),
    "RLE": (as_series(PATIENT, syntax=made.RLE), PATIENT),
    "RLE, signed": (as_series(PATIENT, syntax=made.RLE, signed=True, intercept=0.0), PATIENT),
    "implicit": (as_series(PATIENT, syntax=made.IMPLICIT), PATIENT),
    "deflated": (as_series(PATIENT, syntax=made.DEFLATED), PATIENT),
    "multi-frame": (multiframe, PATIENT),
}


@pytest.mark.parametrize(("writes", "expected"), EXACT.values(), ids=EXACT)
def test_the_world_is_that_of_the_image(tmp_path: Path, writes: Any, expected: sitk.Image) -> None:
    writes(tmp_path / "series")
    found = open_dicom(tmp_path / "series", modality="ct")
    same_world(found.image, expected)
    tilted = expected is EXACT["tilted"][1]
    said = ("its axes are sheared by 15.0 degrees (gantry tilt): resampled by the true affine",) if tilted else ()
    assert found.findings == said
    assert found.oriented


def test_the_world_is_that_of_the_nifti_of_the_same_scan(tmp_path: Path) -> None:
    made.write_series(tmp_path / "series", turned(12.0))
    nifti = read_volume(write(turned(12.0), tmp_path / "a.nii.gz"))
    same_world(open_dicom(tmp_path / "series").image, nifti)


def test_one_of_two_series_is_named(tmp_path: Path) -> None:
    with_others(tmp_path / "s")
    for wanted in ("3", "body wanted", " Body  Wanted ", made.uid_of("series", "wanted")):
        found = open_dicom(tmp_path / "s", series=wanted, modality="ct")
        same_world(found.image, PATIENT)
        assert found.findings == ()
        assert {path.parent.name for path in found.files} == {"a"}


def test_a_zip_archive_is_a_folder(tmp_path: Path) -> None:
    paths = made.write_series(tmp_path / "s", PATIENT)
    with zipfile.ZipFile(tmp_path / "s.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("readme.txt", "hello")
        for path in paths:
            archive.write(path, f"deep/er/{path.name}")
    found = open_dicom(tmp_path / "s.zip")
    same_world(found.image, PATIENT)
    assert found.files == (tmp_path / "s.zip",)


def test_headers_alone_tell_where_the_slices_lie(tmp_path: Path) -> None:
    made.write_series(tmp_path / "s", PATIENT)
    series, stack = read_stack(tmp_path / "s", modality="ct")
    assert (series.first.series_uid, series.first.reference_uid) == (made.uid_of("series", "one"), made.uid_of("frame"))
    assert [place[0].instance_uid for place in stack.places] == [made.uid_of("instance", "one", k) for k in range(14)]
    np.testing.assert_allclose(stack.frame.origin_mm, PATIENT.GetOrigin())


def opened(folder: Path, **asked: Any) -> Opened:
    return open_dicom(folder, modality="ct", **asked)


def refusal(folder: Path, **asked: Any) -> str:
    """Return the one sentence that refuses a series."""
    with pytest.raises(InputError) as caught:
        opened(folder, **asked)
    (sentence,) = caught.value.errors
    assert sentence.startswith(f"{folder.name}: ") and sentence.endswith(".") and sentence.isprintable()
    assert ": found " in sentence and ", expected " in sentence
    return sentence.removeprefix(f"{folder.name}: ")


def test_what_lies_beside_a_series_is_left_out_and_said(tmp_path: Path) -> None:
    made.write_series(tmp_path, PATIENT)
    scout = {"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]}
    made.save(made.slice_of(PATIENT, 0, series="scout", fields=scout), tmp_path / "scout")
    made.save(made.dataset(made.REPORT, made.uid_of("report"), "report"), tmp_path / "report")
    for number in range(2):
        made.save(made.slice_of(PATIENT, number, sop_class=made.CAPTURE, series="shot"), tmp_path / f"shot{number}")
    made.save(made.slice_of(PATIENT, 3), tmp_path / "copy")
    # Slices of another direction in the same series.
    made.save(made.slice_of(oriented(PATIENT, (1, 2, 0), (1, 1, 1)), 3), tmp_path / "across")
    (tmp_path / "notes.txt").write_text("no DICOM")
    found = opened(tmp_path)
    same_world(found.image, PATIENT)
    assert found.findings == (
        "beside its slices lie 1 x Basic Text SR, 2 x Secondary Capture Image, 1 x localizer, 1 x slice of another "
        "orientation or size: left out",
        "1 slice is a copy of others: left out",
    )


def test_uneven_gaps_are_made_even_and_said(tmp_path: Path) -> None:
    ramp = np.broadcast_to(np.arange(12)[:, None, None] * 30, (12, 5, 6)).astype(np.int16)
    paths = made.write_series(tmp_path / "s", image_of(ramp, (2.0, 2.0, 2.0)))
    for number in (7, 9):
        paths[number].unlink()
    paths[11].unlink()
    made.save(made.slice_of(image_of(ramp, (2.0, 2.0, 2.0)), 11, fields={"ImagePositionPatient": ["0", "0", "24"]}),
              tmp_path / "s" / "last")  # fmt: skip
    found = opened(tmp_path / "s")
    assert found.findings == ("its slices lie 2 to 4 mm apart: resampled to one every 2 mm",)
    values = sitk.GetArrayFromImage(found.image)
    assert values.shape == (13, 5, 6)
    np.testing.assert_allclose(values[:11, 0, 0], np.arange(11) * 30)


@pytest.mark.parametrize("missing", [1, 6, 12])
def test_a_missing_slice_is_refused_with_its_place(tmp_path: Path, missing: int) -> None:
    paths = made.write_series(tmp_path / "s", PATIENT)
    paths[missing].unlink()
    assert refusal(tmp_path / "s") == (
        f"found no slice at z = {-204 + 3 * missing:.2f} mm (LPS), a gap of 6 mm, expected one every 3 mm."
    )


def test_several_missing_slices_are_refused_as_one_gap(tmp_path: Path) -> None:
    paths = made.write_series(tmp_path / "s", oriented(PATIENT, (1, 2, 0), (1, -1, 1)))
    for number in (10, 11, 12):
        paths[number].unlink()
    assert refusal(tmp_path / "s") == (
        "found no slice between x = -13.00 and -5.00 mm (LPS), a gap of 8 mm, expected one every 2 mm."
    )


def test_without_a_name_there_has_to_be_one_volume(tmp_path: Path) -> None:
    with_others(tmp_path / "s")
    series = "3 'Body wanted' (CT, 14 slices of 3 mm), 4 'Body other' (CT, 14 slices of 3 mm)"
    assert refusal(tmp_path / "s") == (
        f"found 2 series, {series}, expected one, or its description, number or UID as `series`."
    )
    assert refusal(tmp_path / "s", series="5") == (
        f"found 2 series, {series}, expected one with the description, number or UID '5' that `series` names."
    )


def test_the_modality_of_the_cohort_chooses(tmp_path: Path) -> None:
    made.write_series(tmp_path / "s" / "ct", PATIENT)
    made.write_series(tmp_path / "s" / "mr", PATIENT, sop_class=made.MR, series="mr", fields={"SeriesNumber": "2"})
    found = opened(tmp_path / "s")
    assert found.findings == ("beside its slices lie 1 x series that is no volume of this kind: left out",)
    assert refusal(tmp_path / "s", series="2") == "found MR, expected CT (or settings with modality: mr)."
    assert "expected a volume of CT (or settings with modality: mr)." in refusal(tmp_path / "s" / "mr")


def test_a_list_of_a_disks_files_is_no_scan_and_no_more_is_said_of_it(tmp_path: Path) -> None:
    made.write_series(tmp_path / "s", PATIENT)
    shutil.copy(made.FOREIGN / "dicomdirtests" / "DICOMDIR", tmp_path / "s" / "DICOMDIR")
    assert opened(tmp_path / "s").findings == ()
    assert refusal(tmp_path / "s" / "DICOMDIR") == (
        "found 1 x list of the files beside it (DICOMDIR), expected a series of CT or MR."
    )


def test_pet_and_captures_are_refused(tmp_path: Path) -> None:
    made.write_series(tmp_path / "pet", PATIENT, sop_class=made.PET)
    assert refusal(tmp_path / "pet") == (
        "found 14 x Positron Emission Tomography Image, expected a series of CT or MR."
    )
    made.write_series(tmp_path / "shots", PATIENT, sop_class=made.CAPTURE)
    assert "found 14 x Secondary Capture Image, expected" in refusal(tmp_path / "shots")


def test_different_slices_at_one_place_are_refused(tmp_path: Path) -> None:
    made.write_series(tmp_path / "s" / "a", PATIENT)
    made.write_series(tmp_path / "s" / "b", PATIENT + 5)
    assert "found 2 different slices at the same place (times, echoes or energies), exp" in refusal(tmp_path / "s")


def half_a_gap_up(image: sitk.Image) -> sitk.Image:
    x, y, z = image.GetOrigin()
    return image_of(sitk.GetArrayFromImage(image), image.GetSpacing(), (x, y, z + image.GetSpacing()[2] / 2))


def test_two_acquisitions_between_each_others_slices_are_refused(tmp_path: Path) -> None:
    made.write_series(tmp_path / "s" / "a", PATIENT)
    other = half_a_gap_up(PATIENT)
    for number in range(14):
        fields = {"AcquisitionNumber": "2", "SOPInstanceUID": f"1.2.3.{number}"}
        made.save(made.slice_of(other, number, fields=fields), tmp_path / "s" / f"b{number}")
    assert refusal(tmp_path / "s") == (
        "found 2 acquisitions (1, 2) whose slices lie between each other's, expected one volume."
    )


def test_two_frames_of_reference_are_refused(tmp_path: Path) -> None:
    made.write_series(tmp_path / "s", PATIENT)
    made.save(made.slice_of(PATIENT, 4, fields={"FrameOfReferenceUID": "1.2.3"}), tmp_path / "s" / "IM0004")
    assert refusal(tmp_path / "s") == "found slices in 2 frames of reference, expected one."


@pytest.mark.parametrize("part", [0.02, 0.1, 0.3, 0.6, 0.99])
@pytest.mark.parametrize("syntax", [None, made.JPEG_2000, made.RLE])
def test_a_file_that_ends_early_is_refused(tmp_path: Path, part: float, syntax: Any) -> None:
    paths = made.write_series(tmp_path / "s", PATIENT, syntax=syntax)
    content = paths[5].read_bytes()
    paths[5].write_bytes(content[: max(140, int(part * len(content)))])
    assert re.search("ends? (early|before its pixels)", refusal(tmp_path / "s"))


def test_an_unknown_transfer_syntax_is_refused(tmp_path: Path) -> None:
    paths = made.write_series(tmp_path / "s", PATIENT)
    content = paths[2].read_bytes()
    paths[2].write_bytes(content.replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.9.9\0"))
    assert refusal(tmp_path / "s") == (
        "file 3 of 14 by name: found an unknown transfer syntax, expected a whole slice."
    )


def test_a_folder_without_dicom_is_refused(tmp_path: Path) -> None:
    (tmp_path / "s").mkdir()
    assert refusal(tmp_path / "s") == "found no DICOM file, expected the slices of a series."
    write(PATIENT, tmp_path / "s" / "a.nii.gz")
    assert refusal(tmp_path / "s") == "found no DICOM file, expected the slices of a series."


def test_an_empty_file_that_is_called_a_slice_is_not_passed_over(tmp_path: Path) -> None:
    made.write_series(tmp_path / "s", PATIENT, names=[f"{number}.dcm" for number in range(14)])[13].write_bytes(b"")
    assert refusal(tmp_path / "s") == ("found 1 x file without DICOM in it beside the slices, expected whole files.")
    assert refusal(tmp_path / "s" / "13.dcm") == "found 1 x file without DICOM in it, expected a series of CT or MR."


def test_one_slice_is_no_volume(tmp_path: Path) -> None:
    path = made.write_series(tmp_path / "s", PATIENT)[0]
    assert refusal(path) == "found 1 series, 1 'Body one' (CT, 1 slice, no volume), expected a volume of CT."


def test_values_that_are_no_hounsfield_units_are_said(tmp_path: Path) -> None:
    made.write_series(tmp_path / "a", PATIENT, slope=None, intercept=0.0, signed=True)
    assert opened(tmp_path / "a").findings == (
        "its header has neither slope nor intercept: values are taken as they are stored",
    )
    made.write_series(tmp_path / "b", PATIENT, fields={"RescaleType": "Z_EFF"})
    assert opened(tmp_path / "b").findings == ("its header says that its values are Z_EFF, expected Hounsfield units",)


def test_a_tilt_that_the_positions_do_not_show_is_said(tmp_path: Path) -> None:
    made.write_series(tmp_path, PATIENT, fields={"GantryDetectorTilt": "-12"})
    assert opened(tmp_path).findings == (
        "its header says that the gantry is tilted by 12.0 degrees, its positions do not: the positions are taken",
    )


def test_a_folder_that_may_not_be_read_is_refused_without_its_files_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made.write_series(tmp_path / "s" / "Zweistein", PATIENT)
    scandir = os.scandir

    def forbidden(path: Any) -> Any:
        if str(path).endswith("Zweistein"):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return scandir(path)

    # The tests may run as a user who may read everything.
    monkeypatch.setattr("os.scandir", forbidden)
    with pytest.raises(InputError, match=r"^s: expected readable files, found: Permission denied\.$"):
        opened(tmp_path / "s")
    monkeypatch.setattr(Path, "open", unsteady)
    with pytest.raises(OSError) as caught:
        opened(tmp_path / "s.zip")
    assert caught.value.errno == errno.EIO


def unsteady(*_: Any, **__: Any) -> Any:
    raise OSError(errno.EIO, os.strerror(errno.EIO))


def test_a_header_that_promises_too_much_takes_no_memory(tmp_path: Path) -> None:
    made.write_series(tmp_path / "s", PATIENT, fields={"Rows": 65535, "Columns": 65535})
    assert refusal(tmp_path / "s") == (
        "found slices of 6.554e+04 x 6.554e+04 x 14 voxels, expected the size of a scan."
    )


def test_a_table_of_values_is_refused(tmp_path: Path) -> None:
    made.write_series(tmp_path / "s", PATIENT, fields={"ModalityLUTSequence": [Dataset()]})
    assert "file 1 of 14 by name: found a table of values (Modality LUT), exp" in refusal(tmp_path / "s")


def test_values_beyond_two_bytes_are_kept(tmp_path: Path) -> None:
    image = sitk.Cast(PATIENT, sitk.sitkInt32)
    image[3, 3, 3] = 60_000
    made.write_series(tmp_path, image, bits=16)
    found = opened(tmp_path)
    assert found.image[3, 3, 3] == 60_000
    same_world(found.image, image)


def test_whatever_nobody_here_wrote_is_read_or_has_a_sentence(caplog: pytest.LogCaptureFixture) -> None:
    """Every file and every folder of pydicom's own tests."""
    read = []
    for path in sorted(made.FOREIGN.rglob("*")):
        if not path.is_dir() and (path.stat().st_size > 1_000_000 or path.suffix == ".py"):
            continue
        try:
            found = open_dicom(path)
        except InputError as error:
            (sentence,) = error.errors
            assert sentence.startswith(f"{path.name}: ") and sentence.endswith(".") and sentence.isprintable(), sentence
        else:
            read.append(path.name)
            assert found.image.GetDimension() == 3
    # A folder and the one above it.
    assert read == ["98892001", "CT5N"]
    assert not caplog.records
