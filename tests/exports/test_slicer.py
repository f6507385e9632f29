"""Markups of 3D Slicer: their form, and where they lie."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import numpy as np
import pytest

from rprloc.exports.slicer import write_slicer
from tests.exports.queries import GRIDS, ORGAN, box_of, query

POINT = {
    "type": "object",
    "required": ["id", "label", "description", "position"],
    "properties": {
        "id": {"type": "string"},
        "label": {"type": "string"},
        "description": {"type": "string"},
        "position": {"type": "array", "items": {"type": "number"}, "minItems": 3, "maxItems": 3},
        "orientation": {"type": "array", "items": {"type": "number"}, "minItems": 9, "maxItems": 9},
        "positionStatus": {"enum": ["undefined", "preview", "defined"]},
    },
}
MARKUPS = {
    "type": "object",
    "required": ["@schema", "markups"],
    "properties": {
        "@schema": {"type": "string", "pattern": r"markups-schema-v1\.0\.\d\.json#$"},
        "markups": {
            "type": "array",
            "minItems": 1,
            "maxItems": 1,
            "items": {
                "type": "object",
                "required": ["type", "name", "coordinateSystem", "coordinateUnits", "controlPoints"],
                "properties": {
                    "type": {"enum": ["Fiducial", "ROI"]},
                    "coordinateSystem": {"const": "LPS"},
                    "coordinateUnits": {"const": "mm"},
                    "roiType": {"const": "Box"},
                    "center": {"type": "array", "items": {"type": "number"}, "minItems": 3, "maxItems": 3},
                    "size": {"type": "array", "items": {"type": "number"}, "minItems": 3, "maxItems": 3},
                    "controlPoints": {"type": "array", "items": POINT},
                },
            },
        },
    },
}
"""What we use of the published format, as we understand it."""


def test_every_file_has_the_form(tmp_path: Path) -> None:
    write_slicer(tmp_path, query(tmp_path))
    files = sorted((tmp_path / "slicer" / "c" / "q1").iterdir())
    assert len(files) == 4 and all(path.name.endswith((".roi.mrk.json", ".points.mrk.json")) for path in files)
    for path in files:
        jsonschema.validate(json.loads(path.read_text()), MARKUPS)


@pytest.mark.parametrize("kind", GRIDS)
def test_a_box_and_its_points_lie_where_the_answer_does(tmp_path: Path, kind: str) -> None:
    one = query(tmp_path, kind)
    write_slicer(tmp_path, one)
    folder = tmp_path / "slicer" / "c" / "q1"
    (roi,) = json.loads((folder / "organ.roi.mrk.json").read_text())["markups"]
    centre, half = np.array(roi["center"]), np.array(roi["size"]) / 2
    np.testing.assert_allclose([centre - half, centre + half], box_of(one.outlines[ORGAN], one.native), atol=1e-9)
    assert roi["controlPoints"][0]["position"] == roi["center"] and roi["orientation"] == np.eye(3).ravel().tolist()
    assert "confidence 0.93; each wall within 3.5 mm" in roi["description"]
    (points,) = json.loads((folder / "organ.points.mrk.json").read_text())["markups"]
    assert {p["label"]: p["position"] for p in points["controlPoints"]} == {
        f"organ:{wall}": place for wall, place in (one.answers[0].points_mm or {}).items()
    }
    assert points["controlPoints"][5]["description"].endswith("this one within 6.0 mm")
