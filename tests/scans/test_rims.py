"""A label that was interpolated as if it were an image is told."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from rprloc.scans.rims import rims

VALUES = {"a": 1, "b": 2, "c": 4}


def label() -> np.ndarray:
    """Three structures, of which two touch, and a thin one."""
    values = np.zeros((24, 30, 30), dtype=np.uint16)
    values[4:16, 4:14, 4:14] = 1
    values[4:16, 14:24, 4:14] = 2
    values[6:18, 6:20, 18:28] = 4
    values[20, 4:20, 4:20] = 3
    return values


def test_a_drawn_label_is_not_told() -> None:
    assert rims(label(), VALUES) == ()
    assert rims(label() * 0, VALUES) == ()
    assert rims((label() > 0).astype(np.uint16), {"a": 1}) == ()


@pytest.mark.parametrize("factor", [0.8, 1.5])
def test_a_label_that_was_interpolated_is_told(factor: float) -> None:
    """Smoothed, or brought to another grid by linear interpolation, and rounded."""
    blurred = np.rint(ndimage.gaussian_filter(label().astype(float), factor)).astype(np.uint16)
    (said,) = rims(blurred, VALUES)
    assert said.endswith("are thin rims between lower and higher values, as of a label that was interpolated")
