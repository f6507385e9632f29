"""Colour tables of 3D Slicer."""

from pathlib import Path

import pytest

from rprloc.errors import InputError
from rprloc.marks.colours import read_colours

TABLE = (
    "# Color table file l_ColorTable.ctbl\n# 3 values\n0 Background 0 0 0 0\n"
    "1 Left parotid 128 174 128 255\n7 brainstem 9 9 9 255\n"
)
COLUMNS = "LabelValue,Name,Color_R,Color_G,Color_B,Color_A\n0,Background,0,0,0,0\n2,liver,1,2,3,255\n"


def test_values_have_names(tmp_path: Path) -> None:
    (tmp_path / "a.ctbl").write_text(TABLE)
    values, said = read_colours(tmp_path / "a.ctbl")
    assert values == {"Left_parotid": 1, "brainstem": 7} and "'Left parotid' is Left_parotid" in said[0]
    (tmp_path / "a.csv").write_text(COLUMNS)
    assert read_colours(tmp_path / "a.csv") == ({"liver": 2}, ())


def test_two_values_of_one_name_are_two_structures(tmp_path: Path) -> None:
    (tmp_path / "a.ctbl").write_text("3 parotid 1 2 3 255\n4 parotid 1 2 3 255\n")
    values, said = read_colours(tmp_path / "a.ctbl")
    assert values == {"parotid_1": 3, "parotid_2": 4}
    assert said == ("a.ctbl: several structures have the same name: 'parotid' is parotid_1, 'parotid' is parotid_2",)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1 liver red\n", "a.ctbl: found the line '1 liver red', expected a value, a name and a colour."),
        ("# nothing\n", "a.ctbl: found no named value, expected a colour table of 3D Slicer."),
    ],
)
def test_a_table_that_is_none(tmp_path: Path, text: str, expected: str) -> None:
    (tmp_path / "a.ctbl").write_text(text)
    with pytest.raises(InputError) as error:
        read_colours(tmp_path / "a.ctbl")
    assert error.value.errors == [expected]
