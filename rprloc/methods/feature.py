"""Template matching by features: the code of a convolutional auto-encoder, compared by MSE and cosine (table 3)."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from rprloc.cohort.methods import CODE_STRIDE, feature_setting
from rprloc.geometry import FloatArray
from rprloc.methods.clock import Clock
from rprloc.methods.matching import Match, Matcher
from rprloc.methods.prediction import Prediction, Scan, absent_row, found_row, row_key, timed, wanted_structures
from rprloc.networks.autoencoder import HALO, Autoencoder
from rprloc.networks.checkpoint import Model
from rprloc.networks.patches import AIR, apply_window

_PREFIX = "feature_"
_NOTHING = 1e-5
"""Numbers of the code up to this are rounding: it is that of air."""


@dataclass(frozen=True)
class _Templates:
    """What is searched for one structure of one support."""

    support: str
    structure: str
    half_voxel_mm: list[float]
    rest_mm: FloatArray
    """(6, 3), from the centre of a template, a voxel, to the landmark."""
    values: Tensor
    """(6, channels, d, h, w), cells of the support's code."""


class Feature:
    """Find landmarks where the code around a voxel of the query is most like that around the support's landmark.

    A scan is encoded once, for every voxel; a template is a patch of the model's size of its own scan's code in steps
    of the code's stride. All voxels of the query's body are searched, one of the CODE_STRIDE ** 3 grids of the code
    after the other. The code counts from that of air, which is what lies beyond a scan's edges.
    """

    def __init__(
        self,
        names: Sequence[str],
        model: Model,
        *,
        structures: Sequence[str] | None,
        drawn: str | None,
    ) -> None:
        """Take the methods to answer (`feature_mse`, `feature_cosine`), the auto-encoder, the structures (None: those
        of the supports) and the name of the drawn support.
        """
        self._measures = {name: name.removeprefix(_PREFIX) for name in names}
        self._encoder = _Encoder(model)
        self._structures = structures
        self._drawn = drawn
        self._templates: list[_Templates] = []
        self._absent: list[tuple[str, str]] = []

    def prepare(self, supports: Sequence[Scan]) -> None:
        """Encode the supports and cut the templates of their landmarks."""
        names = wanted_structures(self._structures, supports)
        for scan in supports:
            self._absent += [(scan.subject, name) for name in names if name not in scan.structures]
            present = [name for name in names if name in scan.structures]
            if present:
                code = self._encoder.code(scan, Clock())
                self._templates += [self._cut(scan, code, name) for name in present]

    def locate(self, query: Scan) -> list[Prediction]:
        """Return the answers for a query: a row for each support other than the query, structure and method."""
        wanted = [templates for templates in self._templates if templates.support != query.subject]
        clock = Clock()
        found = self._search(query, wanted, clock) if wanted else []
        rows = [
            self._answer(query, templates, method, [matches[measure] for matches in of_walls])
            for templates, of_walls in zip(wanted, found, strict=True)
            for method, measure in self._measures.items()
        ]
        return timed(rows, clock.seconds) + self._absences(query)

    def _cut(self, scan: Scan, code: Tensor, structure: str) -> _Templates:
        """Return the templates of a structure's extreme points."""
        about = scan.structures[structure]
        points_mm = scan.extreme_points_mm(structure)
        voxels = scan.grid.nearest_voxel(points_mm)
        return _Templates(
            support=scan.subject,
            structure=structure,
            half_voxel_mm=about["half_voxel_mm"],
            rest_mm=points_mm - scan.grid.world(voxels),
            values=torch.stack([self._encoder.window(code, voxel, (1, 1, 1)) for voxel in voxels]),
        )

    def _search(self, query: Scan, wanted: list[_Templates], clock: Clock) -> list[list[dict[str, Match]]]:
        """Return for all templates' walls, by measure, where in the query they fit best."""
        measures = tuple(self._measures.values())
        nowhere = dict.fromkeys(measures, Match((0, 0, 0), math.nan))
        best = [[dict(nowhere) for _ in templates.values] for templates in wanted]
        code = self._encoder.code(query, clock)
        for offset, centres in _grids(query.body):
            with clock.stage("transform"):
                window = self._encoder.window(code, offset, centres.shape)
                matcher = Matcher(window.contiguous(), self._encoder.cells, centres, measures=measures)
            if not matcher.positions:
                continue
            with clock.stage("search"):
                for templates, of_walls in zip(wanted, best, strict=True):
                    for values, known in zip(templates.values, of_walls, strict=True):
                        for measure, match in matcher.best(values).items():
                            known[measure] = _better(measure, known[measure], _moved(match, offset))
        return best

    def _answer(self, query: Scan, templates: _Templates, method: str, matches: list[Match]) -> Prediction:
        """Return the answer for one structure from where its walls' templates fit best."""
        common = self._key(query, templates.structure, method, templates.support)
        reason = self._fault(query, templates, matches)
        if reason is not None:
            return Prediction(**common, failed=True, reason=reason)
        points_mm = query.grid.world([match.voxel for match in matches]) + templates.rest_mm
        return found_row(common, points_mm, templates.half_voxel_mm)

    @staticmethod
    def _fault(query: Scan, templates: _Templates, matches: list[Match]) -> str | None:
        """Return why matches are no answer, or None."""
        if not query.body.any():
            return "found no body to search"
        if not all(math.isfinite(match.score) for match in matches):
            return "the auto-encoder's code is not a number"
        if not all(float(values.abs().max()) > _NOTHING for values in templates.values):
            return f"a patch around {templates.structure} shows nothing but air in the support {templates.support}"
        return None

    def _absences(self, query: Scan) -> list[Prediction]:
        """Return failed rows for the structures that a support does not have."""
        return [
            absent_row(self._key(query, structure, method, support))
            for support, structure in self._absent
            if support != query.subject
            for method in self._measures
        ]

    def _key(self, query: Scan, structure: str, method: str, support: str) -> dict[str, Any]:
        """Return the columns that name a row."""
        setting = feature_setting()
        return row_key(query, structure, method=method, setting=setting, support=support, drawn=self._drawn)


