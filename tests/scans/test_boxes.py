"""The box around each value of a label."""

import numpy as np

from rprloc.scans.boxes import boxes_of


def test_each_value_has_the_least_box_around_its_voxels() -> None:
    label = np.zeros((5, 6, 7), dtype=np.uint16)
    label[1, 2, 3] = label[3, 2, 5] = 4
    label[0, 5, 0] = 300
    boxes = boxes_of(label)
    assert list(boxes) == [4, 300]
    assert boxes[4] == (slice(1, 4), slice(2, 3), slice(3, 6)) and boxes[300] == (slice(0, 1), slice(5, 6), slice(0, 1))
    assert boxes_of(np.zeros((2, 2, 2), dtype=np.uint8)) == {}
