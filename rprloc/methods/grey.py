"""Template matching by grey values: mean square error, cosine and normalised cross-correlation (table 3)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rprloc.geometry import LANDMARKS, FloatArray
from rprloc.methods.answer import Answers, Found, Key, others, present
from rprloc.methods.clock import Clock
from rprloc.methods.localize import Work
from rprloc.methods.templates import Match, Matcher
from rprloc.networks.patches import PaddedScan, apply_window
from rprloc.networks.settings import patch_voxels
from rprloc.scans.scan import Scan

_PREFIX = "grey_"


@dataclass(frozen=True, kw_only=True)
class Look:
    """What templates see: a patch (z, y, x) in voxels of grey values through a window, of a modality."""

    patch_voxels: tuple[int, int, int]
    window: Sequence[tuple[float, float]]
    modality: str


@dataclass(frozen=True)
class _Landmarks:
    """The extreme points of one structure in one support."""

    subject: str
    structure: str
    half_voxel_mm: Sequence[float]
    rest_mm: FloatArray
    """(n, 3), from the centre of each point's template, a voxel, to the point: six extreme points, or a landmark."""
    templates: NDArray[np.int64]
    """(n,), numbers among the support's templates."""


class Grey:
    """Find landmarks where the grey values around a voxel of the query are most like those around the support's.

    A template is the patch around an extreme point's voxel, of the size and in the window that the networks see. It is
    compared with the windows around all voxels of the query's body, or around those whose coordinates are multiples of
    the stride; beyond a scan's edges both are air. Every measure is answered from one transform of the query.
    """

    def __init__(
        self,
        settings: Mapping[str, str],
        look: Look,
        *,
        structures: Sequence[str] | None = None,
        stride: int = 1,
        device: torch.device,
    ) -> None:
        """Take the methods to answer (`grey_mse`, `grey_cosine`, `grey_ncc`), each with its setting, and the structures
        (None: all that a support has).
        """
        self._settings = settings
        self._measures = {name: name.removeprefix(_PREFIX) for name in settings}
        self._look = look
        self._structures = structures
        self._stride = stride
        self._device = device
        self._landmarks: list[_Landmarks] = []
        self._templates: dict[str, Tensor] = {}
        """Support -> (n, z, y, x) int16, each centre once."""

    def prepare(self, supports: Sequence[Scan]) -> None:
        """Cut the templates of every landmark of the supports."""
        for scan in supports:
            names = present(scan, self._structures)
            if not names:
                continue
            points_mm = np.concatenate([scan.structures[name].extreme_mm for name in names])
            ends = np.cumsum([len(scan.structures[name].extreme_mm) for name in names])[:-1]
            voxels = scan.grid.nearest_voxel(points_mm)
            centres, numbers = np.unique(voxels, axis=0, return_inverse=True)
            padded = self._padded(scan)
            self._templates[scan.subject] = padded.crop(torch.from_numpy(centres).to(self._device)).clone()
            rest_mm = points_mm - scan.grid.world(voxels)
            self._landmarks += [
                _Landmarks(scan.subject, name, scan.structures[name].half_voxel_mm, rest, templates)
                for name, rest, templates in zip(
                    names, np.split(rest_mm, ends), np.split(numbers.ravel(), ends), strict=True
                )
            ]

    def locate(self, query: Scan, clock: Clock) -> Answers:
        """Return the answers for a query from each other support."""
        wanted = others(self._landmarks, query)
        found = self._search(query, list(dict.fromkeys(marks.subject for marks in wanted)), clock)
        return {
            Key(method, setting, marks.subject, marks.structure): self._answer(query, marks, method, found)
            for marks in wanted
            for method, setting in self._settings.items()
        }

    def _search(self, query: Scan, supports: Sequence[str], clock: Clock) -> dict[str, list[dict[str, Match]]]:
        """Return where each template of the supports fits best, by measure; nothing where there is no position."""
        if not supports or not query.body[:: self._stride, :: self._stride, :: self._stride].any():
            return {}
        with clock.part("prepare"):
            padded = self._padded_levels(query)
        with clock.part("transform"):
            measures = tuple(self._measures.values())
            matcher = Matcher(padded, self._look.patch_voxels, query.body, measures=measures, stride=self._stride)
        with clock.part("search"):
            return {
                name: [matcher.best(self._levels(template)[None]) for template in self._templates[name]]
                for name in supports
            }

    def _padded(self, scan: Scan) -> PaddedScan:
        """Return a scan's values with air around."""
        look = self._look
        return PaddedScan.of(scan.values, look.patch_voxels, modality=look.modality, device=self._device)

    def _padded_levels(self, query: Scan) -> Tensor:
        """Return a scan's windowed grey values (1, z, y, x) with air around, a plane at a time to save memory."""
        values = self._padded(query).values
        found = torch.empty(values.shape, device=self._device)
        for plane, target in zip(values, found, strict=True):
            target.copy_(self._levels(plane))
        return found[None]

    def _levels(self, values: Tensor) -> Tensor:
        """Return windowed grey values."""
        return apply_window(values, self._look.window)

    def _answer(
        self, query: Scan, marks: _Landmarks, method: str, found: dict[str, list[dict[str, Match]]]
    ) -> Found | str:
        """Return the answer for one structure from where the templates fit best."""
        measure = self._measures[method]
        matches = [found[marks.subject][number][measure] for number in marks.templates] if found else []
        reason = self._fault(marks, measure, matches)
        if reason is not None:
            return reason
        points_mm = query.grid.world([match.voxel for match in matches]) + marks.rest_mm
        return Found(points_mm=points_mm, half_voxel_mm=marks.half_voxel_mm)

    def _fault(self, marks: _Landmarks, measure: str, matches: Sequence[Match]) -> str | None:
        """Return why matches are no answer, or None."""
        if not matches:
            where = "" if self._stride == 1 else f" whose coordinates are multiples of {self._stride}"
            return f"found no voxel of the body{where} to search"
        for wall, number, match in zip(LANDMARKS[len(matches)], marks.templates, matches, strict=True):
            values = self._levels(self._templates[marks.subject][number])
            which = f"{marks.structure}'s {wall} point" if len(matches) > 1 else marks.structure
            patch = f"the patch around {which} in the support {marks.subject}"
            if values.min() == values.max():
                return f"{patch} holds one grey value only"
            if not math.isfinite(match.score):
                return f"the score of {patch} is not a number"
            if measure != "mse" and match.score == 0:
                return f"nothing in the body resembles {patch}"
        return None


def make(work: Work) -> Grey:
    """Return template matching by grey values."""
    seen = work.search.seen
    return Grey(
        work.main_settings,
        Look(patch_voxels=patch_voxels(seen), window=seen.window, modality=seen.modality),
        structures=work.structures,
        stride=work.search.parameters["template_stride"],
        device=work.device,
    )
