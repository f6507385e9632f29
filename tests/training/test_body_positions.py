"""The position map's training: what its error is, whatever a scan shows of a body."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from rprloc.catalogue.rows import Length
from rprloc.networks.settings import MapSettings
from rprloc.training import body_positions
from rprloc.training.body_positions import BARE, BodyPositions
from rprloc.training.data import TrainingScan
from rprloc.training.sampling import BodyVoxels
from rprloc.training.views import BodyView, random_body_view
from tests.training.scans import COHORT, scan

SCANS = [scan(seed, BARE) for seed in range(3)]


@pytest.fixture(autouse=True)
def few_validation_views(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the measuring short."""
    monkeypatch.setattr(body_positions, "_FIXED", 2)


def objective(scans: Sequence[TrainingScan] = SCANS, validation: Sequence[TrainingScan] = ()) -> BodyPositions:
    """Return what is learned."""
    settings, length = MapSettings.of_cohort("position_map", COHORT), Length(steps=3, groups=1, patches=1)
    return BodyPositions(scans, validation, settings, length, seed=1, device=torch.device("cpu"))


class Knowing(nn.Module):
    """Knows the places of every view's voxels but for a constant of its own: those given, in turn."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, constants_mm: Sequence[Sequence[float]]) -> None:
        super().__init__()
        self._constants = constants_mm
        self._views: list[BodyView] = []
        monkeypatch.setattr(body_positions, "random_body_view", self._seen)

    def _seen(self, *about: Any) -> BodyView:
        self._views.append(random_body_view(*about))
        return self._views[-1]

    def forward(self, field: Tensor) -> Tensor:
        (number,) = [n for n, view in enumerate(self._views) if view.field is field]
        constant = torch.tensor(self._constants[number % len(self._constants)])
        return (self._views[number].source_mm + constant).movedim(-1, 0)[None]


@pytest.mark.parametrize(
    ("constants", "error"),
    [([[0.0, 0.0, 0.0]], 0.0), ([[40.0, -70.0, 9.0]], 0.0), ([[3.0, 0.0, 0.0], [0.0, 4.0, 0.0]], 2.5)],
)
def test_only_where_voxels_lie_to_each_other_counts(
    monkeypatch: pytest.MonkeyPatch, constants: list[list[float]], error: float
) -> None:
    network = Knowing(monkeypatch, constants)
    asked = objective()
    asked.network = network
    # Views of a scan that differ by 5 mm are each half of that off their mean, however many voxels they have.
    loss, found = asked.loss(0)
    for value in (float(found), asked.validation_error()):
        assert value == pytest.approx(error, abs=5e-3)
    assert float(loss) == pytest.approx((error / 10) ** 2 / 6, abs=1e-4)


def test_no_more_than_some_scans_are_measured() -> None:
    found = objective(validation=[scan(seed, BARE) for seed in range(10, 15)])
    assert found.validation == [f"s{seed}" for seed in range(10, 15)]
    assert len(found._fixed) == 2 and all(len(views) == 2 for views in found._fixed)


@pytest.mark.parametrize("rows", [slice(4, 8), slice(5, 6)])
def test_a_body_of_a_few_voxels_or_of_none_in_the_field_ends_no_training(rows: slice) -> None:
    # No row 5 is the middle of a voxel of the field, which averages two.
    mask = np.zeros(SCANS[0].body.mask.shape, dtype=bool)
    mask[4:6, rows, 4:8] = True
    loss, error = objective([replace(SCANS[0], body=BodyVoxels.of(mask))]).loss(0)
    assert torch.isfinite(loss) and torch.isfinite(error)
