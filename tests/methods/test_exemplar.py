"""What makes a place unlike all others."""

from __future__ import annotations

import numpy as np
import pytest

from rprloc.geometry import FloatArray
from rprloc.methods.exemplar import Exemplar
from rprloc.methods.looks import Looks
from tests.methods.patients import ORGANS, SHIFT_MM, WINDOW, patient

SCAN, QUERY = patient("s"), patient("q", shift_mm=SHIFT_MM)
LOOKS, SEEN = Looks.of(SCAN, WINDOW, 6.0), Looks.of(QUERY, WINDOW, 6.0)
RANDOM = np.random.default_rng(0)
POINTS = RANDOM.uniform(*ORGANS["organ"], size=(200, 3))
ELSEWHERE = RANDOM.choice([-1, 1], (150, 3)) * RANDOM.uniform(25, 60, (150, 3))


def exemplar(moves_mm: FloatArray = ELSEWHERE) -> Exemplar:
    return Exemplar.of(LOOKS, POINTS, moves_mm)


def test_a_place_is_like_itself_in_another_scan_too_and_other_places_are_not() -> None:
    found = exemplar()
    own, _ = found.likeness(LOOKS, POINTS[np.newaxis])
    assert own[0] == pytest.approx(1)
    moves = np.concatenate([np.zeros((1, 3)), RANDOM.choice([-1, 1], (50, 3)) * RANDOM.uniform(20, 60, (50, 3))])
    likeness, seen = found.likeness(SEEN, POINTS + SHIFT_MM + moves[:, np.newaxis])
    assert likeness[0] > 0.7 and np.abs(likeness[1:]).max() < 0.3 and np.abs(likeness[1:].mean()) < 0.1
    assert seen[0] == 1


def test_what_is_alike_everywhere_counts_little() -> None:
    """Air around a place is in all others too: without what tells them from each other it would look as the place."""
    found, bare = exemplar(), exemplar(np.zeros((0, 3)))
    other = POINTS + SHIFT_MM + np.array([0.0, 60, 0])
    assert found.likeness(SEEN, other[np.newaxis])[0][0] < bare.likeness(SEEN, other[np.newaxis])[0][0] + 0.1


def test_what_is_not_seen_says_nothing_for_the_place() -> None:
    likeness, seen = exemplar().likeness(SEEN, POINTS[np.newaxis] + [[[0.0, 0, 2000]]])
    assert seen[0] == 0 and abs(likeness[0]) < 0.3
    half = POINTS + SHIFT_MM
    half[::2] += 2000
    likeness, seen = exemplar().likeness(SEEN, half[np.newaxis])
    assert seen[0] == pytest.approx(0.5) and 0.1 < likeness[0] < 0.8


def test_a_scan_without_other_places_has_an_exemplar_too() -> None:
    for moves in (np.zeros((0, 3)), np.full((5, 3), 5000.0)):
        likeness, _ = exemplar(moves).likeness(SEEN, POINTS[np.newaxis] + SHIFT_MM)
        assert np.isfinite(likeness).all() and likeness[0] > 0.7


def test_a_flat_scan_has_one_that_nothing_is_like() -> None:
    flat = patient("f")
    flat.values[:] = 0
    found = Exemplar.of(Looks.of(flat, WINDOW, 6.0), POINTS, ELSEWHERE)
    assert np.isfinite(found.likeness(SEEN, POINTS[np.newaxis])[0]).all()
