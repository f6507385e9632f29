"""What the tests of the report share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from matplotlib.figure import Figure

from rprloc.results.report import images, method_pictures


@pytest.fixture
def blank(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the pictures of queries blank where it matters only that they are there: drawing takes most of the time."""

    def draw(path: Path, *_: Any, **__: Any) -> None:
        images.write_png(path, Figure(figsize=(1, 1), dpi=8))

    monkeypatch.setattr(method_pictures, "draw_structure", draw)
