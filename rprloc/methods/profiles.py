"""What the surface of a support's structure looks like, and how far one that was carried lies from what looks so.

The grey values along the normal of a surface are its profile (Cootes & Taylor, BMVC 1993). The support teaches what
they tell: its own surface is bent at random, as a match leaves it, and how far each point then lies from the true
surface is learned from its profile by a ridge regression of random features (Rahimi & Recht, NIPS 2007). So it needs
one annotation, a tenth of a second, and nothing that was trained before.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

from rprloc.geometry import FloatArray, box_of_points
from rprloc.methods.carry import Matching
from rprloc.methods.vicinity import Vicinity
from rprloc.scans.scan import Scan
from rprloc.scans.shapes import Shape
from rprloc.seeds import generator_of

_REACH = 4
"""Steps from a point to each end of its profile."""
_FARTHEST = 3.0
"""Steps that one look at a profile moves a point at most."""
_LOOKS = 2
_BENT = 0.08
"""Standard deviation of the strongest bends, in parts of the cube root of the structure's volume."""
_LESSONS, _POINTS = 48, 500
"""Bends, and points of the surface that take part in each."""
_WAVES, _LONG = 32, (0.3, 0.7, 1.5)
"""Of a bend, and how long they are, in parts of the structure's size."""
_FEATURES = 256
_GAIN, _NOISE = 0.3, 0.2
"""Standard deviation of what is added to profiles while they are learned: the query is another scan."""
_RIDGE = 0.003
_AT_ONCE = 2000
"""Points whose features are computed together."""
_EVEN, _EVENED = 1.0, 32
"""Steps, the standard deviation over which neighbours even each other out for a box, and how many they are."""
_AROUND = 8
"""Points of the surface that say how far a place near it is moved."""
_NEAR = 6.0
"""Steps from the surface within which they do."""


@dataclass(frozen=True)
class SurfaceBeyond:
    """How far a structure's surface in a query lies beyond where it was carried, along its normals."""

    profiles: Profiles
    far_mm: FloatArray
    """(n,), of each point of the support's surface; outwards is positive."""

    @property
    def evened_mm(self) -> FloatArray:
        """The same, evened out between neighbours: of many points, each with an error of its own, the outermost would
        make the box too large.
        """
        weights, index = self.profiles.around
        return np.asarray((weights * self.far_mm[index]).sum(axis=1) / weights.sum(axis=1))

    def added(self, distances: NDArray[np.float32], places_mm: FloatArray) -> NDArray[np.float32]:
        """Return the signed distances (m,) from the surface of places (m, 3) of the support with what they lie off."""
        near = np.abs(distances) < _NEAR * self.profiles.step_mm
        if not near.any():
            return distances
        count = min(_AROUND, len(self.far_mm))
        apart, index = self.profiles.tree.query(places_mm[near], range(1, count + 1))
        weights = 1 / np.maximum(apart, self.profiles.step_mm / 3) ** 2
        moved = distances.copy()
        moved[near] += (weights * self.far_mm[index]).sum(axis=1) / weights.sum(axis=1)
        return moved


@dataclass(frozen=True)
class Profiles:
    """What the profiles of a structure tell, learned from a support."""

    points_mm: FloatArray
    """(n, 3), the support's surface."""
    normals: FloatArray
    """(n, 3), outwards, of length 1."""
    step_mm: float
    """Between the grey values of a profile."""
    _scaled: FloatArray
    """(2, k), the mean and the standard deviation of each of a profile's values."""
    _random: FloatArray
    """(k + 1, features)."""
    _weights: FloatArray
    """(features + k + 1,)."""

    @classmethod
    def learned(
        cls, shown: Vicinity, surface_mm: FloatArray, shape: Shape, generator: np.random.Generator
    ) -> Profiles | None:
        """Learn those of a surface (n, 3) of a support, a shape's, from what the support shows there; None where it
        shows no profile whole.
        """
        step = shown.step_mm
        normals = _unit(shape.outwards(surface_mm, step))
        profiles, far = [], []
        for bent in _bends(surface_mm, _BENT * shape.volume_mm3 ** (1 / 3), generator):
            chosen = generator.integers(len(surface_mm), size=_POINTS)
            points, ahead = bent(surface_mm[chosen]), bent(surface_mm[chosen] + normals[chosen])
            profiles.append(_profiles(shown, points, _unit(ahead - points), step))
            far.append(np.clip(shape.at(points) / step, -_REACH, _REACH))
        known, wanted = np.concatenate(profiles), np.concatenate(far)
        whole = ~np.isnan(known).any(axis=1)
        if not whole.any():
            return None
        known, wanted = known[whole], wanted[whole]
        scaled = np.stack([known.mean(axis=0), known.std(axis=0) + 1e-3])
        count = known.shape[1]
        random = generator.normal(size=(count + 1, _FEATURES)) / np.array([[count**0.5]] * count + [[1.0]])
        values = _of_another_scan((known - scaled[0]) / scaled[1], generator)
        weights = _fitted(values, wanted, random)
        return cls(surface_mm, normals, step, scaled, random, weights)

    @cached_property
    def tree(self) -> KDTree:
        """The points, to be looked up."""
        return KDTree(self.points_mm)

    @cached_property
    def around(self) -> tuple[FloatArray, NDArray[np.int64]]:
        """The weights (n, m) and the numbers (n, m) of the points around each, itself first, that even it out."""
        count = min(_EVENED, len(self.points_mm))
        distance, index = self.tree.query(self.points_mm, range(1, count + 1))
        return np.exp(-(distance**2) / (2 * (_EVEN * self.step_mm) ** 2)), np.asarray(index)

    def found(self, matching: Matching, carried: FloatArray, shown: Vicinity) -> tuple[FloatArray, SurfaceBeyond]:
        """Return the surface (n, 3) in a query, of where a matching carried it (n, 3), evened out, and how far it was
        moved there.
        """
        normals = _unit(matching.carried(self.points_mm + self.normals) - carried)
        far = np.zeros(len(carried))
        for _ in range(_LOOKS):
            profiles = _profiles(shown, carried + far[:, np.newaxis] * normals, normals, self.step_mm)
            values = (profiles - self._scaled[0]) / self._scaled[1]
            told = _features(values, self._random) @ self._weights
            # A profile that the query does not show whole says nothing.
            far += np.where(np.isnan(told), 0, np.clip(told, -_FARTHEST, _FARTHEST)) * self.step_mm
        beyond = SurfaceBeyond(self, far)
        return carried + beyond.evened_mm[:, np.newaxis] * normals, beyond


