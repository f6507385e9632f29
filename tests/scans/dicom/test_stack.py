"""Order, gaps and the line of slices."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from rprloc.errors import InputError
from rprloc.scans.dicom.stack import Stack, stacked, usual_gap_mm
from tests.scans.dicom.test_series import slice_at


def stack_of(*along: float, shift: float = 0.0) -> Stack:
    """Return the stack of slices at places, each moved along x by a part of its height."""
    slices = [slice_at(str(z), z) for z in along]
    moved = [replace(one, position_mm=one.position_mm + np.array([shift * one.position_mm[2], 0, 0])) for one in slices]
    return stacked(moved[::-1], "s")


@pytest.mark.parametrize("along", [(0, 2, 4, 6), (0, 2.001, 3.999, 6.0), (0, 2.1, 4.05, 6), (0, 7)])
def test_gaps_that_are_even_but_for_rounding(along: tuple[float, ...]) -> None:
    found = stack_of(*along)
    assert found.even and found.findings == () and found.count == len(along)
    np.testing.assert_allclose(found.frame.axes_mm[:, 2], [0, 0, along[-1] / (len(along) - 1)])


@pytest.mark.parametrize(
    ("along", "count", "said"),
    [
        ((0, 1, 2, 3, 5, 7, 9), 10, "its slices lie 1 to 2 mm apart: resampled to one every 1 mm"),
        ((0, 1, 2.35, 3.1, 4.2), 7, "its slices lie 0.75 to 1.35 mm apart: resampled to one every 0.7 mm"),
        ((0, 0.05, 1, 2, 3, 4), 21, "its slices lie 0.05 to 1 mm apart: resampled to one every 0.2 mm"),
    ],
)
def test_uneven_gaps(along: tuple[float, ...], count: int, said: str) -> None:
    found = stack_of(*along)
    assert not found.even and found.findings == (said,) and found.count == count


@pytest.mark.parametrize(
    ("along", "where"),
    [
        ((0, 1, 2, 4, 5), "at z = 3.00 mm (LPS), a gap of 2 mm, expected one every 1 mm."),
        ((0, 2, 3, 4, 5), "at z = 1.00 mm"),
        ((0, 1, 2, 3, 5), "at z = 4.00 mm"),
        ((0, 1, 2, 5, 6), "between z = 2.00 and 5.00 mm"),
        ((0, 1, 2, 3.7, 4.7), "at z = 2.85 mm (LPS), a gap of 1.7 mm"),
        ((0, 1, 2, 3, 5, 6, 8, 9), "at z = 4.00 mm"),
    ],
)
def test_a_hole_is_refused(along: tuple[float, ...], where: str) -> None:
    with pytest.raises(InputError) as caught:
        stack_of(*along)
    assert f"s: found no slice {where}" in str(caught.value)


def test_a_tilted_gantry_shears_the_axes() -> None:
    found = stack_of(0, 2, 4, 6, shift=np.tan(np.radians(10)))
    assert found.findings == ("its axes are sheared by 10.0 degrees (gantry tilt): resampled by the true affine",)
    np.testing.assert_allclose(found.frame.axes_mm[:, 2], [2 * np.tan(np.radians(10)), 0, 2])


def test_slices_off_the_line_are_refused() -> None:
    slices = [slice_at(str(z), z) for z in range(5)]
    slices[3] = replace(slices[3], position_mm=np.array([0.5, 0, 3]))
    with pytest.raises(InputError, match=r"found slices up to 0\.50 mm beside each other, expected a stack along"):
        stacked(slices, "s")


def test_copies_lie_at_one_place() -> None:
    slices = [slice_at(str(number), z) for number, z in enumerate([0, 1, 1.001, 2, 3])]
    found = stacked(slices, "s")
    assert [len(place) for place in found.places] == [1, 2, 1, 1] and found.even
    assert usual_gap_mm(slices) == pytest.approx(1.0, abs=0.01)
    with pytest.raises(InputError, match="found slices at one place"):
        stacked(slices[:1], "s")


@pytest.mark.parametrize(
    ("acquisitions", "mixed"),
    [
        ([None] * 8, False),
        ([1] * 8, False),
        ([1, 1, 1, 1, 2, 2, 2, 2], False),
        ([1, 1, 1, 2, 1, 2, 2, 2], True),
        ([1, 2] * 4, True),
        ([1, 2, 3, 4, 5, 6, 7, 8], False),
        ([1, None] * 4, False),
        ([None, 2, 1, 2, 1, 2, None, 1], True),
    ],
)
@pytest.mark.parametrize("gap", [0.5, 0.7])
def test_acquisitions_between_each_other_are_refused_or_said(
    acquisitions: list[int | None], mixed: bool, gap: float
) -> None:
    heights = [number // 2 + (gap if number % 2 else 0.0) for number in range(8)]
    slices = [replace(slice_at(str(z), z), acquisition=one) for z, one in zip(heights, acquisitions, strict=True)]
    if not mixed:
        assert gap != 0.5 or stacked(slices, "s").findings == ()
        return
    with pytest.raises(
        InputError, match=r"^s: found 2 acquisitions \(1, 2\) whose slices lie between each other's, exp"
    ):
        stacked(slices, "s")
    if gap == 0.5:
        (said,) = stacked(slices, "s", packages=True).findings
        assert said.endswith("whose slices lie between each other's: taken as one volume")
