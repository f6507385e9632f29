"""Random generators: one of its own for each thing that is drawn, from the run's one seed."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np


def generator_of(seed: int, *names: str) -> np.random.Generator:
    """Return a random generator of its own for `names`, whatever else is drawn from the same seed."""
    digest = hashlib.sha256("\n".join(names).encode()).digest()
    return np.random.default_rng([seed, int.from_bytes(digest[:8], "big")])


def draw_order(seed: int, cohort: str, names: Sequence[str]) -> list[str]:
    """Return a cohort's support candidates in the order of the draw: the first that can be used is the drawn one.

    The order depends on the seed, the cohort's name and the set of names only.
    """
    return [sorted(names)[i] for i in generator_of(seed, cohort, "supports").permutation(len(names))]
