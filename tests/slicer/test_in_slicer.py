"""3D Slicer's own classes open what is exported, and what they save is read: `make test-slicer`."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.spatial import cKDTree

from rprloc.exports.query import Query
from rprloc.exports.write import write_exports
from rprloc.marks.annotation import read_marks
from rprloc.marks.segments import read_segments
from rprloc.scans.record import Native
from tests.docs.pages import ROOT
from tests.exports.queries import GRIDS, IN_VALUES, LOST, query
from tests.exports.test_scene import tilted

PYTHON = ROOT / ".slicer" / "bin" / "python"
TO_LPS = np.array([-1, -1, 1])

pytestmark = pytest.mark.skipif(
    not PYTHON.exists(), reason="3D Slicer's classes are not installed: `make test-slicer` does that (1 GB)"
)


def in_slicer(what: str, path: Path, folder: Path) -> dict[str, Any]:
    """Return what Slicer says of a scene that it opened or of files that it saved."""
    script = ROOT / "tests" / "slicer" / "slicer_side.py"
    done = subprocess.run(
        [PYTHON, script, what, path, folder / "said.json"], cwd=folder, text=True, capture_output=True, check=False
    )
    assert done.returncode == 0 and not done.stderr, done.stderr
    found: dict[str, Any] = json.loads((folder / "said.json").read_text(encoding="utf-8"))
    return found


def exported(folder: Path, kind: str) -> tuple[Query, dict[str, Any]]:
    """Return a query of a kind of grid, and what Slicer sees in its scene."""
    one = tilted(folder) if kind == "tilted" else query(folder, kind)
    assert write_exports(folder / "exports", ("slicer",), one) == []
    scene = folder / "exports" / "slicer" / "c" / one.name / f"{one.name}.mrml"
    return one, in_slicer("open", scene, folder)


@pytest.mark.parametrize("kind", [*GRIDS, "tilted"])
def test_a_scene_opens_and_all_of_it_lies_where_it_should(tmp_path: Path, kind: str) -> None:
    one, seen = exported(tmp_path, kind)
    assert seen["messages"] == ""
    (scan,) = seen["volumes"].values()
    assert tuple(scan["size"]) == one.native.size
    to_ras, index = np.array(scan["to_ras"]), np.array(scan["places"], dtype=float)
    places = (np.hstack([index, np.ones((3, 1))]) @ to_ras.T)[:, :3] * TO_LPS
    # Slicer turns grids that are left-handed: which voxel lies there may differ, what it shows there may not.
    np.testing.assert_allclose(scan["values"], places @ IN_VALUES, atol=0.51)

    names = [name for name in one.labels if name != LOST]
    assert seen["segments"].keys() == seen["boxes"].keys() == set(names)
    found = {answer.structure: answer for answer in one.found}
    for name in names:
        outline = one.outlines[name]
        voxels = np.argwhere(outline.inside)[:, ::-1] + np.array(outline.first)
        drawn = np.array(seen["segments"][name]) * TO_LPS
        assert len(drawn) == len(voxels)
        assert cKDTree(one.native.frame.world(voxels.astype(float))).query(drawn)[0].max() < 0.01
        box = np.sort(np.array(seen["boxes"][name]) * TO_LPS, axis=0)
        np.testing.assert_allclose(box, np.array(found[name].box_mm), atol=0.01)
        # Of a markup Slicer keeps what its points say, not what the markup itself does.
        assert "confidence 0.93" in seen["said"][name]
    points = {label: place for group in seen["points"].values() for label, place in group.items()}
    for name in names:
        for wall, place in found[name].points_mm.items():
            np.testing.assert_allclose(np.array(points[f"{name}:{wall}"]) * TO_LPS, place, atol=0.01)


def test_what_slicer_saves_is_read_where_it_lies(tmp_path: Path) -> None:
    saved = tmp_path / "saved"
    saved.mkdir()
    told = in_slicer("save", saved, tmp_path)
    assert sorted(path.name for path in saved.iterdir()) == [
        "Segmentation.seg.nrrd", "liver.mrk.json", "points.mrk.json", "spleen.mrk.json",
    ]  # fmt: skip
    for name in ("liver", "spleen"):
        (mark,) = read_marks(saved / f"{name}.mrk.json").marks
        box = np.sort(np.array(told["boxes"][name]) * TO_LPS, axis=0)
        assert mark.name == name and not mark.is_point
        np.testing.assert_allclose(mark.box_mm, box, atol=0.01)
    marks = {mark.name: mark for mark in read_marks(saved / "points.mrk.json").marks}
    assert marks.keys() == {"chin", "nose"}
    for name, mark in marks.items():
        np.testing.assert_allclose(mark.landmarks_mm[0], np.array(told["points"]["F"][name]) * TO_LPS, atol=1e-4)

    # Slicer keeps of a segmentation what is drawn alone: its grid is a part of the scan's.
    to_lps = np.diag([-1, -1, 1, 1]) @ np.array(told["to_ras"])
    spacing = np.linalg.norm(to_lps[:3, :3], axis=0)
    directions = (to_lps[:3, :3] / spacing).ravel().tolist()
    grid = Native(
        size=tuple(told["size"]), spacing_mm=tuple(spacing), direction=tuple(directions), origin_mm=tuple(to_lps[:3, 3])
    )
    label = read_segments(saved / "Segmentation.seg.nrrd", grid, image_name="scan", structures=None)
    assert label.outlines.keys() == told["segments"].keys() == {"liver", "tumour"}
    for name, outline in label.outlines.items():
        voxels = np.argwhere(outline.inside)[:, ::-1] + np.array(outline.first)
        drawn = np.array(told["segments"][name]) * TO_LPS
        assert len(drawn) == len(voxels)
        assert cKDTree(grid.frame.world(voxels.astype(float))).query(drawn)[0].max() < 0.01
