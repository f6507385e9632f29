"""DICOM segmentations, written by highdicom."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk

from rprloc.errors import InputError
from rprloc.marks.seg import read_seg
from rprloc.scans.boxes import LabelVoxels
from rprloc.scans.labels import Label
from rprloc.scans.landmarks import structure_landmarks
from rprloc.scans.record import Native
from tests.marks.written import FRAME, NATIVE, SIZE, ct_series, seg_dicom, tilted
from tests.scans.dicom.made import FOREIGN

MASKS = {name: np.zeros(SIZE[::-1], dtype=bool) for name in ("My organ", "other")}
MASKS["My organ"][4:9, 5:12, 5:14] = True
MASKS["other"][7:11, 3:8, 2:9] = True


def read(
    path: Path, native: Native = NATIVE, *, image: str = "s.nii", structures: dict[str, int] | None = None
) -> Label:
    return read_seg(path, native, image=path.parent / image, structures=structures)


@pytest.mark.parametrize("native", [NATIVE, tilted()], ids=["straight", "turned"])
def test_segments_lie_where_they_were_drawn(tmp_path: Path, native: Native) -> None:
    label = read(seg_dicom(tmp_path / "seg.dcm", MASKS, native), native)
    assert list(label.structures) == ["My_organ", "other"]
    for name, mask in zip(label.structures, MASKS.values(), strict=True):
        (true,) = structure_landmarks(LabelVoxels(mask.view(np.uint8)), {"x": 1}, native).values()
        assert label.structures[name].voxels == mask.sum()
        np.testing.assert_allclose(label.structures[name].box_mm, true.box_mm, atol=1e-3)
    assert list(read(seg_dicom(tmp_path / "b.dcm", MASKS, native), native, structures={"OTHER": 4}).structures) == [
        "OTHER"
    ]


def test_it_is_laid_on_a_scan_of_which_it_shows_a_part(tmp_path: Path) -> None:
    flipped = Native(
        size=SIZE, spacing_mm=NATIVE.spacing_mm, direction=(-1, 0, 0, 0, 1, 0, 0, 0, -1),
        origin_mm=tuple(NATIVE.frame.world(np.array([21.0, 0.0, 13.0])).tolist()),
    )  # fmt: skip
    label = read(seg_dicom(tmp_path / "seg.dcm", {"a": MASKS["other"]}), flipped)
    (true,) = structure_landmarks(LabelVoxels(MASKS["other"].view(np.uint8)), {"x": 1}, NATIVE).values()
    np.testing.assert_allclose(label.structures["a"].box_mm, true.box_mm, atol=1e-3)


def test_of_another_frame_of_reference_it_is_refused(tmp_path: Path) -> None:
    (tmp_path / "ct").mkdir()
    ct_series()[0].save_as(tmp_path / "ct" / "1.dcm", enforce_file_format=True)
    path = seg_dicom(tmp_path / "seg.dcm", {"a": MASKS["other"]}, frame=f"{FRAME}.7")
    assert read(path).structures
    assert read(seg_dicom(tmp_path / "own.dcm", {"a": MASKS["other"]}), image="ct").structures
    with pytest.raises(InputError, match=r"^seg\.dcm: its frame of reference is not that of ct, expected"):
        read(path, image="ct")


def test_segments_without_a_place_and_of_a_form_that_is_not_read(tmp_path: Path) -> None:
    path = seg_dicom(tmp_path / "seg.dcm", {"a": MASKS["other"]})
    content = pydicom.dcmread(path)
    for group in (*content.SharedFunctionalGroupsSequence, *content.PerFrameFunctionalGroupsSequence):
        if "PlanePositionSequence" in group:
            del group.PlanePositionSequence
    content.save_as(tmp_path / "flat.dcm")
    with pytest.raises(
        InputError, match=r"^flat\.dcm: found segments without a place in the patient, expected those of"
    ):
        read(tmp_path / "flat.dcm")
    big = FOREIGN / "liver_expb_1frame.dcm"
    with pytest.raises(
        InputError, match=r"1frame\.dcm: found the transfer syntax Explicit VR Big Endian, expected one of"
    ):
        read(big)


def test_a_damaged_file_names_nobody(tmp_path: Path) -> None:
    path = seg_dicom(tmp_path / "seg.dcm", {"a": MASKS["other"]})
    path.write_bytes(path.read_bytes()[:700])
    with pytest.raises(InputError) as error:
        read(path)
    (sentence,) = error.value.errors
    assert sentence.startswith("seg.dcm: found ") and "Nobody" not in sentence and "N0B0DY" not in sentence


SHEARED = replace(NATIVE, direction=(1, 0, 0, 0, 1, 0.1763, 0, 0, 1))
"""Of a gantry tilted by 10 degrees."""


@pytest.mark.parametrize("kind", ["BINARY", "FRACTIONAL", "LABELMAP"])
def test_of_a_tilted_gantry_it_lies_on_its_scans_slices(tmp_path: Path, kind: str) -> None:
    apart = {"a": MASKS["My organ"] & ~MASKS["other"], "b": MASKS["other"]}
    path = seg_dicom(tmp_path / "seg.dcm", apart, SHEARED, kind=kind)
    label = read(path, SHEARED)
    assert label.image is not None
    found = sitk.GetArrayFromImage(label.image)
    for value, (name, mask) in enumerate(apart.items(), start=1):
        np.testing.assert_array_equal(found == value, mask, err_msg=name)
    part = replace(SHEARED, size=(SIZE[0] - 9, SIZE[1], SIZE[2] - 4), origin_mm=tuple(SHEARED.frame.world([2, 0, 3])))
    shown = read(path, part).structures["b"]
    assert shown.voxels == MASKS["other"][3:-1, :, 2:-7].sum()
    with pytest.raises(InputError, match=r"^seg\.dcm: found slices that are no even stack, nor its scan's, expected a"):
        read(path, NATIVE)


def test_pixels_that_end_early_are_said(tmp_path: Path) -> None:
    content = pydicom.dcmread(seg_dicom(tmp_path / "seg.dcm", MASKS))
    content.PixelData = content.PixelData[:-40]
    content.save_as(tmp_path / "cut.dcm")
    with pytest.raises(InputError, match=r"^cut\.dcm: found a file that ends before its pixels do, expected a whole"):
        read(tmp_path / "cut.dcm")
