"""Doubtful answers asked again by way of other queries: what a support and other scans say of a structure together.

One support may take an organ for what looks like it in one query and not in most. Where its answer is doubtful, the
queries in which it is found best become supports in turn, with what was carried there in place of a label (as in LEAP,
Wolz et al., NeuroImage 2010), and the answer is that one, straight or by way of another query, which is nearest to what
all of them say together. It needs no label, and one support is enough.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from rprloc.geometry import FloatArray, box_of_points, robust_mean
from rprloc.methods.answer import DOUBTFUL, Answers, Finder, Found, Key
from rprloc.methods.carry import Chained, Matching, QueryRegion
from rprloc.methods.clock import Clock
from rprloc.methods.judged import Judged
from rprloc.methods.lost import lost_of
from rprloc.methods.refined import Refined
from rprloc.scans.outlines import Outline
from rprloc.scans.scan import CarriedStructure, Scan

_BRIDGES = 3
"""Queries of which a support asks; four are no better."""

Signs = Callable[[Scan, Answers], dict[Key, FloatArray]]
"""Returns what answers for a query are judged by."""


@dataclass
class Queried:
    """A query with the answers there are."""

    folder: Path
    judged: Judged
    clock: Clock
    first: bool
    """Whether it was the first that was searched."""

    def __post_init__(self) -> None:
        # What carries points brings the whole query along.
        light = {
            key: _light(answer) if isinstance(answer, Found) else answer for key, answer in self.judged.answers.items()
        }
        self.judged = replace(self.judged, answers=light)

    @property
    def oriented(self) -> bool:
        """Whether its answers are those in the frame of its file."""
        return self.judged.turned is None

    def found(self, support: str) -> dict[Key, Found]:
        """Return what was found from a support and is not lost."""
        return {key: answer for key, answer in self.judged.kept.items() if key.support == support}

    def doubtful(self, support: str) -> list[Key]:
        """Return the answers from a support that are doubtful."""
        return [key for key, lost in self.judged.alone.items() if key.support == support and lost >= DOUBTFUL]


@dataclass
class Bridges:
    """Queries that were searched from the same supports, of which each may say what the others are in doubt of."""

    take: Callable[[Sequence[Scan]], Finder]
    """Takes supports for the same method."""
    signs: Signs
    _searched: list[Queried] = field(default_factory=list)

    def note(self, searched: Queried) -> None:
        """Take one more query."""
        self._searched.append(searched)

    def crossed(self, supports: Sequence[Scan]) -> Iterator[Queried]:
        """Yield the queries some of whose answers are others now, and forget all."""
        changed: dict[int, Queried] = {}
        for support in supports:
            changed |= self._by_way_of(support)
        self._searched.clear()
        yield from changed.values()

    def _by_way_of(self, support: Scan) -> dict[int, Queried]:
        """Ask again what is doubtful from one support; return the queries in which that changes anything."""
        asked = [one for one in self._searched if one.oriented and one.doubtful(support.subject)]
        bridges = [bridge for one in self._best(support.subject) if (bridge := _Bridge.of(support, one)) is not None]
        if not asked or not bridges:
            return {}
        finder = self.take([bridge.scan for bridge in bridges])
        by_subject = {bridge.scan.subject: bridge for bridge in bridges}
        changed = {}
        for one in asked:
            if (query := Scan.read(one.folder)) is not None and self._answered(
                one, query, support.subject, finder, by_subject
            ):
                changed[id(one)] = one
        return changed

    def _best(self, support: str) -> list[Queried]:
        """Return the queries in which a support's structures are found best."""
        able = [one for one in self._searched if one.oriented and one.found(support)]
        return sorted(
            able, key=lambda one: float(np.median([one.judged.lost.get(k, 0.0) for k in one.found(support)]))
        )[:_BRIDGES]

    def _answered(
        self, one: Queried, query: Scan, support: str, finder: Finder, bridges: Mapping[str, _Bridge]
    ) -> bool:
        """Give a query the answers by way of bridges where these agree better; tell whether there are any."""
        found = finder.locate(query, one.clock)
        with one.clock.part("judge", support=support):
            ways = [
                way for name, bridge in bridges.items() for way in self._ways(query, support, bridge, _of(found, name))
            ]
            changed = {}
            for key in one.doubtful(support):
                own = one.judged.answers[key]
                assert isinstance(own, Found)
                straight = _Way(key, own, one.judged.alone[key])
                best = _nearest([straight, *(way for way in ways if way.key == key)])
                if best is not straight:
                    changed[key] = best.answer
            if changed:
                answers = one.judged.answers | changed
                again = {key: answer for key, answer in answers.items() if key.support == support}
                signs = dict(one.judged.signs) | self.signs(query, again)
                one.judged = Judged(answers, signs)
        return bool(changed)

    def _ways(self, query: Scan, support: str, bridge: _Bridge, found: Answers) -> Iterator[_Way]:
        """Yield a bridge's answers for a query as answers of the support."""
        own = {
            key._replace(support=support): replace(_light(answer), beyond=None)
            for key, answer in found.items()
            if isinstance(answer, Found)
        }
        for key, signs in self.signs(query, dict(own)).items():
            first = bridge.answers[key]
            lost = 1 - (1 - bridge.lost[key]) * (1 - float(lost_of(signs)))
            carry = None
            if (second := own[key].carry) is not None and first.carry is not None:
                carry = Chained((second, first.carry))
            yield _Way(key, replace(own[key], carry=carry), lost)


