"""Segmentations as 3D Slicer saves them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk

from rprloc.errors import InputError
from rprloc.marks.segments import has_segments, read_segments
from rprloc.scans.labels import Label, read_label
from tests.marks.written import NATIVE, SIZE, seg_nrrd, tilted
from tests.scans.images import LABELS, patient, write

LABEL = sitk.GetArrayFromImage(patient()[1])


def read(path: Path, structures: dict[str, int] | None = None, **more: Any) -> Label:
    return read_segments(path, more.pop("native", NATIVE), image_name="s.nii", structures=structures, **more)


def test_segments_are_called_as_they_are_and_lie_where_a_label_of_numbers_does(tmp_path: Path) -> None:
    path = seg_nrrd(tmp_path / "a.seg.nrrd", LABEL, [("My organ", 0, 1), ("spot", 0, 2)])
    label = read(path)
    plain = read_label(write(patient()[1], tmp_path / "l.nii"), NATIVE, image_name="s.nii", structures=LABELS)
    assert list(label.structures) == ["My_organ", "spot"]
    np.testing.assert_allclose(label.structures["My_organ"].box_mm, plain.structures["organ"].box_mm)
    np.testing.assert_allclose(label.structures["spot"].extreme_mm, plain.structures["spot"].extreme_mm)
    assert label.findings[0].endswith("'My organ' is My_organ") and has_segments(path)
    assert not has_segments(write(patient()[1], tmp_path / "l.nrrd"))


def test_layers_may_overlap_and_lie_on_another_lattice(tmp_path: Path) -> None:
    layers = np.zeros((2, *SIZE[::-1]))
    layers[0, 3:9, 4:10, 5:12] = 1
    layers[1, 6:12, 4:10, 5:12] = 1
    layers[1, 1, 1, 1] = 2
    segments = [("low", 0, 1), ("high", 1, 1), ("dot", 1, 2), ("none", 1, 7)]
    label = read(seg_nrrd(tmp_path / "a.seg.nrrd", layers, segments))
    assert [structure.voxels for structure in label.structures.values()] == [252, 252, 1]
    assert label.findings == ("a.seg.nrrd: none is empty: left out",)
    assert label.image is not None and sitk.GetArrayViewFromImage(label.image).max() == 3
    turned = tilted()
    again = read(seg_nrrd(tmp_path / "b.seg.nrrd", layers, segments, turned), native=turned)
    assert [structure.voxels for structure in again.structures.values()] == [252, 252, 1]


def test_two_segments_of_one_name_are_two_structures(tmp_path: Path) -> None:
    label = read(seg_nrrd(tmp_path / "a.seg.nrrd", LABEL, [("liver", 0, 1), ("liver", 0, 2)]))
    assert list(label.structures) == ["liver_1", "liver_2"]
    assert "'liver' is liver_1, 'liver' is liver_2" in label.findings[0]


def test_settings_name_what_counts_else_their_values_do(tmp_path: Path) -> None:
    path = seg_nrrd(tmp_path / "a.seg.nrrd", LABEL, [("Organ", 0, 1), ("spot", 0, 2)])
    assert list(read(path, {"organ": 7}).structures) == ["organ"]
    label = read(path, {"liver": 1})
    assert list(label.structures) == ["liver"]
    assert label.findings == (
        "a.seg.nrrd: none of its segments is called as the settings' structures: the settings' values are taken",
    )
    layers = seg_nrrd(tmp_path / "b.seg.nrrd", np.stack([LABEL, LABEL]), [("Organ", 0, 1)])
    with pytest.raises(
        InputError, match=r"b\.seg\.nrrd: found Organ, expected one of the settings' structures: liver\."
    ):
        read(layers, {"liver": 1})


@pytest.mark.parametrize(
    ("segments", "expected"),
    [
        ([], "a.seg.nrrd: found no segment in its header, expected a segmentation of 3D Slicer."),
        ([("a", 3, 1)], "a.seg.nrrd: found the segment 'a' in layer 3, expected one of its layers, 0 to 0."),
        ([("a", 0, -1)], "a.seg.nrrd: found the layer '0' and the value '-1' of 'a', expected two numbers."),
    ],
)
def test_headers_that_cannot_be_used(tmp_path: Path, segments: list[tuple[str, int, int]], expected: str) -> None:
    with pytest.raises(InputError) as error:
        read(seg_nrrd(tmp_path / "a.seg.nrrd", LABEL, segments))
    assert error.value.errors == [expected]


def test_a_file_that_is_cut_short(tmp_path: Path) -> None:
    path = seg_nrrd(tmp_path / "a.seg.nrrd", LABEL, [("a", 0, 1)])
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(InputError, match=r"^a\.seg\.nrrd: "):
        read(path)