class _Encoder:
    """The dense code of whole scans, with as much air around that templates may overhang their edges."""

    def __init__(self, model: Model) -> None:
        if not isinstance(model.network, Autoencoder):
            raise TypeError(f"found {type(model.network).__name__}, expected an Autoencoder")
        self._network = model.network
        self._model = model
        patch = model.settings.patch_voxels
        depth, height, width = (max(1, round(n / CODE_STRIDE)) for n in patch)
        self.cells = (depth, height, width)
        """The size of a template in cells of the code."""
        with torch.inference_mode():
            self._air = self._network.dense(self._levels(torch.full((2 * HALO + 1,) * 3, self._air_value)))

    def code(self, scan: Scan, clock: Clock) -> Tensor:
        """Return the code (channels, z, y, x) around every voxel of a scan less that of air, padded for templates."""
        with clock.stage("prepare"):
            values = torch.from_numpy(scan.values).to(self._model.device)
            padded = self._levels(F.pad(values, (2 * HALO,) * 6, value=self._air_value))
        with torch.inference_mode(), clock.stage("network"):
            code = self._network.dense(padded) - self._air
            # So far it reaches HALO voxels beyond the scan; from there on all that a cell sees is air.
            low = [CODE_STRIDE * (n // 2) - HALO for n in self.cells]
            high = [CODE_STRIDE * (n - n // 2 - 1) - HALO for n in self.cells]
            pads = [pad for axis in (2, 1, 0) for pad in (low[axis], high[axis])]
            return F.pad(code, pads)

    def window(self, code: Tensor, start: Sequence[int], positions: Sequence[int]) -> Tensor:
        """Return the cells (channels, positions + cells - 1 on each axis) that templates cover which are centred on the
        voxels start, start + CODE_STRIDE, ... of a scan.
        """
        axes = zip(start, positions, self.cells, strict=True)
        place = [slice(n, n + CODE_STRIDE * (count + size - 2) + 1, CODE_STRIDE) for n, count, size in axes]
        return code[(slice(None), *place)]

    @property
    def _air_value(self) -> int:
        """What lies beyond a scan's edges."""
        return AIR[self._model.settings.modality]

    def _levels(self, values: Tensor) -> Tensor:
        """Return windowed grey values on the computing device."""
        return apply_window(values.to(self._model.device), self._model.settings.window)


def _grids(body: NDArray[np.bool_]) -> Iterator[tuple[tuple[int, int, int], NDArray[np.bool_]]]:
    """Return the first voxel and the body (z, y, x) of each grid of the code's stride that a scan consists of."""
    for z, y, x in itertools.product(*(range(min(CODE_STRIDE, length)) for length in body.shape)):
        yield (z, y, x), body[z::CODE_STRIDE, y::CODE_STRIDE, x::CODE_STRIDE]


def _moved(match: Match, offset: tuple[int, int, int]) -> Match:
    """Return a match on one grid of the code as one on the scan's."""
    z, y, x = (CODE_STRIDE * cell + first for cell, first in zip(match.voxel, offset, strict=True))
    return replace(match, voxel=(z, y, x))


def _better(measure: str, one: Match, two: Match) -> Match:
    """Return the better of two matches: the first in a scan's order where they are equal, NaN never."""
    if not (math.isfinite(one.score) and math.isfinite(two.score)):
        return one if math.isfinite(one.score) else two
    if one.score == two.score:
        return min(one, two, key=lambda match: match.voxel)
    return one if (one.score < two.score) == (measure == "mse") else two
