"""Contours of radiotherapy."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from rprloc.errors import InputError
from rprloc.marks.rtstruct import read_rtstruct
from rprloc.scans.labels import Label
from rprloc.scans.record import Native
from tests.marks.written import FRAME, NATIVE, SIZE, Contours, ct_series, outline, rtstruct, rtstruct_of, tilted

MASK = np.zeros(SIZE[::-1], dtype=bool)
MASK[4:9, 5:12, 5:14] = True
SHEARED = replace(NATIVE, direction=(1, 0, 0, 0, 0.9659, 0, 0, -0.2588, 1))
LONG = replace(tilted(), spacing_mm=(1.0, 1.2, 4.0))
"""A grid whose voxels are four times as long as wide."""


def read(
    folder: Path, rois: dict[str, Contours], native: Native = NATIVE, structures: dict[str, int] | None = None
) -> Label:
    path = rtstruct(folder / "rs.dcm", rois)
    return read_rtstruct(path, native, image=folder / "s.nii", structures=structures)


def voxels(label: Label) -> np.ndarray:
    assert label.image is not None
    return sitk.GetArrayFromImage(label.image)


@pytest.mark.parametrize("native", [NATIVE, tilted(), SHEARED], ids=["straight", "turned", "by a tilted gantry"])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_contours_in_a_scans_slices_are_filled_exactly(tmp_path: Path, native: Native, axis: int) -> None:
    label = read(tmp_path, {"Organ 1": outline(MASK, native, axis=axis)}, native)
    np.testing.assert_array_equal(voxels(label) > 0, MASK)
    assert list(label.structures) == ["Organ_1"]


def test_two_regions_of_one_name_are_two_structures(tmp_path: Path) -> None:
    other = np.zeros_like(MASK)
    other[2:4, 5:12, 5:14] = True
    path = rtstruct_of(tmp_path / "rs.dcm", [("liver", outline(MASK)), ("liver", outline(other))])
    label = read_rtstruct(path, NATIVE, image=tmp_path / "s.nii", structures=None)
    assert {name: one.voxels for name, one in label.structures.items()} == {
        "liver_1": MASK.sum(), "liver_2": other.sum(),
    }  # fmt: skip
    assert label.findings == ("rs.dcm: several structures have the same name: 'liver' is liver_1, 'liver' is liver_2",)
    with pytest.raises(InputError, match=r"rs\.dcm: found liver_1, liver_2, expected one of the settings' structures"):
        read_rtstruct(path, NATIVE, image=tmp_path / "s.nii", structures={"liver": 1})


def test_contours_within_others_are_holes(tmp_path: Path) -> None:
    hole = np.zeros_like(MASK)
    hole[5:8, 7:9, 8:11] = True
    label = read(tmp_path, {"a": [*outline(hole), *outline(MASK)]})
    np.testing.assert_array_equal(voxels(label) > 0, MASK & ~hole)


def test_slices_between_planes_take_the_nearer_and_gaps_stay(tmp_path: Path) -> None:
    every = outline(MASK)
    tall = np.zeros_like(MASK)
    tall[1:13, 5:12, 5:14] = True
    sparse = [one for number, one in enumerate(outline(tall)) if number % 2 == 0]
    found = voxels(read(tmp_path, {"a": sparse})).any(axis=(1, 2))
    assert found.tolist() == [False] + [True] * 11 + [False] * 2
    gap = [one for number, one in enumerate(outline(tall)) if number not in (5, 6)]
    found = voxels(read(tmp_path, {"a": gap})).any(axis=(1, 2))
    assert np.flatnonzero(found).tolist() == [1, 2, 3, 4, 5, 8, 9, 10, 11, 12]
    single = voxels(read(tmp_path, {"a": every[2:3]})).any(axis=(1, 2))
    assert np.flatnonzero(single).tolist() == [6]


@pytest.mark.parametrize("native", [tilted(), LONG], ids=["", "long voxels"])
def test_contours_across_a_turned_scans_slices_are_filled_on_their_own_voxels(tmp_path: Path, native: Native) -> None:
    straight = replace(native, direction=NATIVE.direction)
    label = read(tmp_path, {"a": outline(MASK, straight, axis=0)}, native)
    assert (voxels(label) > 0).sum() == pytest.approx(MASK.sum(), rel=0.1)


def test_a_region_may_be_a_point_beside_others(tmp_path: Path) -> None:
    at = np.array([[-10.0, 30.0, -185.5]])
    rois: dict[str, Contours] = {
        "apex": [("POINT", at)], "a": outline(MASK), "none": [], "line": [("OPEN_PLANAR", np.repeat(at, 4, axis=0))],
    }  # fmt: skip
    label = read(tmp_path, rois)
    assert {name: one.is_point for name, one in label.structures.items()} == {"a": False, "apex": True}
    np.testing.assert_allclose(label.structures["apex"].extreme_mm, at)
    assert label.findings == (
        "rs.dcm: line: 1 open contours: passed over",
        "rs.dcm: none is empty: left out",
        "rs.dcm: line is empty: left out",
    )
    assert list(read(tmp_path, rois, structures={"APEX": 1}).structures) == ["APEX"]


def test_of_another_place_or_frame_of_reference_it_is_refused(tmp_path: Path) -> None:
    far: Contours = [(kind, points + np.array([500.0, 0, 0])) for kind, points in outline(MASK)]
    with pytest.raises(InputError) as error:
        read(tmp_path, {"a": far})
    (sentence,) = error.value.errors
    assert sentence == "rs.dcm: its contours lie 466.0 mm outside s.nii, expected those of the same series."
    slice_, folder = ct_series()[0], tmp_path / "ct"
    folder.mkdir()
    slice_.save_as(folder / "1.dcm", enforce_file_format=True)
    own = rtstruct(tmp_path / "own.dcm", {"a": outline(MASK)})
    assert read_rtstruct(own, NATIVE, image=folder, structures=None).structures
    other = rtstruct(tmp_path / "other.dcm", {"a": outline(MASK)}, frame=f"{FRAME}.8")
    with pytest.raises(InputError) as error:
        read_rtstruct(other, NATIVE, image=folder, structures=None)
    assert error.value.errors == [
        "other.dcm: its frame of reference is not that of ct, expected an annotation of the same series."
    ]


def test_a_structure_set_of_other_structures_or_a_damaged_one(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"rs\.dcm: found a, expected one of the settings' structures: liver\."):
        read(tmp_path, {"a": outline(MASK)}, structures={"liver": 1})
    two: Contours = [("POINT", np.zeros((1, 3))), ("POINT", np.ones((1, 3)))]
    with pytest.raises(InputError, match=r"rs\.dcm: found several points in p, expected one a region\."):
        read(tmp_path, {"p": two})
    path = rtstruct(tmp_path / "rs.dcm", {"a": outline(MASK)})
    path.write_bytes(path.read_bytes()[:400])
    with pytest.raises(InputError) as error:
        read_rtstruct(path, NATIVE, image=tmp_path / "s.nii", structures=None)
    assert "N0B0DY" not in str(error.value)
