"""Planes: sides, boxes and outlines lie where they lie in the patient, also in flipped and oblique scans."""

from __future__ import annotations

import numpy as np
import pytest

from rprloc.pictures.laid import Laid
from rprloc.pictures.planes import FOUND, PIXELS, PLANES, TRUE, Overlay, PlaneView, draw_planes, section, width_of
from rprloc.scans.frame import Frame
from tests.exports.queries import GRIDS, box_of, native, outline_of

STRAIGHT = {"axial": ("R", "L", "A", "P"), "coronal": ("R", "L", "S", "I"), "sagittal": ("A", "P", "S", "I")}
WINDOW = (0.0, 1.0)


def scan_of(kind: str, values: np.ndarray | None = None) -> Laid:
    grid = native(kind)
    return Laid.of(np.zeros(grid.size[::-1], dtype=np.int16) if values is None else values, grid.frame)


@pytest.mark.parametrize("kind", ["along the axes", "flipped", "exchanged"])
def test_the_letters_of_scans_along_the_axes(kind: str) -> None:
    assert {plane.name: plane.sides(scan_of(kind).frame) for plane in PLANES} == STRAIGHT


def test_the_letters_of_an_oblique_scan_say_how_it_slants() -> None:
    sides = {plane.name: plane.sides(scan_of("oblique").frame) for plane in PLANES}
    assert sides == {
        "axial": ("RA", "LP", "AL", "PRS"), "coronal": ("RA", "LP", "SA", "IP"), "sagittal": ("AL", "PRS", "SA", "IP"),
    } or all(side[0] == STRAIGHT[name][n][0] for name, own in sides.items() for n, side in enumerate(own))  # fmt: skip
    assert all(len(side) > 1 for own in sides.values() for side in own)


@pytest.mark.parametrize("kind", GRIDS)
def test_what_is_bright_on_the_left_is_on_the_right_of_the_picture(kind: str) -> None:
    """The patient's left, posterior and inferior side, each alone, is where radiologists see it."""
    grid = native(kind)
    index = np.stack(np.meshgrid(*[np.arange(n) for n in grid.size], indexing="ij"), axis=-1).astype(float)
    places = grid.frame.world(index)
    centre = grid.frame.world((np.array(grid.size) - 1) / 2)
    overlay = Overlay(box_mm=np.stack([centre, centre]), colour=TRUE)
    for axis, sign, panel, half in ((0, 1, 0, np.s_[:, 130:]), (1, 1, 0, np.s_[130:, :]), (2, -1, 1, np.s_[130:, :])):
        bright = ((places[..., axis] - centre[axis]) * sign > 3).transpose(2, 1, 0).astype(np.int16)
        drawn = np.asarray(draw_planes(scan_of(kind, bright), WINDOW, [overlay], 24.0).convert("L"))
        own = drawn[:, panel * (PIXELS + 4) : panel * (PIXELS + 4) + PIXELS]
        # Where the scan is oblique a wedge of the side crosses the middle.
        assert own[half].mean() > 4 * np.delete(own, half[0] if axis else half[1], axis=0 if axis else 1).mean()


@pytest.mark.parametrize("kind", GRIDS)
def test_a_plane_cuts_a_box_where_the_box_ends(kind: str) -> None:
    grid = native(kind)
    frame = scan_of(kind).frame
    box = box_of(outline_of((8, 9, 5), (12, 7, 9)), grid)
    for plane in PLANES:
        number = float(frame.voxel(box.mean(axis=0))[plane.through])
        corners = section(box, frame, plane, number)
        assert len(corners) >= 4
        places = frame.world(corners)
        assert (places > box[0] - 1e-6).all() and (places < box[1] + 1e-6).all()
        # Each corner lies on two of the box's walls.
        assert ((np.abs(places[:, None] - box) < 1e-6).any(axis=1).sum(axis=1) >= 2).all()
        assert len(section(box, frame, plane, number + 500)) == 0


def test_found_and_true_are_drawn_in_their_colours_and_a_point_is_a_cross() -> None:
    grid, outline = native("oblique"), outline_of((8, 9, 5), (12, 7, 9))
    box = box_of(outline, grid)
    laid = Laid.of(outline.inside, grid.frame, outline.first)
    overlays = [Overlay(box_mm=box, colour=FOUND, dashed=True), Overlay(box_mm=box, colour=TRUE, outline=laid)]
    drawn = np.asarray(draw_planes(scan_of("oblique"), WINDOW, overlays[:1], width_of([box])))
    assert (drawn == FOUND).all(axis=2).sum() > 200 and not (drawn == TRUE).all(axis=2).any()
    drawn = np.asarray(draw_planes(scan_of("oblique"), WINDOW, overlays, width_of([box, box])))
    assert (drawn == TRUE).all(axis=2).sum() > 400
    point = Overlay(box_mm=np.repeat(box.mean(axis=0, keepdims=True), 2, axis=0), colour=FOUND)
    assert point.is_point
    drawn = np.asarray(draw_planes(scan_of("oblique"), WINDOW, [point], 60.0))
    assert (drawn == FOUND).all(axis=2).sum() >= 3 * 40


def test_the_width_shows_all_boxes_and_a_margin() -> None:
    box = np.array([[0.0, 0.0, 0.0], [60.0, 20.0, 20.0]])
    assert width_of([box]) == 100.0 and width_of([box, box + 50]) == 200.0
    assert width_of([box * 0]) == 80.0 and width_of([box, box + 900]) == 500.0


def test_beyond_the_scan_is_black_and_a_pixel_is_a_place() -> None:
    scan = Laid(np.ones((4, 4, 4), dtype=np.int16), Frame(np.eye(3), np.zeros(3)))
    overlay = Overlay(box_mm=np.array([[0.5, 0.5, 0.5], [2.5, 2.5, 2.5]]), colour=FOUND)
    drawn = np.asarray(draw_planes(scan, WINDOW, [overlay], 48.0).convert("L"))
    assert drawn[40, 40] == 0 and drawn[118, 118] == 255
    view = PlaneView(PLANES[0], np.array([1.0, 1.0, 1.0]), 24.0)
    assert view.pixel(np.array([2.0, 3.0, 1.0]), scan.frame).tolist() == [129.5, 139.5]
