"""A query that is longer along one axis than its supports is doubted, whatever its size."""

from __future__ import annotations

import re

import numpy as np
import pytest

from rprloc.geometry import Affine, FloatArray
from rprloc.methods.answer import Found, Key
from rprloc.methods.carry import Matching
from rprloc.methods.stretched import stretched
from tests.methods.patients import patient

SUPPORTS = {"a": patient("a"), "b": patient("b", shift_mm=np.array([5.0, 0, 0]))}


def answers(times: FloatArray | list[float], *, laid: bool = True) -> dict[Key, Found]:
    """What two supports say that are laid on a query so many times (x, y, z) as long."""
    found: dict[Key, Found] = {}
    for name, scan in SUPPORTS.items():
        start = Affine(np.diag(times), np.array([3.0, 4.0, 5.0]))
        carry = Matching(start, np.zeros((0, 3)), np.zeros((0, 3))) if laid else None
        for structure, about in scan.structures.items():
            points = start.carried(about.extreme_mm)
            found[Key("matched", "main", name, structure)] = Found(points_mm=points, half_voxel_mm=None, carry=carry)
    return found


@pytest.mark.parametrize(
    ("times", "axis"),
    [
        ([1.0, 1.0, 2.0], "from feet to head"), ([1.0, 0.4, 1.0], "from front to back"),
        ([2.0, 1.0, 1.0], "from left to right"),
    ],
)  # fmt: skip
def test_one_axis_that_is_longer_or_shorter_is_named(times: list[float], axis: str) -> None:
    """Few points near each other say less than they show: they draw the affine transform towards a translation."""
    said = stretched(SUPPORTS, answers(times)) or ""
    found = re.fullmatch(rf"by its looks it is ([0-9.]+) times as long {axis} as the supports: answered as .*", said)
    assert found and (1.4 <= float(found[1]) <= 2 if max(times) > 1 else 0.4 <= float(found[1]) <= 0.7)


def test_a_larger_patient_and_one_a_little_longer_are_ordinary() -> None:
    assert stretched(SUPPORTS, answers([1.6, 1.6, 1.6])) is None
    assert stretched(SUPPORTS, answers([1.0, 1.0, 1.25])) is None


def test_where_no_support_is_laid_on_the_query_nothing_is_told() -> None:
    assert stretched(SUPPORTS, answers([1.0, 1.0, 2.0], laid=False)) is None
    assert stretched({}, answers([1.0, 1.0, 2.0])) is None
    assert stretched(SUPPORTS, {}) is None
