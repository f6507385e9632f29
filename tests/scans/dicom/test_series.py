"""Which of many files are the scan."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from rprloc.errors import InputError
from rprloc.scans.dicom.headers import Header, Slice
from rprloc.scans.dicom.read import open_dicom
from rprloc.scans.dicom.series import chosen
from tests.scans.dicom.made import FOREIGN


def series_of(uid: str, count: int, *, whole: bool = True, modality: str = "ct", described: str = "") -> list[Header]:
    """Return the headers of a series of slices a millimetre apart."""
    return [
        Header(
            file=f"{uid}.{number}", kind="CT Image", modality=modality, whole=whole, series_uid=uid, number=int(uid),
            description=described, slices=(slice_at(f"{uid}.{number}", number),) if whole else (),
        )
        for number in range(count)
    ]  # fmt: skip


def slice_at(file: str, z: float) -> Slice:
    return Slice(
        file=file, frame=0, instance_uid=file, position_mm=np.array([0, 0, z]), orientation=np.eye(3)[:2],
        spacing_mm=(1, 1), size=(4, 4), slope=1.0, intercept=0.0, unit="HU",
    )  # fmt: skip


def refusal(headers: list[Header], wanted: str | None = None, modality: str | None = "ct") -> str:
    with pytest.raises(InputError) as caught:
        chosen(headers, "s", wanted=wanted, modality=modality)
    return str(caught.value)


def test_the_one_volume_is_taken() -> None:
    found = chosen([*series_of("1", 1), *series_of("2", 9)], "s", wanted=None, modality="ct")
    assert (
        found.series.first.series_uid == "2" and found.series.words == "2 without a description (CT, 9 slices of 1 mm)"
    )
    assert found.findings == ("beside its slices lie 1 x series that is no volume of this kind: left out",)
    # What one has called by its name is not told of others.
    named = chosen([*series_of("1", 1), *series_of("2", 9)], "s", wanted="2", modality="ct")
    assert named.findings == ()


def test_a_name_that_fits_two_series_is_refused() -> None:
    headers = [*series_of("1", 4, described="Head"), *series_of("2", 5, described="Head")]
    assert "found 2 series, 1 'Head' (CT, 4 slices of 1 mm), 2 'Head' (CT, 5 slices" in refusal(headers, "head")


def test_directions_that_are_one_but_for_rounding_are_one() -> None:
    headers = series_of("1", 9)
    for number, header in enumerate(headers):
        turn = 0.0005 + 1e-6 * (-1) ** number
        orientation = np.array([[1, turn, 0], [-turn, 1, 0]])
        headers[number] = replace(header, slices=(replace(header.slices[0], orientation=orientation),))
    found = chosen(headers, "s", wanted=None, modality="ct").series
    assert len(found.slices) == 9 and found.others == 0


def test_a_long_list_ends() -> None:
    headers = [one for number in range(30) for one in series_of(str(number + 1), 2)]
    assert "found 30 series" in refusal(headers) and " and 18 more, expected one, or its" in refusal(headers)


def test_a_damaged_file_of_another_series_does_no_harm() -> None:
    headers = series_of("1", 6)
    assert chosen([*headers, *series_of("2", 1, whole=False)], "s", wanted=None, modality=None).series.first.number == 1
    assert "found 1 x CT Image beside" in refusal([*headers, *series_of("1", 1, whole=False)])
    lost = [Header(file=name, kind="file that is damaged", whole=False) for name in "xy"]
    assert "found 2 x file that is damaged beside the slices, expected whole" in refusal([*headers, *lost])
    assert refusal(lost) == "s: found 2 x file that is damaged, expected a series of CT or MR."


def test_series_that_nobody_here_wrote() -> None:
    """Parts of examinations that come with pydicom: a gated CT, and a head of which slices are lacking."""
    folder = FOREIGN / "dicomdirtests"
    found = open_dicom(folder, series="5", modality="ct")
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(folder / "98892001" / "CT5N")))
    expected = reader.Execute()
    np.testing.assert_array_equal(sitk.GetArrayFromImage(found.image), sitk.GetArrayFromImage(expected))
    np.testing.assert_allclose(found.image.GetOrigin(), expected.GetOrigin(), atol=1e-4)
    np.testing.assert_allclose(found.image.GetSpacing(), expected.GetSpacing(), atol=1e-4)
    with pytest.raises(InputError, match=r"found no slice between z = -99\.48 and 103\.02 mm"):
        open_dicom(folder, series="routine brain")
    with pytest.raises(InputError, match="found 9 series, 1 'FAST LOCALIZER'"):
        open_dicom(folder, series="nothing")
    with pytest.raises(InputError, match=r"'T/S/C RF FAST PILOT' .MR, 3 slices, no volume"):
        open_dicom(folder / "98892003", modality="mr")


def test_a_folder_of_a_study_is_that_of_its_only_volume(tmp_path: Path) -> None:
    found = open_dicom(FOREIGN / "dicomdirtests" / "98892001", modality="ct")
    assert found.image.GetSize() == (16, 16, 5)
    assert found.findings[0].startswith("beside its slices lie ") and "localizer" in found.findings[0]
