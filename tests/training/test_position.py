"""What the position networks learn: fixed pairs, steps that draw by themselves, offsets the right way round."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import msgspec
import numpy as np
import pytest
import torch

from rprloc.catalogue.rows import Length
from rprloc.training import position
from rprloc.training.data import TrainingScan
from rprloc.training.position import RelativePosition
from tests.training.scans import SETTINGS, scan

SCANS = [scan(seed) for seed in range(3)]


@pytest.fixture(autouse=True)
def few_validation_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the measuring short."""
    monkeypatch.setattr(position, "_VALIDATION_GROUPS", 4)


def objective(validation: Sequence[TrainingScan] = (), *, steps: int = 9) -> RelativePosition:
    """Return what is learned."""
    length = Length(steps, groups=2, patches=4)
    return RelativePosition(SCANS, validation, SETTINGS, length, seed=1, device=torch.device("cpu"))


def test_mistake_12_the_validation_pairs_are_drawn_once_and_do_not_depend_on_the_training() -> None:
    validation = [scan(10), scan(11)]
    expected = position._fixed_groups(validation, SETTINGS, 1)
    assert len(expected) == position._VALIDATION_GROUPS
    assert {group[0].subject for group in expected} == {"s10", "s11"}
    np.random.default_rng(0).random(100)
    for one, two in zip(expected, position._fixed_groups(validation, SETTINGS, 1), strict=True):
        assert one[0] is two[0]
        np.testing.assert_array_equal(one[1], two[1])
    # A scan's pairs do not depend on the others or on their order.
    turned = position._fixed_groups(validation[::-1], SETTINGS, 1)
    np.testing.assert_array_equal(expected[0][1], turned[len(turned) // 2][1])
    other = position._fixed_groups(validation, SETTINGS, 2)
    assert any((one[1] != two[1]).any() for one, two in zip(expected, other, strict=True))


def test_mistake_12_the_validation_error_is_that_of_the_fixed_pairs() -> None:
    validation = [scan(10)]
    asked = objective(validation)
    fixed = [position._cropped(position._fixed_groups(validation, SETTINGS, 1), SETTINGS)]
    assert asked.validation_error() == position._validation_error_mm(asked.network, fixed, SETTINGS)


def test_mistake_12_every_step_draws_from_a_stream_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[Any] = []
    original = position._draw_groups

    def spy(*arguments: Any) -> Any:
        groups = original(*arguments)
        drawn.append([(one.subject, centres.tolist()) for one, centres in groups])
        return groups

    monkeypatch.setattr(position, "_draw_groups", spy)
    for step in range(4):
        objective().loss(step)
    first, drawn[:] = list(drawn), []
    assert len({str(step) for step in first}) == 4
    # The validation and the length of the training have no say in what a step draws.
    for step in range(2):
        objective([scan(10)], steps=5).loss(step)
    assert drawn == first[:2]
    # Each group of a step is drawn anew.
    assert all(groups[0] != groups[1] for groups in first)


def test_very_many_scans_are_measured_on_a_few_of_them() -> None:
    many = [replace(SCANS[0], subject=f"s{number}") for number in range(4 * position._VALIDATION_GROUPS)]
    measured = [group[0].subject for group in position._fixed_groups(many, SETTINGS, 1)]
    assert measured == [f"s{number}" for number in range(0, len(many), 4)]


def test_mistake_12_offsets_are_true_in_x_y_z_order_on_anisotropic_spacing() -> None:
    assert SETTINGS.spacing == (3.0, 2.0, 2.0)
    settings = msgspec.structs.replace(SETTINGS, spacing=(3.0, 2.0, 1.0))
    centres = np.array([[4, 5, 6], [5, 7, 11]])
    _, true = position._offsets_mm(objective().network, position._cropped([(SCANS[0], centres)], settings), settings)
    np.testing.assert_array_equal(true, [[5 * 1.0, 2 * 2.0, 1 * 3.0]])
