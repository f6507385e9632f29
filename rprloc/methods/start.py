"""Where matching starts: an affine transform from a support to a query, by the position map or by registration."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from rprloc.errors import InputError
from rprloc.geometry import Affine, FloatArray, box_of_points
from rprloc.methods.affine import affine
from rprloc.methods.body_map import BodyMap
from rprloc.methods.images import (
    MaskedImage,
    RegistrationError,
    Window,
    faults_of_a_pair,
    one_thread_each,
    region_around,
)
from rprloc.networks.checkpoint import Model
from rprloc.scans.scan import Scan
from rprloc.seeds import generator_of

_MARGIN_MM = 40.0
"""Of the region of the support, around its landmarks, that the affine transform has to fit."""
_PLACES = 400
"""Voxels of that region that take part."""
_MET_MM, _FEWEST = 15.0, 80
"""A place is met where a latent is nearer than this; with fewer of them the whole body takes part."""
_ROUNDS, _TOLERANCE_MM = 12, 10.0
"""Of iteratively reweighted least squares: a place that is off by the tolerance counts half."""
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

    def support(self, scan: Scan, points_mm: FloatArray) -> Any:
        """Return what is needed of a support with landmarks (n, 3); raises RegistrationError."""

    def query(self, scan: Scan) -> Any:
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

    def support(self, scan: Scan, points_mm: FloatArray) -> _Places:
        """Draw places of the body around the landmarks, and as many anywhere."""
        try:
            body_map = self.query(scan)
        except RegistrationError as error:
            raise RegistrationError(f"support {scan.subject}: {error}") from error
        low, high = box_of_points(points_mm)
        places = body_map.places_mm
        near = np.all((places >= low - _MARGIN_MM) & (places <= high + _MARGIN_MM), axis=1).nonzero()[0]
        generator = generator_of(self._seed, scan.cohort, scan.subject, "places")
        drawn = [generator.permutation(some)[:_PLACES] for some in (near, len(places))]
        both = np.concatenate(drawn)
        return _Places(places[both], body_map.latents_mm[both], near=len(drawn[0]))

    def query(self, scan: Scan) -> BodyMap:
        """Pass a scan through the position map."""
        body_map = BodyMap(self._model, scan)
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
class _Region:
    """A support's image and the box (2, 3) in mm that is registered."""

    image: MaskedImage
    box_mm: FloatArray


class RegistrationStart:
    """Start from an affine registration: no network is needed, and each pair takes a second or more."""

    def __init__(self, window: Window, *, seed: int, threads: int) -> None:
        """Take the cohort's window, the seed of the metric's samples, and how many supports to register at once."""
        self._window, self._seed, self._threads = window, seed, threads

    def support(self, scan: Scan, points_mm: FloatArray) -> _Region:
        """Read a support's image."""
        return _Region(self.query(scan), region_around(points_mm))

    def query(self, scan: Scan) -> MaskedImage:
        """Read a scan's image."""
        try:
            return MaskedImage.of(scan, self._window)
        except InputError as error:
            raise RegistrationError(str(error).rstrip(".")) from error

    def affines(self, supports: Sequence[_Region], query: MaskedImage) -> list[Affine | RegistrationError]:
        """Register each support."""
        # SimpleITK lets other threads go on while it works.
        with one_thread_each(), ThreadPoolExecutor(self._threads) as pool:
            return list(pool.map(lambda support: self._registered(support, query), supports))

    def _registered(self, support: _Region, query: MaskedImage) -> Affine | RegistrationError:
        """Register one support."""
        try:
            with faults_of_a_pair():
                transform = affine(support.image, query, support.box_mm, seed=self._seed)
        except RegistrationError as error:
            return error
        return Affine(np.reshape(transform.GetMatrix(), (3, 3)), np.array(transform.TransformPoint((0.0, 0.0, 0.0))))
