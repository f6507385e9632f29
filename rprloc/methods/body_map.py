"""A scan through the position map: where in the body each of its voxels lies, and where latents are met again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from scipy.spatial import KDTree
from torch import Tensor, nn

from rprloc.geometry import FloatArray, Grid
from rprloc.methods.answer import spread_of
from rprloc.networks.checkpoint import Model
from rprloc.networks.device import bfloat16_is_fast
from rprloc.networks.field import padded, pooling_of
from rprloc.networks.position_map import SHORTEST_MM, PositionMap, body_field
from rprloc.scans.scan import Scan

NEIGHBOURS = 8
"""Voxels whose answers are averaged."""
SLOPES = (0.6, 1.7)
"""Least and most change of a latent with its own coordinate; whole scans have 0.9 to 1.2, scans upside down below 0.5.
A scan whose left and right, or front and back, are exchanged has slopes like any other.
"""
_TURNS: dict[str, Callable[[Tensor], Tensor]] = {
    "its front and back are exchanged": lambda field: field.flip(1),
    "it lies on its side, or its x and y are exchanged": lambda field: field.rot90(1, (1, 2)),
    "it lies on its other side, or its x and y are exchanged": lambda field: field.rot90(-1, (1, 2)),
}
"""What may be wrong with a scan, and what undoes it to a field (z, y, x), but for left and right."""
BENT = 1.2
"""How many times as bent as a turned scan's a scan's map may be: of scans the right way round it is 0.4 times as bent
as that of the mirror image, front to back (`python -m benchmarks.matched`).
"""
_STRAIGHT_MM = 4.0
"""A map that is bent less than this is straight, and the turned scan need not be looked at: by the shipped map most of
openkbp's scans are, and none of their mirror images is, nor any half of these (4.4 mm at least).
"""


@dataclass(frozen=True)
class Met:
    """Where latents of another scan are met."""

    positions_mm: FloatArray
    """(n, 3), (x, y, z)."""
    spread_mm: FloatArray
    """(n,), root mean square distance of the neighbours' answers to their mean."""
    distance_mm: FloatArray
    """(n,), how far the nearest latent is: where the scan does not show the place, it is large."""


