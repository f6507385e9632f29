"""What all tests share."""

from __future__ import annotations

import torch
from hypothesis import HealthCheck, settings

# Two threads that wait for each other on busy cores take many times as long as one.
torch.set_num_threads(1)

# The same examples in every run; a busy machine is no fault of the code.
settings.register_profile("rprloc", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("rprloc")
