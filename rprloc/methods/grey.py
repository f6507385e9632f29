"""Template matching by grey values: mean square error, cosine and normalised cross-correlation (table 3)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rprloc.geometry import WALLS, FloatArray
from rprloc.methods.clock import Clock
from rprloc.methods.matching import Match, Matcher
from rprloc.methods.prediction import Prediction, Scan, absent_row, found_row, row_key, timed, wanted_structures
from rprloc.networks.patches import PaddedScan, apply_window

_PREFIX = "grey_"


@dataclass(frozen=True)
class _Landmarks:
    """The extreme points of one structure in one support."""

    support: str
    structure: str
    half_voxel_mm: list[float]
    rest_mm: FloatArray
    """(6, 3), from the centre of each point's template, a voxel, to the point."""
    templates: NDArray[np.int64]
    """(6,), numbers among the support's templates."""


class Grey:
    """Find landmarks where the grey values around a voxel of the query are most like those around the support's.

    A template is the patch around an extreme point's voxel, of the size and in the window that the networks see. It is
    compared with the windows around all voxels of the query's body, or around those whose coordinates are multiples of
    the stride; beyond a scan's edges both are air. Every measure is answered from one transform of the query.
    """

    def __init__(
        self,
        names: Sequence[str],
        *,
        structures: Sequence[str] | None,
        drawn: str | None,
        patch_voxels: tuple[int, int, int],
        window: Sequence[tuple[float, float]],
        modality: str,
        stride: int = 1,
        device: torch.device,
    ) -> None:
        """Take the methods to answer (`grey_mse`, `grey_cosine`, `grey_ncc`), the structures (None: those of the
        supports), the name of the drawn support, and the patch's size (z, y, x), window and modality of the cohort.
        """
        self._measures = {name: name.removeprefix(_PREFIX) for name in names}
        self._structures = structures
        self._drawn = drawn
        self._size = patch_voxels
        self._window = window
        self._modality = modality
        self._stride = stride
        self._device = device
        self._landmarks: list[_Landmarks] = []
        self._absent: list[tuple[str, str]] = []
        self._templates: dict[str, Tensor] = {}
        """Support -> (n, z, y, x) int16, each centre once."""

    def prepare(self, supports: Sequence[Scan]) -> None:
        """Cut the templates of every landmark of the supports."""
        names = wanted_structures(self._structures, supports)
        for scan in supports:
            self._absent += [(scan.subject, name) for name in names if name not in scan.structures]
            present = [name for name in names if name in scan.structures]
            if not present:
                continue
            points_mm = np.stack([scan.extreme_points_mm(name) for name in present])
            voxels = scan.grid.nearest_voxel(points_mm)
            centres, numbers = np.unique(voxels.reshape(-1, 3), axis=0, return_inverse=True)
            padded = PaddedScan.of(scan.values, self._size, modality=self._modality, device=self._device)
            self._templates[scan.subject] = padded.crop(torch.from_numpy(centres).to(self._device)).clone()
            rest_mm = points_mm - scan.grid.world(voxels)
            self._landmarks += [
                _Landmarks(scan.subject, name, scan.structures[name]["half_voxel_mm"], rest, templates)
                for name, rest, templates in zip(present, rest_mm, numbers.reshape(-1, len(WALLS)), strict=True)
            ]

    def locate(self, query: Scan) -> list[Prediction]:
        """Return the answers for a query: a row for each support other than the query, structure and method."""
        wanted = [marks for marks in self._landmarks if marks.support != query.subject]
        clock = Clock()
        with torch.inference_mode():
            found = self._search(query, list(dict.fromkeys(marks.support for marks in wanted)), clock)
        rows = [self._answer(query, marks, method, found) for marks in wanted for method in self._measures]
        return timed(rows, clock.seconds) + self._absences(query)

    def _search(self, query: Scan, supports: Sequence[str], clock: Clock) -> dict[str, list[dict[str, Match]]]:
        """Return where each template of the supports fits best, by measure; nothing where there is no position."""
        if not supports or not query.body[:: self._stride, :: self._stride, :: self._stride].any():
            return {}
        with clock.stage("prepare"):
            padded = self._padded_levels(query)
        with clock.stage("transform"):
            measures = tuple(self._measures.values())
            matcher = Matcher(padded, self._size, query.body, measures=measures, stride=self._stride)
        with clock.stage("search"):
            return {
                name: [matcher.best(self._levels(template)[None]) for template in self._templates[name]]
                for name in supports
            }

    def _padded_levels(self, query: Scan) -> Tensor:
        """Return a scan's windowed grey values (1, z, y, x) with air around, a plane at a time to save memory."""
        values = PaddedScan.of(query.values, self._size, modality=self._modality, device=self._device).values
        found = torch.empty(values.shape, device=self._device)
        for plane, target in zip(values, found, strict=True):
            target.copy_(self._levels(plane))
        return found[None]

    def _levels(self, values: Tensor) -> Tensor:
        """Return windowed grey values."""
        return apply_window(values, self._window)

    def _answer(
        self, query: Scan, marks: _Landmarks, method: str, found: dict[str, list[dict[str, Match]]]
    ) -> Prediction:
        """Return the answer for one structure from where the templates fit best."""
        common = self._key(query, marks.structure, method, marks.support)
        measure = self._measures[method]
        matches = [found[marks.support][number][measure] for number in marks.templates] if found else []
        reason = self._fault(marks, measure, matches)
        if reason is not None:
            return Prediction(**common, failed=True, reason=reason)
        points_mm = query.grid.world([match.voxel for match in matches]) + marks.rest_mm
        return found_row(common, points_mm, marks.half_voxel_mm)

    def _fault(self, marks: _Landmarks, measure: str, matches: Sequence[Match]) -> str | None:
        """Return why matches are no answer, or None."""
        if not matches:
            where = "" if self._stride == 1 else f" whose coordinates are multiples of {self._stride}"
            return f"found no voxel of the body{where} to search"
        for wall, number, match in zip(WALLS, marks.templates, matches, strict=True):
            values = self._levels(self._templates[marks.support][number])
            patch = f"the patch around {marks.structure}'s {wall} point in the support {marks.support}"
            if values.min() == values.max():
                return f"{patch} holds one grey value only"
            if not math.isfinite(match.score):
                return f"the score of {patch} is not a number"
            if measure != "mse" and match.score == 0:
                return f"nothing in the body resembles {patch}"
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
        setting = f"extreme.s{self._stride}"
        return row_key(query, structure, method=method, setting=setting, support=support, drawn=self._drawn)
