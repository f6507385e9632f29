"""Markups as 3D Slicer saves them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rprloc.errors import InputError
from rprloc.marks.mark import Marks
from rprloc.marks.markups import is_markups, read_markups
from tests.exports.markups import faults_of
from tests.marks.written import SCHEMA, fiducials, markups, roi


def read(path: Path) -> Marks:
    content = json.loads(path.read_text())
    assert is_markups(content)
    return read_markups(content, path)


@pytest.mark.parametrize("space", ["LPS", "RAS"])
def test_what_is_read_here_is_valid_by_slicers_schema(space: str) -> None:
    items = [roi((1, 2, 3), (20, 10, 4), space), fiducials({"p": (1, 2, 3)}, space)]
    assert faults_of({"@schema": SCHEMA, "markups": items}) == []


def test_a_roi_is_a_box_called_as_its_file_or_as_it_says(tmp_path: Path) -> None:
    (mark,) = read(markups(tmp_path / "liver.mrk.json", roi((10, 20, 30), (4, 6, 8)))).marks
    assert mark.name == "liver"
    np.testing.assert_allclose(mark.box_mm, [[8, 17, 26], [12, 23, 34]])
    both = markups(tmp_path / "x.mrk.json", roi((0, 0, 0), (1, 1, 1), name="a"), roi((5, 5, 5), (1, 1, 1), name="b"))
    assert [one.name for one in read(both).marks] == ["a", "b"]


def test_ras_and_micrometres(tmp_path: Path) -> None:
    (mark,) = read(markups(tmp_path / "a.mrk.json", roi((10, 20, 30), (4, 6, 8), "RAS"))).marks
    np.testing.assert_allclose(mark.box_mm, [[-12, -23, 26], [-8, -17, 34]])
    items = fiducials({"p": (1000, 2000, -3000)}, "RAS", coordinateUnits=["um", "UCUM", "micrometer"])
    (point,) = read(markups(tmp_path / "b.mrk.json", items)).marks
    np.testing.assert_allclose(point.landmarks_mm, [[-1, -2, -3]])


@pytest.mark.parametrize("space", ["LPS", "RAS"])
def test_an_oriented_roi_is_the_box_around_it(tmp_path: Path, space: str) -> None:
    angle = np.deg2rad(30)
    turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    item = roi((1, 2, 3), (20, 10, 4), space, orientation=turn.ravel().tolist())
    (mark,) = read(markups(tmp_path / "a.mrk.json", item)).marks
    reach = np.abs(turn) @ [10, 5, 2]
    centre = np.array([1, 2, 3]) * ([1, 1, 1] if space == "LPS" else [-1, -1, 1])
    np.testing.assert_allclose(mark.box_mm, [centre - reach, centre + reach])


def test_points_are_called_as_their_labels_and_what_is_not_placed_is_said(tmp_path: Path) -> None:
    item = fiducials({"apex": (1, 2, 3), "base": (4, 5, 6)})
    item["controlPoints"].append({"label": "later", "position": [0, 0, 0], "positionStatus": "undefined"})
    line = {"type": "Line", "coordinateSystem": "LPS", "controlPoints": []}
    marks = read(markups(tmp_path / "F.mrk.json", item, line))
    assert [(mark.name, mark.is_point) for mark in marks.marks] == [("apex", True), ("base", True)]
    assert marks.findings == (
        "F.mrk.json: later not placed: passed over",
        "F.mrk.json: a markup of the type Line is neither point nor ROI: passed over",
    )


BROKEN: list[tuple[dict[str, Any], str]] = [
    ({"@schema": SCHEMA.replace("v1.0.3", "v2.0.0"), "markups": []}, "found the schema 'markups-schema-v2.0.0.json#'"),
    ({"markups": []}, "found no @schema, expected markups of version 1"),
    ({"@schema": SCHEMA, "markups": [roi((0, 0, 0), (1, 0, 1))]}, "found a ROI of 1 x 0 x 1 mm, expected a box with"),
    ({"@schema": SCHEMA, "markups": [roi((0, 0, 0), (1, 1, 1)) | {"size": None}]}, "found a ROI without center or"),
    ({"@schema": SCHEMA, "markups": [{"type": "Line"}]}, "found markups of the type Line, expected a ROI or a point"),
    ({"@schema": SCHEMA, "markups": [fiducials({})]}, "found no point that is placed, expected a ROI or a point list."),
    ({"@schema": SCHEMA, "markups": [fiducials({"a": (0, 0, 0)}, "IJK")]}, "found coordinates in 'mm' and 'IJK'"),
    ({"@schema": SCHEMA, "markups": [roi((0, 0, 0), (1, 1, 1), orientation=[0.0] * 9)]}, "found a ROI whose"),
    (
        {"@schema": SCHEMA, "markups": [roi((0, 0, 0), (1, 1, 1), orientation=[2.0, 0, 0, 0, 0.5, 0, 0, 0, 1])]},
        "found a ROI whose",
    ),
    (
        {"@schema": SCHEMA, "markups": [roi((0, 0, 0), (1, 1, 1), orientation=[1.0, 0.3, 0, 0, 1, 0, 0, 0, 1])]},
        "found a ROI whose",
    ),
    ({"@schema": SCHEMA, "markups": [fiducials({"a": ("x", 0, 0)})]}, "expected markups as 3D Slicer saves"),
    ({"@schema": SCHEMA, "markups": 3}, "expected markups as 3D Slicer saves"),
]  # fmt: skip


@pytest.mark.parametrize(("content", "expected"), BROKEN)
def test_markups_that_cannot_be_used(tmp_path: Path, content: dict[str, Any], expected: str) -> None:
    with pytest.raises(InputError) as error:
        read_markups(content, tmp_path / "a.mrk.json")
    (sentence,) = error.value.errors
    assert sentence.startswith(f"a.mrk.json: {expected}") and sentence.endswith(".")
