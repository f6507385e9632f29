"""A label on its scan's voxels: exactly where it is the same lattice, else by the nearest voxel, else not at all."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk

from rprloc.errors import InputError
from rprloc.scans.lattice import placed_on
from rprloc.scans.record import Native
from tests.scans.images import ORIENTATIONS, image_of, oriented

SPACING, ORIGIN = (2.0, 2.0, 3.0), (-31.0, 17.5, -204.0)
STRAIGHT = np.eye(3)
ANGLE = np.radians(20)
TURNED = np.array([[np.cos(ANGLE), -np.sin(ANGLE), 0], [np.sin(ANGLE), np.cos(ANGLE), 0], [0, 0, 1]])
VALUES = np.zeros((6, 9, 9), dtype=np.uint8)
"""Square slices, of which a corner of each axis is drawn."""
VALUES[1:4, 2:5, 3:7] = np.arange(1, 37).reshape(3, 3, 4)


def label(direction: Any = STRAIGHT) -> sitk.Image:
    return image_of(VALUES, SPACING, ORIGIN, direction)


def placed(other: sitk.Image, direction: Any = STRAIGHT) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return another label's values on the voxels of `label`."""
    native = Native.of(label(direction))
    found, said = placed_on(native, other, image_name="scan.nii", name="label.nii")
    assert Native.of(found) == native
    return sitk.GetArrayFromImage(found), said


@pytest.mark.parametrize("direction", [np.eye(3), TURNED], ids=["straight", "turned"])
@pytest.mark.parametrize("way", ORIENTATIONS)
def test_another_order_of_the_same_voxels_is_the_same_label(way: Any, direction: Any) -> None:
    values, said = placed(oriented(label(direction), *way), direction)
    np.testing.assert_array_equal(values, VALUES)
    assert said == ()


@pytest.mark.parametrize("way", ORIENTATIONS[::5])
def test_a_part_in_any_order_is_filled_with_zeros(way: Any) -> None:
    values, said = placed(oriented(label()[3:8, 1:6, 1:5], *way))
    np.testing.assert_array_equal(values, VALUES)
    assert said == ()


def ball() -> np.ndarray:
    """Return two values: a ball and, behind it, what hardly touches any end of the ball's box."""
    z, y, x = np.indices((20, 20, 20)) - 9.5
    values = (z**2 + y**2 + x**2 < 36).astype(np.uint8)
    values[2:4, 9:11, 9:11] = 5
    return values


@pytest.mark.parametrize("way", ORIENTATIONS[::7])
def test_what_the_labels_own_edge_cuts_within_the_scan_is_said(way: Any) -> None:
    image = image_of(ball(), SPACING, ORIGIN)
    native = Native.of(image)

    def said(part: sitk.Image, **how: bool) -> tuple[str, ...]:
        return placed_on(native, oriented(part, *way), image_name="s", name="l", **how)[1]

    sentence = "what is drawn as 1 ends flat at the edge of the label's own field, which lies in the scan"
    assert said(image[:, :, :12], whole=True) == said(image[:, 8:, :], whole=True) == (sentence,)
    assert said(image[:, :, :12]) == said(image, whole=True) == ()
    # With room around it, ending where the ball does, and cropped to all that is drawn.
    assert said(image[2:18, 2:18, 1:18], whole=True) == said(image[:, :, :16], whole=True) == ()
    assert said(image[4:16, 4:16, 4:16] * 1, whole=True) == ()


def test_what_is_drawn_outside_the_scan_is_cut_and_said() -> None:
    larger = sitk.ConstantPad(label(), (2, 0, 0), (0, 0, 3), 7)
    values, said = placed(larger)
    np.testing.assert_array_equal(values, VALUES)
    assert said == (f"{11 * 9 * 9 - 9 * 9 * 6:,} drawn voxels lie outside the scan: cut off",)


@pytest.mark.parametrize("spacing", [(1.5, 1.5, 3.0), (2.0, 2.0, 2.0), (3.0, 3.0, 4.0)])
def test_another_grid_over_the_same_place_is_resampled_and_both_are_named(spacing: Any) -> None:
    size = np.ceil(np.array(SPACING) * label().GetSize() / spacing).astype(int)
    origin = np.array(ORIGIN) - np.array(SPACING) / 2 + np.array(spacing) / 2
    moved = sitk.Resample(label(), size.tolist(), sitk.Transform(), sitk.sitkNearestNeighbor, origin.tolist(), spacing)
    values, (said,) = placed(moved)
    assert (values > 0).any() and abs(int((values > 0).sum()) - 36) <= 20
    assert "than that of scan.nii, 9 x 9 x 6 voxels of 2 x 2 x 3 mm: resampled by nearest neighbour" in said
    assert f"another grid, {size[0]} x {size[1]} x {size[2]} voxels of" in said


@pytest.mark.parametrize(
    ("other", "found"),
    [
        (image_of(VALUES, SPACING, np.add(ORIGIN, (2, 0, 0))), "lie 2.0 mm away from those of scan.nii"),
        (image_of(VALUES, SPACING, np.add(ORIGIN, (0, 1, 0))), "lie 1.0 mm away from those of scan.nii"),
        (image_of(VALUES, SPACING, np.add(ORIGIN, (0, 500, 0))), "lie 500.0 mm away from those of scan.nii"),
        (image_of(VALUES[:3], SPACING, np.add(ORIGIN, (0, 500, 0))), "all that is drawn lies outside the scan"),
        (image_of(VALUES, (0.9, 0.9, 3.0), ORIGIN), "found a grid of 9 x 9 x 6 voxels of 0.9 x 0.9 x 3 mm, expected"),
        (image_of(VALUES, (2.1, 2.1, 3.0), np.add(ORIGIN, (0, 90, 0))), "its field lies up to 90"),
    ],
)
def test_a_label_of_another_place_or_of_much_larger_voxels_is_refused(other: sitk.Image, found: str) -> None:
    with pytest.raises(InputError) as caught:
        placed(other)
    assert str(caught.value).startswith("label.nii: ") and found in str(caught.value)
