"""The boxes around a mask and around each value of a label."""

import numpy as np

from rprloc.scans.boxes import LabelVoxels, box_of


def test_each_value_has_the_least_box_around_its_voxels() -> None:
    label = np.zeros((5, 6, 7), dtype=np.uint16)
    label[1, 2, 3] = label[3, 2, 5] = 4
    label[0, 5, 0] = 300
    voxels = LabelVoxels(label)
    boxes = voxels.boxes
    assert list(boxes) == [4, 300]
    assert boxes[4] == (slice(1, 4), slice(2, 3), slice(3, 6)) and boxes[300] == (slice(0, 1), slice(5, 6), slice(0, 1))
    assert voxels.inside(4).shape == (3, 1, 3) and voxels.inside(4).sum() == 2
    assert LabelVoxels(np.zeros((2, 2, 2), dtype=np.uint8)).boxes == {}


def test_the_box_of_a_mask_holds_all_of_it() -> None:
    mask = np.zeros((6, 7, 8), dtype=bool)
    assert box_of(mask) is None
    mask[1, 2, 3] = mask[4, 2, 7] = True
    assert box_of(mask) == (slice(1, 5), slice(2, 3), slice(3, 8))
