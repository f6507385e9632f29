"""The offset law: from two latents to the millimetres between their patches."""

from __future__ import annotations

import torch
from torch import Tensor


def offset_mm(latent_query: Tensor, latent_support: Tensor, r_mm: float) -> Tensor:
    """Return the offset (..., 3) in mm from the query patch to the support patch, r * tanh(p_s - p_q) (equation 2).

    Latents (..., 3) broadcast against each other; every component lies within +-`r_mm`.
    """
    return r_mm * torch.tanh(latent_support - latent_query)
