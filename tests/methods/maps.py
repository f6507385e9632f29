"""Scans whose grey values number their voxels, and a position map that knows where each of them lies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from rprloc.geometry import Grid
from rprloc.networks.checkpoint import Model
from rprloc.networks.position_map import PositionMap
from rprloc.networks.settings import MapSettings
from rprloc.scans.record import Structure
from rprloc.scans.scan import Scan
from tests.methods.fakes import Place, record, structure

SHAPE = (16, 18, 20)
GRID = Grid(SHAPE[::-1], (5.0, 4.0, 6.0), (-41.5, 87.25, -333.0))
"""No spacing is so fine that a field would average it."""
ORGAN = structure([-20.3, 105.4, -310.9], [1.2, 131.0, -290.1])
_HIGHEST = 32767
_VOXELS = GRID.size[0] * GRID.size[1] * GRID.size[2]
SETTINGS = MapSettings(
    network="position_map", modality="ct", spacing=(6.0, 4.0, 5.0), window=((0.0, 0.0), (float(_HIGHEST), 1.0)), width=4
)


def numbered(subjects: str, structures: Mapping[str, Structure] | None = None) -> list[Scan]:
    """Return up to five scans, named by letters, at some distance of each other, whose values tell scan and voxel."""
    scans = []
    for number, subject in enumerate(subjects):
        values = (number * _VOXELS + np.arange(_VOXELS)).reshape(SHAPE)
        assert values.max() <= _HIGHEST
        body = np.zeros(SHAPE, dtype=bool)
        body[2:-1, 1 + number % 2 : -2, 3:-1] = True
        grid = replace(GRID, origin_mm=(GRID.origin_mm[0] + 1.5 * number, *GRID.origin_mm[1:]))
        scans.append(Scan(record(subject, structures, grid=grid), values.astype(np.int16), body))
    return scans


class KnownMap(PositionMap):
    """The latent of a voxel is what `place` says of its scan and world point: the point itself, if not given."""

    def __init__(self, scans: Sequence[Scan], place: Place | None = None) -> None:
        super().__init__(width=4)
        self._scans, self._place = scans, place or (lambda _subject, world: world)
        self.fields = 0
        """How many fields the network was shown."""

    def forward(self, fields: Tensor) -> Tensor:
        """Return the latents (1, 3, D, H, W) of a field (1, 1, D, H, W)."""
        self.fields += 1
        numbers = np.rint(fields[0, 0].double().numpy() * _HIGHEST).astype(int)
        latents = np.zeros((*numbers.shape, 3))
        for number, scan in enumerate(self._scans):
            own = numbers // _VOXELS == number
            voxels = np.stack(np.unravel_index(numbers[own] % _VOXELS, SHAPE), axis=-1)
            latents[own] = self._place(scan.subject, scan.grid.world(voxels))
        return torch.from_numpy(latents[..., ::-1].copy()).movedim(-1, 0)[None].float()


def known(scans: Sequence[Scan], place: Place | None = None) -> Model:
    """Return the model of a map that knows the places of some scans' voxels."""
    return Model(KnownMap(scans, place), SETTINGS)
