"""Crops hold the scan's own values where they lie."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import nibabel
import numpy as np
import pytest

from rprloc.exports.crops import write_crops
from tests.exports.queries import GRIDS, ORGAN, answer, box_of, query


@pytest.mark.parametrize("kind", GRIDS)
def test_values_lie_where_they_did(tmp_path: Path, kind: str) -> None:
    one = query(tmp_path, kind)
    assert write_crops(tmp_path, one, margin_mm=4.0) == []
    files = sorted((tmp_path / "crops" / "c" / "q1").iterdir())
    assert len(files) == 2 and files[1].name == "organ.nii.gz"
    crop, scan = nibabel.load(files[1]), nibabel.load(one.image)
    assert crop.get_data_dtype() == np.int16
    index = np.argwhere(np.ones(crop.shape))
    ras = nibabel.affines.apply_affine(crop.affine, index)
    # The values say where they lie: x + 20 y + 3 z in LPS.
    true = (ras * [-1, -1, 1]) @ [1.0, 20.0, 3.0]
    assert np.abs(np.asarray(crop.dataobj)[tuple(index.T)] - true).max() <= 0.51
    box = box_of(one.outlines[ORGAN], one.native) * [-1, -1, 1]
    low, high = np.sort(box, axis=0)
    assert (ras.min(axis=0) <= low + 0.1).all() and (ras.max(axis=0) >= high - 0.1).all()
    assert np.prod(crop.shape) < 0.8 * np.prod(scan.shape)


def test_a_box_beyond_the_scan_has_no_crop(tmp_path: Path) -> None:
    one = query(tmp_path, "flipped")
    far = replace(one, answers=(answer(ORGAN, box_of(one.outlines[ORGAN], one.native) + 1000),))
    assert write_crops(tmp_path, far, margin_mm=1.0) == ["q1: the box of organ holds no voxel, so there is no crop."]
    assert write_crops(tmp_path, replace(one, answers=()), margin_mm=1.0) == []
