"""Landmark votes: where the cells' votes come out, how far they are apart, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from rprloc.networks.checkpoint import new_network
from rprloc.networks.settings import VotesSettings
from rprloc.networks.votes import Votes

SETTINGS = VotesSettings(
    network="student",
    modality="ct",
    spacing=(6.0, 6.0, 6.0),
    window=((-1000.0, 0.0), (1000.0, 1.0)),
    width=4,
    matching_spacing=(3.0, 3.0, 3.0),
    structures=("heart", "liver"),
    size=(24, 24, 32),
    middle_latent_mm=(1.0, 2.0, 3.0),
    position_map="0f1f",
    half_voxel_mm={"heart": (0.5, 0.5, 1.5), "liver": (0.5, 0.5, 1.5)},
)


class Blocks(nn.Module):
    """In the trunk's place: the feature of a cell is the mean of its block of 2 x 2 x 2 voxels."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self._channels = channels

    def forward(self, crops: Tensor) -> list[Tensor]:
        """Return the features (B, channels, D / 2, H / 2, W / 2) of the one level that is used."""
        return [nn.functional.avg_pool3d(crops, 2).expand(-1, self._channels, -1, -1, -1)]


def by_hand(way: tuple[float, float, float] = (0.0, 0.0, 0.0)) -> Any:
    """Return a network whose bright cells alone vote, for what lies `way` (in units of the output) from them."""
    net: Any = Votes(2, width=4)
    net.trunk = Blocks(net.weights.in_channels)
    with torch.no_grad():
        for head in (net.weights, net.ways):
            head.weight.zero_()
            head.bias.zero_()
        net.weights.weight[:, 0] = 1000
        net.ways.bias.copy_(torch.tensor(way * 2))
    return net


def crop_with(*cells: tuple[int, int, int]) -> Tensor:
    """Return a crop (1, 1, 24, 24, 32) in which the blocks of some cells are bright."""
    crop = torch.zeros(1, 1, 24, 24, 32)
    for z, y, x in cells:
        crop[..., 2 * z : 2 * z + 2, 2 * y : 2 * y + 2, 2 * x : 2 * x + 2] = 1
    return crop


def noise(*size: int) -> Tensor:
    """Return crops of noise, always the same."""
    return torch.rand(*size, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("size", [(24, 24, 24), (24, 32, 40)])
def test_every_crop_has_its_landmarks_and_spreads(size: tuple[int, int, int]) -> None:
    landmarks, apart = new_network(SETTINGS, seed=0)(noise(3, 1, *size))
    assert landmarks.shape == (3, 12, 3) and apart.shape == (3, 12)
    assert landmarks.dtype == apart.dtype == torch.float32
    # Votes go a few cells beyond their own: an untrained network says the middle, more or less.
    assert torch.isfinite(landmarks).all() and (apart > 0).all()
    assert ((landmarks - torch.tensor(size) / 2).abs() < torch.tensor(size) / 4).all()


def test_the_cell_that_has_all_the_weight_says_its_own_middle() -> None:
    landmarks, apart = by_hand()(crop_with((3, 5, 11)))
    # Its voxels are 6 to 8, 10 to 12 and 22 to 24, in edges.
    assert torch.allclose(landmarks, torch.tensor([7.0, 11.0, 23.0]).expand(1, 2, 3))
    assert torch.equal(apart, torch.zeros(1, 2))


def test_ways_are_in_units_of_some_cells_in_the_order_of_the_axes() -> None:
    landmarks, apart = by_hand((0.5, -0.25, 0.125))(crop_with((3, 5, 11)))
    assert torch.allclose(landmarks, torch.tensor([7.0 + 4, 11.0 - 2, 23.0 + 1]).expand(1, 2, 3))
    assert torch.equal(apart, torch.zeros(1, 2))


def test_each_landmark_has_its_own_votes_and_each_crop_its_own_answer() -> None:
    net = by_hand()
    with torch.no_grad():
        net.ways.bias.copy_(torch.tensor([0.5, 0.0, 0.0, 0.0, 0.0, -0.5]))
    landmarks, _ = net(torch.cat([crop_with((3, 5, 7)), crop_with((6, 2, 9))]))
    expected = [[[7.0 + 4, 11, 15], [7, 11, 15.0 - 4]], [[13.0 + 4, 5, 19], [13, 5, 19.0 - 4]]]
    assert torch.allclose(landmarks, torch.tensor(expected))


@pytest.mark.parametrize("shift", [(2, 0, 0), (0, -4, 6), (-2, 2, -8)])
def test_a_crop_that_begins_elsewhere_moves_the_answer_alike(shift: tuple[int, int, int]) -> None:
    crop, net = crop_with((4, 6, 8)), by_hand((0.1, 0.2, -0.3))
    before, after = net(crop)[0], net(crop.roll(shift, (2, 3, 4)))[0]
    assert torch.allclose(after - before, torch.tensor(shift).float().expand(1, 2, 3), atol=1e-5)


def test_two_cells_of_equal_weight_meet_in_the_middle_and_say_how_far_they_are_apart() -> None:
    landmarks, apart = by_hand()(crop_with((3, 5, 7), (3, 8, 11)))
    assert torch.allclose(landmarks, torch.tensor([7.0, 14.0, 19.0]).expand(1, 2, 3))
    # 3 and 4 cells, 6 and 8 voxels: 10 voxels, half of them on each side.
    assert torch.allclose(apart, torch.full((1, 2), 5.0))


def test_answers_are_float32_and_gradients_right_under_bfloat16_on_the_smallest_crop() -> None:
    net, gradients, found = new_network(SETTINGS, seed=0), [], []
    for bfloat16 in (True, False):
        net.zero_grad()
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bfloat16):
            landmarks, apart = net(noise(1, 1, 24, 24, 24))
        assert landmarks.dtype == apart.dtype == torch.float32
        (landmarks - 12).square().mean().backward()
        assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in net.parameters())
        gradients.append(torch.cat([p.grad.flatten() for p in net.parameters() if p.grad is not None]))
        found.append(landmarks.detach())
    assert nn.functional.cosine_similarity(gradients[0], gradients[1], dim=0) > 0.9
    assert (found[0] - found[1]).abs().max() < 0.5


def test_every_weight_learns() -> None:
    net = new_network(SETTINGS, seed=0)
    net(noise(1, 1, 24, 24, 24))[0].square().sum().backward()
    assert all(p.grad is not None and p.grad.any() for p in net.parameters())


def test_a_width_or_a_number_of_landmarks_that_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="width is 6, expected a multiple of 4"):
        Votes(6, width=6)
    with pytest.raises(ValueError, match="found 0 landmarks"):
        Votes(0, width=4)
