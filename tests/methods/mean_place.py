"""A method of the tests' own: the support's points, moved as the middle of the body does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from rprloc.geometry import FloatArray
from rprloc.methods.answer import Answers, Found, Key, others, present
from rprloc.methods.clock import Clock
from rprloc.methods.localize import Work
from rprloc.scans.scan import Scan


class MeanPlace:
    """Carry the extreme points by the way from the support's to the query's centre of mass of the body."""

    def __init__(self, settings: Mapping[str, str], *, structures: Sequence[str] | None = None) -> None:
        """Take the method's name with its setting and the structures (None: all that a support has)."""
        self._settings = settings
        self._structures = structures
        self._supports: Sequence[Scan] = ()

    def prepare(self, supports: Sequence[Scan]) -> None:
        """Keep the supports."""
        self._supports = supports

    def locate(self, query: Scan, clock: Clock) -> Answers:
        """Return the answers for a query from each other support."""
        with clock.part("search"):
            return {
                Key(method, setting, support.subject, name): _carried(support, query, name)
                for support in others(self._supports, query)
                for name in present(support, self._structures)
                for method, setting in self._settings.items()
            }


def _carried(support: Scan, query: Scan, name: str) -> Found | str:
    """Return a structure's points moved with the body, or why they are not."""
    if not query.body.any():
        return "found no body to search"
    structure = support.structures[name]
    points = structure.extreme_mm + _middle_mm(query) - _middle_mm(support)
    return Found(points_mm=points, half_voxel_mm=structure.half_voxel_mm)


def _middle_mm(scan: Scan) -> FloatArray:
    """Return the centre of mass (3,) of a scan's body."""
    return scan.grid.world(np.argwhere(scan.body).mean(axis=0))


def make(work: Work) -> MeanPlace:
    """Return the method that the task asks for."""
    return MeanPlace(work.main_settings, structures=work.structures)
