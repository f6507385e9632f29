"""Whether an answer is lost: how the query looks where it lies, against how it looks elsewhere.

An answer lays a support's surroundings over the query. What they cost there, and how the grey values correlate, is
compared with what the query's surroundings cost at other places of the support: a null distribution of the pair's own.
A small logistic model weighs these signs; it needs no label, and one support is enough. Where there are three, how far
they are apart tells more: an organ may be taken for another that looks like it, but by all of them it seldom is.
`python -m benchmarks.lost` has fitted both and says how well they tell.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rprloc.geometry import Affine, FloatArray, box_of_points
from rprloc.methods.answer import NO_SUPPORT, Answers, Found, Key
from rprloc.methods.images import Window
from rprloc.methods.looks import Likeness, Looks, Points, corners_of, laid_of, likeness, points_in_body, region_of
from rprloc.scans.scan import Scan
from rprloc.seeds import generator_of

SPACING_MM = 6.0
"""Of the features; those at 3 mm tell less."""
_PLACES, _OWN_PLACES = 400, 250
"""Points that are compared around all structures, and around one."""
_NULL = 120
"""Other places of the support that are tried."""
_NEAR_MM = 25.0
"""A place that is nearer is not another."""
_OWN_MARGIN_MM = 20.0
_LEAST_SEEN = 0.3
"""Least part of the points that a scan must show at a place that is to count."""

SIGNS = ("cost", "correlation", "back_best", "seen", "pair_correlation", "pair_stretch")
"""What an answer is judged by: the logarithm of the cost of its structure's surroundings, the correlation of their grey
values, that cost against the least elsewhere in the support, and the part of them that both scans show; the correlation
around all structures that its method found together, and the logarithm of how much longer one axis was made than
another to bring them there.
"""


def lost_of(signs: FloatArray) -> FloatArray:
    """Return the probabilities (...) that answers are lost, that their walls are more than 20 mm off in the mean, from
    their signs (..., k).
    """
    return logistic(signs, np.array(_WEIGHTS), _BIAS)


def logistic(signs: FloatArray, weights: FloatArray, bias: float) -> FloatArray:
    """Return the probabilities (...) that a logistic model of weights (k,) and a bias gives signs (..., k)."""
    return np.asarray(1 / (1 + np.exp(-(signs @ weights + bias))))


_WEIGHTS, _BIAS = (0.90, -1.86, 0.77, -3.55, -3.74, 2.12), 7.66
OFF_MM = 20.0
"""Walls that are farther off in the mean are lost."""
_FEWEST_OTHERS = 2
"""Supports with which one has to agree: of two that do not, nobody knows which is wrong."""
_AGREE, _AGREE_BIAS = (0.71, 1.00), -0.01
"""Of the logit of what one support says, and of the square of how far the others are apart, in parts of OFF_MM."""
LOST_AT = 0.77
"""From here on an answer is lost: 99 % of the good ones have less."""


def apart_mm(answers: Answers) -> dict[Key, float]:
    """Return how far each support's answer lies from what the others' say together: the mean over its walls of the mm
    from their median. Answers that fewer than two others have found are left out.
    """
    together: dict[tuple[str, str, str], dict[str, FloatArray]] = {}
    for key, answer in answers.items():
        if isinstance(answer, Found) and key.support != NO_SUPPORT:
            boxes = together.setdefault((key.method, key.setting, key.structure), {})
            boxes[key.support] = box_of_points(answer.points_mm)
    found = {}
    for (method, setting, structure), boxes in together.items():
        for support, box in boxes.items():
            others = [other for name, other in boxes.items() if name != support]
            if len(others) >= _FEWEST_OTHERS:
                far = float(np.abs(np.median(others, axis=0) - box).mean())
                found[Key(method, setting, support, structure)] = far
    return found


def agreed(lost: FloatArray, apart: FloatArray) -> FloatArray:
    """Return the probabilities (...) that answers are lost, from those by one support alone (...) and how many mm they
    are from the others' (...).
    """
    return logistic(agreement_signs(lost, apart), np.array(_AGREE), _AGREE_BIAS)


def agreement_signs(lost: FloatArray, apart: FloatArray) -> FloatArray:
    """Return what `agreed` weighs (..., 2)."""
    sure = np.clip(lost, 1e-6, 1 - 1e-6)
    return np.stack([np.log(sure / (1 - sure)), np.minimum(apart / OFF_MM, 1) ** 2], axis=-1)


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
        laid = laid_of(scan, answers)
        places = points_in_body(scan, region_of(scan, list(answers)), _PLACES, generator)
        together = pair.there(places, laid.carried(places))
        stretch = np.log(np.maximum(np.linalg.svd(laid.matrix, compute_uv=False), 1e-3))
        shared = [float(together.correlations[0]), float(np.ptp(stretch))]
        return {
            name: np.array([*self._own(pair, points[name], there, laid), *shared]) for name, there in answers.items()
        }

    @staticmethod
    def _own(pair: _Pair, points_mm: FloatArray, found_mm: FloatArray, laid: Affine) -> tuple[float, ...]:
        """Return the signs of one answer: points of the support, where they were found, how the others lie."""
        box = np.stack([points_mm.min(axis=0) - _OWN_MARGIN_MM, points_mm.max(axis=0) + _OWN_MARGIN_MM])
        places = pair.generator.uniform(box[0], box[1], (_OWN_PLACES, 3))
        moved = (places - points_mm.mean(axis=0)) @ laid.matrix.T + found_mm.mean(axis=0)
        there, back = pair.there(places, moved), pair.back(places, moved)
        return _log(there.costs[0]), float(there.correlations[0]), _best(back), float(there.seen[0])

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

    def there(self, places_mm: FloatArray, laid_mm: FloatArray) -> Likeness:
        """Compare places (n, 3) of the support with those of the query on which they are laid (n, 3)."""
        return likeness(self.support, places_mm, self.query, laid_mm, np.zeros((1, 3)))

    def back(self, places_mm: FloatArray, laid_mm: FloatArray) -> Likeness:
        """Compare the query there with the support at the same places and then at others."""
        return likeness(self.query, laid_mm, self.support, places_mm, self._moves(places_mm))

    def _moves(self, places_mm: FloatArray) -> FloatArray:
        """Return displacements (m, 3) of places (n, 3) to anywhere in the support, none first."""
        low, high = self.support.scan.grid.box_mm
        moves = self.generator.uniform(low, high, (_NULL, 3)) - places_mm.mean(axis=0)
        far = moves[np.linalg.norm(moves, axis=1) > _NEAR_MM]
        return np.concatenate([np.zeros((1, 3)), far])


def _best(found: Likeness) -> float:
    """Return the logarithm of the cost of no displacement against the least of the others."""
    others = found.costs[1:][found.seen[1:] >= _LEAST_SEEN]
    return _log(found.costs[0]) - _log(others.min() if len(others) else found.costs[0])


def _log(cost: float) -> float:
    """Return the logarithm of a cost, which may be 0."""
    return float(np.log(max(cost, 1e-4)))
