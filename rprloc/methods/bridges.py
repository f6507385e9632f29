"""Lost answers asked again by way of other scans: what a support and they say of a structure together.

One support may take an organ for what looks like it in one query and not in most. Where its answer is lost, some other
scans of the cohort become supports in turn, with what was carried there in place of a label (as in LEAP, Wolz et al.,
NeuroImage 2010), and the answer is that one, straight or by way of another scan, which is nearest to what all of them
say together. It needs no label, and one support is enough.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from rprloc.geometry import FloatArray, box_of_points, robust_mean
from rprloc.methods.answer import Answers, Finder, Found, Key, say
from rprloc.methods.carry import Chained, Matching, QueryRegion
from rprloc.methods.clock import Clock
from rprloc.methods.judged import Judged, doubt_of
from rprloc.methods.lost import LOST_AT, lost_of
from rprloc.methods.refined import Refined
from rprloc.scans.outlines import Outline
from rprloc.scans.scan import CarriedStructure, Scan

_ASKED = 3
"""Scans that are asked; four are no better."""

Take = Callable[[Sequence[Scan]], Finder]
"""Takes supports for the same method."""
Signs = Callable[[Scan, Answers], dict[Key, FloatArray]]
"""Returns what answers for a query are judged by."""


class Bridges:
    """Scans of a cohort that are asked what is lost in a query; they are searched when the first answer is."""

    def __init__(self, folders: Sequence[Path], supports: Sequence[Scan], take: Take, signs: Signs) -> None:
        """Take the folders of scans that may be asked, the supports, and what searches and judges."""
        self._folders, self._supports = folders, {scan.subject: scan for scan in supports}
        self._take, self._signs = take, signs
        self._best: list[tuple[Scan, Judged]] | None = None
        self._known: dict[str, tuple[list[_Bridge], Finder]] = {}
        self.seconds = 0.0
        """What it took to search the scans and to prepare them as supports."""

    def answered(self, finder: Finder, query: Scan, judged: Judged, clock: Clock) -> Judged:
        """Return a finder's answers for a query, of which those that are lost are asked again; those for a query that
        lies otherwise than it says, and those without a support, are as they were.
        """
        asking = [key for key, lost in judged.lost.items() if lost >= LOST_AT and key.support in self._supports]
        if judged.turned is not None or not asking or not self._folders:
            return judged
        answers = dict(judged.answers)
        for support in dict.fromkeys(key.support for key in asking):
            bridges, asked = self._prepared(finder, support)
            if not bridges:
                continue
            found = asked.locate(query, clock)
            with clock.part("judge"):
                others = [bridge for bridge in bridges if bridge.of != query.subject]
                ways = [way for bridge in others for way in self._ways(query, bridge, found)]
                for key in (one for one in asking if one.support == support):
                    straight = answers[key]
                    assert isinstance(straight, Found)
                    own = [_Way(key, straight, judged.alone[key]), *(way for way in ways if way.key == key)]
                    answers[key] = _nearest(own)
        if all(answers[key] is judged.answers[key] for key in asking):
            return judged
        with clock.part("judge"):
            supports = {key.support for key in asking}
            again = {key: answer for key, answer in answers.items() if key.support in supports}
            return replace(judged, answers=answers, signs={**judged.signs, **self._signs(query, again)})

    def _prepared(self, finder: Finder, support: str) -> tuple[list[_Bridge], Finder]:
        """Return the scans that are asked of a support's structures, as supports of a finder."""
        if support not in self._known:
            began = time.perf_counter()
            if self._best is None:
                self._best = sorted(self._searched(finder), key=lambda one: doubt_of(one[1]))[:_ASKED]
            own = self._supports[support]
            found = [bridge for scan, judged in self._best if (bridge := _Bridge.of_found(scan, own, judged))]
            self._known[support] = found, self._take([bridge.scan for bridge in found])
            self.seconds += time.perf_counter() - began
        return self._known[support]

    def _searched(self, finder: Finder) -> Iterator[tuple[Scan, Judged]]:
        """Yield the scans that may be asked, with what is found in them."""
        for folder in self._folders:
            if (scan := Scan.read(folder)) is not None:
                found = finder.locate(scan, Clock())
                light = {key: _light(one) if isinstance(one, Found) else one for key, one in found.items()}
                yield scan, Judged(light, self._signs(scan, light))

    def _ways(self, query: Scan, bridge: _Bridge, found: Answers) -> Iterator[_Way]:
        """Yield the answers for a query by way of a bridge, as answers of its support."""
        own = {
            key._replace(support=bridge.support): replace(_light(answer), beyond=None)
            for key, answer in found.items()
            if key.support == bridge.scan.subject and isinstance(answer, Found)
        }
        for key, signs in self._signs(query, dict(own)).items():
            there, carry = bridge.answers[key], own[key].carry
            if carry is not None:
                carry = None if there.carry is None else Chained((carry, there.carry))
            lost = 1 - (1 - bridge.lost[key]) * (1 - float(lost_of(signs)))
            yield _Way(key, replace(own[key], carry=carry), lost)


@dataclass(frozen=True)
class _Way:
    """An answer of a support, straight or by way of another scan, and how likely it is lost."""

    key: Key
    answer: Found
    lost: float


@dataclass(frozen=True)
class _Bridge:
    """A scan as a support, with what was carried there from one in place of a label."""

    scan: Scan
    """Called as no scan is."""
    of: str
    """The subject."""
    support: str
    answers: Mapping[Key, Found]
    lost: Mapping[Key, float]

    @classmethod
    def of_found(cls, scan: Scan, support: Scan, judged: Judged) -> _Bridge | None:
        """Take what was found in a scan from a support and is not lost; None where that is nothing."""
        answers = {key: answer for key, answer in judged.kept.items() if key.support == support.subject}
        if not answers:
            return None
        surfaces, structures, carried = support.surfaces_mm(), {}, {}
        for key, answer in answers.items():
            name, points = key.structure, answer.points_mm
            structures[name] = replace(support.structures[name], box_mm=box_of_points(points), extreme_mm=points)
            surface = points
            if isinstance(answer.carry, Matching):
                surface = np.concatenate([points, answer.carry.carried(surfaces[name])[len(points) :]])
            carried[name] = CarriedStructure(surface, _outline(support, scan, name, answer))
        record = replace(scan.record, subject=f"{support.subject} in {scan.subject}", structures=structures)
        own = replace(scan, record=record, carried=carried)
        return cls(own, scan.subject, support.subject, answers, {key: judged.alone.get(key, 0.0) for key in answers})


def _outline(support: Scan, scan: Scan, name: str, answer: Found) -> Outline | None:
    """Return the outline of an answer on a scan's own voxels."""
    shape, native = support.shape(name), scan.record.native
    if shape is None or native is None or answer.carry is None:
        return None
    region = QueryRegion.around(native, [box_of_points(answer.points_mm)])
    return None if region is None else region.outline(region.distances(shape, answer.carry, answer.beyond))


def _nearest(ways: Sequence[_Way]) -> Found:
    """Return the answer whose walls are nearest to what all say together, each by how likely it is not lost."""
    boxes = np.stack([box_of_points(way.answer.points_mm) for way in ways])
    weights = np.array([say(way.lost) for way in ways])[:, np.newaxis, np.newaxis]
    far = np.abs(boxes - robust_mean(boxes, weights=weights)).mean(axis=(1, 2))
    return ways[int(far.argmin())].answer


def _light(answer: Found) -> Found:
    """Return an answer without the features of the scan in which it was found."""
    return replace(answer, carry=answer.carry.matching) if isinstance(answer.carry, Refined) else answer
