"""Figure 4: a column for each family, and each method's own line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from rprloc.catalogue import methods
from rprloc.pictures.planes import PLANES
from rprloc.results.report import figure4, images
from rprloc.results.report.figure4 import STYLES, MethodBox, draw_structure
from rprloc.results.report.planes import Picture
from rprloc.results.words import column_of
from tests.results.report.test_planes import picture

BOX = np.array([[-8.0, -8.0, -9.0], [12.0, 12.0, 15.0]])
FAR = BOX + 200
ALL = [method.name for method in methods()]


def drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, found: Any, **changes: Any) -> Figure:
    """Draw one structure and return the figure."""
    kept: list[Figure] = []

    def keep(path: Path, figure: Figure, **options: Any) -> None:
        kept.append(figure)
        images.write_png(path, figure, **options)

    monkeypatch.setattr(figure4, "write_png", keep)
    options = {"structure": "organ", "query": picture(), "support": picture(), "heading": "organ in $q0$"} | changes
    draw_structure(tmp_path / "a.png", options.pop("structure"), found, **options)
    return kept[0]


def test_no_column_has_more_methods_than_there_are_styles() -> None:
    columns = [column_of(name) for name in ALL]
    assert max(columns.count(column) for column in columns) == len(STYLES)


def test_all_methods_stand_in_columns_of_their_families(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = [MethodBox(name, BOX, "100 %, 122.4 mm") for name in reversed(ALL)]
    figure = drawn(tmp_path, monkeypatch, found)
    assert len(figure.axes) == 9 * 3
    titles = [text.get_text() for text in figure.texts]
    assert titles == [
        "organ in $q0$", "support", "the paper's", "position_map", "matched", "student", "grey values", "features",
        "trained on labels", "registration",
    ]  # fmt: skip
    legends = [[text.get_text() for text in legend.get_texts()] for legend in figure.legends]
    assert legends[0] == ["true box"]
    assert [name.split()[0] for legend in legends[1:] for name in legend] == ALL
    # Support: its box alone. The others: the truth and each method, told apart by colour and by style.
    assert [len(axes.patches) for axes in figure.axes[::3]] == [1, 2, 2, 2, 2, 4, 3, 3, 5]
    lines = [(patch.get_edgecolor(), str(patch.get_linestyle())) for patch in figure.axes[15].patches]
    assert len({colour for colour, _ in lines}) == len({style for _, style in lines}) == 4
    with Image.open(tmp_path / "a.png") as image:
        assert image.mode == "RGB"
    # Nothing lies over anything else.
    panels = [axes.get_window_extent() for axes in figure.axes]
    above = [legend.get_window_extent() for legend in figure.legends]
    above += [text.get_window_extent() for text in figure.texts]
    for number, box in enumerate(above):
        assert box.x0 >= 0 and box.x1 <= figure.bbox.width and box.y1 <= figure.bbox.height
        others = panels + above[:number]
        assert not [other for other in others if box.overlaps(other)]


def test_a_box_far_off_is_named_and_leaves_the_panels_their_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    near = drawn(tmp_path, monkeypatch, [MethodBox("grey_mse", BOX, "50 %, 2.0 mm")])
    far = drawn(tmp_path, monkeypatch, [MethodBox("grey_mse", BOX, "50 %"), MethodBox("grey_ncc", FAR, "0 %")])
    assert far.axes[3].get_xlim() == near.axes[3].get_xlim()
    assert [text.get_text() for text in far.legends[1].get_texts()] == ["grey_mse 50 %", "grey_ncc far off"]


@pytest.mark.parametrize("box", [None, BOX])
def test_what_is_missing_is_left_out(box: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bare = Picture(picture().voxels, picture().grid, (-160, 240), {})
    found = [MethodBox("affine", box, "no answer")]
    figure = drawn(tmp_path, monkeypatch, found, query=bare, support=None)
    assert len(figure.axes) == 3
    assert [len(axes.patches) for axes in figure.axes] == [0 if box is None else 1] * 3
    said = [text.get_text() for text in figure.axes[0].texts]
    assert ("nothing to show" in said) == (box is None)
    figure = drawn(tmp_path, monkeypatch, found, structure="other")
    assert "nothing to show" in [text.get_text() for text in figure.axes[0].texts]


def test_planes_pass_through_the_middle_of_the_truth(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    figure = drawn(tmp_path, monkeypatch, [MethodBox("affine", BOX, "")])
    middle = np.mean(picture().structures["organ"].box_mm, axis=0)
    for axes, plane in zip(figure.axes[3:], PLANES, strict=True):
        assert np.mean(axes.get_xlim()) == pytest.approx(middle[plane.across])
        assert np.mean(axes.get_ylim()) == pytest.approx(middle[plane.along])
