"""The U-Net that networks for whole fields share: sizes of its levels, and what each of them sees."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from rprloc.networks.trunk import Trunk


def trunk(*widths: int, top: int = 0) -> Trunk:
    """Return an untrained trunk, always the same."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return Trunk(widths, top=top)


def noise(*size: int) -> torch.Tensor:
    """Return a field of noise, always the same."""
    return torch.rand(1, 1, *size, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("widths", [(4,), (4, 8), (3, 6, 10, 8)])
def test_each_level_is_half_as_fine_as_the_last_and_has_its_channels(widths: tuple[int, ...]) -> None:
    found = trunk(*widths)(noise(8, 16, 24))
    assert [tuple(level.shape) for level in found] == [
        (1, channels, 8 >> n, 16 >> n, 24 >> n) for n, channels in enumerate(widths)
    ]


@pytest.mark.parametrize(("widths", "reach"), [((4,), (-3, 3)), ((4, 8), (-9, 7)), ((4, 8, 8, 8), (-39, 31))])
def test_the_finest_level_sees_as_far_as_the_coarsest(widths: tuple[int, ...], reach: tuple[int, int]) -> None:
    net, field = trunk(*widths), noise(128, 8, 8)
    for module in net.modules():
        # Group norm sees everything.
        if isinstance(module, nn.Sequential) and isinstance(module[1], nn.GroupNorm):
            module[1] = nn.Identity()
    field.requires_grad_()
    net(field)[0][0, :, 64].sum().backward()
    assert field.grad is not None
    seen = torch.nonzero(field.grad[0, 0].flatten(1).any(dim=1))[:, 0] - 64
    assert (int(seen.min()), int(seen.max())) == reach


@pytest.mark.parametrize("top", [0, 1, 2])
def test_levels_begin_with_the_top_one_and_are_the_same_with_the_same_weights(top: int) -> None:
    whole, part, field = trunk(3, 6, 8, 4), trunk(3, 6, 8, 4, top=top), noise(8, 16, 24)
    # What works on the way up is numbered from the top level.
    up = ("across", "up", "merged")
    names = {name: name.split(".") for name in part.state_dict()}
    theirs = {
        name: ".".join([where, str(int(number) + top * (where in up)), *rest])
        for name, (where, number, *rest) in names.items()
    }
    weights = whole.state_dict()
    part.load_state_dict({name: weights[theirs[name]] for name in names})
    found = part(field)
    assert [tuple(level.shape[1:]) for level in found] == [(3, 8, 16, 24), (6, 4, 8, 12), (8, 2, 4, 6), (4, 1, 2, 3)][
        top:
    ]
    assert all(torch.equal(one, other) for one, other in zip(found, whole(field)[top:], strict=True))


@pytest.mark.parametrize("top", [0, 1, 2])
def test_every_weight_learns_from_the_finest_level(top: int) -> None:
    net = trunk(4, 8, 8, top=top)
    net(noise(8, 8, 8))[0].square().sum().backward()
    assert all(p.grad is not None and p.grad.any() for p in net.parameters())
