"""Points and boxes by named places."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from rprloc.errors import InputError
from rprloc.geometry import WALLS
from rprloc.marks.mark import Marks, NamedPoint, lps, marks_of

AT = {
    "right": (0, 5, 6), "left": (10, 4, 6), "anterior": (3, 1, 6), "posterior": (3, 9, 6), "inferior": (3, 5, 2),
    "superior": (3, 5, 20),
}  # fmt: skip


def marks(*places: tuple[str, Any]) -> Marks:
    return marks_of([NamedPoint(name, np.array(at, dtype=float)) for name, at in places], (), "f.csv")


def test_one_place_is_a_point_two_are_corners_and_six_are_walls() -> None:
    walls = [(f"kidney:{wall}", AT[wall]) for wall in reversed(WALLS)]
    point, box, kidney = marks(("apex", (1, 2, 3)), ("liver", (5, -2, 9)), ("liver", (-5, 4, 3)), *walls).marks
    assert (point.name, point.is_point, box.is_point) == ("apex", True, False)
    np.testing.assert_array_equal(point.box_mm, [[1, 2, 3]] * 2)
    np.testing.assert_array_equal(box.box_mm, [[-5, -2, 3], [5, 4, 9]])
    np.testing.assert_array_equal(box.landmarks_mm[0], [-5, 1, 6])
    np.testing.assert_array_equal(kidney.box_mm, [[0, 1, 2], [10, 9, 20]])
    np.testing.assert_array_equal(kidney.landmarks_mm, [AT[wall] for wall in WALLS])


def test_ras_is_turned_to_lps() -> None:
    np.testing.assert_array_equal(lps([[1, 2, 3]], "RAS"), [[-1, -2, 3]])
    np.testing.assert_array_equal(lps([1, 2, 3], "LPS"), [1, 2, 3])


@pytest.mark.parametrize(
    ("places", "expected"),
    [
        ([("a", (0, 0, 0))] * 3, "found 3 points called a, expected one (a point), two"),
        ([("a:left", (0, 0, 0))], "found a without its right, anterior, posterior, inferior, superior wall"),
        ([("a:top", (0, 0, 0))], "found a point called 'a:top', expected a:WALL with one of the walls right, "),
        ([("a:left", (0, 0, 0)), ("a:left", (1, 0, 0))], "found a:left twice, expected each wall once."),
        ([("a", (0, 0, 0)), ("a:left", (1, 0, 0))], "found a twice, expected one point, box or set of walls"),
        ([("a", (0, 0, 0)), ("a", (1, 0, 2))], "found the anterior wall of a at 0.0 mm and its posterior wall at 0.0"),
        ([("a", (0, np.nan, 0))], "found no finite numbers for a, expected a place in mm."),
        (
            [(f"a:{wall}", AT[{"right": "left", "left": "right"}.get(wall, wall)]) for wall in WALLS],
            "found the right wall of a at 10.0 mm and its left wall at 0.0 mm (LPS), expected a box with an extent",
        ),
    ],
)
def test_places_that_are_no_mark(places: list[tuple[str, Any]], expected: str) -> None:
    with pytest.raises(InputError) as error:
        marks(*places)
    (sentence,) = error.value.errors
    assert sentence.startswith(f"f.csv: {expected}")
