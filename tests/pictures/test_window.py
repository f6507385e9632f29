"""Windows and bytes: CT by its units, MR by its own values."""

from __future__ import annotations

import numpy as np

from rprloc.pictures.window import CT_KNOTS, kept, knots_of, window_of
from rprloc.scans.volume import SOFT_TISSUE_HU

VALUES = np.arange(-100, 1001)


def test_the_window() -> None:
    assert window_of(VALUES, "ct") == SOFT_TISSUE_HU == window_of(VALUES * 0, "mr")
    low, high = window_of(VALUES, "mr")
    assert 5 < low < 15 and 985 < high < 995
    assert window_of(np.ones(9), "mr") == (1.0, 2.0)


def test_values_in_bytes_come_back_as_finely_as_is_said() -> None:
    at, grey = zip(*CT_KNOTS, strict=True)
    back = np.interp(kept(VALUES, CT_KNOTS), grey, at)
    assert np.abs(back - VALUES)[VALUES <= 300].max() <= 1.5 and np.abs(back - VALUES).max() <= 18.5
    assert kept(np.array([-3000, 5000]), CT_KNOTS).tolist() == [0, 255]
    knots = knots_of(VALUES, "mr")
    assert knots[0] == (-100.0, 0.0) and kept(VALUES, knots).max() == 255 and knots_of(VALUES, "ct") == CT_KNOTS
