"""Where a query's seconds go."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager


class Clock:
    """Seconds of each stage."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Add the block's time to a stage."""
        begin = time.perf_counter()
        yield
        torch = sys.modules.get("torch")  # which takes seconds to import, and not every method needs
        if torch is not None and torch.cuda.is_initialized():
            # A GPU is told what to do and still works: its time would count in the stage that asks for the result.
            torch.cuda.synchronize()
        self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - begin
