"""Where a query's seconds go."""

from __future__ import annotations

import pytest

from rprloc.methods.clock import Clock, Part


def test_parts_of_one_name_add_up_and_those_of_a_method_or_support_stand_apart(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    begun = iter(range(100))
    monkeypatch.setattr("time.perf_counter", lambda: next(begun))
    clock = Clock()
    for _ in range(2):
        with clock.part("search"):
            pass
    with clock.part("search", method="affine", support="s"):
        pass
    clock.add("coarse", 2.5, setting="extreme.k5.c1f0")
    assert clock.seconds == {
        Part("search"): 2, Part("search", "affine", "s"): 1, Part("coarse", setting="extreme.k5.c1f0"): 2.5,
    }  # fmt: skip
