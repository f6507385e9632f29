"""How like an outline is to the true one, by the measures of Nikolov et al. in their authors' package.

MONAI has the same (tests/methods/test_overlap.py), but its import takes ten seconds and 200 MB of every task.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import surface_distance

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
    """Return how like outlines of one scan are to the true one, given the spacing of i, j, k in mm."""
    spacing = [float(mm) for mm in spacing_mm[::-1]]
    found = []
    for outline in outlines:
        first = np.minimum(outline.first, truth.first).tolist()
        stop = np.maximum(outline.stop, truth.stop).tolist()
        one, true = outline.within(first, stop), truth.within(first, stop)
        with warnings.catch_warnings():
            # It calls a function of SciPy by the name of a module that SciPy will drop in version 2.
            warnings.simplefilter("ignore", DeprecationWarning)
            between = surface_distance.compute_surface_distances(true, one, spacing)
        found.append(
            Overlap(
                dice=float(surface_distance.compute_dice_coefficient(true, one)),
                surface_95_mm=float(surface_distance.compute_robust_hausdorff(between, 95)),
                surface_dice_2mm=float(surface_distance.compute_surface_dice_at_tolerance(between, TOLERANCE_MM)),
            )
        )
    return found
