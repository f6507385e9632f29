"""The viewer's files: small, exact where there is room, and without a word that could be read as markup."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from rprloc.pictures import viewer as module
from rprloc.pictures.laid import Laid
from rprloc.pictures.viewer import Item, Shown, ShownAnswer, ShownTruth, write_viewer_file, write_viewer_page
from rprloc.pictures.window import CT_KNOTS, kept
from tests.exports.queries import GRIDS, box_of, native, outline_of, values_of

HOSTILE = "</script><img onerror=x>\"'"


def shown(kind: str, *, items: int = 1) -> Shown:
    grid, outline = native(kind), outline_of((8, 9, 5), (12, 7, 9))
    box = box_of(outline, grid).tolist()
    answer = ShownAnswer(
        box_mm=box, points_mm=None, lost=0.5, within_90_mm=None, open_walls=(), failed=False, reason=None
    )
    truth = ShownTruth(box_mm=box, points_mm={})
    laid = Laid.of(outline.inside, grid.frame, outline.first)
    found = [
        Item(name=f"{HOSTILE}{n}", found=answer, true=truth, found_outline=laid, true_outline=laid)
        for n in range(items)
    ]
    noise = np.random.default_rng(1).integers(0, 200, grid.size[::-1])
    scan = Laid.of(values_of(grid) // 50 + noise, grid.frame)
    return Shown(cohort="c", subject="s", modality="ct", scan=scan, items=found)


def read(path: Path) -> dict[str, Any]:
    text = path.read_text()
    assert text.startswith("rprloc(") and text.endswith(");\n") and text.isascii()
    found: dict[str, Any] = json.loads(text[len("rprloc(") : -3])
    return found


def volume(uri: str, size: list[int], columns: int) -> np.ndarray:
    with Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))) as image:
        flat = np.asarray(image.convert("L"))
    x, y, z = size
    tiles = flat.reshape(-1, y, columns, x).swapaxes(1, 2).reshape(-1, y, x)
    return tiles[:z]


@pytest.mark.parametrize("kind", GRIDS)
def test_the_crop_has_the_scans_values_where_they_lie(kind: str, tmp_path: Path) -> None:
    one = shown(kind, items=5)
    assert write_viewer_file(tmp_path / "s.js", one)
    about = read(tmp_path / "s.js")
    values = volume(about["values"], about["size"], about["columns"])
    crop = one.crop
    assert crop is not None and about["exact"] and (values == kept(crop.values, CT_KNOTS)).all()
    place = np.array(about["axes_mm"]) @ [3, 4, 2] + about["origin_mm"]
    i, j, k = np.floor(one.scan.frame.voxel(place) + 0.5).astype(int)
    assert values[2, 4, 3] == kept(one.scan.values[k, j, i], CT_KNOTS)
    # Five structures have ten outlines, in two volumes of bits.
    assert len(about["outlines"]) == 2 and about["structures"][4]["true_outline"] == 9
    bits = volume(about["outlines"][1], about["size"], about["columns"])
    assert ((bits >> 1 & 1).sum(), (bits >> 2).sum()) == (outline_of((8, 9, 5), (12, 7, 9)).inside.sum(), 0)
    assert about["structures"][0]["name"] == f"{HOSTILE}0" and set(about["sides"]) == {"axial", "coronal", "sagittal"}


def test_a_large_crop_loses_quality_then_voxels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = shown("along the axes")
    write_viewer_file(tmp_path / "s.js", one)
    monkeypatch.setattr(module, "MOST_BYTES", 25_000)
    write_viewer_file(tmp_path / "lossy.js", one)
    assert not read(tmp_path / "lossy.js")["exact"]
    monkeypatch.setattr(module, "MOST_BYTES", 8000)
    write_viewer_file(tmp_path / "small.js", one)
    small = read(tmp_path / "small.js")
    assert np.prod(small["size"]) < np.prod(read(tmp_path / "s.js")["size"])
    assert (tmp_path / "small.js").stat().st_size <= 8000


def test_nothing_is_shown_of_a_scan_without_any_place(tmp_path: Path) -> None:
    nothing = Shown(cohort="c", subject="s", modality="ct", scan=shown("flipped").scan, items=[Item(name="x")])
    assert not write_viewer_file(tmp_path / "s.js", nothing) and not (tmp_path / "s.js").exists()


def test_the_page_names_its_files_and_no_word_becomes_markup(tmp_path: Path) -> None:
    write_viewer_page(tmp_path / "s.html", ['a "b%20.js', "s.js"], title=HOSTILE)
    text = (tmp_path / "s.html").read_text()
    assert 'src="a%20%22b%2520.js"' in text and 'src="../viewer.js"' in text
    assert "<img" not in text and text.count("</script>") == 3 and "http:" not in text
