"""Marks in CSV, and in JSON of the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rprloc.errors import InputError
from rprloc.marks.table import read_rows, read_table

GOOD = "structure,x_mm,y_mm,z_mm,space\napex,1,2,3,LPS\nliver,-5,0,7.5,RAS\nliver,5,9,1,ras\n"


@pytest.mark.parametrize(
    "text", [GOOD, GOOD.replace(",", ";"), GOOD.replace(",", "\t"), "\ufeff" + GOOD, GOOD + ",,,,\n"]
)
def test_points_and_corners(tmp_path: Path, text: str) -> None:
    path = tmp_path / "m.csv"
    path.write_text(text, encoding="utf-8")
    point, box = read_table(path).marks
    np.testing.assert_array_equal(point.landmarks_mm, [[1, 2, 3]])
    np.testing.assert_array_equal(box.box_mm, [[-5, -9, 1], [5, 0, 7.5]])


def test_json_of_the_same(tmp_path: Path) -> None:
    rows = [{"structure": "apex", "x_mm": 1, "y_mm": 2.0, "z_mm": "3", "space": "RAS", "note": "mine"}]
    (mark,) = read_rows(rows, tmp_path / "m.json").marks
    np.testing.assert_array_equal(mark.landmarks_mm, [[-1, -2, 3]])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (GOOD.replace("space", "spce"), "m.csv: found no column space, expected the columns structure, x_mm, y_mm, "
         "z_mm, space (did you mean 'spce'?)."),
        (GOOD.replace("LPS", ""), "m.csv, line 2: found the space '', expected LPS or RAS."),
        (GOOD.replace("apex", ""), "m.csv, line 2: found no structure, expected its name."),
        (GOOD.replace("1,2,3", "1,two,3"), "m.csv, line 2, column y_mm: found 'two', expected a number of mm."),
        (GOOD.replace("1,2,3", "1,inf,3"), "m.csv, line 2, column y_mm: found 'inf', expected a number of mm."),
        ("structure,x_mm,y_mm,z_mm,space\n", "m.csv: found no place, expected one at least."),
        ("", "m.csv: found no column structure, expected the columns structure, x_mm, y_mm, z_mm, space."),
        ("# Markups fiducial file version = 4.11\n", "m.csv: found points in the form of Slicer 4, expected them saved "
         "as .mrk.json."),
    ],
)  # fmt: skip
def test_a_table_that_cannot_be_used(tmp_path: Path, text: str, expected: str) -> None:
    path = tmp_path / "m.csv"
    path.write_text(text)
    with pytest.raises(InputError) as error:
        read_table(path)
    assert error.value.errors == [expected]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ({"a": 1}, "m.json: found other JSON, expected markups of 3D Slicer, or a list of objects with structure, "
         "x_mm, y_mm, z_mm, space."),
        ([{"structure": "a"}], "m.json, entry 1: found no x_mm, expected structure, x_mm, y_mm, z_mm, space."),
        ([], "m.json: found no place, expected one at least."),
    ],
)  # fmt: skip
def test_json_that_cannot_be_used(content: Any, expected: str) -> None:
    with pytest.raises(InputError) as error:
        read_rows(content, Path("m.json"))
    assert error.value.errors == [expected]


def test_a_file_that_is_no_text(tmp_path: Path) -> None:
    path = tmp_path / "m.csv"
    path.write_bytes(b"\x81\x8d\xff")
    with pytest.raises(InputError, match=r"m\.csv: found no text, expected a file of marks\."):
        read_table(path)
    with pytest.raises(InputError, match=r"gone\.csv: found 'No such file or directory', expected a file of marks\."):
        read_table(tmp_path / "gone.csv")
