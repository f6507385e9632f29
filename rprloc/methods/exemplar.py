"""What makes a place of a scan unlike all others: an exemplar, learned from the place itself against the rest.

Of Malisiewicz et al. (ICCV 2011), in closed form as Hariharan et al. (ECCV 2012) have it: the features around the place
less their mean elsewhere, weighed by the inverse of how they vary together there. What is alike everywhere counts
little, and what tells a kidney from a spleen counts much.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from rprloc.geometry import FloatArray
from rprloc.methods.laid import LEAST_SEEN
from rprloc.methods.looks import Looks

_RIDGE = 1.0
"""Of the inverse, in parts of the mean variance."""


@dataclass(frozen=True)
class Exemplar:
    """Features around a place of a scan, ready to be found in others."""

    points_mm: FloatArray
    """(n, 3), where the scan is looked at."""
    _usual: FloatArray
    """(2, channels), the mean and the standard deviation of the features elsewhere."""
    _middle: FloatArray
    """(channels * n,), the mean of what is weighed, elsewhere."""
    _weights: FloatArray
    """(channels * n,)."""

    @classmethod
    def of(cls, looks: Looks, points_mm: FloatArray, moves_mm: FloatArray) -> Exemplar:
        """Learn what is at points (n, 3) of a scan, and not at displacements (m, 3) of all of them."""
        values, seen = _sampled(looks, points_mm + np.concatenate([np.zeros((1, 3)), moves_mm])[:, np.newaxis])
        own, elsewhere = slice(0, 1), np.flatnonzero(seen[1:].mean(axis=1) >= LEAST_SEEN) + 1
        known = elsewhere if len(elsewhere) else own
        weight = seen[known][:, np.newaxis]
        count = max(float(weight.sum()), 1.0)
        mean = (values[known] * weight).sum(axis=(0, 2)) / count
        apart = ((values[known] - mean[:, np.newaxis]) ** 2 * weight).sum(axis=(0, 2)) / count
        usual = np.stack([mean, np.sqrt(apart) + 1e-3])
        others, place = _scaled(values[elsewhere], seen[elsewhere], usual), _scaled(values[own], seen[own], usual)[0]
        middle = others.mean(axis=0) if len(others) else np.zeros_like(place)
        others, place = others - middle, place - middle
        weights = place
        if len(others):
            # The inverse of (others' products + ridge), by those of the fewer: there are more features than places.
            products = others @ others.T
            ridge = _RIDGE * np.trace(products) / len(products) + 1e-6
            inner = np.linalg.solve(products + ridge * np.eye(len(products)), others @ place)
            weights = place - others.T @ inner
        return cls(points_mm, usual, middle, weights / max(float(weights @ place), 1e-6))

    def likeness(self, looks: Looks, laid_mm: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return how like what a scan shows is to the place (m,), 1 the same and 0 as elsewhere, where the points are
        laid (m, n, 3); and the part of the points (m,) that it shows.
        """
        values, seen = _sampled(looks, laid_mm)
        return (_scaled(values, seen, self._usual) - self._middle) @ self._weights, seen.mean(axis=1)


@torch.inference_mode()
def _sampled(looks: Looks, points_mm: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return a scan's features (m, channels, n) at points (m, n, 3), and where it shows them (m, n)."""
    # Of one grey value all around there are no features.
    found = np.nan_to_num(looks.features.at(torch.from_numpy(points_mm)[None])[:, 0].numpy())
    return np.moveaxis(found[:-1], 0, 1), found[-1]


def _scaled(values: FloatArray, seen: FloatArray, usual: FloatArray) -> FloatArray:
    """Return features (m, channels, n) as they are weighed (m, channels * n): 0 where they are not seen."""
    scaled = (values - usual[0][:, np.newaxis]) / usual[1][:, np.newaxis]
    weighed = scaled * seen[:, np.newaxis]
    return np.asarray(weighed.reshape(len(weighed), weighed.shape[1] * weighed.shape[2]), dtype=np.float64)
