"""Retina U-Net: what the network gives, before training and under bfloat16."""

from __future__ import annotations

import pytest
import torch

from rprloc.networks.retina_unet import RetinaNetwork


def network(structures: int = 2, anchors: int = 2) -> RetinaNetwork:
    """Return an untrained network, always the same."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return RetinaNetwork(structures, anchors, width=4)


def noise(*size: int) -> torch.Tensor:
    """Return a field of noise, always the same."""
    return torch.rand(1, 1, *size, generator=torch.Generator().manual_seed(1))


def test_the_maps_have_the_sizes_that_the_detector_expects() -> None:
    net = network(structures=3)
    found = net(noise(24, 32, 40))
    assert [tuple(level.shape) for level in found[net.cls_key]] == [(1, 6, 12, 16, 20), (1, 6, 6, 8, 10)]
    assert [tuple(level.shape) for level in found[net.box_reg_key]] == [(1, 12, 12, 16, 20), (1, 12, 6, 8, 10)]
    assert found["segmentation"].shape == (1, 3, 24, 32, 40)


def test_a_new_network_finds_nothing_anywhere() -> None:
    net = network()
    scores = torch.cat([level.flatten() for level in net(noise(24, 24, 24))[net.cls_key]]).sigmoid()
    assert scores.min() > 0.001 and scores.max() < 0.05


def test_gradients_are_finite_and_right_under_bfloat16() -> None:
    net, gradients = network(), []
    for bfloat16 in (bool(torch.cpu.get_capabilities().get("avx512_bf16", False)), False):
        net.zero_grad()
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bfloat16):
            found = net(noise(24, 24, 24))
        assert found["segmentation"].dtype == torch.float32
        sum(level.sigmoid().sum() for key in found for level in found[key]).backward()  # type: ignore[union-attr]
        gradients.append(torch.cat([p.grad.flatten() for p in net.parameters() if p.grad is not None]))
    assert all(torch.isfinite(gradient).all() for gradient in gradients)
    assert torch.nn.functional.cosine_similarity(*gradients, dim=0) > 0.9


@pytest.mark.parametrize("wrong", [{"width": 6}, {"structures": 0}, {"anchors": 0}])
def test_a_network_that_cannot_be_is_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="expected"):
        RetinaNetwork(**{"structures": 1, "anchors": 1, "width": 4} | wrong)
