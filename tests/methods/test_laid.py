"""A support laid over a query: every translation's cost, and the descent from one."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from rprloc.geometry import Affine
from rprloc.methods import laid
from rprloc.methods.laid import LEAST_SEEN, Places, Searched, Template, descended
from rprloc.methods.looks import Looks
from tests.methods.heads import LANDMARKS, REGION, WINDOW, head

SHIFT = np.array([16.0, -8.0, 24.0])
SUPPORT = Looks.of(head("s"), WINDOW, 8.0)
QUERY = Looks.of(head("q", lambda p: p - SHIFT), WINDOW, 8.0)
TEMPLATE = Template.of(SUPPORT, REGION / 2)


def test_the_least_cost_is_where_the_patient_went() -> None:
    searched = Searched(QUERY, max(TEMPLATE.kernel.shape[1:]))
    costs = searched.costs(TEMPLATE)
    index = [int(at) for at in np.unravel_index(int(costs.means.argmin()), costs.means.shape)]
    np.testing.assert_allclose(searched.shift_mm(index, TEMPLATE), SHIFT, atol=1e-3)
    assert float(costs.seen[tuple(index)]) == pytest.approx(1, abs=1e-3)
    assert bool(torch.isinf(costs.means[costs.seen < LEAST_SEEN]).all())


def test_a_cost_is_the_mean_square_that_it_stands_for() -> None:
    searched = Searched(QUERY, max(TEMPLATE.kernel.shape[1:]))
    costs = searched.costs(TEMPLATE)
    weights = TEMPLATE.kernel[-1]
    shape = TEMPLATE.kernel.shape[1:]
    first = SUPPORT.features.grid.nearest_voxel(TEMPLATE.origin_mm)
    inside = tuple(slice(int(at), int(at) + n) for at, n in zip(first, shape, strict=True))
    own = SUPPORT.features.values[:-1][(slice(None), *inside)]
    for at in ((2, 3, 1), (6, 5, 4)):
        part = tuple(slice(n, n + size) for n, size in zip(at, shape, strict=True))
        there = QUERY.features.values[:-1][(slice(None), *part)]
        direct = ((there - own).square().mean(dim=0) * weights).sum() / weights.sum()
        assert float(costs.means[at]) == pytest.approx(float(direct), rel=1e-3)


def test_a_template_without_body_is_the_whole_box() -> None:
    bare = Looks(head("b", structures=None), SUPPORT.features)
    bare.scan.body[:] = False
    assert bool((Template.of(bare, REGION / 2).kernel[-1] == 1).all())


def test_a_descent_finds_the_affine_transform_nearby_and_says_what_it_costs() -> None:
    true = Affine(np.diag([1.05, 0.96, 1.04]), SHIFT)
    query = Looks.of(head("q", lambda p: (p - SHIFT) / np.diag(true.matrix)), WINDOW, 6.0)
    generator = np.random.default_rng(1)
    places = Places.of(Looks.of(head("s"), WINDOW, 6.0).features, generator.uniform(*REGION, (500, 3)))
    starts = [Affine(np.eye(3), SHIFT + np.array(off)) for off in ((6.0, -5.0, 7.0), (0.0, 0.0, 90.0))]
    near, far = descended(places, query.features, starts)
    np.testing.assert_allclose(near.affine.carried(LANDMARKS), true.carried(LANDMARKS), atol=2.0)
    assert near.cost < far.cost and far.seen < near.seen <= 1


def test_values_move_as_by_torch_s_own_adam_at_a_rate_that_goes_to_zero() -> None:
    random = torch.Generator().manual_seed(1)
    start, pull = torch.randn(2, 5, 3, generator=random)
    own, theirs = laid._Moved(start.clone().requires_grad_(), 0.3), start.clone().requires_grad_()
    adam = torch.optim.Adam([theirs], lr=0.3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(adam, laid._STEPS)
    for number in range(laid._STEPS):
        own.step(torch.autograd.grad((own.values - pull).pow(4).sum(), own.values)[0], number)
        adam.zero_grad()
        (theirs - pull).pow(4).sum().backward()
        adam.step()
        schedule.step()
        torch.testing.assert_close(own.values, theirs, rtol=1e-4, atol=1e-5)
