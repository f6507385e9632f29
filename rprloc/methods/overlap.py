"""How like an outline is to the true one, by MONAI's metrics."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch

from rprloc.scans.outlines import Outline

TOLERANCE_MM = 2.0
"""A part of a surface that is nearer to the other one counts as found."""


class Overlap(NamedTuple):
    """How like an outline is to the true one."""

    dice: float
    """Twice the shared volume by the sum of both, a fraction."""
    surface_95_mm: float
    """The 95th percentile of the distances between the surfaces, the larger of both ways (Hausdorff distance)."""
    surface_dice_2mm: float
    """Normalised surface Dice: the part of both surfaces that lies within 2 mm of the other (Nikolov et al., 2021)."""


def overlaps(outlines: Sequence[Outline], truth: Outline, spacing_mm: Sequence[float]) -> list[Overlap]:
    """Return how like outlines of one scan are to the true one, given the spacing of i, j, k in mm; in one batch."""
    if not outlines:
        return []
    every = [*outlines, truth]
    # A rim of one voxel: a surface at the edge is one as well.
    first = np.min([one.first for one in every], axis=0) - 1
    stop = np.max([one.stop for one in every], axis=0) + 1
    found, true = (
        torch.from_numpy(np.stack([one.within(first, stop) for one in some]))[:, None]
        for some in (outlines, [truth] * len(outlines))
    )
    spacing = [float(mm) for mm in spacing_mm[::-1]]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # some come with the import
        from monai.metrics.hausdorff_distance import compute_hausdorff_distance
        from monai.metrics.meandice import compute_dice
        from monai.metrics.surface_dice import compute_surface_dice

        columns = (
            compute_dice(found, true),
            compute_hausdorff_distance(found, true, include_background=True, percentile=95, spacing=spacing),
            compute_surface_dice(
                found, true, [TOLERANCE_MM], include_background=True, spacing=spacing, use_subvoxels=True
            ),
        )
    values = torch.cat([column.reshape(-1, 1).double() for column in columns], dim=1).tolist()
    return [Overlap(*row) for row in values]
