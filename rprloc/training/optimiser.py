"""The optimisers that a length of training may name."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from rprloc.catalogue.rows import Length
from rprloc.networks.device import one_thread

Group = dict[str, Any]
"""Parameters, `params`, and their rate, `lr`, as torch.optim has them."""
State = dict[str, Any]
"""`state`, by each parameter's number, and `param_groups`, as torch.optim has them."""

_MOMENTUM = 0.9
_VECTOR_RATE = 0.1
"""The rate of biases and norms as a share of the matrices'."""
_ITERATIONS = 5


class Optimiser(Protocol):
    """What moves a network's parameters, as those of torch.optim do."""

    param_groups: list[Group]

    def zero_grad(self) -> None:
        """Forget all gradients."""

    def step(self) -> object:
        """Step every parameter that has a gradient."""

    def state_dict(self) -> State:
        """Return what a later start goes on from."""

    def load_state_dict(self, state_dict: State) -> None:
        """Go on from a state."""


def new_optimiser(network: nn.Module, length: Length) -> Optimiser:
    """Return a length's optimiser for a network, before its first step."""
    if length.optimiser == "muon":
        return Muon(network.parameters(), length.learning_rate)
    return torch.optim.Adam(network.parameters(), lr=length.learning_rate, weight_decay=length.weight_decay, fused=True)


class Muon:
    """Momentum, made equally long in all directions before each step (Muon; Jordan et al. 2024).

    Weights are matrices from all inputs of an output channel to the channels, and the step of a matrix is the nearest
    one whose singular values are equal; the step of a vector is one of fixed length. torch.optim.Muon takes neither
    convolutions nor vectors, and a class of torch.optim's own kind loads torch's compiler, which takes seconds.
    """

    def __init__(self, parameters: Iterable[nn.Parameter], learning_rate: float) -> None:
        """Take the parameters and the rate of the matrices; there is no weight decay."""
        self.param_groups: list[Group] = [{"params": list(parameters), "lr": learning_rate}]
        self._momenta: dict[int, Tensor] = {}

    def zero_grad(self) -> None:
        """Forget all gradients."""
        for parameter in self._parameters:
            parameter.grad = None

    def state_dict(self) -> State:
        """Return the momenta by their parameters' numbers, and the rate."""
        groups = [{"lr": group["lr"], "params": list(range(len(group["params"])))} for group in self.param_groups]
        return {"state": {at: {"momentum": one} for at, one in self._momenta.items()}, "param_groups": groups}

    def load_state_dict(self, state_dict: State) -> None:
        """Go on from a state of the same parameters."""
        self._momenta = {
            at: own["momentum"].to(self._parameters[at], copy=True) for at, own in state_dict["state"].items()
        }
        for group, given in zip(self.param_groups, state_dict["param_groups"], strict=True):
            group["lr"] = given["lr"]

    @property
    def _parameters(self) -> list[nn.Parameter]:
        return [parameter for group in self.param_groups for parameter in group["params"]]

    @torch.no_grad()
    def step(self) -> None:
        """Step every parameter that has a gradient."""
        # Hundreds of small products: threads that wait for each other would take several times as long.
        with one_thread():
            (group,) = self.param_groups
            for number, parameter in enumerate(group["params"]):
                if parameter.grad is None:
                    continue
                if number not in self._momenta:
                    self._momenta[number] = torch.zeros_like(parameter)
                _move(parameter, self._momenta[number], group["lr"])


def _move(parameter: nn.Parameter, momentum: Tensor, rate: float) -> None:
    """Step one parameter by its gradient, and move its momentum on."""
    assert parameter.grad is not None
    momentum.lerp_(parameter.grad, 1 - _MOMENTUM)
    # Nesterov's: as if the momentum had moved on by one step.
    ahead = parameter.grad.lerp(momentum, _MOMENTUM)
    if parameter.ndim > 1:
        parameter.sub_(rate * _orthogonal(ahead.flatten(1)).view_as(parameter))
    else:
        length = torch.linalg.vector_norm(ahead).clamp(min=1e-12)
        parameter.sub_(ahead * (_VECTOR_RATE * rate * ahead.numel() ** 0.5 / length))


def _orthogonal(matrix: Tensor) -> Tensor:
    """Return about the nearest matrix (n, m) whose singular values are all 1, or sqrt(n / m) where n > m.

    By Newton-Schulz iterations with the coefficients of Jordan et al., which leave singular values of 0.7 to 1.2.
    """
    rows, columns = matrix.shape
    x = matrix.T if rows > columns else matrix
    x = x / torch.linalg.matrix_norm(x).clamp(min=1e-12)
    for _ in range(_ITERATIONS):
        square = x @ x.T
        x = 3.4445 * x + (2.0315 * square @ square - 4.775 * square) @ x
    return x.T * (rows / columns) ** 0.5 if rows > columns else x
