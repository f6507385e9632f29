"""Planes: each side of a panel is the side of the patient that its letter says, in true proportions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from rprloc.errors import InputError
from rprloc.pictures.planes import PLANES, Plane, PlaneView
from rprloc.results.report.planes import Box, Picture, draw_plane, plane_image
from rprloc.scans.frame import Frame
from rprloc.scans.volume import SOFT_TISSUE_HU
from tests.scans.written import grid_of, record_of, set_aside_record, structure_of, write_scan

STRAIGHT = Frame(np.eye(3), np.zeros(3))
GRID = grid_of((30, 50, 40), (2.0, 2.0, 3.0), (-40.0, -50.0, -45.0))
TOWARDS = {"R": (0, -1), "L": (0, 1), "A": (1, -1), "P": (1, 1), "I": (2, -1), "S": (2, 1)}
"""World axis and direction of each letter: x grows to the left, y to posterior, z to superior (LPS)."""


def picture(voxels: Any = None) -> Picture:
    """Return a made-up scan with one structure."""
    if voxels is None:
        voxels = np.full(GRID.size[::-1], -100, dtype=np.int16)
    return Picture(voxels, GRID, (-160, 240), {"organ": structure_of([-10, -8, -9], [10, 12, 15])})


def panel(plane: Plane, shown: Picture, centre: Any = (0, 0, 0)) -> Any:
    """Return the axes of one drawn panel of 100 mm and its pixels as grey values, 100 x 100."""
    figure = Figure(figsize=(1, 1), dpi=100, facecolor="black")
    axes = figure.add_axes((0, 0, 1, 1))
    draw_plane(axes, shown, PlaneView(plane, np.array(centre, dtype=float), 100), [], plane.name)
    canvas = FigureCanvasAgg(figure)
    for text in axes.texts:
        text.set_visible(False)
    canvas.draw()
    return axes, np.asarray(canvas.buffer_rgba())[..., 0].astype(int)


@pytest.mark.parametrize("plane", PLANES, ids=lambda plane: plane.name)
def test_letters_stand_at_the_sides_they_name(plane: Plane) -> None:
    axes, _ = panel(plane, picture())
    middle = axes.transAxes.transform((0.5, 0.5))
    assert [text.get_text() for text in axes.texts] == [*plane.sides(STRAIGHT), plane.name]
    for text in axes.texts[:4]:
        axis, sign = TOWARDS[text.get_text()]
        point = np.zeros(3)
        point[axis] = 30 * sign
        on_screen = axes.transData.transform((point[plane.across], point[plane.along])) - middle
        letter = axes.transAxes.transform(text.get_position()) - middle
        assert np.dot(on_screen, letter) / np.linalg.norm(on_screen) / np.linalg.norm(letter) == pytest.approx(1)


@pytest.mark.parametrize(
    ("plane", "letter"),
    [(plane, letter) for plane in PLANES for letter in plane.sides(STRAIGHT)],
    ids=lambda value: getattr(value, "name", value),
)
def test_a_bright_spot_shows_on_its_side(plane: Plane, letter: str) -> None:
    axis, sign = TOWARDS[letter]
    point = np.zeros(3)
    point[axis] = 30 * sign
    voxels = np.full(GRID.size[::-1], -160, dtype=np.int16)
    z, y, x = GRID.nearest_voxel(point)
    voxels[z - 1 : z + 2, y - 1 : y + 2, x - 1 : x + 2] = 240
    _, pixels = panel(plane, picture(voxels))
    row, column = np.argwhere(pixels > 200).mean(axis=0)
    places = dict(zip(plane.sides(STRAIGHT), ((49.5, 19.5), (49.5, 79.5), (19.5, 49.5), (79.5, 49.5)), strict=True))
    assert (row, column) == pytest.approx(places[letter], abs=2.5)


@pytest.mark.parametrize("plane", PLANES, ids=lambda plane: plane.name)
def test_proportions_are_those_of_the_patient(plane: Plane) -> None:
    # A cube of 30 mm is a square, though voxels are 2 x 2 x 3 mm.
    voxels = np.full(GRID.size[::-1], -160, dtype=np.int16)
    voxels[10:20, 17:32, 12:27] = 240
    _, pixels = panel(plane, picture(voxels), GRID.world([14.5, 24, 19]))
    rows, columns = (np.ptp(np.flatnonzero((pixels > 120).any(axis=axis))) + 1 for axis in (1, 0))
    assert rows == pytest.approx(30, abs=2)
    assert columns == pytest.approx(30, abs=2)


@pytest.mark.parametrize("plane", PLANES, ids=lambda plane: plane.name)
def test_a_box_is_drawn_round_its_voxels(plane: Plane) -> None:
    axes = Figure().add_axes((0, 0, 1, 1))
    entry = picture().structures["organ"]
    box = Box(entry.box_mm, "white", "-", entry.extreme_mm, "o")
    far = Box(entry.box_mm + 200, "white", "-")
    draw_plane(axes, picture(), PlaneView(plane, np.zeros(3), 100), [box, far], "")
    outline, other = axes.patches
    # One that the plane does not cut is thin.
    assert other.get_linewidth() < outline.get_linewidth()
    low, high = entry.box_mm
    assert outline.get_bbox().extents.tolist() == [
        low[plane.across], low[plane.along], high[plane.across], high[plane.along],
    ]  # fmt: skip
    drawn = np.column_stack(axes.lines[0].get_data())
    assert len(axes.lines) == 1 and len(drawn) == 4
    # Each of the four walls' points lies on the outline.
    on_outline = np.isclose(drawn[:, :1], outline.get_bbox().intervalx) | np.isclose(
        drawn[:, 1:], outline.get_bbox().intervaly
    )
    assert on_outline.any(axis=1).all()


def test_nothing_to_show_is_said() -> None:
    axes = Figure().add_axes((0, 0, 1, 1))
    draw_plane(axes, picture(), None, [], "axial")
    assert [text.get_text() for text in axes.texts] == ["nothing to show", "axial"] and not axes.images


def test_a_plane_outside_the_scan_shows_its_last_voxels() -> None:
    image, extent = plane_image(picture(), PLANES[0], 1e6)
    assert image.shape == (50, 40)
    assert extent == (-41, 39, -51, 49)


def test_scans_are_read_from_their_folder(tmp_path: Path) -> None:
    model, fine = grid_of((10, 10, 10)), grid_of((20, 20, 20), (1, 1, 1))
    voxels = np.arange(1000).reshape(10, 10, 10)
    record = record_of("q0", model, matching=fine)
    folder = write_scan(tmp_path, record, voxels, matching=np.full((20, 20, 20), 7))
    shown = Picture.read(folder, record, "ct")
    assert (shown.voxels == voxels).all() and shown.grid == model and shown.window == SOFT_TISSUE_HU
    assert Picture.read(folder, record, "ct", fine=True).grid == fine
    assert (Picture.read(folder, record, "ct", fine=True).voxels == 7).all()
    assert Picture.read(folder, record_of("q0", model), "ct", fine=True).grid == model
    low, high = Picture.read(folder, record, "mr").window
    assert 0 < low < 20 and 980 < high < 1000
    with pytest.raises(InputError, match="no such file"):
        Picture.read(tmp_path, record, "ct")
    with pytest.raises(InputError, match="found no volume to draw"):
        Picture.read(folder, set_aside_record("q0"), "ct")


def test_a_single_landmark_is_a_mark_and_no_box() -> None:
    at = np.array([[3.0, -4.0, 5.0]])
    axes = Figure().add_axes((0, 0, 1, 1))
    box = Box(np.repeat(at, 2, axis=0), "#E69F00", "-", at, "x")
    draw_plane(axes, picture(), PlaneView(PLANES[0], at[0], 100), [box], "axial")
    assert not axes.patches
    (line,) = axes.lines
    assert (line.get_xdata().tolist(), line.get_ydata().tolist(), line.get_marker()) == ([3.0], [-4.0], "x")