class BodyMap:
    """The latents of a scan's body, in mm."""

    def __init__(self, model: Model, scan: Scan) -> None:
        """Pass a scan through the network of the position map, once. Raises TypeError for another network."""
        if not isinstance(model.network, PositionMap):
            raise TypeError(f"found {type(model.network).__name__}, expected a PositionMap")
        device = model.device
        values, mask = torch.from_numpy(scan.values).to(device), torch.from_numpy(scan.body).to(device)
        levels, body = body_field(values, mask, model.settings)
        latents = _latents(model, levels)
        self._model, self._levels, self._body = model, levels, body
        self._volume = latents
        self._grid = _grid(scan.grid, pooling_of(model.settings.spacing), levels.shape)
        voxels = torch.nonzero(body).cpu().numpy()
        self.places_mm = self._grid.world(voxels)
        """(n, 3), (x, y, z), of the voxels of the body."""
        self.latents_mm = _of_body(latents, body)
        """(n, 3), (x, y, z), of the same."""
        self._tree = KDTree(self.latents_mm) if len(voxels) and np.isfinite(self.latents_mm).all() else None

    def fault(self) -> str | None:
        """Return why the map is of no use in one sentence without a full stop, None where it is of use.

        Where the map is not straight three more passes show turned scans.
        """
        if self._tree is None:
            no_body = not len(self.places_mm)
            return f"the position map {'finds no body in the scan' if no_body else 'gives no numbers for the scan'}"
        slopes, bent_mm = self.slopes().diagonal(), self.bent_mm()
        if not np.all((slopes >= SLOPES[0]) & (slopes <= SLOPES[1])):
            return (
                "the position map does not know the scan: its slopes are "
                f"{', '.join(f'{slope:.2f}' for slope in slopes)} (x, y, z), expected about 1; {self._doubt()}"
            )
        if bent_mm <= _STRAIGHT_MM:
            return None
        turned_mm, wrong = min((self._turned_mm(turn), wrong) for wrong, turn in _TURNS.items())
        if bent_mm <= BENT * turned_mm:
            return None
        return (
            f"the position map says of the scan that {wrong}: it is bent by {bent_mm:.1f} mm, and by {turned_mm:.1f} "
            "mm where that is undone"
        )

    def _doubt(self) -> str:
        """Return what may be wrong with a scan that the map does not know."""
        height_mm = float(np.ptp(self.places_mm[:, 2])) + self._grid.spacing_mm[2]
        if height_mm < SHORTEST_MM:
            return f"it shows {height_mm:.0f} mm of the body along z, and the map has learned from {SHORTEST_MM:.0f} mm"
        return "is it flipped, are axes exchanged, or is it of another part of the body"

    def slopes(self) -> FloatArray:
        """Return how latents change with places (3, 3), by least squares: row i, column j is d latent_i / d place_j.

        It is near the identity for a scan as the network knows them: upside down, permuted or of another body it is
        not.
        """
        return self._line[0]

    def bent_mm(self) -> float:
        """Return the mean distance in mm of the latents to the nearest linear function of the places."""
        return self._line[1]

    @cached_property
    def _line(self) -> tuple[FloatArray, float]:
        return _line(self.places_mm, self.latents_mm)

    def _turned_mm(self, turn: Callable[[Tensor], Tensor]) -> float:
        """Return `bent_mm` of the scan turned; what is linear in its places is linear in their voxels."""
        body = turn(self._body)
        latents = _of_body(_latents(self._model, turn(self._levels)), body)
        return _line(torch.nonzero(body).double().cpu().numpy(), latents)[1]

    def at(self, points_mm: FloatArray) -> FloatArray:
        """Return the latents (n, 3) at points (n, 3), both (x, y, z) in mm; beyond the field those of its edge."""
        size = torch.tensor(self._volume.shape[1:])
        index = torch.from_numpy(np.ascontiguousarray(self._grid.voxel(points_mm)))
        grid = ((index + 0.5) / size * 2 - 1).flip(-1).to(self._volume)
        found = nn.functional.grid_sample(
            self._volume[None], grid[None, None, None], align_corners=False, padding_mode="border"
        )
        return found[0, :, 0, 0].T.double().cpu().numpy()[:, ::-1]

    def met(self, latents_mm: FloatArray) -> Met:
        """Return where latents (n, 3) are met: the mean of place + difference over the voxels of the nearest ones."""
        assert self._tree is not None
        count = min(NEIGHBOURS, len(self.latents_mm))
        distance, index = (np.asarray(found) for found in self._tree.query(latents_mm, k=[*range(1, count + 1)]))
        answers = self.places_mm[index] + (latents_mm[:, np.newaxis] - self.latents_mm[index])
        return Met(answers.mean(axis=1), spread_of(answers), distance[:, 0])


def _of_body(latents: Tensor, body: Tensor) -> FloatArray:
    """Return the latents (n, 3), (x, y, z), of the voxels of a body, of latents (3, z, y, x), (z, y, x)."""
    found: FloatArray = latents[:, body].T.double().cpu().numpy()[:, ::-1]
    return found


def _line(places_mm: FloatArray, latents_mm: FloatArray) -> tuple[FloatArray, float]:
    """Return the slopes (3, 3) of the linear function of the places (n, 3) that is nearest the latents (n, 3), and
    their mean distance in mm to it.
    """
    places, latents = (values - values.mean(axis=0) for values in (places_mm, latents_mm))
    slopes = np.linalg.lstsq(places, latents, rcond=None)[0]
    return np.asarray(slopes.T), float(np.linalg.norm(latents - places @ slopes, axis=1).mean())


@torch.inference_mode()
def _latents(model: Model, levels: Tensor) -> Tensor:
    """Return the latents (3, z, y, x) in mm, (z, y, x), of a field."""
    fields = padded(levels)
    with torch.autocast(fields.device.type, dtype=torch.bfloat16, enabled=bfloat16_is_fast(fields.device)):
        latents: Tensor = model.network(fields)[0]
    z, y, x = levels.shape
    return latents[:, :z, :y, :x]


def _grid(grid: Grid, pooling: tuple[int, int, int], size: torch.Size) -> Grid:
    """Return the grid of a scan's field."""
    factors = np.array(pooling, dtype=np.float64)
    origin = grid.world((factors - 1) / 2)
    spacing = np.array(grid.spacing_mm) * factors[::-1]
    z, y, x = size
    return Grid((x, y, z), (*spacing.tolist(),), (*origin.tolist(),))
