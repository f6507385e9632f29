"""What `make bench` prints."""

from __future__ import annotations

import importlib

import pytest

from benchmarks.__main__ import NAMES, main
from benchmarks.measurement import Measurement, seconds_of


@pytest.mark.parametrize("value,goal,end", [(1.4, 1.5, "ok"), (1.5, 1.5, "ok"), (1.6, 1.5, "short")])
def test_a_line_has_name_value_goal_and_verdict(value: float, goal: float, end: str) -> None:
    words = Measurement("localization: seconds a scan", value, "s", goal).line().split()
    assert words[:4] == ["localization:", "seconds", "a", "scan"]
    assert words[4:] == [f"{value:g}", "s", "at", "most", "1.5", end]


def test_a_figure_without_a_goal_is_no_verdict() -> None:
    assert Measurement("a step", 0.25, "s").line().split() == ["a", "step", "0.25", "s"]


def test_the_first_call_only_warms_up() -> None:
    calls: list[int] = []
    assert seconds_of(lambda: calls.append(1), repeats=5) >= 0
    assert len(calls) == 6


def test_every_benchmark_can_be_called_and_others_are_refused() -> None:
    assert {"localization", "memory", "training"} <= set(NAMES)
    for name in NAMES:
        assert callable(importlib.import_module(f"benchmarks.{name}").measure)
    with pytest.raises(SystemExit, match="found nonsense, expected"):
        main(["nonsense"])
