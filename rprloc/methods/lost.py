"""Whether an answer is lost: how the query looks where it lies, against how it looks elsewhere.

An answer lays a support's surroundings over the query. Is there what the support has there and nowhere else, does the
structure stand out as it does in the support, and are all structures of the pair found as clearly? A small logistic
model weighs these signs; it needs no label of the query, and one support is enough. Where there are three, they also
tell how like two scans are where both are labelled, and how far their answers are apart tells more: an organ may be
taken for another that looks like it, but by all of them it seldom is. `python -m benchmarks.lost` has fitted both and
says how well they tell.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from rprloc.geometry import Affine, FloatArray, box_of_points
from rprloc.methods.answer import NO_SUPPORT, Answers, Found, Key
from rprloc.methods.contrast import Contrast
from rprloc.methods.exemplar import Exemplar
from rprloc.methods.images import Window
from rprloc.methods.laid import LEAST_SEEN
from rprloc.methods.looks import Looks, Points, affine_of, corners_of, laid_of
from rprloc.scans.scan import Scan
from rprloc.seeds import generator_of

SPACING_MM = 6.0
"""Of the features; those at 3 mm tell less."""
_PLACES, _MARGIN_MM = 250, 20.0
"""Points that are compared in a structure's box and so far around it."""
_OTHERS, _NULL = 300, 120
"""Other places of the support that an exemplar is told from, and of the query that are compared."""
_NEAR_MM = 25.0
"""A place that is nearer is not another."""
_AROUND_MM = (-12.0, -6.0, 0.0, 6.0, 12.0)
"""Along each axis: an answer counts as what is best so near, as coarse methods are right and a little off."""
_FEWEST_PLACES, _VARIES = 10, 0.04
"""Other places that a query must show, and how much likeness varies over them where it does not, as in most scans."""
_CONTRAST = 0.05
"""Of a structure of which too little is seen to say: as of most that are right."""

_NEARBY_MM = np.array(list(itertools.product(_AROUND_MM, repeat=3)))
"""(125, 3), the displacements."""
SIGNS = ("likeness", "contrast", "clear", "usual")
"""What an answer is judged by: how like its surroundings are to the support's, 1 the same and 0 as anywhere; how
differently the structure stands out from them; the logarithm of how much likelier its place is than others of the
query, in standard deviations, the mean over all structures that its method found with one support; and how like the
support is to others at their labels, NaN with fewer than two others.
"""


def lost_of(signs: FloatArray) -> FloatArray:
    """Return the probabilities (...) that answers are lost, that their walls are more than 20 mm off in the mean, from
    their signs (..., k), by one support alone.
    """
    return logistic(signs[..., :-1], np.array(_WEIGHTS), _BIAS)


def logistic(signs: FloatArray, weights: FloatArray, bias: float) -> FloatArray:
    """Return the probabilities (...) that a logistic model of weights (k,) and a bias gives signs (..., k)."""
    return np.asarray(1 / (1 + np.exp(-(signs @ weights + bias))))


_WEIGHTS, _BIAS = (-3.14, 1.73, -2.14), 4.67
OFF_MM = 20.0
"""Walls that are farther off in the mean are lost."""
_FEWEST_OTHERS, _MOST_OTHERS = 2, 3
"""Supports with which one has to agree, of two that do not nobody knows which is wrong; and that say what is usual."""
_AGREE, _AGREE_BIAS = (-5.97, 2.02, -2.07, 1.65), 2.12
"""Of what `agreement_signs` returns."""
_FARTHEST = 2.0
"""Of what the others are apart; farther tells no more."""
LOST_AT = 0.63
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


def agreed(signs: FloatArray, apart: FloatArray) -> FloatArray:
    """Return the probabilities (...) that answers are lost, from their signs (..., k) and how many mm they are from the
    others' (...).
    """
    return logistic(agreement_signs(signs, apart), np.array(_AGREE), _AGREE_BIAS)


def agreement_signs(signs: FloatArray, apart: FloatArray) -> FloatArray:
    """Return what `agreed` weighs (..., 4): the signs, the likeness less what is usual, and how far the others are
    apart, in parts of OFF_MM.
    """
    likeness, contrast, clear, usual = np.moveaxis(signs, -1, 0)
    return np.stack([likeness - usual, contrast, clear, np.minimum(apart / OFF_MM, _FARTHEST)], axis=-1)


@dataclass(frozen=True)
class _Shown:
    """What a structure of a support is judged by."""

    exemplar: Exemplar
    contrast: Contrast


@dataclass(frozen=True)
class _Known:
    """A support, and of its structures what they are judged by."""

    looks: Looks
    shown: dict[str, _Shown] = field(default_factory=dict)
    """By structure."""
    like: dict[tuple[str, str], float] = field(default_factory=dict)
    """By structure and other support: how like that is at its label."""

    @property
    def scan(self) -> Scan:
        """The support."""
        return self.looks.scan


