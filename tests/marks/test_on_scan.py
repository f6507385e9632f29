"""Marks on a scan: what lies in it, at its border and outside."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from rprloc.errors import InputError
from rprloc.geometry import WALLS, wall_centres
from rprloc.marks.mark import Mark, Marks
from rprloc.marks.on_scan import box_surface, laid_on, together
from rprloc.scans.labels import Label
from rprloc.scans.record import Native
from tests.marks.written import NATIVE, tilted

FIELD = NATIVE.field_mm
BOX = np.array([[-20.0, 25, -190], [-5, 40, -180]])


def box(corners: Any, name: str = "organ") -> Mark:
    return Mark(name, wall_centres(np.array(corners, dtype=float)))


def point(at: Any, name: str = "apex") -> Mark:
    return Mark(name, np.array([at], dtype=float))


def laid(*marks: Mark, structures: dict[str, int] | None = None, native: Native = NATIVE) -> Label:
    return laid_on(Marks(marks), native, structures=structures, file="m.json", image_name="s.nii")


def test_a_box_has_walls_in_their_middles_and_a_round_surface() -> None:
    label = laid(box(BOX), point((-10, 30, -185.25)))
    organ, apex = label.structures["organ"], label.structures["apex"]
    assert label.image is None and label.findings == ()
    np.testing.assert_array_equal(organ.box_mm, BOX)
    np.testing.assert_array_equal(organ.extreme_mm, wall_centres(BOX))
    assert organ.half_voxel_mm == (1.0, 1.25, 1.5) and organ.open_walls == () and organ.value == 0
    assert apex.is_point and apex.extreme_mm.tolist() == [[-10, 30, -185.25]] and apex.half_voxel_mm == (0, 0, 0)
    assert label.surfaces["apex"].tolist() == [[-10, 30, -185.25]]
    surface = label.surfaces["organ"]
    np.testing.assert_allclose(surface[:6], wall_centres(BOX), rtol=1e-6)
    assert (surface >= BOX[0] - 1e-3).all() and (surface <= BOX[1] + 1e-3).all()


def test_the_surface_is_an_ellipsoid_that_touches_the_walls() -> None:
    middle, half = BOX.mean(axis=0), (BOX[1] - BOX[0]) / 2
    found = box_surface(BOX)
    np.testing.assert_allclose((((found - middle) / half) ** 2).sum(axis=1), 1)
    assert np.abs(np.abs((found - middle) / half).max(axis=0) - 1).max() < 0.01


def test_a_box_that_sticks_out_ends_at_the_border_with_open_walls() -> None:
    label = laid(box([[FIELD[0, 0] - 7, 25, -190], [-5, 40, FIELD[1, 2]]]))
    organ = label.structures["organ"]
    assert organ.open_walls == ("right", "superior") and organ.box_mm[0, 0] == FIELD[0, 0]
    assert label.findings == ("m.json: organ reaches 7.0 mm beyond the scan: cut off there",)
    np.testing.assert_array_equal(organ.extreme_mm[WALLS.index("right"), 0], FIELD[0, 0])


@pytest.mark.parametrize(
    ("mark", "expected"),
    [
        (
            point((-40, 30, -185)),
            "apex at (-40.0, 30.0, -185.0) mm (LPS) lies 8.0 mm outside s.nii, expected a point in it.",
        ),
        (
            point((10, -30, -185)),
            "apex at (10.0, -30.0, -185.0) mm (LPS) lies 46.2 mm outside s.nii, expected a point in it; with x and y "
            "reversed it lies inside: is it RAS?",
        ),
        (
            box(BOX + 500),
            "organ from (480.0, 525.0, 310.0) to (495.0, 540.0, 320.0) mm (LPS) lies outside s.nii, expected a box in "
            "it.",
        ),
        (
            box([(5, -40, -190), (20, -25, -180)]),
            "organ from (5.0, -40.0, -190.0) to (20.0, -25.0, -180.0) mm (LPS) lies outside s.nii, expected a box in "
            "it; with x and y reversed it lies inside: is it RAS?",
        ),
    ],
)
def test_what_lies_outside_is_refused(mark: Mark, expected: str) -> None:
    with pytest.raises(InputError) as error:
        laid(mark)
    assert error.value.errors == [f"m.json: {expected}"]


def test_a_point_in_the_corner_that_a_turned_scan_does_not_show_is_outside() -> None:
    turned = tilted()
    corner = turned.field_mm[0] + 0.5
    with pytest.raises(InputError, match=r"outside s\.nii"):
        laid(point(corner), native=turned)
    assert laid(point(turned.frame.world(np.array([21.0, 17.0, 13.0]))), native=turned).structures


def test_of_settings_structures_only_those_count_and_it_is_said() -> None:
    label = laid(box(BOX, "Organ"), point((-10, 30, -185)), structures={"organ": 1})
    assert list(label.structures) == ["organ"]
    assert label.findings == ("m.json: apex not among the settings' structures: left out",)
    with pytest.raises(InputError, match=r"m\.json: found organ, expected one of the settings' structures: liver\."):
        laid(box(BOX), structures={"liver": 1})


def test_two_files_do_not_mark_one_structure() -> None:
    both = together([laid(box(BOX)), laid(point((-10, 30, -185)))], "s.nii")
    assert list(both.structures) == ["organ", "apex"] and both.image is None
    with pytest.raises(InputError, match=r"s\.nii: found Organ in two of its annotations"):
        together([laid(box(BOX)), laid(box(BOX, "Organ"))], "s.nii")