def profiles_of(support: Scan, surfaces_mm: Mapping[str, FloatArray], shown: Vicinity) -> dict[str, Profiles]:
    """Return the profiles of a support's structures of which it has masks, by their surfaces (n, 3)."""
    found = {}
    for name, surface in surfaces_mm.items():
        if (shape := support.shape(name)) is not None:
            generator = generator_of(0, "profiles", support.subject, name)
            learned = Profiles.learned(shown, surface, shape, generator)
            if learned is not None:
                found[name] = learned
    return found


class _Bend:
    """A smooth displacement: a sum of waves in all directions."""

    def __init__(self, strength_mm: float, length_mm: float, generator: np.random.Generator) -> None:
        """Draw one of a standard deviation and of waves of about a length."""
        self._ways = generator.normal(size=(3, _WAVES)) / length_mm
        self._phases = generator.uniform(0, 2 * np.pi, _WAVES)
        self._strengths = generator.normal(size=(_WAVES, 3)) * strength_mm * (2 / _WAVES) ** 0.5

    def __call__(self, points_mm: FloatArray) -> FloatArray:
        """Return where points (n, 3) come to lie."""
        return np.asarray(points_mm + np.cos(points_mm @ self._ways + self._phases) @ self._strengths)


def _bends(surface_mm: FloatArray, strength_mm: float, generator: np.random.Generator) -> Iterator[_Bend]:
    """Yield the bends of the lessons."""
    size_mm = float(np.ptp(box_of_points(surface_mm), axis=0).max())
    for _ in range(_LESSONS):
        length_mm = generator.choice(_LONG) * size_mm
        yield _Bend(strength_mm * generator.uniform(0.2, 1), length_mm, generator)


def _profiles(shown: Vicinity, points_mm: FloatArray, normals: FloatArray, step_mm: float) -> FloatArray:
    """Return the profiles (n, k) of points (n, 3), less the median of all and in parts of their standard deviation;
    NaN where one is not shown whole.
    """
    steps = step_mm * np.arange(-_REACH, _REACH + 1)
    greys = shown.grey(points_mm[:, np.newaxis] + steps[:, np.newaxis] * normals[:, np.newaxis])
    greys[np.isnan(greys).any(axis=1)] = np.nan
    whole = greys[~np.isnan(greys[:, 0])]
    if not len(whole):
        return greys
    return np.asarray((greys - np.median(whole)) / max(float(whole.std()), 1e-2))


def _of_another_scan(values: FloatArray, generator: np.random.Generator) -> FloatArray:
    """Return scaled profiles (n, k) as another scan might show them: darker or lighter, with more or less contrast."""
    gain, offset = _GAIN * generator.normal(size=(2, len(values), 1))
    return np.asarray(values * (1 + gain) + offset + _NOISE * generator.normal(size=values.shape))


def _fitted(values: FloatArray, wanted: FloatArray, random: FloatArray) -> FloatArray:
    """Return the weights (features + k + 1,) of the ridge regression of wanted distances (n,) on profiles (n, k)."""
    size = _FEATURES + values.shape[1] + 1
    square, moment = _RIDGE * len(values) * np.eye(size), np.zeros(size)
    # By parts: the features of all points take 50 MB, and their makings twice as much.
    for first in range(0, len(values), _AT_ONCE):
        part = slice(first, first + _AT_ONCE)
        design = _features(values[part], random)
        square += design.T @ design
        moment += design.T @ wanted[part]
    return np.asarray(np.linalg.solve(square, moment))


def _features(values: FloatArray, random: FloatArray) -> FloatArray:
    """Return what the regression weighs (n, features + k + 1) of scaled profiles (n, k)."""
    hidden = np.maximum(values @ random[:-1] + random[-1], 0)
    return np.concatenate([hidden, values, np.ones((len(values), 1))], axis=1)


def _unit(vectors: FloatArray) -> FloatArray:
    """Return vectors (n, 3) of length 1 along others."""
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-6))
