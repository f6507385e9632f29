"""Scans without an image and networks whose latents are a known function of the patch centre's world point."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rprloc.geometry import WALLS, Grid
from rprloc.methods.answer import Finder, Prediction, Setting
from rprloc.methods.clock import Clock
from rprloc.methods.localize import predictions_of
from rprloc.methods.regression import Regression
from rprloc.networks.settings import PatchSettings
from rprloc.scans.record import ScanRecord, Structure
from rprloc.scans.scan import Scan

GRID = Grid((30, 26, 22), (2.0, 2.5, 3.0), (-41.5, 87.25, -333.0))
STRAIGHT_MM = 1e8
"""An r so large that r * tanh(x / r) is x to better than a millionth of a millimetre."""

Place = Callable[[str, NDArray[np.float64]], NDArray[np.float64]]
"""Subject and world points (n, 3) -> what the network takes for their place in the anatomy, in mm."""


def structure(low: Sequence[float], high: Sequence[float], *, value: int = 1) -> Structure:
    """Return a structure of a box whose extreme points lie on its walls, off their middles."""
    box = np.array([low, high], dtype=np.float64)
    points = np.tile(box[0] + (box[1] - box[0]) * np.array([0.3, 0.55, 0.71]), (len(WALLS), 1))
    for number in range(len(WALLS)):
        axis, end = divmod(number, 2)
        points[number, axis] = box[end, axis]
    return Structure(value=value, box_mm=box, extreme_mm=points, half_voxel_mm=(0.5, 0.75, 1.5), voxels=10)


ORGAN = structure([-20.123, 110.4567, -310.987], [1.2345, 131.01, -290.0001])


def record(subject: str, structures: Mapping[str, Structure] | None = None, *, grid: Grid = GRID) -> ScanRecord:
    """Return the record of a scan of cohort `c`."""
    return ScanRecord(cohort="c", subject=subject, file=f"{subject}.mha", model=grid, structures=structures or {})


def scan(
    subject: str, structures: Mapping[str, Structure] | None = None, *, grid: Grid = GRID, cohort: str = "c"
) -> Scan:
    """Return a scan whose body is all but a margin of its grid."""
    shape = grid.size[::-1]
    body = np.zeros(shape, dtype=bool)
    body[2:-2, 2:-2, 3:-3] = True
    about = replace(record(subject, structures, grid=grid), cohort=cohort)
    return Scan(about, np.zeros(shape, dtype=np.int16), body)


S = TypeVar("S", bound=Scan)


def altered(scan: S, **changes: Any) -> S:
    """Return a scan whose record says something else, such as its subject, its structures or its grid, `model`."""
    return replace(scan, record=replace(scan.record, **changes))


class FakeModel:
    """Stands for a trained network: the latent of a patch is the place of its centre / r, in double precision."""

    device = torch.device("cpu")

    def __init__(self, scans: Sequence[Scan], *, r_mm: float = STRAIGHT_MM, place: Place | None = None) -> None:
        """Take the scans that the network will see, and what it takes for a place (the truth, if not given)."""
        self.settings = PatchSettings(
            network="coarse", modality="ct", spacing=GRID.spacing_mm[::-1], window=((0, 0), (1, 1)), width=4,
            patch_voxels=(1, 1, 1), r_mm=r_mm, convolution="isotropic",
        )  # fmt: skip
        self._scans = {id(known.values): known for known in scans}
        self._place = place or (lambda _subject, world: world)
        self.asked: list[tuple[str, tuple[int, ...]]] = []
        """(subject, voxel) of every latent that was computed."""

    def pad(self, values: NDArray[np.int16]) -> Scan:
        """Return the scan to which the grey values belong."""
        return self._scans[id(values)]

    def latents(self, padded: Scan, centres_voxel: Tensor) -> Tensor:
        """Return the latents (n, 3) of voxels (n, 3), which must lie in the scan's grid."""
        voxels = centres_voxel.numpy()
        assert np.issubdtype(voxels.dtype, np.integer)
        assert np.all((voxels >= 0) & (voxels < padded.grid.size[::-1]))
        self.asked += [(padded.subject, tuple(voxel)) for voxel in voxels.tolist()]
        place = self._place(padded.subject, padded.grid.world(voxels))
        return torch.from_numpy(place / self.settings.r_mm)


def answered(finder: Finder, query: Scan, *, drawn: str | None = None) -> list[Prediction]:
    """Return the rows of a method's answers for a query."""
    return predictions_of(finder, query, Clock(), drawn=drawn)


def located(
    query: Scan,
    supports: Sequence[Scan],
    settings: Sequence[str] = ("extreme.k15.c1f1",),
    *,
    coarse: FakeModel | None = None,
    fine: FakeModel | None = None,
    structures: Sequence[str] | None = None,
    seed: int = 1,
) -> list[Prediction]:
    """Return a query's answers; networks that are not given know every place exactly."""
    seen = [query, *supports]
    models: Any = {"coarse": coarse or FakeModel(seen), "fine": fine or FakeModel(seen)}
    method = Regression(models, [Setting.of(s) for s in settings], structures=structures, seed=seed)
    method.prepare(supports)
    return answered(method, query)


def facts(row: Prediction) -> dict[str, Any]:
    """Return a row without the time that it took."""
    return {key: value for key, value in row.to_json().items() if key != "seconds"}


def points_of(row: Prediction) -> NDArray[np.float64]:
    """Return a row's points (n, 3) in mm."""
    assert row.points_mm is not None
    return np.array(list(row.points_mm.values()))
