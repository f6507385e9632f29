"""From a start to within the fine matching's reach: two organs that slide on each other."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from rprloc.geometry import Affine, FloatArray
from rprloc.methods.approach import SPACING_MM, Approach, mind
from rprloc.methods.coupled import Rooms
from rprloc.methods.looks import Looks
from tests.methods.heads import ORGANS, WINDOW, head

CPU = torch.device("cpu")
POINTS = np.concatenate([organ.extreme_mm for organ in ORGANS.values()])
OWNERS = np.repeat([0, 1], 6)


def looks(name: str, move: object = None) -> Looks:
    return Looks.of(head(name, move, structures=ORGANS), WINDOW, SPACING_MM)  # type: ignore[arg-type]


SUPPORT = looks("s")


def carried(query: Looks, start: Affine) -> FloatArray:
    """Return where the support's landmarks are then."""
    affine, bend = Approach(SUPPORT, POINTS, OWNERS, CPU, Rooms()).bent(mind(query, CPU), start)
    return affine.carried(POINTS + bend.at(POINTS))


@pytest.mark.parametrize("off", [(0.0, 0.0, 0.0), (20.0, -25.0, 30.0)])
def test_a_start_that_is_off_is_set_right(off: tuple[float, float, float]) -> None:
    found = carried(SUPPORT, Affine(np.eye(3), np.array(off)))
    np.testing.assert_allclose(found, POINTS, atol=3.0)


def test_organs_that_slide_are_followed_each() -> None:
    def slid(points: FloatArray) -> FloatArray:
        """The left half lies 15 mm higher, the right one as much lower."""
        side = np.tanh(points[..., :1] / 6)
        return points - side * np.array([0.0, 0.0, 15.0])

    found = carried(looks("q", slid), Affine(np.eye(3), np.zeros(3)))
    moved = (found - POINTS)[:, 2].reshape(2, 6).mean(axis=1)
    # Half of it and more: what surrounds one organ at this step holds much of the other.
    assert 6 < moved[0] <= 16 and -16 <= moved[1] < -6
