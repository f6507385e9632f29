"""The outlines of a query's answers: each support's mask, carried by what its method found, and their mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from rprloc.geometry import FloatArray, box_of_points, robust_mean
from rprloc.methods.answer import ALL_SUPPORTS, OUTSIDE, Beyond, Carry, Key, OfAnswer, OutlineFacts, say
from rprloc.methods.carry import FARTHEST_MM, QueryRegion
from rprloc.methods.clock import Clock
from rprloc.methods.judged import Judged
from rprloc.methods.overlap import overlaps
from rprloc.scans.outlines import Outline, write_outlines
from rprloc.scans.record import Native
from rprloc.scans.scan import Scan
from rprloc.scans.shapes import Shape
from rprloc.scans.target import scan_folder

_NEAR_MM = 3.0
"""Farther from the surface, all on one side, distances that supports carry need no robust mean."""


@dataclass(frozen=True)
class Outlined:
    """An answer's outline."""

    outline: Outline
    facts: OutlineFacts


Outlines = Mapping[Key, Outlined]
"""Of the answers of a query that have one, those of all supports together among them."""


class Artist:
    """Draws the outlines of answers from the supports' masks."""

    def __init__(self, supports: Sequence[Scan]) -> None:
        """Take the supports; those whose structures have no mask give no outlines."""
        self._supports = {scan.subject: scan for scan in supports}

    def outlines(self, query: Scan, judged: Judged, clock: Clock) -> dict[Key, Outlined]:
        """Return the outlines, on the query's own voxels, of its answers that are not lost.

        Where several supports answered, the robust mean of what they carried, each by how likely it is not lost, is
        that of all together, unless more of them say that the query does not show the structure than find it.
        """
        native = query.record.native
        if native is None:
            return {}
        groups: dict[Key, list[Key]] = {}
        for key in judged.answers:
            groups.setdefault(key._replace(support=ALL_SUPPORTS), []).append(key)
        found: dict[Key, Outline] = {}
        with clock.part("outline"):
            for together, keys in groups.items():
                found |= self._drawn(native, together, keys, judged)
        return _measured(found, native, query.outlines())

    def _drawn(self, native: Native, together: Key, keys: Sequence[Key], judged: Judged) -> dict[Key, Outline]:
        """Return the outlines of a structure from each support, whose answers have some keys, and from all."""
        good = {key: judged.kept[key] for key in keys if key in judged.kept}
        carried: list[tuple[Key, Shape, Carry, Beyond | None]] = []
        for key, answer in good.items():
            shape = self._shape(key.support, key.structure)
            if shape is not None and answer.carry is not None:
                carried.append((key, shape, answer.carry, answer.beyond))
        if not carried:
            return {}
        region = QueryRegion.around(native, [box_of_points(good[key].points_mm) for key, *_ in carried])
        if region is None:
            return {}
        found: dict[Key, Outline | None] = {}
        every = []
        for key, shape, carry, beyond in carried:
            distances = region.distances(shape, carry, beyond)
            found[key] = region.outline(distances)
            every.append(np.clip(distances, -FARTHEST_MM, FARTHEST_MM))
        outside = sum(judged.answers[key] == OUTSIDE for key in keys if isinstance(judged.answers[key], str))
        if len(keys) > 1 and outside <= len(good):
            weights = np.array([say(judged.lost.get(key)) for key, *_ in carried])
            found[together] = region.outline(_together(np.stack(every), weights))
        return {key: outline for key, outline in found.items() if outline is not None}

    def _shape(self, support: str, structure: str) -> Shape | None:
        """Return a structure of a support, None where it has no mask."""
        scan = self._supports.get(support)
        return None if scan is None else scan.shape(structure)


def _together(distances: NDArray[np.float32], weights: FloatArray) -> NDArray[np.float32]:
    """Return the robust mean of distances (n, k, j, i) by weights (n,), where they do not agree on which side of the
    surface a place lies; the mean elsewhere.

    One support of three that is far off would move the mean of all by as much as the others agree.
    """
    mean = np.average(distances, axis=0, weights=weights).astype(np.float32)
    unsure = (distances.min(axis=0) < _NEAR_MM) & (distances.max(axis=0) > -_NEAR_MM)
    mean[unsure] = robust_mean(distances[:, unsure], weights=weights[:, np.newaxis])
    return mean


def _measured(found: Mapping[Key, Outline], native: Native, true: Mapping[str, Outline]) -> dict[Key, Outlined]:
    """Return outlines with what is known of each."""
    voxel_ml = float(abs(np.linalg.det(native.frame.axes_mm))) / 1000
    facts = {}
    for key, outline in found.items():
        voxels = int(outline.inside.sum())
        facts[key] = OutlineFacts(voxels=voxels, volume_ml=round(voxels * voxel_ml, 6))
    for structure, truth in true.items():
        keys = [key for key in found if key.structure == structure]
        for key, own in zip(keys, overlaps([found[key] for key in keys], truth, native.spacing_mm), strict=True):
            facts[key] = msgspec.structs.replace(facts[key], **own._asdict())
    return {key: Outlined(outline, facts[key]) for key, outline in found.items()}


def write_query_outlines(folder: Path, family: str, query: Scan, outlines: Outlines) -> None:
    """Write the outlines of a query's answers by a family of methods to a file in a folder, whole."""
    path = folder / f"{scan_folder(query.cohort, query.subject)}.{family}.safetensors"
    about = [
        OfAnswer(cohort=query.cohort, subject=query.subject, **key._asdict(), facts=one.facts)
        for key, one in outlines.items()
    ]
    write_outlines(path, [one.outline for one in outlines.values()], about)
