"""Whether an answer is lost: how the query looks where it lies, against how it looks elsewhere.

An answer lays a support's surroundings over the query. What they cost there is compared with what they cost at other
places of the query, and the query's surroundings at other places of the support: a null distribution of each pair's
own. A small logistic model weighs these signs; it needs no label, and one support is enough.
`python -m benchmarks.lost` has fitted it and says how well it tells.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rprloc.geometry import FloatArray
from rprloc.methods.answer import NO_SUPPORT, Answers, Found, Key
from rprloc.methods.images import Window
from rprloc.methods.looks import Likeness, Looks, Points, affine_of, corners_of, likeness, points_in_body, region_of
from rprloc.methods.start import Affine
from rprloc.scans.scan import Scan
from rprloc.seeds import generator_of

SPACING_MM = 6.0
"""Of the features; those at 3 mm tell less."""
_PLACES, _OWN_PLACES = 400, 250
"""Points that are compared around all structures, and around one."""
_NULL = 120
"""Other places of a scan that are tried."""
_NEAR_MM = 25.0
"""A place that is nearer is not another."""
_OWN_MARGIN_MM = 20.0
_LEAST_SEEN = 0.3
"""Least part of the points that a scan must show at a place that is to count."""

SIGNS = (
    "cost", "correlation", "best", "back_best", "seen",
    "pair_cost", "pair_correlation", "pair_best", "pair_back_best", "pair_seen", "pair_stretch",
)  # fmt: skip
"""What an answer is judged by; those of its structure, and those of all structures that its method found together."""


def lost_of(signs: FloatArray) -> FloatArray:
    """Return the probabilities (...) that answers are lost, that their walls are more than 20 mm off in the mean, from
    their signs (..., k).
    """
    return np.asarray(1 / (1 + np.exp(-(signs @ np.array(_WEIGHTS) + _BIAS))))


_WEIGHTS = (0.35, -2.20, 0.55, 1.24, -6.52, 0.09, -3.44, -0.08, -0.02, 0.06, 2.89)
_BIAS = 10.22
LOST_AT = 0.83
"""From here on an answer is lost: 99 % of the good ones have less."""


class Judge:
    """Says of answers of queries how likely they are lost. Each scan's looks are computed once."""

    def __init__(self, supports: Sequence[Scan], window: Window, *, seed: int) -> None:
        """Take the supports, the cohort's window and the seed of the places that are compared."""
        self._supports = {scan.subject: scan for scan in supports}
        self._window, self._seed = window, seed
        self._known: dict[str, Looks] = {}

    def signs(self, query: Scan, answers: Answers) -> dict[Key, FloatArray]:
        """Return the SIGNS (k,) of each answer that was found. One without a support is judged by the first support
        that has the structure; one that none can judge has no signs.
        """
        groups: dict[tuple[str, str, str], dict[Key, FloatArray]] = {}
        for key, answer in answers.items():
            support = self._judging(key, query)
            if isinstance(answer, Found) and support is not None:
                groups.setdefault((key.method, key.setting, support), {})[key] = answer.points_mm
        if not groups:
            return {}
        looks = Looks.of(query, self._window, SPACING_MM)
        found: dict[Key, FloatArray] = {}
        for (_, _, support), own in groups.items():
            signs = self._signs(looks, support, {key.structure: points for key, points in own.items()})
            found |= dict(zip(own, signs.values(), strict=True))
        return found

    def _signs(self, query: Looks, support: str, answers: Points) -> dict[str, FloatArray]:
        """Return the SIGNS (k,) of a support's answers for the structures of a query, by structure."""
        if support not in self._known:
            self._known[support] = Looks.of(self._supports[support], self._window, SPACING_MM)
        generator = generator_of(self._seed, query.scan.subject, support, "lost")
        pair = _Pair(self._known[support], query, generator)
        scan = self._supports[support]
        points = {name: corners_of(scan, name, there) for name, there in answers.items()}
        laid = affine_of(np.concatenate(list(points.values())), np.concatenate(list(answers.values())))
        places = points_in_body(scan, region_of(scan, list(answers)), _PLACES, generator)
        together = pair.compared(places, laid.carried(places))
        stretch = np.log(np.maximum(np.linalg.svd(laid.matrix, compute_uv=False), 1e-3))
        shared = [*together, float(np.ptp(stretch))]
        return {
            name: np.array([*self._own(pair, points[name], there, laid), *shared]) for name, there in answers.items()
        }

    @staticmethod
    def _own(pair: _Pair, points_mm: FloatArray, found_mm: FloatArray, laid: Affine) -> tuple[float, ...]:
        """Return the signs of one answer: points of the support, where they were found, how the others lie."""
        box = np.stack([points_mm.min(axis=0) - _OWN_MARGIN_MM, points_mm.max(axis=0) + _OWN_MARGIN_MM])
        places = pair.generator.uniform(box[0], box[1], (_OWN_PLACES, 3))
        moved = (places - points_mm.mean(axis=0)) @ laid.matrix.T + found_mm.mean(axis=0)
        return pair.compared(places, moved)

    def _judging(self, key: Key, query: Scan) -> str | None:
        """Return the support that an answer is judged by."""
        names = [key.support] if key.support != NO_SUPPORT else list(self._supports)
        able = (
            name
            for name in names
            if name != query.subject and name in self._supports and key.structure in self._supports[name].structures
        )
        return next(able, None)


@dataclass(frozen=True)
class _Pair:
    """A support and a query that are compared."""

    support: Looks
    query: Looks
    generator: np.random.Generator

    def compared(self, places_mm: FloatArray, laid_mm: FloatArray) -> tuple[float, ...]:
        """Return the signs of places (n, 3) of the support laid on the query (n, 3): the cost there, the correlation
        of the grey values, the cost against the least elsewhere in the query and in the support, and the part seen.
        """
        there = likeness(self.support, places_mm, self.query, laid_mm, self._moves(self.query, laid_mm))
        back = likeness(self.query, laid_mm, self.support, places_mm, self._moves(self.support, places_mm))
        cost = np.log(max(float(there.costs[0]), 1e-4))
        return cost, float(there.correlations[0]), _best(there), _best(back), float(there.seen[0])

    def _moves(self, looks: Looks, places_mm: FloatArray) -> FloatArray:
        """Return displacements (m, 3) of places (n, 3) to anywhere in a scan, none first."""
        middle = places_mm.mean(axis=0)
        low, high = looks.scan.grid.box_mm
        moves = self.generator.uniform(low, high, (_NULL, 3)) - middle
        far = moves[np.linalg.norm(moves, axis=1) > _NEAR_MM]
        return np.concatenate([np.zeros((1, 3)), far])


def _best(found: Likeness) -> float:
    """Return the logarithm of the cost of no displacement against the least of the others."""
    others = found.costs[1:][found.seen[1:] >= _LEAST_SEEN]
    least = others.min() if len(others) else found.costs[0]
    return float(np.log(max(found.costs[0], 1e-4) / max(least, 1e-4)))
