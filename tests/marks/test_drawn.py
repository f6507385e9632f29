"""Named masks on their scan's voxels."""

import numpy as np
import pytest
import SimpleITK as sitk

from rprloc.errors import InputError
from rprloc.marks.drawn import Drawn, drawn_on
from tests.marks.written import NATIVE, SIZE


def test_masks_are_placed_and_what_is_empty_is_said() -> None:
    mask = np.zeros(SIZE[::-1], dtype=np.uint8)
    mask[2:5, 3:6, 4:8] = 1
    drawn = [Drawn("a", NATIVE.image(mask)[3:10, 2:9, 1:8]), Drawn("b", NATIVE.image(0 * mask))]
    label = drawn_on(drawn, NATIVE, structures=None, file="f", image_name="s")
    assert label.structures.keys() == {"a"} and label.findings == ("f: b is empty: left out",)
    assert label.image is not None
    np.testing.assert_array_equal(sitk.GetArrayFromImage(label.image), mask)
    with pytest.raises(InputError, match="f: found a, b, expected one of the settings' structures: c"):
        drawn_on(drawn, NATIVE, structures={"c": 1}, file="f", image_name="s")
    far = NATIVE.image(mask)
    far.SetOrigin([900.0, 0.0, 0.0])
    with pytest.raises(InputError, match=r"^f: a: "):
        drawn_on([Drawn("a", far)], NATIVE, structures=None, file="f", image_name="s")
