"""MIND-SSC features of the voxels around a head's structures at 3 mm, beside those of the method's authors' package."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from benchmarks.measurement import Measurement
from rprloc.methods.images import quietly
from rprloc.methods.mind import mind_ssc
from rprloc.networks.device import set_up_cpu

SHAPE, REPEATS = (60, 100, 120), 7


def measure() -> list[Measurement]:
    """Return our seconds on one thread, and how many times as long convexAdam takes; they take turns, medians."""
    set_up_cpu(1)
    with quietly():
        from convexAdam.convex_adam_utils import MINDSSC
    levels = torch.rand(SHAPE, generator=torch.Generator().manual_seed(1))
    ways: tuple[Callable[[], Tensor], ...] = (
        lambda: mind_ssc(levels),
        lambda: MINDSSC(levels[None, None], 1, 2, device="cpu"),
    )
    seconds: list[list[float]] = [[] for _ in ways]
    for _ in range(REPEATS):
        for taken, way in zip(seconds, ways, strict=True):
            began = time.perf_counter()
            way()
            taken.append(time.perf_counter() - began)
    ours, theirs = (float(np.median(taken)) for taken in seconds)
    return [
        Measurement("mind: seconds for 60 x 100 x 120 voxels, one thread", ours, "s"),
        Measurement("mind: convexAdam's seconds / ours", theirs / ours),
    ]
