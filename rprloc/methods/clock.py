"""Where a query's seconds go."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple


class Part(NamedTuple):
    """Work that some predictions share: those of a method, of a support and of a setting, of all where it is empty."""

    name: str
    method: str = ""
    support: str = ""
    setting: str = ""


class Clock:
    """Seconds of each part of the work on a query."""

    def __init__(self) -> None:
        self.seconds: dict[Part, float] = {}

    @contextmanager
    def part(self, name: str, *, method: str = "", support: str = "") -> Iterator[None]:
        """Add the block's time to a part."""
        begin = time.perf_counter()
        yield
        torch = sys.modules.get("torch")  # which takes seconds to import, and not every method needs
        if torch is not None and torch.cuda.is_initialized():
            # A GPU is told what to do and still works: its time would count in the part that asks for the result.
            torch.cuda.synchronize()
        self.add(name, time.perf_counter() - begin, method=method, support=support)

    def add(self, name: str, seconds: float, *, method: str = "", support: str = "", setting: str = "") -> None:
        """Add seconds that were counted elsewhere to a part."""
        part = Part(name, method, support, setting)
        self.seconds[part] = self.seconds.get(part, 0.0) + seconds
