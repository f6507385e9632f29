"""Random turns and grey levels: what each of their numbers changes, and that nothing is mirrored."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from rprloc.training import augmentation, views
from rprloc.training.draws import Levels, Turns

SEEDS = st.integers(0, 10_000)
FIELD = torch.linspace(-0.2, 1.2, 24 * 25 * 26).view(1, 1, 24, 25, 26)
"""Levels from below 0 to above 1."""
MANY = range(400)


def of(seed: int) -> np.random.Generator:
    """Return a generator."""
    return np.random.default_rng(seed)


@given(SEEDS)
def test_without_changes_nothing_changes(seed: int) -> None:
    assert np.array_equal(Turns(angle=0.0, scale=0.0, stretch=0.0).draw(of(seed)), np.eye(3))
    found = Levels(gain=0.0, gamma=0.0, noise=0.0).other(FIELD, of(seed))
    assert torch.equal(found, FIELD.clamp(0, 1))


@given(SEEDS)
def test_a_turn_keeps_lengths_and_sides(seed: int) -> None:
    matrix = Turns(angle=0.5, scale=0.0, stretch=0.0).draw(of(seed))
    assert np.allclose(matrix @ matrix.T, np.eye(3)) and np.linalg.det(matrix) == pytest.approx(1)


@given(SEEDS)
def test_a_scale_is_that_of_all_axes_and_a_stretch_each_axis_own(seed: int) -> None:
    scale = Turns(angle=0.0, scale=0.3, stretch=0.0).draw(of(seed))
    assert np.allclose(scale, scale[0, 0] * np.eye(3)) and scale[0, 0] > 0
    stretch = Turns(angle=0.0, scale=0.0, stretch=0.3).draw(of(seed))
    assert np.array_equal(stretch, np.diag(np.diag(stretch))) and len(set(np.diag(stretch))) == 3


@given(SEEDS)
def test_nothing_is_mirrored(seed: int) -> None:
    for turns in (augmentation.TURNS, views.TURNS):
        assert np.linalg.det(turns.draw(of(seed))) > 0


def test_the_numbers_are_standard_deviations() -> None:
    logs = np.array([np.log(Turns(angle=0.0, scale=0.2, stretch=0.1).draw(of(seed)).diagonal()) for seed in MANY])
    assert logs.mean(axis=1).std() == pytest.approx(np.hypot(0.2, 0.1 / np.sqrt(3)), rel=0.1)
    assert logs.std(axis=1, ddof=1).mean() == pytest.approx(0.1 * np.sqrt(np.pi) / 2, rel=0.1)
    turned = [Turns(angle=0.05, scale=0.0, stretch=0.0).draw(of(seed)) for seed in MANY]
    small = np.array([[m[1, 0], m[2, 0], m[2, 1]] for m in turned])
    assert small.std(axis=0) == pytest.approx([0.05] * 3, rel=0.1)
    field = torch.full((1, 1, 2, 2, 2), 0.5)
    for name, per in (("gain", 1.0), ("gamma", np.log(2))):
        levels = Levels(**{"gain": 0.0, "gamma": 0.0, "noise": 0.0} | {name: 0.1})
        found = np.log([float(levels.other(field, of(seed)).mean()) / 0.5 for seed in MANY])
        assert found.std() == pytest.approx(0.1 * per, rel=0.1)


@given(SEEDS)
def test_other_levels_keep_their_order_and_air_stays_air(seed: int) -> None:
    found = Levels(gain=0.3, gamma=0.5, noise=0.0).other(FIELD, of(seed)).flatten()
    assert bool((found.diff() >= 0).all()) and float(found[0]) == 0


def test_noise_is_at_most_what_is_said_and_the_generator_s_own() -> None:
    levels = Levels(gain=0.0, gamma=0.0, noise=0.04)
    field = torch.full((1, 1, 24, 24, 24), 0.5)
    deviations = [float(levels.other(field, of(seed)).std()) for seed in range(20)]
    assert min(deviations) < 0.01 and 0.03 < max(deviations) < 0.0405
    assert torch.equal(levels.other(field, of(3)), levels.other(field, of(3)))
