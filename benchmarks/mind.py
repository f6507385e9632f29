"""How long MIND-SSC features take, beside the package of the method's authors: `python -m benchmarks.mind`."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from rprloc.methods.images import quietly
from rprloc.methods.mind import mind_ssc
from rprloc.networks.device import set_up_cpu

SHAPE, REPEATS = (60, 100, 120), 7
"""The voxels around a head's structures at 3 mm."""


def main() -> None:
    """Print both times, on one thread, and their ratio; they take turns."""
    set_up_cpu(1)
    with quietly():
        from convexAdam.convex_adam_utils import MINDSSC
    levels = torch.rand(SHAPE, generator=torch.Generator().manual_seed(1))
    ways: dict[str, Callable[[], Tensor]] = {
        "rprloc": lambda: mind_ssc(levels),
        "convexAdam": lambda: MINDSSC(levels[None, None], 1, 2, device="cpu"),
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(REPEATS):
        for name, way in ways.items():
            began = time.perf_counter()
            way()
            seconds[name].append(time.perf_counter() - began)
    ours, theirs = (float(np.median(some)) for some in seconds.values())
    print(f"{SHAPE} voxels: {ours:.3f} s, convexAdam {theirs:.3f} s, {theirs / ours:.1f} times as long")


if __name__ == "__main__":
    main()
