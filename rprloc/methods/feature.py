"""Template matching by features: the code of a convolutional auto-encoder, compared by MSE and cosine (table 3)."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from rprloc.geometry import FloatArray
from rprloc.methods.answer import Answers, Found, Key, others, present
from rprloc.methods.clock import Clock
from rprloc.methods.localize import Work
from rprloc.methods.templates import Match, Matcher
from rprloc.networks.autoencoder import CODE_STRIDE, HALO, Autoencoder
from rprloc.networks.checkpoint import Model
from rprloc.networks.patches import AIR, apply_window
from rprloc.networks.settings import CodeSettings
from rprloc.scans.scan import Scan

_PREFIX = "feature_"
_NOTHING = 1e-5
"""Numbers of the code up to this are rounding: it is that of air."""


@dataclass(frozen=True)
class _Templates:
    """What is searched for one structure of one support."""

    subject: str
    structure: str
    half_voxel_mm: Sequence[float]
    rest_mm: FloatArray
    """(n, 3), from the centre of a template, a voxel, to the landmark: six extreme points, or a single landmark."""
    values: Tensor
    """(n, channels, d, h, w), cells of the support's code."""


class Feature:
    """Find landmarks where the code around a voxel of the query is most like that around the support's landmark.

    A scan is encoded once, for every voxel; a template is a patch of the model's size of its own scan's code in steps
    of the code's stride. All voxels of the query's body are searched, one of the CODE_STRIDE ** 3 grids of the code
    after the other. The code counts from that of air, which is what lies beyond a scan's edges.
    """

    def __init__(self, settings: Mapping[str, str], model: Model, *, structures: Sequence[str] | None = None) -> None:
        """Take the methods to answer (`feature_mse`, `feature_cosine`), each with its setting, the auto-encoder and the
        structures (None: all that a support has). Raises TypeError for another network.
        """
        self._settings = settings
        self._measures = {name: name.removeprefix(_PREFIX) for name in settings}
        self._encoder = _Encoder(model)
        self._structures = structures
        self._templates: list[_Templates] = []

    def prepare(self, supports: Sequence[Scan]) -> None:
        """Encode the supports and cut the templates of their landmarks."""
        for scan in supports:
            if names := present(scan, self._structures):
                code = self._encoder.code(scan, Clock())
                self._templates += [self._cut(scan, code, name) for name in names]

    def locate(self, query: Scan, clock: Clock) -> Answers:
        """Return the answers for a query from each other support."""
        wanted = others(self._templates, query)
        found = self._search(query, wanted, clock) if wanted else []
        return {
            Key(method, setting, templates.subject, templates.structure): self._answer(
                query, templates, [matches[self._measures[method]] for matches in of_walls]
            )
            for templates, of_walls in zip(wanted, found, strict=True)
            for method, setting in self._settings.items()
        }

    def _cut(self, scan: Scan, code: Tensor, structure: str) -> _Templates:
        """Return the templates of a structure's extreme points."""
        points_mm = scan.structures[structure].extreme_mm
        voxels = scan.grid.nearest_voxel(points_mm)
        return _Templates(
            subject=scan.subject,
            structure=structure,
            half_voxel_mm=scan.structures[structure].half_voxel_mm,
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
            with clock.part("transform"):
                window = self._encoder.window(code, offset, centres.shape)
                matcher = Matcher(window.contiguous(), self._encoder.cells, centres, measures=measures)
            if not matcher.positions:
                continue
            with clock.part("search"):
                for templates, of_walls in zip(wanted, best, strict=True):
                    _improve(of_walls, templates.values, matcher, offset)
        return best

    def _answer(self, query: Scan, templates: _Templates, matches: list[Match]) -> Found | str:
        """Return the answer for one structure from where its walls' templates fit best."""
        reason = self._fault(query, templates, matches)
        if reason is not None:
            return reason
        points_mm = query.grid.world([match.voxel for match in matches]) + templates.rest_mm
        return Found(points_mm=points_mm, half_voxel_mm=templates.half_voxel_mm)

    @staticmethod
    def _fault(query: Scan, templates: _Templates, matches: list[Match]) -> str | None:
        """Return why matches are no answer, or None."""
        if not query.body.any():
            return "found no body to search"
        if not all(math.isfinite(match.score) for match in matches):
            return "the auto-encoder's code is not a number"
        if not all(float(values.abs().max()) > _NOTHING for values in templates.values):
            return f"a patch around {templates.structure} shows nothing but air in the support {templates.subject}"
        return None


class _Encoder:
    """The dense code of whole scans, with as much air around that templates may overhang their edges."""

    def __init__(self, model: Model) -> None:
        if not isinstance(model.network, Autoencoder) or not isinstance(model.settings, CodeSettings):
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
        with clock.part("prepare"):
            values = torch.from_numpy(scan.values).to(self._model.device)
            padded = self._levels(F.pad(values, (2 * HALO,) * 6, value=self._air_value))
        with torch.inference_mode(), clock.part("network"):
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


def _improve(of_walls: list[dict[str, Match]], values: Tensor, matcher: Matcher, offset: tuple[int, int, int]) -> None:
    """Put the better matches of one grid of the code in the place of those that are known, by wall and measure."""
    for template, known in zip(values, of_walls, strict=True):
        for measure, match in matcher.best(template).items():
            known[measure] = _better(measure, known[measure], _moved(match, offset))


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


def make(work: Work) -> Feature:
    """Return template matching by features."""
    return Feature(work.main_settings, work.model("autoencoder"), structures=work.structures)
