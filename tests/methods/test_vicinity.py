"""What is read of part of a scan."""

from __future__ import annotations

import numpy as np
import torch

from rprloc.geometry import Grid
from rprloc.methods.vicinity import Vicinity

GRID = Grid((4, 5, 6), (1.0, 2.0, 3.0), (10.0, 20.0, 30.0))


def test_grey_values_lie_between_those_of_voxels_and_are_none_beyond_them() -> None:
    greys = torch.arange(6 * 5 * 4).reshape(6, 5, 4).float()
    seen = Vicinity.of(greys, GRID)
    assert seen.step_mm == 3.0
    points = np.array([[[10.0, 20, 30], [10.5, 20, 30]], [[13, 28, 45], [13.1, 28, 45]]])
    np.testing.assert_allclose(seen.grey(points), [[0, 0.5], [119, np.nan]])
