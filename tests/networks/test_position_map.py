"""The position map: latents of every voxel, and the part of a scan that it is shown."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from rprloc.networks.checkpoint import new_network
from rprloc.networks.field import field_of
from rprloc.networks.position_map import UNIT_MM, PositionMap, body_field
from rprloc.networks.settings import MapSettings

WINDOW = ((-1000.0, 0.0), (1000.0, 1.0))
SHAPE = (12, 14, 16)


def settings(spacing: tuple[float, float, float] = (4.0, 4.0, 4.0)) -> MapSettings:
    """Return the settings of a position map for CT."""
    return MapSettings(network="position_map", modality="ct", spacing=spacing, window=WINDOW, width=4)


def network(seed: int = 0) -> Any:
    """Return an untrained network."""
    return new_network(settings(), seed=seed)


def noise(*size: int) -> torch.Tensor:
    """Return fields of noise, always the same."""
    return torch.rand(*size, generator=torch.Generator().manual_seed(1))


def values_of(shape: tuple[int, ...] = SHAPE) -> torch.Tensor:
    """Return random grey values (z, y, x), always the same."""
    return torch.randint(-900, 900, shape, generator=torch.Generator().manual_seed(2), dtype=torch.int16)


def block(low: Any, high: Any, shape: tuple[int, ...] = SHAPE) -> torch.Tensor:
    """Return a body that is a block, from `low` to before `high`."""
    body = torch.zeros(shape, dtype=torch.bool)
    body[tuple(slice(a, b) for a, b in zip(low, high, strict=True))] = True
    return body


@pytest.mark.parametrize("size", [(24, 24, 24), (24, 32, 40)])
def test_every_voxel_of_a_field_has_its_latent(size: tuple[int, int, int]) -> None:
    latents = network()(noise(2, 1, *size))
    assert latents.shape == (2, 3, *size) and latents.dtype == torch.float32


def test_latents_are_the_sum_of_two_levels_in_units_of_a_body() -> None:
    net = network()
    with torch.no_grad():
        for layer, bias in ((net.coarse, (0.1, 0.2, 0.3)), (net.fine, (0.01, 0.02, 0.03))):
            layer.weight.zero_()
            layer.bias.copy_(torch.tensor(bias))
    latents = net(noise(1, 1, 24, 24, 24))
    assert torch.allclose(latents, UNIT_MM * torch.tensor([0.11, 0.22, 0.33]).view(1, 3, 1, 1, 1).expand_as(latents))


def test_gradients_are_finite_and_right_under_bfloat16_on_the_smallest_field() -> None:
    net, gradients = network(), []
    for bfloat16 in (True, False):
        net.zero_grad()
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bfloat16):
            latents = net(noise(1, 1, 24, 24, 24))
        assert latents.dtype == torch.float32
        latents.square().mean().backward()
        assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in net.parameters())
        gradients.append(torch.cat([p.grad.flatten() for p in net.parameters()]))
    assert torch.nn.functional.cosine_similarity(*gradients, dim=0) > 0.9


def test_a_width_that_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="width is 6, expected a multiple of 4"):
        PositionMap(width=6)


@pytest.mark.parametrize("spacing", [(4.0, 4.0, 4.0), (6.0, 6.0, 6.0)])
def test_a_coarse_scan_is_a_field_as_it_is(spacing: tuple[float, float, float]) -> None:
    values, body = values_of(), block((1, 2, 3), (5, 6, 7))
    levels, inside = body_field(values, body, settings(spacing))
    assert torch.equal(levels, field_of(values, settings(spacing)))
    assert torch.equal(inside, body)


def test_fine_voxels_are_averaged_and_belong_where_their_middle_does() -> None:
    # 3 x 1 x 1 mm: one plane and 4 x 4 pixels are a voxel of the field.
    values, body = values_of((12, 40, 48)), block((3, 10, 13), (9, 28, 31), (12, 40, 48))
    levels, inside = body_field(values, body, settings((3.0, 1.0, 1.0)))
    assert levels.shape == inside.shape == (12, 10, 12)
    mean = (values[2, 4:8, 8:12].float() + 1000).mean() / 2000
    assert float(levels[2, 1, 2]) == pytest.approx(float(mean), abs=1e-5)
    # Pixel 2 of 4 is the middle: 2, 6, ... of which the body has 10 to 26 in y and 14 to 30 in x.
    assert torch.equal(inside, block((3, 2, 3), (9, 7, 8), (12, 10, 12)))


def test_a_voxel_that_reaches_beyond_the_scan_counts_by_the_last_of_its_pixels() -> None:
    levels, inside = body_field(values_of((3, 9, 9)), block((0, 0, 0), (3, 9, 9), (3, 9, 9)), settings((4.0, 1.0, 1.0)))
    assert levels.shape == (3, 3, 3) and bool(inside.all())


def test_without_a_body_no_voxel_belongs_to_it() -> None:
    assert not body_field(values_of(), torch.zeros(SHAPE, dtype=torch.bool), settings())[1].any()
