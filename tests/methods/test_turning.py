"""Features of a scan whose axes lie otherwise are those of the scan, exchanged."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from rprloc.geometry import Grid
from rprloc.methods.coupled import Features
from rprloc.methods.looks import Looks
from rprloc.methods.turning import turned_array, turned_channels
from rprloc.scans.turned import TURNS, Turn, turned
from tests.methods.patients import WINDOW, patient


@pytest.mark.parametrize("turn", TURNS, ids=str)
def test_features_of_a_turned_scan_are_the_scans_own_turned(turn: Turn) -> None:
    grey = torch.rand((1, 8, 12, 10), generator=torch.Generator().manual_seed(7))
    values = Features.of(grey[0], Grid((10, 12, 8), (1.0,) * 3, (0.0,) * 3)).values
    lying = turned_array(grey, turn)[0]
    there = Features.of(lying, Grid(tuple(lying.shape[::-1]), (1.0,) * 3, (0.0,) * 3)).values
    torch.testing.assert_close(there, turned_array(values[turned_channels(turn, len(values))], turn))


@pytest.mark.parametrize("turn", [Turn((1, 2, 0), (1, -1, -1)), Turn((0, 1, 2), (-1, 1, -1))], ids=str)
def test_an_array_is_turned_as_a_scan_is(turn: Turn) -> None:
    scan = patient("s")
    grey = turned_array(torch.from_numpy(scan.values.astype(np.float32))[None], turn)[0]
    np.testing.assert_array_equal(grey.numpy(), turned(scan, turn).values)


def test_what_follows_the_features_stays_where_it_is() -> None:
    looks = Looks.of(patient("s"), WINDOW, 6.0)
    assert turned_channels(Turn((2, 1, 0), (1, 1, 1)), len(looks.features.values))[-1] == len(looks.mind)
