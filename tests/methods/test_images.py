"""What registrations compare: greys inside the body, coarser, cropped, carried, and what goes wrong with a pair."""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk

from rprloc.errors import InputError
from rprloc.geometry import Grid
from rprloc.methods.images import (
    MaskedImage,
    RegistrationError,
    beyond_window,
    carried,
    coarser,
    cropped,
    faults_of_a_pair,
    one_thread_each,
    quietly,
    region_around,
)
from rprloc.scans.volume import image_of
from tests.methods.fakes import scan
from tests.methods.heads import WINDOW, head


def test_what_lies_outside_the_body_is_air() -> None:
    patient = head()
    with_table = patient.values.copy()
    with_table[:, -3:] = 300
    seen = MaskedImage.of(replace(patient, values=with_table), WINDOW)
    greys = sitk.GetArrayViewFromImage(seen.grey)
    assert greys[:, -1].max() == 0 and greys.max() == pytest.approx(
        np.interp(patient.values.max(), *zip(*WINDOW, strict=True))
    )
    assert sitk.GetArrayViewFromImage(seen.body).sum() > patient.body.sum()
    with pytest.raises(InputError, match="no volume for image matching"):
        MaskedImage.of(scan("s"), WINDOW)


def test_a_coarser_image_covers_the_same_field() -> None:
    grid = Grid((9, 8, 7), (2.0, 3.0, 4.0), (-5.0, 1.0, 2.0))
    ramp = np.broadcast_to(grid.world(np.stack(np.indices((7, 8, 9)), -1))[..., 0], (7, 8, 9)).astype(np.float32)
    found = coarser(image_of(ramp, grid), 4.0)
    assert found.GetSpacing() == (4.0, 4.0, 4.0) and found.GetSize() == (5, 6, 7)
    np.testing.assert_allclose(np.array(found.GetOrigin()) - 2.0, grid.box_mm[0])
    # A value is that of its place.
    assert found[2, 3, 3] == pytest.approx(found.TransformIndexToPhysicalPoint((2, 3, 3))[0], abs=0.1)


def test_a_crop_holds_the_voxels_whose_centres_lie_in_the_box() -> None:
    image = image_of(np.zeros((7, 8, 9), dtype=np.float32), Grid((9, 8, 7), (2.0, 3.0, 4.0), (0.0, 0.0, 0.0)))
    found = cropped(image, np.array([[1.9, 3.0, -50.0], [6.1, 8.9, 4.0]]))
    assert found.GetSize() == (3, 2, 2) and found.GetOrigin() == (2.0, 3.0, 0.0)
    with pytest.raises(RegistrationError, match="the structures lie outside the support's volume"):
        cropped(image, np.array([[100.0] * 3, [110.0] * 3]))


def test_the_region_is_the_landmarks_box_and_a_margin() -> None:
    points = np.array([[0.0, 5, 9], [3, 1, 2]])
    np.testing.assert_array_equal(region_around(points), [[-30, -29, -28], [33, 35, 39]])
    moved = carried(sitk.TranslationTransform(3, [1.0, 2.0, 3.0]), points[np.newaxis])
    np.testing.assert_array_equal(moved, points[np.newaxis] + [1, 2, 3])


def test_one_thread_is_one_thread_for_as_long_as_it_is_asked_for() -> None:
    before = sitk.ProcessObject.GetGlobalDefaultNumberOfThreads()
    with pytest.raises(ZeroDivisionError), one_thread_each():
        assert sitk.ProcessObject.GetGlobalDefaultNumberOfThreads() == 1
        raise ZeroDivisionError
    assert sitk.ProcessObject.GetGlobalDefaultNumberOfThreads() == before


def test_what_a_pair_s_scans_are_at_fault_of_is_one_sentence_and_memory_is_none_of_theirs() -> None:
    for error, said in (
        (RuntimeError("a paragraph\nITK ERROR: odd scans."), "ITK ERROR: odd scans"),
        (ValueError(), "ValueError"),
    ):
        with pytest.raises(RegistrationError, match=f"^the registration stopped: {said}$"), faults_of_a_pair():
            raise error
    with pytest.raises(MemoryError), faults_of_a_pair():
        raise RuntimeError("Failed to allocate memory for image.")


def test_a_package_may_print_and_warn_and_change_what_is_warned_of(capsys: pytest.CaptureFixture[str]) -> None:
    before = list(warnings.filters)
    with quietly():
        print("loud")
        warnings.warn("loud", stacklevel=1)
        warnings.filterwarnings("ignore")
    assert capsys.readouterr() == ("", "") and warnings.filters == before


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1500, 9000], ": all values are above the cohort's window, -1000 to 1500"),
        ([-3000, -1000], ": all values are below the cohort's window, -1000 to 1500"),
        ([-1000, 1500], ""),
        ([40, 40], ""),
    ],
)
def test_one_grey_value_has_a_cause_where_all_lie_beyond_the_window(values: list[int], expected: str) -> None:
    assert beyond_window(np.array(values), ((-1000, 0.0), (0, 0.5), (1500, 1.0))) == expected
