"""Where matching starts: an affine transform from a support to a query, by the position map or by laying it over."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch

from rprloc.geometry import Affine, FloatArray, Grid, box_of_points
from rprloc.methods.body_map import BodyMap
from rprloc.methods.images import RegistrationError, Window, beyond_window, region_around, too_short
from rprloc.methods.laid import Places, Searched, Template, TranslationCosts, descended
from rprloc.methods.looks import Looks, points_in_body
from rprloc.networks.checkpoint import Model
from rprloc.seeds import generator_of

_MARGIN_MM = 40.0
"""Of the region of the support, around its landmarks, that the affine transform has to fit."""
_PLACES = 400
"""Voxels of that region that take part."""
_MET_MM, _FEWEST = 15.0, 80
"""A place is met where a latent is nearer than this; with fewer of them the whole body takes part."""
_ROUNDS, _TOLERANCE_MM = 12, 10.0
"""Of iteratively reweighted least squares: a place that is off by the tolerance counts half."""
_COARSE_MM = 9.0
"""Spacing of the features by which all translations are tried."""
_SHIFTS, _SHIFTS_APART_MM = 6, 30.0
"""Translations that are followed, and the least distance between them along some axis."""
_LAID_PLACES = 600
_VOLUME = (0.4, 2.5)
"""Least and most volume that a part of a patient may have in another patient, times its own."""


def robust_affine(from_mm: FloatArray, to_mm: FloatArray) -> Affine:
    """Return the affine transform that takes points (n, 3) to others (n, 3), whatever some of them say.

    Iteratively reweighted least squares with weights 1 / (1 + (error / 10 mm)^2), of the Cauchy distribution. Raises
    RegistrationError where the points do not determine a transform of one patient into another.
    """
    if len(from_mm) < _FEWEST // 4:
        raise RegistrationError("the query shows too little of the body that the support shows")
    centre = from_mm.mean(axis=0)
    design = np.concatenate([from_mm - centre, np.ones((len(from_mm), 1))], axis=1)
    weights = np.ones(len(from_mm))
    found = np.zeros((4, 3))
    for _ in range(_ROUNDS):
        root = np.sqrt(weights)[:, np.newaxis]
        found, _, rank, _ = np.linalg.lstsq(root * design, root * to_mm, rcond=1e-6)
        if rank < design.shape[1]:
            raise RegistrationError("too little of the support's body is seen to place it in the query")
        errors = np.linalg.norm(design @ found - to_mm, axis=1)
        weights = 1 / (1 + (errors / _TOLERANCE_MM) ** 2)
    matrix = found[:3].T
    volume = float(np.linalg.det(matrix))
    if not _VOLUME[0] <= volume <= _VOLUME[1]:
        raise RegistrationError(f"the position map fits no affine transform: volumes would change {volume:.2g} times")
    return Affine(matrix, found[3] - matrix @ centre)


class Start(Protocol):
    """A way of starting: supports and queries are prepared once each, pairs are cheap or not."""

    def support(self, looks: Looks, points_mm: FloatArray) -> Any:
        """Return what is needed of a support with landmarks (n, 3); raises RegistrationError."""

    def query(self, looks: Looks) -> Any:
        """Return what is needed of a query; raises RegistrationError."""

    def affines(self, supports: Sequence[Any], query: Any) -> list[Affine | RegistrationError]:
        """Return the transform from each support to the query, or why there is none."""


@dataclass(frozen=True)
class _Places:
    """Places of a support and their latents (n, 3), in mm; those of the region come first."""

    points_mm: FloatArray
    latents_mm: FloatArray
    near: int
    """How many lie in the region."""


class MapStart:
    """Start where the query gives places around the support's landmarks the same latents."""

    def __init__(self, model: Model, *, seed: int) -> None:
        """Take the position map and the seed of the draw of places."""
        self._model, self._seed = model, seed

    def support(self, looks: Looks, points_mm: FloatArray) -> _Places:
        """Draw places of the body around the landmarks, and as many anywhere."""
        scan = looks.scan
        try:
            body_map = self.query(looks)
        except RegistrationError as error:
            raise RegistrationError(f"support {scan.subject}: {error}") from error
        low, high = box_of_points(points_mm)
        places = body_map.places_mm
        near = np.all((places >= low - _MARGIN_MM) & (places <= high + _MARGIN_MM), axis=1).nonzero()[0]
        generator = generator_of(self._seed, scan.cohort, scan.subject, "places")
        drawn = [generator.permutation(some)[:_PLACES] for some in (near, len(places))]
        both = np.concatenate(drawn)
        return _Places(places[both], body_map.latents_mm[both], near=len(drawn[0]))

    def query(self, looks: Looks) -> BodyMap:
        """Pass a scan through the position map."""
        body_map = BodyMap(self._model, looks.scan)
        if fault := body_map.fault():
            raise RegistrationError(fault)
        return body_map

    def affines(self, supports: Sequence[_Places], query: BodyMap) -> list[Affine | RegistrationError]:
        """Fit a transform to where the places of each support are met."""
        found: list[Affine | RegistrationError] = []
        for support in supports:
            try:
                found.append(self._fitted(support, query))
            except RegistrationError as error:
                found.append(error)
        return found

    @staticmethod
    def _fitted(support: _Places, query: BodyMap) -> Affine:
        """Fit a transform to the places that the query shows: those of the region or, of too few, of the whole body."""
        met = query.met(support.latents_mm)
        seen = met.distance_mm < _MET_MM
        region = np.arange(len(seen)) < support.near
        used = seen & region if int((seen & region).sum()) >= _FEWEST else seen
        return robust_affine(support.points_mm[used], met.positions_mm[used])


