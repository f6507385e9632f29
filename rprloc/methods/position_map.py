"""The position map alone: a landmark is where the support's latent is met again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rprloc.geometry import FloatArray
from rprloc.methods.body_map import BodyMap
from rprloc.methods.clock import Clock
from rprloc.methods.prediction import Prediction, Scan, absent_row, found_row, row_key, timed, wanted_structures
from rprloc.networks.checkpoint import Model

METHOD = "position_map"
SETTING = "extreme"


@dataclass(frozen=True)
class _Support:
    """The latents of a support's landmarks."""

    subject: str
    latents_mm: dict[str, FloatArray]
    """Structure -> (6, 3), in the order of the walls."""
    half_voxel_mm: dict[str, list[float]]
    fault: str | None
    """Why its own map is of no use."""


class PositionMapMethod:
    """Find landmarks where the position map gives the query's voxels the latents of the support's landmarks.

    All supports and structures cost one pass over the query.
    """

    def __init__(self, model: Model, *, structures: Sequence[str] | None, drawn: str | None) -> None:
        """Take the position map, the structures (None: those of the supports) and the name of the drawn support."""
        self._model = model
        self._structures = structures
        self._drawn = drawn
        self._wanted: list[str] = []
        self._supports: list[_Support] = []

    def prepare(self, supports: Sequence[Scan]) -> None:
        """Pass every support through the network, once for all queries."""
        self._wanted = wanted_structures(self._structures, supports)
        self._supports = [self._support(scan) for scan in supports]

    def locate(self, query: Scan) -> list[Prediction]:
        """Return the answers for a query: a row for each structure and support other than the query."""
        supports = [support for support in self._supports if support.subject != query.subject]
        if not supports:
            return []
        clock = Clock()
        with clock.stage("network"):
            body_map = BodyMap(self._model, query)
            fault = body_map.fault()
        rows = []
        with clock.stage("search"):
            for support in supports:
                rows += [self._answer(query, body_map, fault, support, structure) for structure in self._wanted]
        return timed(rows, clock.seconds)

    def _support(self, scan: Scan) -> _Support:
        """Return the latents of one support's landmarks."""
        body_map = BodyMap(self._model, scan)
        present = [name for name in self._wanted if name in scan.structures]
        latents = {name: body_map.at(scan.extreme_points_mm(name)) for name in present}
        half = {name: scan.structures[name]["half_voxel_mm"] for name in present}
        return _Support(scan.subject, latents, half, body_map.fault())

    def _answer(
        self, query: Scan, body_map: BodyMap, fault: str | None, support: _Support, structure: str
    ) -> Prediction:
        """Return one row; `fault` says why the query's map is of no use."""
        key = row_key(query, structure, method=METHOD, setting=SETTING, support=support.subject, drawn=self._drawn)
        if structure not in support.latents_mm:
            return absent_row(key)
        if reason := support.fault or fault:
            return Prediction(**key, failed=True, reason=reason)
        met = body_map.met(support.latents_mm[structure])
        spread = float(np.mean(np.hypot(met.spread_mm, met.distance_mm)))
        return found_row(key, met.positions_mm, support.half_voxel_mm[structure], spread_mm=spread)
