"""What a network learns, and what the objectives share that draw from whole scans."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Generic, Protocol, TypeVar

import torch
from torch import Tensor, nn

from rprloc.catalogue.rows import Length
from rprloc.errors import InputError
from rprloc.networks.checkpoint import new_network
from rprloc.networks.settings import NetworkSettings
from rprloc.training.data import TrainingScan
from rprloc.training.sharing import WHOLE, Share

S = TypeVar("S", bound=NetworkSettings)


class Objective(Protocol):
    """What a network learns: its loss on the data of a step, and how good it is on data that stay the same."""

    network: nn.Module
    error: str
    """What the curve calls the error, such as `error_mm`: its keys are `train_<error>` and `validation_<error>`."""
    words: str
    """How the log tells it, with places for the training's and the validation's."""
    scans: int
    """How many scans the network learns from."""
    validation: list[str]
    """The subjects of the validation scans; empty where the error is one of the training scans."""

    @property
    def settings(self) -> NetworkSettings:
        """What the network cannot be used without, as far as it is known after a look at the scans."""

    def loss(self, step: int, share: Share = WHOLE) -> tuple[Tensor, Tensor]:
        """Return the loss of a step's own data and their error, or what a share of the step's groups adds to both;
        random draws depend on the seed and the step only.
        """

    def validation_error(self) -> float:
        """Return the error on the fixed data."""


def nothing(network: nn.Module) -> tuple[Tensor, Tensor]:
    """Return the loss and the error of a share that holds nothing to learn from."""
    zero = next(network.parameters()).sum() * 0
    return zero, zero.detach()


class FromScans(Generic[S]):
    """What the objectives share that draw from whole training scans, none of which has to have a label."""

    def __init__(
        self,
        scans: Sequence[TrainingScan],
        validation: Sequence[TrainingScan],
        settings: S,
        length: Length,
        *,
        seed: int,
        device: torch.device,
    ) -> None:
        """Take the scans to draw from and those of the fixed data, which are the same where there are no others; raises
        InputError without scans to draw from.
        """
        if not scans:
            raise InputError("No scan to train on: every scan of the training split was set aside.")
        self.network: nn.Module = new_network(settings, seed=seed).to(device)
        self.settings = settings
        self.scans = len(scans)
        self.validation = [scan.subject for scan in validation]
        self._scans, self._length, self._seed = scans, length, seed
        self._fix(validation or scans)

    def _fix(self, scans: Sequence[TrainingScan]) -> None:
        """Draw the data of the validation error from some scans, once."""
        raise NotImplementedError
