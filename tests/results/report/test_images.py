"""Images: written whole, and a part of the page."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from rprloc.results.report.images import COLOURS, data_uri, write_png


@pytest.mark.parametrize(("palette", "mode"), [(True, "P"), (False, "RGB")])
def test_a_figure_is_written_and_embedded(palette: bool, mode: str, tmp_path: Path) -> None:
    path = tmp_path / "demo" / "a.png"
    write_png(path, Figure(figsize=(1, 0.5), dpi=40, facecolor=COLOURS[0]), palette=palette)
    assert [entry.name for entry in path.parent.iterdir()] == ["a.png"]
    head, _, body = data_uri(path).partition(",")
    assert head == "data:image/webp;base64"
    with Image.open(path) as image, Image.open(io.BytesIO(base64.b64decode(body))) as inside:
        assert (image.mode, image.size, inside.size) == (mode, (40, 20), (40, 20))
        wanted = [int(COLOURS[0][i : i + 2], 16) for i in (1, 3, 5)]
        for shown in (image, inside):
            assert np.abs(np.asarray(shown.convert("RGB")).astype(int) - wanted).max() < 8