class Judge:
    """Says of answers of queries how likely they are lost. What supports are judged by is computed once."""

    def __init__(self, supports: Sequence[Scan], window: Window, *, seed: int) -> None:
        """Take the supports, the cohort's window and the seed of the places that are compared."""
        self._supports = {scan.subject: scan for scan in supports}
        self._window, self._seed = window, seed
        self._known: dict[str, _Known] = {}

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
            signs = self._signs(looks, self._of(support), {key.structure: points for key, points in own.items()})
            found |= dict(zip(own, signs, strict=True))
        return found

    def _signs(self, query: Looks, support: _Known, answers: Points) -> FloatArray:
        """Return the SIGNS (n, k) of a support's answers for n structures of a query."""
        laid, count = laid_of(support.scan, answers), len(_NEARBY_MM)
        rows = []
        for name, there in answers.items():
            shown = self._shown(support, name)
            moved = _moved(support.scan, name, shown.exemplar.points_mm, there, laid)
            generator = generator_of(self._seed, query.scan.subject, support.scan.subject, name, "lost")
            moves = np.concatenate([_NEARBY_MM, _moves(query.scan, there.mean(axis=0), _NULL, generator)])
            likeness, seen = shown.exemplar.likeness(query, moved + moves[:, np.newaxis])
            best = int(likeness[:count].argmax())
            own = affine_of(corners_of(support.scan, name, there), there + moves[best])
            contrast = shown.contrast.differs(query, own)
            rows.append(
                (
                    likeness[best],
                    _CONTRAST if contrast is None else contrast,
                    _clear(likeness[best], likeness[count:][seen[count:] >= LEAST_SEEN]),
                    self._usual(support, name, query.scan.subject),
                )
            )
        found = np.array(rows)
        found[:, 2] = np.log(max(float(found[:, 2].mean()), 1.0))
        return found

    def _of(self, support: str) -> _Known:
        """Return a support."""
        if support not in self._known:
            self._known[support] = _Known(Looks.of(self._supports[support], self._window, SPACING_MM))
        return self._known[support]

    def _shown(self, support: _Known, name: str) -> _Shown:
        """Return what a support's structure is judged by."""
        if name not in support.shown:
            scan, known = support.scan, support.scan.structures[name]
            generator = generator_of(self._seed, scan.subject, name, "exemplar")
            points = generator.uniform(known.box_mm[0] - _MARGIN_MM, known.box_mm[1] + _MARGIN_MM, (_PLACES, 3))
            moves = _moves(scan, known.box_mm.mean(axis=0), _OTHERS, generator)
            exemplar = Exemplar.of(support.looks, points, moves)
            generator = generator_of(self._seed, scan.subject, name, "contrast")
            contrast = Contrast.of(support.looks, known.extreme_mm, scan.shape(name), generator)
            support.shown[name] = _Shown(exemplar, contrast)
        return support.shown[name]

    def _usual(self, support: _Known, name: str, query: str) -> float:
        """Return how like a structure's surroundings in other supports are to those in one, the mean over the first
        few that are not the query; NaN where these are fewer than two.
        """
        able = [
            subject
            for subject, scan in self._supports.items()
            if subject not in (support.scan.subject, query) and name in scan.structures
        ]
        if len(able) < _FEWEST_OTHERS:
            return float("nan")
        chosen = [(name, subject) for subject in able[:_MOST_OTHERS]]
        for one in chosen:
            if one not in support.like:
                support.like[one] = self._like(support, self._of(one[1]), name)
        return float(np.mean([support.like[one] for one in chosen]))

    def _like(self, support: _Known, other: _Known, name: str) -> float:
        """Return how like another support's surroundings of a structure are to those in one, by their labels."""
        both = support.scan.structures.keys() & other.scan.structures.keys()
        points = {one: other.scan.structures[one].extreme_mm for one in sorted(both)}
        exemplar = self._shown(support, name).exemplar
        moved = _moved(support.scan, name, exemplar.points_mm, points[name], laid_of(support.scan, points))
        return float(exemplar.likeness(other.looks, moved[np.newaxis])[0][0])

    def _judging(self, key: Key, query: Scan) -> str | None:
        """Return the support that an answer is judged by."""
        names = [key.support] if key.support != NO_SUPPORT else list(self._supports)
        able = (
            name
            for name in names
            if name != query.subject and name in self._supports and key.structure in self._supports[name].structures
        )
        return next(able, None)


def _moved(support: Scan, name: str, places_mm: FloatArray, there_mm: FloatArray, laid: Affine) -> FloatArray:
    """Return where places (n, 3) around a support's structure come, whose points are found in another scan (m, 3), and
    all structures as an affine transform has them.
    """
    here = corners_of(support, name, there_mm)
    return np.asarray((places_mm - here.mean(axis=0)) @ laid.matrix.T + there_mm.mean(axis=0))


def _moves(scan: Scan, middle_mm: FloatArray, count: int, generator: np.random.Generator) -> FloatArray:
    """Return up to so many displacements (m, 3) of a place (3,) to others, anywhere in a scan."""
    low, high = scan.grid.box_mm
    moves = generator.uniform(low, high, (count, 3)) - middle_mm
    return np.asarray(moves[np.linalg.norm(moves, axis=1) > _NEAR_MM])


def _clear(own: float, others: FloatArray) -> float:
    """Return how much likelier a place is than others (m,), in their standard deviations."""
    if len(others) < _FEWEST_PLACES:
        return own / _VARIES
    return float((own - others.mean()) / (others.std() + 1e-3))
