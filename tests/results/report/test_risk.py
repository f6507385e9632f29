"""Risk-coverage curves: the mean over structures, and the picture."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest

from rprloc.results.report.risk import SHARES, draw_risks, mean_risk


def test_curves_of_structures_of_other_sizes_are_averaged_at_the_same_shares() -> None:
    rising, single = np.linspace(0.1, 1, 10), np.array([0.5])
    assert mean_risk([rising]) == pytest.approx(np.maximum(SHARES, 0.1))
    assert mean_risk([rising, single]) == pytest.approx((np.maximum(SHARES, 0.1) + 0.5) / 2)


def test_the_picture(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        draw_risks(tmp_path / "a.png", {"each alone": [np.array([0.2, 0.3])], "all together": [np.array([0.1])]})
    assert (tmp_path / "a.png").stat().st_size > 2000
