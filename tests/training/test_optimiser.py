"""Muon: equally long steps in all directions, whatever the gradient's scale, and what it needs to go on."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from rprloc.catalogue.rows import Length
from rprloc.training.optimiser import Muon, _orthogonal, new_optimiser


def noise(*shape: int) -> torch.Tensor:
    """Return noise, always the same."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(("shape", "factor"), [((16, 144), 1), ((16, 16), 1), ((64, 16), 2), ((16, 1), 4), ((1, 9), 1)])
@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_a_matrix_is_stretched_to_equal_singular_values(shape: tuple[int, int], factor: float, scale: float) -> None:
    matrix = scale * noise(*shape)
    found = torch.linalg.svdvals(_orthogonal(matrix)) / factor
    # A square matrix of noise has singular values near 0, which need more iterations.
    assert found.max() < 1.3 and found.median() > 0.6
    u, _, v = torch.linalg.svd(matrix, full_matrices=False)
    nearest = factor * u @ v
    assert nn.functional.cosine_similarity(_orthogonal(matrix).flatten(), nearest.flatten(), dim=0) > 0.9


def test_steps_do_not_depend_on_the_scale_of_the_loss() -> None:
    ends = []
    for scale in (1.0, 1024.0):
        torch.manual_seed(0)
        network = nn.Sequential(nn.Conv3d(1, 4, 3), nn.Flatten(), nn.Linear(32, 2))
        optimiser = Muon(network.parameters(), 0.01)
        for _ in range(3):
            optimiser.zero_grad()
            (scale * network(noise(2, 1, 4, 4, 4)).square().mean()).backward()
            optimiser.step()
        ends.append(torch.cat([p.detach().flatten() for p in network.parameters()]))
    torch.testing.assert_close(ends[0], ends[1])


def test_a_vectors_step_has_a_fixed_length() -> None:
    vector = nn.Parameter(torch.zeros(9))
    vector.grad = noise(9)
    Muon([vector], 0.02).step()
    assert float(vector.detach().norm()) == pytest.approx(0.1 * 0.02 * 3)
    assert float(nn.functional.cosine_similarity(vector.detach(), -vector.grad, dim=0)) == pytest.approx(1)


def test_momentum_carries_on_where_the_gradient_is_gone() -> None:
    vector = nn.Parameter(torch.zeros(3))
    optimiser = Muon([vector], 0.02)
    vector.grad = torch.tensor([1.0, 0, 0])
    optimiser.step()
    before = vector.detach().clone()
    vector.grad = torch.tensor([0.0, 0, 0])
    optimiser.step()
    assert vector[0] < before[0] and vector[1] == 0


@pytest.mark.parametrize("shape", [(3,), (4, 5), (4, 2, 3, 3, 3)])
def test_a_gradient_of_zeros_or_none_moves_nothing(shape: tuple[int, ...]) -> None:
    parameter, other = nn.Parameter(noise(*shape)), nn.Parameter(noise(*shape))
    parameter.grad = torch.zeros(shape)
    Muon([parameter, other], 0.02).step()
    assert torch.equal(parameter, noise(*shape)) and torch.equal(other, noise(*shape))


def test_the_length_chooses_the_optimiser() -> None:
    network = nn.Linear(3, 2)
    adam = new_optimiser(network, Length(1, 1, 2))
    assert type(adam) is torch.optim.Adam and adam.param_groups[0]["weight_decay"] == 1e-4
    muon = new_optimiser(network, Length(1, 1, 2, learning_rate=0.02, optimiser="muon"))
    assert type(muon) is Muon and muon.param_groups[0]["lr"] == 0.02


def test_it_goes_on_from_its_state_as_if_it_had_not_stopped() -> None:
    def made() -> tuple[nn.Parameter, nn.Parameter]:
        return nn.Parameter(noise(4, 3)), nn.Parameter(noise(5))

    def step(optimiser: Muon, parameters: tuple[nn.Parameter, nn.Parameter]) -> None:
        optimiser.zero_grad()
        sum(one.square().sum() for one in parameters).backward()
        optimiser.step()

    whole, stopped = made(), made()
    first, second = Muon(whole, 0.02), Muon(stopped, 0.02)
    for _ in range(2):
        step(first, whole)
        step(second, stopped)
    state = second.state_dict()
    assert state["param_groups"] == [{"lr": 0.02, "params": [0, 1]}]
    after = tuple(nn.Parameter(one.detach().clone()) for one in stopped)
    again = Muon(after, 0.5)
    again.load_state_dict(state)
    assert again.param_groups[0]["lr"] == 0.02
    step(first, whole)
    step(again, after)
    assert all(torch.equal(one, other) for one, other in zip(whole, after, strict=True))
    # What was saved is a copy: it stays as it was.
    assert not torch.equal(state["state"][0]["momentum"], again.state_dict()["state"][0]["momentum"])
