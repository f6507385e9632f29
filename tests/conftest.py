"""What all tests share."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest
import torch
from hypothesis import HealthCheck, settings

# Two threads that wait for each other on busy cores take many times as long as one.
torch.set_num_threads(1)

# The same examples in every run; a busy machine is no fault of the code.
settings.register_profile("rprloc", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("rprloc")


@pytest.fixture(scope="session", autouse=True)
def _no_waiting_for_the_disk() -> Iterator[None]:
    """No test needs its files after a power cut, and waiting for that is half the time of a small scan's step."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("os.fsync", lambda handle: None)
        yield


@pytest.fixture(scope="module", autouse=True)
def _little_garbage() -> None:
    """Let the collector pass over what earlier modules left: statsmodels asks for it once a correction."""
    gc.freeze()
