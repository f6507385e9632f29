"""What all tests share."""

from __future__ import annotations

import torch

# Two threads that wait for each other on busy cores take many times as long as one.
torch.set_num_threads(1)
