"""Label images, read back by nibabel, and the tables that name their values."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk

from rprloc.exports.masks import colour_of, write_masks, write_nifti
from rprloc.scans.frame import Frame
from tests.exports.queries import GLAND, GRIDS, ORGAN, query


@pytest.mark.parametrize("kind", GRIDS)
def test_every_voxel_lies_where_the_scans_does(tmp_path: Path, kind: str) -> None:
    one = query(tmp_path, kind)
    assert write_masks(tmp_path, one) == []
    read = nibabel.load(tmp_path / "masks" / "c" / "q1.nii.gz")
    scan = nibabel.load(one.image)
    assert read.shape == scan.shape and read.get_data_dtype() == np.uint8
    np.testing.assert_allclose(read.affine, scan.affine, atol=1e-4)
    for code in ("sform_code", "qform_code"):
        assert read.header[code] == 1
    np.testing.assert_allclose(read.get_qform(), read.get_sform(), atol=1e-4)
    for value, name in ((1, ORGAN), (2, GLAND)):
        index = np.argwhere(np.asarray(read.dataobj) == value)
        outline = one.outlines[name]
        assert len(index) == outline.inside.sum()
        lps = nibabel.affines.apply_affine(read.affine, index) * [-1, -1, 1]
        true = one.native.frame.world(np.argwhere(outline.inside)[:, ::-1] + np.array(outline.first, dtype=float))
        np.testing.assert_allclose(lps[np.lexsort(lps.T.round(3))], true[np.lexsort(true.T.round(3))], atol=1e-3)
    by_itk = sitk.ReadImage(str(tmp_path / "masks" / "c" / "q1.nii.gz"))
    np.testing.assert_allclose(by_itk.GetOrigin(), one.native.origin_mm, atol=1e-4)


def test_tables_of_names_hold_a_line_a_structure(tmp_path: Path) -> None:
    write_masks(tmp_path, query(tmp_path))
    snap = (tmp_path / "masks" / "c" / "q1.label.txt").read_text(encoding="utf-8").splitlines()[2:]
    assert snap[0] == f'1 {" ".join(map(str, colour_of(1)))} 1 1 1 "organ"'
    assert [line.split()[0] for line in snap] == ["1", "2", "3"] and all(line.count('"') == 2 for line in snap)
    slicer = (tmp_path / "masks" / "c" / "q1.ctbl").read_text(encoding="utf-8").splitlines()[2:]
    assert [len(line.split()) for line in slicer] == [6, 6, 6] and slicer[0].split()[1] == "organ"
    assert len({colour_of(number) for number in range(1, 60)}) == 59


def test_without_outlines_there_is_a_sentence(tmp_path: Path) -> None:
    one = query(tmp_path)
    (said,) = write_masks(tmp_path, replace(one, outlines={}))
    assert said.startswith("q1: no answer has an outline, which matched, affine, ")
    assert said.endswith(" carry from a support's mask, so there is no mask.")
    lost = replace(one, outlines={}, answers=one.answers[2:])
    assert write_masks(tmp_path, lost) == ["q1: nothing is found, so there is no mask."]
    assert not (tmp_path / "masks").exists()
    (said,) = write_masks(tmp_path, replace(one, outlines={ORGAN: one.outlines[ORGAN]}))
    assert said.startswith("q1: found no outline of Dr")


def test_large_values_and_sheared_axes(tmp_path: Path) -> None:
    one = replace(query(tmp_path), values={ORGAN: 300, GLAND: 1035})
    write_masks(tmp_path, one)
    read = nibabel.load(tmp_path / "masks" / "c" / "q1.nii.gz")
    assert read.get_data_dtype() == np.uint16 and set(np.unique(read.dataobj)) == {0, 300, 1035}
    axes = np.array([[1.0, 0.2, 0], [0, 1.0, 0], [0, 0.3, 2.0]])
    write_nifti(tmp_path / "sheared.nii.gz", np.zeros((3, 4, 5), dtype=np.int16), Frame(axes, np.arange(3.0)))
    sheared = nibabel.load(tmp_path / "sheared.nii.gz")
    assert sheared.header["qform_code"] == 0
    np.testing.assert_allclose(sheared.affine[:3, :3], np.diag([-1, -1, 1]) @ axes)
