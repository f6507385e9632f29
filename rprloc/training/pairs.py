"""Pairs of patches of one scan: what the position networks learn from."""

from __future__ import annotations

import torch
from torch import Tensor

from rprloc.networks.offsets import offset_mm


def all_pairs_mm(latents: Tensor, centres_mm: Tensor, r_mm: float, *, network: str) -> tuple[Tensor, Tensor]:
    """Return predicted and true offsets (pairs, 3) in mm of every pair within each group of patches.

    `latents` and `centres_mm` are (groups, patches, 3). m patches give m (m - 1) / 2 pairs; the mirrored ones say the
    same, since the offset law is antisymmetric. The fine network's pairs lie within +-r on each axis (section 2 of
    the paper); others of a group are left out.
    """
    query, support = torch.triu_indices(latents.shape[1], latents.shape[1], offset=1, device=latents.device)
    predicted = offset_mm(latents[:, query], latents[:, support], r_mm).flatten(0, 1)
    true = (centres_mm[:, support] - centres_mm[:, query]).flatten(0, 1)
    if network == "fine":
        near = (true.abs() <= r_mm + 1e-3).all(dim=1)
        predicted, true = predicted[near], true[near]
    return predicted, true


def pair_loss(predicted_mm: Tensor, true_mm: Tensor, r_mm: float) -> Tensor:
    """Return the mean squared offset error of pairs (n, 3) as a fraction of r squared (equation 3).

    Without r the loss of a coarse network would be 100 times that of a fine one; Adam's steps are the same.
    """
    return ((predicted_mm - true_mm) / r_mm).square().mean()


def pair_error_mm(predicted_mm: Tensor, true_mm: Tensor) -> Tensor:
    """Return the mean Euclidean distance in mm between predicted and true offsets (n, 3)."""
    return (predicted_mm - true_mm).norm(dim=1).mean()
