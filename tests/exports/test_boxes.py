"""Boxes in LPS, RAS and voxels."""

from __future__ import annotations

import csv
from pathlib import Path

import nibabel
import numpy as np
import pytest

from rprloc.exports.boxes import COLUMNS, voxels_of, write_boxes
from tests.exports.queries import GLAND, GRIDS, LOST, ORGAN, box_of, native, outline_of, query


def lines(folder: Path) -> dict[str, dict[str, str]]:
    with (folder / "csv" / "c" / "q1.csv").open(encoding="utf-8", newline="") as stream:
        return {row["structure"]: row for row in csv.DictReader(stream)}


@pytest.mark.parametrize("kind", GRIDS)
def test_the_same_box_in_every_frame(tmp_path: Path, kind: str) -> None:
    one = query(tmp_path, kind)
    write_boxes(tmp_path, one)
    read = lines(tmp_path)
    assert list(read) == [ORGAN, GLAND, LOST] and list(read[ORGAN]) == list(COLUMNS)
    row = read[ORGAN]
    lps, ras = (
        np.array([[float(row[f"{axis}_{end}_{frame}_mm"]) for axis in "xyz"] for end in ("min", "max")])
        for frame in ("lps", "ras")
    )
    np.testing.assert_allclose(lps, box_of(one.outlines[ORGAN], one.native), atol=1e-5)
    np.testing.assert_allclose(ras, [[-lps[1, 0], -lps[1, 1], lps[0, 2]], [-lps[0, 0], -lps[0, 1], lps[1, 2]]])
    first, stop = ([int(row[f"{axis}_{end}"]) for axis in "ijk"] for end in ("first", "stop"))
    if kind != "oblique":
        assert (tuple(first), tuple(stop)) == (one.outlines[ORGAN].first, one.outlines[ORGAN].stop)
    # By another library's affine, all corners of the box lie in the voxels.
    affine = np.linalg.inv(nibabel.load(one.image).affine)
    corners = np.array(np.meshgrid(*zip(*ras, strict=True), indexing="ij")).reshape(3, -1).T
    voxels = np.clip(nibabel.affines.apply_affine(affine, corners), -0.5, np.array(one.native.size) - 0.5)
    assert (voxels > np.array(first) - 0.51).all() and (voxels < np.array(stop) - 0.49).all()
    assert read[LOST]["failed"] == "True" and read[LOST]["i_first"] == "" and read[LOST]["reason"] == "lost"


def test_voxels_end_where_the_scan_does() -> None:
    grid = native("flipped")
    box = box_of(outline_of((1, 1, 1), (3, 3, 3)), grid)
    first, stop = voxels_of(box, grid, 5.0)
    assert (first == 0).all() and (stop > 4).all()
    first, stop = voxels_of(box + 1000, grid)
    assert (first == stop).any()
