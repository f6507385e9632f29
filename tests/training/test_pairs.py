"""Pairs of a group: how many, which way round, and the errors measured on them."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from rprloc.training.pairs import all_pairs_mm, pair_error_mm, pair_loss


@pytest.mark.parametrize("groups,patches", [(1, 2), (6, 2), (3, 8), (2, 5)])
def test_m_patches_give_every_pair_once(groups: int, patches: int) -> None:
    centres = torch.rand(groups, patches, 3) * 100
    predicted, true = all_pairs_mm(torch.zeros(groups, patches, 3), centres, 300.0, network="coarse")
    assert predicted.shape == true.shape == (groups * patches * (patches - 1) // 2, 3)
    expected = torch.cat([
        torch.stack([c[j] - c[i] for i in range(patches) for j in range(i + 1, patches)]) for c in centres
    ])  # fmt: skip
    assert torch.equal(true, expected)


@pytest.mark.parametrize("network", ["coarse", "fine"])
def test_latents_that_know_their_place_predict_the_true_offsets(network: str) -> None:
    # With a very large r the offset law is a plain difference: prediction and truth have the same sign and order.
    centres = torch.rand(3, 6, 3, dtype=torch.float64) * 200
    predicted, true = all_pairs_mm(centres / 1e7, centres, 1e7, network=network)
    np.testing.assert_allclose(predicted, true, atol=1e-6)


def test_only_the_fine_network_leaves_pairs_beyond_r_out() -> None:
    centres = torch.tensor([[[0.0, 0, 0], [30, -30, 30], [30.1, 0, 0], [0, 0, 60]]])
    latents = torch.zeros(1, 4, 3)
    assert len(all_pairs_mm(latents, centres, 30.0, network="coarse")[1]) == 6
    predicted, true = all_pairs_mm(latents, centres, 30.0, network="fine")
    # The end of the range counts; 30.1 mm on one axis is too far.
    np.testing.assert_allclose(true, [[30, -30, 30], [0.1, 30, -30], [-30, 30, 30]], atol=1e-5)
    assert predicted.shape == true.shape


def test_loss_and_error_are_zero_for_the_truth_and_known_otherwise() -> None:
    true = torch.tensor([[3.0, 4.0, 0.0], [0.0, 0.0, 12.0]])
    assert pair_error_mm(true, true) == 0 and pair_loss(true, true, 30.0) == 0
    assert pair_error_mm(torch.zeros(2, 3), true) == pytest.approx(8.5)
    assert pair_loss(torch.zeros(2, 3), true, 10.0) == pytest.approx((25 + 144) / 6 / 100)


def test_the_loss_pulls_the_latents_towards_the_planted_shift() -> None:
    shift = torch.tensor([7.0, -7.0, 0.5])
    latents = torch.zeros(1, 2, 3, requires_grad=True)
    centres = torch.stack([torch.zeros(3), shift])[None]
    optimiser = torch.optim.Adam([latents], lr=0.05)
    for _ in range(150):
        optimiser.zero_grad()
        predicted, true = all_pairs_mm(latents, centres, 30.0, network="fine")
        pair_loss(predicted, true, 30.0).backward()
        optimiser.step()
    np.testing.assert_allclose(predicted[0].detach(), shift, atol=0.05)
    np.testing.assert_allclose((latents[0, 1] - latents[0, 0]).detach(), [math.atanh(s / 30) for s in shift], atol=0.01)
