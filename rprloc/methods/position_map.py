"""The position map alone: a landmark is where the support's latent is met again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from rprloc.geometry import FloatArray
from rprloc.methods.answer import Answers, Found, Key, others, present
from rprloc.methods.body_map import BodyMap
from rprloc.methods.clock import Clock
from rprloc.methods.localize import Work
from rprloc.networks.checkpoint import Model
from rprloc.scans.scan import Scan

METHOD, SETTING = "position_map", "extreme"


@dataclass(frozen=True)
class _Support:
    """The latents of a support's landmarks."""

    subject: str
    latents_mm: dict[str, FloatArray]
    """Structure -> (6, 3), in the order of the walls, or (1, 3)."""
    half_voxel_mm: Mapping[str, Sequence[float]]
    fault: str | None
    """Why its own map is of no use."""


class PositionMapMethod:
    """Find landmarks where the position map gives the query's voxels the latents of the support's landmarks.

    All supports and structures cost one pass over the query.
    """

    def __init__(self, position_map: Model, *, structures: Sequence[str] | None = None) -> None:
        """Take the network and the structures (None: all that a support has)."""
        self._position_map = position_map
        self._structures = structures
        self._supports: list[_Support] = []

    def prepare(self, supports: Sequence[Scan]) -> None:
        """Pass every support through the network, once for all queries."""
        self._supports = [self._support(scan) for scan in supports]

    def locate(self, query: Scan, clock: Clock) -> Answers:
        """Return the answers for a query from each other support."""
        supports = others(self._supports, query)
        if not supports:
            return {}
        with clock.part("network"):
            body_map = BodyMap(self._position_map, query)
            fault = body_map.fault()
        with clock.part("search"):
            return {
                Key(METHOD, SETTING, support.subject, structure): support.fault
                or fault
                or _met(body_map, support, structure)
                for support in supports
                for structure in support.latents_mm
            }

    def _support(self, scan: Scan) -> _Support:
        """Return the latents of one support's landmarks."""
        body_map = BodyMap(self._position_map, scan)
        fault = body_map.fault()
        names = present(scan, self._structures)
        return _Support(
            subject=scan.subject,
            latents_mm={name: body_map.at(scan.structures[name].extreme_mm) for name in names},
            half_voxel_mm={name: scan.structures[name].half_voxel_mm for name in names},
            fault=f"support {scan.subject}: {fault}" if fault else None,
        )


def _met(body_map: BodyMap, support: _Support, structure: str) -> Found:
    """Return where a query's map meets a structure's latents."""
    met = body_map.met(support.latents_mm[structure])
    return Found(
        points_mm=met.positions_mm,
        half_voxel_mm=support.half_voxel_mm[structure],
        spread_mm=float(np.mean(np.hypot(met.spread_mm, met.distance_mm))),
    )


def make(work: Work) -> PositionMapMethod:
    """Return the position map alone."""
    return PositionMapMethod(work.model("position_map"), structures=work.structures)
