"""Markups of 3D Slicer: their form, and where they lie."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest

from rprloc.exports.slicer import SCHEMA, write_slicer
from tests.exports.markups import faults_of
from tests.exports.queries import GRIDS, ORGAN, answer, box_of, query


@pytest.mark.parametrize("kind", GRIDS)
def test_every_file_is_valid_by_slicers_schema(tmp_path: Path, kind: str) -> None:
    one = query(tmp_path, kind)
    chin = answer("chin", np.array([[1.0, 2, 3]] * 2))
    single = msgspec.structs.replace(
        chin, point=True, box_mm=None, points_mm={"point": [1.0, 2, 3]}, within_90_mm={"point": 2.0}
    )
    write_slicer(tmp_path, replace(one, answers=(*one.answers, single)))
    files = sorted((tmp_path / "slicer" / "c" / "q1").iterdir())
    assert len(files) == 5 and all(path.name.endswith((".roi.mrk.json", ".points.mrk.json")) for path in files)
    for path in files:
        content = json.loads(path.read_text(encoding="utf-8"))
        assert content["@schema"] == SCHEMA and len(content["markups"]) == 1
        assert faults_of(content) == []


def test_the_schema_is_as_it_was_published() -> None:
    path = Path(__file__).parent / "slicer" / "markups-schema-v1.0.3.json"
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    assert sha256 in (Path(__file__).parents[2] / "CITATIONS.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "value"),
    [("type", "Box"), ("coordinateSystem", "XYZ"), ("coordinateUnits", "cm"), ("size", [1, 2]), ("controlPoints", {}),
     ("controlPoints", [{"position": ["a", 2, 3]}]), ("controlPoints", [{"positionStatus": "placed"}])],
)  # fmt: skip
def test_the_schema_refuses_what_slicer_does_not_read(tmp_path: Path, name: str, value: object) -> None:
    write_slicer(tmp_path, query(tmp_path))
    content = json.loads((tmp_path / "slicer" / "c" / "q1" / "organ.roi.mrk.json").read_text(encoding="utf-8"))
    content["markups"][0][name] = value
    assert faults_of(content)


@pytest.mark.parametrize("kind", GRIDS)
def test_a_box_and_its_points_lie_where_the_answer_does(tmp_path: Path, kind: str) -> None:
    one = query(tmp_path, kind)
    write_slicer(tmp_path, one)
    folder = tmp_path / "slicer" / "c" / "q1"
    (roi,) = json.loads((folder / "organ.roi.mrk.json").read_text(encoding="utf-8"))["markups"]
    centre, half = np.array(roi["center"]), np.array(roi["size"]) / 2
    np.testing.assert_allclose([centre - half, centre + half], box_of(one.outlines[ORGAN], one.native), atol=1e-9)
    assert roi["controlPoints"][0]["position"] == roi["center"] and roi["orientation"] == np.eye(3).ravel().tolist()
    assert "confidence 0.93; each wall within 3.5 mm" in roi["description"]
    (points,) = json.loads((folder / "organ.points.mrk.json").read_text(encoding="utf-8"))["markups"]
    assert {p["label"]: p["position"] for p in points["controlPoints"]} == {
        f"organ:{wall}": place for wall, place in (one.answers[0].points_mm or {}).items()
    }
    assert points["controlPoints"][5]["description"].endswith("this one within 6.0 mm")
