"""The two devices that the tests of the GPU compare, and why there may be only one."""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np
import pytest
import torch

from rprloc.methods.answer import Prediction
from rprloc.networks.device import device_of
from tests.methods.fakes import facts, points_of

CPU = torch.device("cpu")
_NAME = os.environ.get("RPRLOC_TEST_GPU", "cuda")
"""`cpu` compares the CPU with itself, to try these tests where there is no GPU."""
_MISSING = _NAME == "cuda" and not torch.cuda.is_available()
GPU = torch.device(_NAME) if _MISSING else device_of(_NAME)

needs_gpu = pytest.mark.skipif(_MISSING, reason="found no GPU that torch can use, expected one")


def need_monai() -> None:
    """Skip the test where MONAI is missing, which not every machine with a GPU has."""
    pytest.importorskip("rprloc.training.detection", reason="found no MONAI, expected it")


def compare(found: Sequence[Prediction], expected: Sequence[Prediction], *, apart_mm: float) -> None:
    """Require rows that say the same but for points that lie at most `apart_mm` apart, what follows from them, and what
    computed them.
    """
    numbers = ("points_mm", "box_mm", "spread_mm", "confidence", "device")
    for rows in zip(found, expected, strict=True):
        one, two = ({key: value for key, value in facts(row).items() if key not in numbers} for row in rows)
        assert one == two
        if not rows[0].failed:
            apart = float(np.abs(points_of(rows[0]) - points_of(rows[1])).max())
            print(f"{one['method']}, {one['structure']} from {one['support']}: points at most {apart:.2g} mm apart")
            assert apart <= apart_mm
