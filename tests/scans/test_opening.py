"""A scan is read by what it is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from rprloc.errors import InputError
from rprloc.scans.opening import open_scan
from tests.scans.dicom import made
from tests.scans.images import patient, write


def test_every_form_of_one_scan_is_the_same(tmp_path: Path) -> None:
    image = patient()[0]
    made.write_series(tmp_path / "series", image)
    made.save(made.multiframe_of(image), tmp_path / "one.dcm")
    for path in (tmp_path / "series", tmp_path / "one.dcm", write(image, tmp_path / "a.nii.gz")):
        found = open_scan(path, modality="ct").image
        np.testing.assert_array_equal(sitk.GetArrayFromImage(found), sitk.GetArrayFromImage(image))
        np.testing.assert_allclose(found.GetOrigin(), image.GetOrigin(), atol=1e-4)


def test_a_series_of_what_is_no_dicom_is_refused(tmp_path: Path) -> None:
    path = write(patient()[0], tmp_path / "a.nii.gz")
    with pytest.raises(InputError, match=r"^a\.nii\.gz: found an image of one volume, expected DICOM where"):
        open_scan(path, series="3")
    with pytest.raises(InputError, match="found no such file"):
        open_scan(tmp_path / "nowhere.nii", series="3")
