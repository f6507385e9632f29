"""One rule for where a file's voxels lie."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk

from rprloc.errors import InputError
from rprloc.scans.frame import UNKNOWN, Frame, corners_of
from rprloc.scans.volume import Opened, open_volume
from tests.scans.images import image_of, write

VALUES = np.arange(4 * 10 * 12, dtype=np.int16).reshape(12, 10, 4)
"""(x, y, z), as nibabel has them."""
PLACE = np.array([[-2.0, 0, 0, 31], [0, -2.5, 0, -17], [0, 0, 3, -204], [0, 0, 0, 1]])
"""RAS."""


def opened(path: Path, *, sform: Any = None, qform: Any = None, **fields: Any) -> Opened:
    """Write a NIfTI file with these forms and header fields, and open it."""
    image = nibabel.Nifti1Image(VALUES, np.eye(4))
    header = image.header
    header["pixdim"][1:4] = (2.0, 2.5, 3.0)
    header["xyzt_units"] = 2
    header.set_sform(sform, 0 if sform is None else 1)
    header.set_qform(qform, 0 if qform is None else 1)
    for name, value in fields.items():
        header[name] = value
    (path / "a.nii").write_bytes(header.binaryblock + bytes(4) + VALUES.tobytes("F"))
    return open_volume(path / "a.nii")


def places(image: sitk.Image) -> np.ndarray:
    """Return where the corner voxels lie, LPS."""
    return np.array(
        [image.TransformContinuousIndexToPhysicalPoint(corner.tolist()) for corner in corners_of((12, 10, 4))]
    )


def expected(form: Any, factor: float = 1.0) -> np.ndarray:
    """Return where a form (4, 4) puts the corner voxels, LPS."""
    corners = corners_of((12, 10, 4))
    return (corners @ form[:3, :3].T + form[:3, 3]) * [-factor, -factor, factor]


def sheared(degrees: float) -> np.ndarray:
    """Return PLACE with a gantry tilt."""
    form = PLACE.copy()
    form[1, 2] = 3 * np.tan(np.radians(degrees))
    return form


def moved(mm: Any) -> np.ndarray:
    """Return PLACE elsewhere."""
    form = PLACE.copy()
    form[:3, 3] += mm
    return form


@pytest.mark.parametrize("forms", [{"sform": PLACE}, {"qform": PLACE}, {"sform": PLACE, "qform": PLACE}])
def test_forms_that_agree_are_taken_without_a_word(tmp_path: Path, forms: Any) -> None:
    found = opened(tmp_path, **forms)
    np.testing.assert_allclose(places(found.image), expected(PLACE), atol=1e-4)
    assert found.findings == () and found.oriented


@pytest.mark.parametrize("shift", [(30, -20, 40), (0.3, 0, 0)])
def test_of_two_places_the_sform_is_taken_and_both_are_named(tmp_path: Path, shift: Any) -> None:
    found = opened(tmp_path, sform=moved(shift), qform=PLACE)
    np.testing.assert_allclose(places(found.image), expected(moved(shift)), atol=1e-4)
    (said,) = found.findings
    assert f"up to {np.linalg.norm(shift):.1f} mm apart" in said and "(-31.0, 17.0, -204.0)" in said
    assert found.oriented


def test_forms_that_begin_at_one_place_are_told_by_a_voxel_where_they_part(tmp_path: Path) -> None:
    (said,) = [one for one in opened(tmp_path, sform=sheared(15), qform=PLACE).findings if "apart" in one]
    assert "first voxel" not in said
    assert "voxel (0, 0, 3) at (-31.0, 14.6, -195.0) and (-31.0, 17.0, -195.0) mm (LPS)" in said


def test_less_than_a_tenth_of_a_voxel_is_no_other_place(tmp_path: Path) -> None:
    assert opened(tmp_path, sform=moved((0.15, 0.2, 0.2)), qform=PLACE).findings == ()


@pytest.mark.parametrize("qform", [None, PLACE])
def test_a_gantry_tilt_is_resampled_by_the_true_affine(tmp_path: Path, qform: Any) -> None:
    found = opened(tmp_path, sform=sheared(15), qform=qform)
    np.testing.assert_allclose(places(found.image), expected(sheared(15)), atol=1e-4)
    assert "sheared by 15.0 degrees (gantry tilt): resampled by the true affine" in found.findings[-1]


@pytest.mark.parametrize("degrees", [0.003, 0.02, 0.05, 0.5])
def test_a_rounding_shear_is_none(tmp_path: Path, degrees: float) -> None:
    found = opened(tmp_path, sform=sheared(degrees))
    np.testing.assert_allclose(places(found.image), expected(sheared(degrees)), atol=0.3)
    assert found.findings == ()


@pytest.mark.parametrize("pixdim", [(-2.0, 2.5, 3.0), (0.0, 0.0, 0.0), (np.nan, 2.5, 3.0)])
def test_an_odd_pixdim_has_no_say_beside_a_whole_sform(tmp_path: Path, pixdim: Any) -> None:
    found = opened(tmp_path, sform=PLACE, pixdim=[1, *pixdim, 0, 0, 0, 0])
    np.testing.assert_allclose(places(found.image), expected(PLACE), atol=1e-4)
    assert found.findings == ()


@pytest.mark.parametrize("pixdim", [(-2.0, 2.5, 3.0), (0.0, 2.5, 3.0), (2.0, np.nan, 3.0)])
@pytest.mark.parametrize("forms", [{}, {"qform": PLACE}])
def test_an_odd_pixdim_alone_is_refused(tmp_path: Path, pixdim: Any, forms: Any) -> None:
    with pytest.raises(InputError, match=r"found a spacing of .* mm, expected three positive numbers"):
        opened(tmp_path, pixdim=[1, *pixdim, 0, 0, 0, 0], **forms)


def test_a_broken_sform_leaves_the_qform_and_is_said(tmp_path: Path) -> None:
    found = opened(tmp_path, sform=PLACE * np.array([[0], [1], [1], [1]]), qform=PLACE)
    np.testing.assert_allclose(places(found.image), expected(PLACE), atol=1e-4)
    assert found.findings == ("its sform takes voxels to no place: the qform is taken",)


def test_without_both_codes_the_orientation_is_unknown(tmp_path: Path) -> None:
    found = opened(tmp_path)
    assert (found.findings, found.oriented) == ((UNKNOWN,), False)
    assert found.image.GetSpacing() == (2.0, 2.5, 3.0)


@pytest.mark.parametrize(("unit", "factor"), [(1, 1000.0), (3, 0.001), (2, 1.0), (0, 1.0)])
@pytest.mark.parametrize("form", ["sform", "qform"])
def test_units_of_metres_and_micrometres_are_honoured(tmp_path: Path, form: str, unit: int, factor: float) -> None:
    place = PLACE.copy()
    place[:3] /= factor
    pixdim = [1, *np.array([2.0, 2.5, 3.0]) / factor, 0, 0, 0, 0]
    image = nibabel.Nifti1Header()
    image.set_qform(place, 1)
    more = {name: image[name] for name in ("quatern_b", "quatern_c", "quatern_d")} if form == "qform" else {}
    more |= {f"qoffset_{axis}": place[n, 3] for n, axis in enumerate("xyz")} if form == "qform" else {}
    forms = {"sform": place} if form == "sform" else {}
    codes = {"qform_code": 1} if form == "qform" else {}
    pixdim[0] = float(image["pixdim"][0]) if form == "qform" else 1.0
    found = opened(tmp_path, **forms, xyzt_units=unit, pixdim=pixdim, **more, **codes)
    np.testing.assert_allclose(places(found.image), expected(PLACE), rtol=1e-4, atol=1e-3)
    assert found.findings == ()


@pytest.mark.parametrize("name", ["a.Nii", "A.Nii.Gz", "a.NII.gz"])
def test_a_name_in_mixed_case_is_read_as_any(tmp_path: Path, name: str) -> None:
    plain = write(
        image_of(VALUES.T, (2, 2.5, 3), (1, 2, 3)), tmp_path / ("a.nii.gz" if name.lower().endswith("gz") else "a.nii")
    )
    plain.rename(tmp_path / name)
    found = open_volume(tmp_path / name).image
    np.testing.assert_array_equal(sitk.GetArrayFromImage(found), VALUES.T)
    np.testing.assert_allclose(found.GetOrigin(), (1, 2, 3), atol=1e-5)


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("a.nrrd", b"space: left-posterior-superior\n", b"space dimension: 3\n"),
        ("a.nrrd", b"space: left-posterior-superior\n", b"space: scanner-xyz\n"),
        ("a.mha", b"TransformMatrix = 1 0 0 0 1 0 0 0 1\n", b""),
    ],
)
def test_a_file_without_directions_says_nothing_of_the_orientation(
    tmp_path: Path, name: str, old: bytes, new: bytes
) -> None:
    path = write(image_of(VALUES.T), tmp_path / name)
    assert open_volume(path).oriented
    content = path.read_bytes()
    assert old in content
    path.write_bytes(content.replace(old, new))
    found = open_volume(path)
    assert (found.findings, found.oriented) == ((UNKNOWN,), False)


def test_a_sheared_nrrd_file_keeps_its_axes(tmp_path: Path) -> None:
    path = write(image_of(VALUES.T, (2, 2.5, 3)), tmp_path / "a.nrrd")
    content = path.read_bytes()
    path.write_bytes(content.replace(b"(0,2.5,0)", b"(1,2.5,0)"))
    found = open_volume(path)
    np.testing.assert_allclose(Frame.of(found.image).axes_mm, [[2, 1, 0], [0, 2.5, 0], [0, 0, 3]])
    assert "sheared by 21.8 degrees" in found.findings[0]


@pytest.mark.parametrize(("qfac", "sign"), [(0.0, 1), (5.0, 1), (np.nan, 1), (-2.0, -1)])
def test_a_qform_counts_whatever_stands_for_the_hand_of_its_axes(tmp_path: Path, qfac: float, sign: int) -> None:
    found = opened(tmp_path, qform=PLACE, pixdim=[qfac, 2.0, 2.5, 3.0, 0, 0, 0, 0])
    np.testing.assert_allclose(places(found.image), expected(PLACE * [1, 1, sign, 1]), atol=1e-4)
    assert found.findings == (f"its qfac (pixdim[0]) is {qfac:g}: taken for {sign}, as the standard says",)
    assert found.oriented


def test_an_array_that_was_saved_without_its_header_is_told(tmp_path: Path) -> None:
    found = opened(tmp_path, sform=np.eye(4))
    assert "its sform is the identity" in " ".join(found.findings)


@pytest.mark.parametrize(
    ("pixdim", "said"),
    [((1.7, 2.1, 3.0), "pixdim says 1.7 x 2.1 x 3 mm and its sform 2 x 2.5 x 3 mm"), ((1, 1, 1), ""), ((-2, 0, 3), "")],
)
def test_a_pixdim_that_differs_from_the_sform_alone_is_told(tmp_path: Path, pixdim: Any, said: str) -> None:
    found = opened(tmp_path, sform=PLACE, pixdim=[1, *pixdim, 0, 0, 0, 0])
    np.testing.assert_allclose(places(found.image), expected(PLACE), atol=1e-4)
    assert said in " ".join(found.findings)
    assert bool(said) == bool(found.findings)
