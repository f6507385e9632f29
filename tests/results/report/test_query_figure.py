"""The figure of a query: a row for each structure, whatever is known of it."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest
from PIL import Image

from rprloc.methods.answer import Key
from rprloc.results.report import query_figure
from rprloc.results.report.planes import FOUND_COLOUR, TRUE_COLOUR
from rprloc.results.report.query_figure import PANEL_INCHES, Row, draw_query
from tests.results.report.made import failed, predicted
from tests.results.report.test_planes import picture

DPI = 50
FOUND = predicted(Key("affine", "extreme", "s0", "organ"))


@pytest.mark.parametrize("support", [False, True])
def test_a_query_is_one_picture_with_a_row_for_each_structure(
    support: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(query_figure, "DPI", DPI)
    rows = [
        FOUND,
        failed(FOUND, "no answer"),
        msgspec.structs.replace(FOUND, box_mm=[[200.0, 200.0, 200.0], [220.0, 220.0, 220.0]]),
        msgspec.structs.replace(FOUND, structure="$other"),
        failed(msgspec.structs.replace(FOUND, structure="nowhere"), "no answer"),
        # Diagonal corners are no points of walls.
        msgspec.structs.replace(FOUND, points_mm={"minimum": [0.0, 0.0, 0.0], "maximum": [9.0, 9.0, 9.0]}),
    ][: None if support else 1]
    path = tmp_path / "q0.png"
    template = picture() if support else None
    draw_query(path, [Row(one, "IoU 50.0 % $x^2$") for one in rows], query=picture(), support=template, heading="$q0$")
    with Image.open(path) as image:
        assert image.mode == "P"
        assert image.size[0] == pytest.approx((3 + support) * PANEL_INCHES * DPI, abs=1)
        rgb = np.asarray(image.convert("RGB")).reshape(-1, 3).astype(int)
    for colour in (TRUE_COLOUR, FOUND_COLOUR):
        wanted = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
        assert (np.abs(rgb - wanted).max(axis=1) < 25).sum() > 50
