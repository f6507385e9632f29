"""Template matching: every position against direct sums, and against ITK where it computes the same."""

from __future__ import annotations

import math
from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from rprloc.methods.matching import MEASURES, Matcher, pad

Volume = NDArray[np.float32]
SIZES = [(3, 4, 5), (4, 6, 2), (1, 1, 1), (5, 5, 5), (12, 3, 17)]
"""Odd and even, a single voxel, larger than the volume."""
SHAPE = (9, 11, 13)


def noise(shape: tuple[int, ...] = SHAPE, *, channels: int = 1, seed: int = 0) -> Volume:
    """Return random values in 0 to 1."""
    return np.random.default_rng(seed).random((channels, *shape), dtype=np.float32)


def with_air(seed: int = 1) -> Volume:
    """Return values of which a slab is air and a block constant tissue."""
    values = noise(seed=seed)
    values[:, :5] = 0
    values[:, 6:, 4:, 6:] = 0.3
    return values


def matcher(
    values: Volume, size: tuple[int, int, int], *, centres: Any = None, fill: float = 0.0, **how: Any
) -> Matcher:
    """Return a matcher of a volume (channels, z, y, x), by default with centres everywhere."""
    everywhere = np.ones(values.shape[1:], dtype=bool)
    padded = pad(torch.from_numpy(values), size, fill=fill)
    return Matcher(padded, size, everywhere if centres is None else centres, **how)


def window(values: Volume, size: tuple[int, int, int], centre: tuple[int, ...]) -> Volume:
    """Return the window around a voxel, zeros where it overhangs, a voxel at a time."""
    found = np.zeros((len(values), *size), dtype=np.float32)
    for inside in product(*map(range, size)):
        place = tuple(c + i - s // 2 for c, i, s in zip(centre, inside, size, strict=True))
        if all(0 <= p < n for p, n in zip(place, values.shape[1:], strict=True)):
            found[(slice(None), *inside)] = values[(slice(None), *place)]
    return found


def direct(measure: str, a: Volume, b: Volume) -> float:
    """Return the measure of two windows by direct sums in double precision."""
    one, two = a.astype(np.float64).ravel(), b.astype(np.float64).ravel()
    if measure == "mse":
        return float(np.mean((one - two) ** 2))
    if measure == "ncc":
        if np.ptp(a) == 0 or np.ptp(b) == 0:
            return 0.0
        one, two = one - one.mean(), two - two.mean()
    size = np.sqrt(np.sum(one**2) * np.sum(two**2))
    return float(np.sum(one * two) / size) if size else 0.0


def direct_maps(values: Volume, template: Volume) -> dict[str, NDArray[np.float64]]:
    """Return the measures of every position."""
    size = template.shape[1:]
    maps = {measure: np.zeros(values.shape[1:]) for measure in MEASURES}
    for centre in np.ndindex(values.shape[1:]):
        here = window(values, size, centre)  # type: ignore[arg-type]
        for measure, found in maps.items():
            found[centre] = direct(measure, here, template)
    return maps


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("values", [noise(), with_air(), noise(channels=3)], ids=["noise", "air", "channels"])
def test_every_score_is_that_of_direct_sums(values: Volume, size: tuple[int, int, int]) -> None:
    template = noise(size, channels=len(values), seed=7)
    found = matcher(values, size).scores(torch.from_numpy(template))
    for measure, expected in direct_maps(values, template).items():
        np.testing.assert_allclose(found[measure].numpy(), expected, atol=1e-5, err_msg=measure)


@pytest.mark.parametrize("size", SIZES[:2])
def test_the_best_position_is_that_of_direct_sums(size: tuple[int, int, int]) -> None:
    values, template = with_air(), window(noise(seed=1), size, (4, 5, 6))
    centres = np.random.default_rng(3).random(SHAPE) < 0.5
    found = matcher(values, size, centres=centres).best(torch.from_numpy(template))
    for measure, scores in direct_maps(values, template).items():
        scores[~centres] = math.inf if measure == "mse" else -math.inf
        place = (np.argmin if measure == "mse" else np.argmax)(scores)
        assert found[measure].voxel == np.unravel_index(place, SHAPE)
        assert found[measure].score == pytest.approx(scores.flat[place], abs=1e-12)
