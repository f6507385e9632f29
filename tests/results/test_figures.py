"""Pictures: each side of a panel is the side of the patient that its letter says, in true proportions."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from rprloc.errors import InputError
from rprloc.geometry import Grid
from rprloc.results import curves, figures
from rprloc.scans.volume import write_volume
from tests.results import cohorts

GRID = Grid((40, 50, 30), (2.0, 2.0, 3.0), (-40.0, -50.0, -45.0))
TOWARDS = {"R": (0, -1), "L": (0, 1), "A": (1, -1), "P": (1, 1), "I": (2, -1), "S": (2, 1)}
"""World axis and direction of each letter: x grows to the left, y to posterior, z to superior (LPS)."""


def picture(voxels: Any = None) -> figures.Picture:
    """Return a made-up scan with one structure."""
    if voxels is None:
        voxels = np.full(GRID.size[::-1], -100, dtype=np.int16)
    return figures.Picture("q0", voxels, GRID, (-160, 240), {"organ": cohorts.structure([-10, -8, -9], [10, 12, 15])})


def panel(plane: figures.Plane, shown: figures.Picture, centre: Any = (0, 0, 0), width: float = 100) -> Any:
    """Return the axes of one drawn panel and its pixels as grey values, 100 x 100."""
    figure = Figure(figsize=(1, 1), dpi=100, facecolor="black")
    axes = figure.add_axes((0, 0, 1, 1))
    figures.draw_panel(axes, shown, plane, np.array(centre, dtype=float), width)
    canvas = FigureCanvasAgg(figure)
    for text in axes.texts:
        text.set_visible(False)
    canvas.draw()
    return axes, np.asarray(canvas.buffer_rgba())[..., 0].astype(int)


@pytest.mark.parametrize("plane", figures.PLANES, ids=lambda plane: plane.name)
def test_letters_stand_at_the_sides_they_name(plane: figures.Plane) -> None:
    axes, _ = panel(plane, picture())
    middle = axes.transAxes.transform((0.5, 0.5))
    assert [text.get_text() for text in axes.texts] == list(plane.letters)
    for text in axes.texts:
        axis, sign = TOWARDS[text.get_text()]
        point = np.zeros(3)
        point[axis] = 30 * sign
        on_screen = axes.transData.transform((point[plane.across], point[plane.along])) - middle
        letter = axes.transAxes.transform(text.get_position()) - middle
        assert np.dot(on_screen, letter) / np.linalg.norm(on_screen) / np.linalg.norm(letter) == pytest.approx(1)


@pytest.mark.parametrize("plane", figures.PLANES, ids=lambda plane: plane.name)
@pytest.mark.parametrize("letter", TOWARDS)
def test_a_bright_spot_shows_on_its_side(plane: figures.Plane, letter: str) -> None:
    axis, sign = TOWARDS[letter]
    if axis == plane.through:
        return
    point = np.zeros(3)
    point[axis] = 30 * sign
    voxels = np.full(GRID.size[::-1], -160, dtype=np.int16)
    z, y, x = GRID.nearest_voxel(point)
    voxels[z - 1 : z + 2, y - 1 : y + 2, x - 1 : x + 2] = 240
    _, pixels = panel(plane, picture(voxels))
    row, column = np.argwhere(pixels > 200).mean(axis=0)
    places = dict(zip(plane.letters, ((49.5, 19.5), (49.5, 79.5), (19.5, 49.5), (79.5, 49.5)), strict=True))
    assert (row, column) == pytest.approx(places[letter], abs=2.5)


@pytest.mark.parametrize("plane", figures.PLANES, ids=lambda plane: plane.name)
def test_proportions_are_those_of_the_patient(plane: figures.Plane) -> None:
    # A cube of 30 mm is a square, though voxels are 2 x 2 x 3 mm.
    voxels = np.full(GRID.size[::-1], -160, dtype=np.int16)
    voxels[10:20, 17:32, 12:27] = 240
    centre = GRID.world([14.5, 24, 19])
    _, pixels = panel(plane, picture(voxels), centre)
    rows, columns = (np.ptp(np.flatnonzero((pixels > 120).any(axis=axis))) + 1 for axis in (1, 0))
    assert rows == pytest.approx(30, abs=2)
    assert columns == pytest.approx(30, abs=2)


@pytest.mark.parametrize("plane", figures.PLANES, ids=lambda plane: plane.name)
def test_a_box_is_drawn_round_its_voxels(plane: figures.Plane) -> None:
    shown = picture()
    figure = Figure()
    axes = figure.add_axes((0, 0, 1, 1))
    entry = shown.structures["organ"]
    figures.draw_panel(axes, shown, plane, np.zeros(3), 100, true=entry)
    (outline,) = axes.patches
    low, high = np.array(entry["box_mm"])
    assert outline.get_bbox().extents.tolist() == [
        low[plane.across], low[plane.along], high[plane.across], high[plane.along],
    ]  # fmt: skip
    drawn = np.column_stack(axes.lines[0].get_data())
    assert len(drawn) == 4
    # Each of the four walls' points lies on the outline.
    on_outline = np.isclose(drawn[:, :1], outline.get_bbox().intervalx) | np.isclose(
        drawn[:, 1:], outline.get_bbox().intervaly
    )
    assert on_outline.any(axis=1).all()


def test_a_plane_outside_the_scan_shows_its_last_voxels() -> None:
    image, extent = figures.plane_image(picture(), figures.PLANES[0], 1e6)
    assert image.shape == (50, 40)
    assert extent == (-41, 39, -51, 49)


def answers() -> list[dict[str, Any]]:
    """A found, a lost and a far answer, and one without truth."""
    found = cohorts.answer("demo", "q0", "organ", "extreme.k15.c1f1", "s0", True, [[-8, -8, -9], [12, 12, 15]])
    lost = found | {"points_mm": None, "box_mm": None, "failed": True, "reason": "no answer"}
    far = cohorts.answer("demo", "q0", "organ", "extreme.k15.c1f1", "s0", True, [[200, 200, 200], [220, 220, 220]])
    return [found, lost, far, found | {"structure": "$other"}, lost | {"structure": "nowhere"}]


@pytest.mark.parametrize("support", [None, "s0"])
def test_a_query_is_one_picture_with_a_row_for_each_structure(support: str | None, tmp_path: Path) -> None:
    scores = dict.fromkeys(("organ", "$other", "nowhere"), "IoU 50.0 % $x^2$")
    template = picture() if support else None
    path = tmp_path / "demo" / "q0.png"
    figures.draw_query(path, query=picture(), answers=answers(), scores=scores, heading="$q0$", support=template)
    with Image.open(path) as image:
        columns = 4 if support else 3
        assert image.mode == "P"
        assert image.size[0] == pytest.approx(columns * figures.PANEL_INCHES * figures.DPI, abs=1)
        rgb = np.asarray(image.convert("RGB")).reshape(-1, 3).astype(int)
    for colour in (figures.TRUE_COLOUR, figures.FOUND_COLOUR):
        wanted = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
        assert (np.abs(rgb - wanted).max(axis=1) < 25).sum() > 50
    assert [entry.name for entry in path.parent.iterdir()] == ["q0.png"]


def test_an_answer_at_diagonal_corners_can_be_drawn(tmp_path: Path) -> None:
    found = cohorts.answer("demo", "q0", "organ", "diagonal.k1.c1f0", "s0", True, [[-8, -8, -9], [12, 12, 15]])
    path = tmp_path / "q0.png"
    figures.draw_query(path, query=picture(), answers=[found], scores={"organ": ""}, heading="q0")
    assert path.stat().st_size > 1000


def test_scans_are_read_from_their_folder(tmp_path: Path) -> None:
    voxels = np.arange(np.prod(GRID.size), dtype=np.int64).reshape(GRID.size[::-1]) % 1000
    write_volume(tmp_path / "q0.nii.gz", voxels.astype(np.int16), GRID)
    scan = cohorts.scan("demo", "q0", {})
    shown = figures.load_picture(tmp_path, scan)
    assert (shown.voxels == voxels).all()
    assert shown.window == figures.CT_WINDOW
    low, high = figures.load_picture(tmp_path, scan, "mr").window
    assert 0 < low < 20 and 980 < high < 1000
    with pytest.raises(InputError, match="no such file"):
        figures.load_picture(tmp_path, scan | {"subject": "q1"})


def test_training_curves(tmp_path: Path) -> None:
    log = [
        {"step": step, "loss": 900 / step, "train_error_mm": 90 / step, "validation_error_mm": None}
        for step in range(1, 60)
    ]
    log[9]["validation_error_mm"] = 12.0
    log[19]["loss"] = float("nan")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        curves.draw_training(tmp_path / "a.png", {"coarse": log, "fine": log[:1]})
        curves.draw_training(tmp_path / "b.png", {"coarse": []})
    assert curves.points(log, "validation_error_mm") == ([10.0], [12.0])
    assert len(curves.points(log, "loss")[0]) == 58
    assert (tmp_path / "b.png").stat().st_size > 500
