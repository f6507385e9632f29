"""Slices that do not belong beside each other, or show nothing, are told."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from rprloc.scans.dicom.read import open_dicom
from rprloc.scans.slices import slice_findings
from rprloc.scans.volume import open_volume
from tests.scans.dicom.made import save, slice_of, write_series
from tests.scans.images import image_of, write


def cone() -> np.ndarray:
    """A body that changes from slice to slice, (40, 32, 32), with air beyond its ends."""
    y, x = np.mgrid[-16:16, -16:16]
    radii = np.r_[0, 0, np.linspace(3, 15, 36), 0, 0]
    return np.stack([np.where(np.hypot(x - r / 4, y) < r, 40 + 20 * r, -1000) for r in radii]).astype(np.int16)


def said(order: np.ndarray) -> str:
    return " ".join(slice_findings(sitk.GetImageFromArray(cone()[order])))


def test_ordinary_scans_are_not_told() -> None:
    assert not said(np.arange(2, 36)) and not said(np.arange(36, 2, -1))


@pytest.mark.parametrize(
    ("order", "found"),
    [
        (np.r_[2:14, 24:36], "slices 12 and 13 of 24 differ"),
        (np.array(sorted(range(2, 36), key=str)), "as where slices are missing or in another order"),
        (np.r_[2:36:2, 3:36:2], "slices 17 and 18 of 34 differ"),
        (np.arange(2, 36).repeat(2), "34 of 68 slices are copies of those before them"),
    ],
    ids=["missing", "by name", "interleaved", "twice"],
)
def test_slices_that_are_missing_or_in_another_order_are_told(order: np.ndarray, found: str) -> None:
    assert found in said(order)


def test_empty_slices_between_others_are_told() -> None:
    values = cone()
    values[10:14] = 0
    values[20] = -1000
    found = " ".join(slice_findings(sitk.GetImageFromArray(values)))
    assert found.startswith("of 40 slices 11 to 14 and 21 are empty")


def test_empty_slices_and_few_ones_say_nothing() -> None:
    assert not slice_findings(sitk.GetImageFromArray(np.zeros((12, 8, 8), dtype=np.int16)))
    assert not said(np.array([2, 30, 4, 20]))
    assert not said(np.r_[2:12, [12] * 20, 13:30])
    assert not said(np.r_[[0] * 20, 2:36])


def test_two_scans_whose_slices_alternate_are_told_whatever_the_format(tmp_path: Path) -> None:
    smooth = np.broadcast_to(np.linspace(-900, 900, 12)[:, None, None], (12, 9, 8)).astype(np.int16)
    image = image_of(smooth, (2.0, 2.0, 2.0))
    between = image_of(smooth + 300, (2.0, 2.0, 2.0), (0.0, 0.0, 1.0))
    write_series(tmp_path / "s" / "a", image, fields={"AcquisitionNumber": None})
    assert slice_findings(open_dicom(tmp_path / "s").image) == ()
    for number in range(12):
        fields = {"AcquisitionNumber": None, "SOPInstanceUID": f"1.2.3.{number}"}
        save(slice_of(between, number, fields=fields), tmp_path / "s" / f"b{number}")
    found = open_dicom(tmp_path / "s").image
    told = ("every second of its slices looks as of another scan: neighbours are less alike than those beyond",)
    assert slice_findings(found) == slice_findings(open_volume(write(found, tmp_path / "s.nii.gz")).image) == told