@dataclass(frozen=True)
class _Way:
    """An answer of a support, straight or by way of another scan, and how likely it is lost."""

    key: Key
    answer: Found
    lost: float


@dataclass(frozen=True)
class _Bridge:
    """A query as a support, with what was carried there in place of a label."""

    scan: Scan
    answers: Mapping[Key, Found]
    lost: Mapping[Key, float]

    @classmethod
    def of(cls, support: Scan, searched: Queried) -> _Bridge | None:
        """Take what was found from a support and is not lost; None where the query cannot be read."""
        query = Scan.read(searched.folder)
        if query is None:
            return None
        answers, surfaces = searched.found(support.subject), support.surfaces_mm()
        structures, carried = {}, {}
        for key, answer in answers.items():
            name, points = key.structure, answer.points_mm
            structures[name] = replace(support.structures[name], box_mm=box_of_points(points), extreme_mm=points)
            surface = points
            if isinstance(answer.carry, Matching):
                surface = np.concatenate([points, answer.carry.carried(surfaces[name])[len(points) :]])
            carried[name] = CarriedStructure(surface, _outline(support, query, name, answer))
        record = replace(query.record, structures=structures)
        lost = {key: searched.judged.alone.get(key, 0.0) for key in answers}
        return cls(replace(query, record=record, carried=carried), answers, lost)


def _outline(support: Scan, query: Scan, name: str, answer: Found) -> Outline | None:
    """Return the outline of an answer on the query's own voxels."""
    shape, native = support.shape(name), query.record.native
    if shape is None or native is None or answer.carry is None:
        return None
    region = QueryRegion.around(native, [box_of_points(answer.points_mm)])
    return None if region is None else region.outline(region.distances(shape, answer.carry, answer.beyond))


def _of(answers: Answers, support: str) -> Answers:
    return {key: answer for key, answer in answers.items() if key.support == support}


def _nearest(ways: Sequence[_Way]) -> _Way:
    """Return the way whose walls are nearest to what all say together, each by how likely it is not lost."""
    boxes = np.stack([box_of_points(way.answer.points_mm) for way in ways])
    weights = np.array([1 - way.lost for way in ways])[:, np.newaxis, np.newaxis]
    far = np.abs(boxes - robust_mean(boxes, weights=weights)).mean(axis=(1, 2))
    return ways[int(far.argmin())]


def _light(answer: Found) -> Found:
    """Return an answer without the query's features."""
    return replace(answer, carry=answer.carry.matching) if isinstance(answer.carry, Refined) else answer
