"""Random generators: one of its own for each thing that is drawn, from the run's one seed."""

from __future__ import annotations

import hashlib

import numpy as np


def generator_of(seed: int, *names: str) -> np.random.Generator:
    """Return a random generator of its own for `names`, whatever else is drawn from the same seed."""
    digest = hashlib.sha256("\n".join(names).encode()).digest()
    return np.random.default_rng([seed, int.from_bytes(digest[:8], "big")])
