"""One measured figure beside its goal."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Measurement:
    """A figure, its unit and the most that it may be (None: for information)."""

    name: str
    value: float
    unit: str = ""
    goal: float | None = None

    def line(self) -> str:
        """Return the figure as `make bench` prints it: name, value, goal, ok or short."""
        if self.goal is None:
            return f"{self.name:<66} {self.value:>10.3g} {self.unit}"
        verdict = "ok" if self.value <= self.goal else "short"
        return f"{self.name:<66} {self.value:>10.3g} {self.unit:<5} at most {self.goal:g}  {verdict}"


def seconds_of(work: Callable[[], object], *, repeats: int = 3) -> float:
    """Return the median seconds of a call, after one that warms up."""
    work()
    taken = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        taken.append(time.perf_counter() - start)
    return statistics.median(taken)
