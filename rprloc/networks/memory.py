"""The memory of a process that computes with tensors; without torch, which takes seconds to import."""

from __future__ import annotations

import ctypes
import sys

_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4
"""Names of malloc.h."""


def keep_memory() -> None:
    """Let the process keep the memory that tensors gave back.

    By default glibc returns every large block to the system and gets it anew, zeroed page by page: a third of a
    training's processor time (benchmarks/training.py). The process stays as large as it has ever been.
    """
    if sys.platform == "linux":
        library = ctypes.CDLL(None)
        # musl, another C library of Linux, has none.
        if hasattr(library, "mallopt"):
            library.mallopt(_M_MMAP_MAX, 0)
            library.mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)