@dataclass(frozen=True)
class _Laid:
    """What is laid of a support."""

    template: Template
    places: Places
    region_mm: FloatArray
    """(2, 3), the box around the landmarks that is compared."""


@dataclass(frozen=True)
class _Query:
    """A query at two resolutions."""

    coarse: Looks
    fine: Looks


class LaidStart:
    """Start where the support's region, laid over the query, fits best: no network is needed.

    Every translation is tried by MIND-SSC features (Heinrich et al., MICCAI 2013) at 9 mm; the best few, apart from
    each other, are moved to the best affine transform nearby at 6 mm, and the one of the least cost is taken. What the
    query does not show costs as much as at the worst of them: hardly any overlap is no good fit.
    """

    def __init__(self, window: Window, *, seed: int) -> None:
        """Take the cohort's window and the seed of the draw of places."""
        self._window, self._seed = window, seed

    def support(self, looks: Looks, points_mm: FloatArray) -> _Laid:
        """Take the region around the landmarks (n, 3)."""
        scan = looks.scan
        region = region_around(points_mm)
        generator = generator_of(self._seed, scan.cohort, scan.subject, "laid")
        places = Places.of(looks.features, points_in_body(scan, region, _LAID_PLACES, generator))
        if np.ptp(places.grey) == 0:
            raise RegistrationError(f"the support {scan.subject} shows one grey value only around the structures")
        return _Laid(Template.of(Looks.of(scan, self._window, _COARSE_MM), region), places, region)

    def query(self, looks: Looks) -> _Query:
        """Compute what all translations are tried by."""
        if looks.grey.min() == looks.grey.max():
            raise RegistrationError(
                "the query shows one grey value only" + beyond_window(looks.scan.values, self._window)
            )
        return _Query(Looks.of(looks.scan, self._window, _COARSE_MM), looks)

    def affines(self, supports: Sequence[_Laid], query: _Query) -> list[Affine | RegistrationError]:
        """Lay each support over the query."""
        longest = max((max(one.template.kernel.shape[1:]) for one in supports), default=1)
        searched = Searched(query.coarse, longest)
        found: list[Affine | RegistrationError] = []
        for support in supports:
            costs = searched.costs(support.template)
            starts = [Affine(np.eye(3), searched.shift_mm(at, support.template)) for at in _least(costs)]
            if not starts:
                found.append(RegistrationError(_hardly(costs, support.region_mm, query.coarse.scan.grid)))
                continue
            laid = descended(support.places, query.fine.features, starts)
            worst = max(one.cost for one in laid)
            found.append(min(laid, key=lambda one: one.cost * one.seen + worst * (1 - one.seen)).affine)
        return found


def _least(costs: TranslationCosts) -> list[list[int]]:
    """Return the entries (z, y, x) of the least costs, best first, apart from each other; what is not seen costs as
    much as the median of all.
    """
    known = torch.isfinite(costs.means)
    if not known.any():
        return []
    blind = costs.means[known].median()
    left = (costs.means * costs.seen + blind * (1 - costs.seen)).where(known, torch.inf).numpy()
    apart = int(_SHIFTS_APART_MM / _COARSE_MM)
    found: list[list[int]] = []
    while len(found) < _SHIFTS and np.isfinite(left.min()):
        index = [int(at) for at in np.unravel_index(int(left.argmin()), left.shape)]
        found.append(index)
        around = [np.arange(at - apart, at + apart + 1) % n for at, n in zip(index, left.shape, strict=True)]
        left[np.ix_(*around)] = np.inf
    return found


def _hardly(costs: TranslationCosts, region_mm: FloatArray, query: Grid) -> str:
    """Return why a region (2, 3) of a support cannot be laid over a query."""
    low, high = query.box_mm
    said = f"the scans hardly overlap: {float(costs.seen.max()):.0%} of the region lies inside the query"
    return said + too_short(high - low, region_mm)
