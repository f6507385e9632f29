"""A scan's features as they are where its axes lie otherwise, without computing them once more."""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor

from rprloc.geometry import Grid
from rprloc.methods.coupled import Features
from rprloc.scans.turned import Turn

_SIZE = 9
"""Voxels along each axis of the noise in which channels are told apart."""


def turned_array(values: Tensor, turn: Turn) -> Tensor:
    """Return values (channels, z, y, x) of a scan as it is where a turn says how its axes lie."""
    axes = [3 - turn.axes[2 - axis] for axis in range(3)]
    return values.permute(0, *axes).flip([1 + axis for axis in range(3) if turn.signs[2 - axis] < 0])


def turned_channels(turn: Turn, channels: int) -> list[int]:
    """Return which of so many channels of a scan those of the turned scan are: the features', which compare neighbours
    that a turn exchanges, and then the others as they are.
    """
    features = _exchanged(turn)
    return [*features, *range(len(features), channels)]


@cache
def _exchanged(turn: Turn) -> tuple[int, ...]:
    """Return which feature is which of a turned scan, as noise shows it."""
    noise = torch.rand((1, _SIZE, _SIZE, _SIZE), generator=torch.Generator().manual_seed(1))
    grid = Grid((_SIZE,) * 3, (1.0,) * 3, (0.0,) * 3)
    turned = Features.of(turned_array(noise, turn)[0], grid).values
    own = turned_array(Features.of(noise[0], grid).values, turn)
    return tuple((turned[:, None] - own).square().sum(dim=(2, 3, 4)).argmin(dim=1).tolist())
