"""The patch network: shapes, finite numbers everywhere, and what must be in it."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import nn

from rprloc.networks.pnet import CONVOLUTIONS, Pnet, ResidualBlock, _block_output

HAS_BFLOAT16 = bool(torch.cpu.get_capabilities().get("avx512_bf16", False))
"""Elsewhere the same is tested in float32."""

SIZES = [
    (16, 64, 64),
    (48, 48, 48),
    (16, 16, 16),
    (4, 4, 4),
    (4, 16, 16),
    (5, 9, 7),
    (17, 23, 33),
    (1, 8, 8),
    (3, 3, 3),
]


def network(size: tuple[int, int, int], convolution: str, width: int = 4) -> Pnet:
    """Return an untrained network, always the same."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return Pnet(size, width=width, convolution=convolution)


def noise(*shape: int) -> torch.Tensor:
    """Return windowed noise, always the same."""
    return torch.rand(*shape, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("convolution", CONVOLUTIONS)
@pytest.mark.parametrize("size", SIZES)
def test_any_patch_gives_three_finite_numbers(size: tuple[int, int, int], convolution: str) -> None:
    found = network(size, convolution)(noise(2, *size))
    assert found.shape == (2, 3) and found.dtype == torch.float32
    assert torch.isfinite(found).all()
    assert not torch.equal(found[0], found[1])


@pytest.mark.parametrize("convolution", CONVOLUTIONS)
@pytest.mark.parametrize("depth", [1, 2, 3])
def test_gradients_of_flat_blocks_are_right_under_bfloat16(convolution: str, depth: int) -> None:
    """oneDNN's bfloat16 weight gradient at a depth of 2 reads memory that nobody wrote: `_block_output` avoids it."""
    torch.manual_seed(0)
    block = ResidualBlock(32, 64, convolution)
    for _ in range(4):
        x, gradients = torch.rand(12, 32, depth, 2, 2), []
        for bfloat16 in (HAS_BFLOAT16, False):
            block.zero_grad()
            with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bfloat16):
                _block_output(block, x).float().square().sum().backward()
            gradients.append(torch.cat([p.grad.flatten() for p in block.parameters() if p.grad is not None]))
        found, expected = gradients
        assert torch.isfinite(found).all()
        # Eight bits of mantissa: the direction agrees, unless something reads what nobody wrote.
        assert nn.functional.cosine_similarity(found, expected, dim=0) > 0.9


def test_gradients_of_a_whole_network_are_finite_under_bfloat16() -> None:
    # Sixteen slices are two in the deep blocks, in the shape of the demo.
    net = network((16, 8, 8), "in_plane", 8)
    for _ in range(3):
        net.zero_grad()
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=HAS_BFLOAT16):
            net(torch.rand(12, 16, 8, 8)).square().sum().backward()
        assert all(torch.isfinite(p.grad).all() for p in net.parameters() if p.grad is not None)


def test_the_latent_is_computed_in_float32_also_under_autocast() -> None:
    net = network((8, 8, 8), "isotropic")
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = net(noise(64, 8, 8, 8))
    assert found.dtype == torch.float32
    # Numbers of 8 bits would repeat or at least be whole in bfloat16.
    assert not torch.equal(found, found.bfloat16().float())


@pytest.mark.parametrize("convolution", CONVOLUTIONS)
def test_mistake_13_the_head_is_not_linear(convolution: str) -> None:
    net = network((8, 8, 8), convolution)
    kinds = [type(layer) for layer in net.head]
    assert kinds == [nn.Linear, nn.ReLU, nn.Linear, nn.ReLU, nn.Linear]
    features = net.head[0].in_features
    a, b = noise(1, features) * 3, noise(2, features)[1:] * 3
    # A linear map takes the middle of two inputs to the middle of their outputs.
    middle, of_outputs = net.head((a + b) / 2), (net.head(a) + net.head(b)) / 2
    assert (middle - of_outputs).abs().max() > 1e-4


@pytest.mark.parametrize("convolution", CONVOLUTIONS)
@pytest.mark.parametrize("level", [0.0, 0.5, 1.0])
def test_mistake_13_constant_patches_give_finite_latents_and_gradients(convolution: str, level: float) -> None:
    net = network((16, 16, 16), convolution)
    patches = torch.full((3, 16, 16, 16), level)
    patches[1] += 1e-6 * noise(16, 16, 16)
    found = net(patches)
    found.sum().backward()
    assert torch.isfinite(found).all()
    assert all(torch.isfinite(p.grad).all() for p in net.parameters() if p.grad is not None)
    # Noise of a millionth is not blown up to a position.
    assert (found[0] - found[1]).abs().max() < 1e-2


def test_norms_are_over_groups_of_channels() -> None:
    net = network((8, 8, 8), "isotropic")
    norms = [module for module in net.modules() if isinstance(module, nn.GroupNorm)]
    assert len(norms) == 10
    assert all(norm.num_groups < norm.num_channels or norm.num_channels == 8 for norm in norms)
    assert not any(isinstance(m, (nn.InstanceNorm3d, nn.BatchNorm3d)) for m in net.modules())


def test_the_papers_network_has_the_papers_shape() -> None:
    net = Pnet((16, 64, 64), width=16, convolution="in_plane")
    assert [block.convolutions[1].out_channels for block in net.blocks] == [32, 32, 64, 128, 64]
    assert [tuple(conv.kernel_size) for conv in net.blocks[0].convolutions] == [(1, 3, 3), (3, 1, 1)]
    assert net.pools == [(2, 2, 2)] * 3 + [(1, 1, 1)] * 2
    assert [layer.out_features for layer in net.head if isinstance(layer, nn.Linear)] == [128, 64, 3]
    cube = Pnet((48, 48, 48), width=24, convolution="isotropic")
    assert [block.convolutions[1].out_channels for block in cube.blocks] == [48, 48, 96, 192, 96]
    assert {tuple(conv.kernel_size) for block in cube.blocks for conv in block.convolutions} == {(3, 3, 3)}


def test_thin_axes_are_pooled_no_further() -> None:
    net = network((4, 16, 2), "in_plane")
    assert net.pools == [(2, 2, 1), (1, 2, 1), (1, 2, 1), (1, 1, 1), (1, 1, 1)]


def test_each_patch_is_projected_by_itself() -> None:
    net = network((8, 8, 8), "isotropic").eval()
    patches = noise(5, 8, 8, 8)
    with torch.inference_mode():
        together = net(patches)
        alone = torch.cat([net(patch[None]) for patch in patches])
    assert (together - alone).abs().max() < 1e-5


@pytest.mark.parametrize("wrong", [{"width": 6}, {"convolution": "round"}])
def test_a_shape_that_cannot_be_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="expected"):
        Pnet((8, 8, 8), **{"width": 4, "convolution": "isotropic"} | wrong)


def test_a_new_network_distinguishes_positions_little_and_does_not_saturate() -> None:
    # Latents that start far from zero would sit where tanh has no slope.
    found = network((16, 16, 16), "isotropic", 16)(noise(8, 16, 16, 16))
    assert found.abs().max() < math.atanh(0.9)
