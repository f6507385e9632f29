"""What a scan looks like at a coarse resolution, and how like another where points are laid on it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import SimpleITK as sitk
import torch
from torch import Tensor

from rprloc.geometry import Affine, FloatArray, Grid
from rprloc.methods.coupled import Features
from rprloc.methods.images import Window, coarser, region_around
from rprloc.networks.patches import apply_window
from rprloc.scans.scan import Scan
from rprloc.scans.volume import image_of

_RIGID = 100.0
"""Square mm by which each pair of points pulls an affine transform of few points towards a translation."""


@dataclass(frozen=True)
class Looks:
    """A scan's features at one resolution: twelve of MIND-SSC, and its windowed grey value as the last."""

    scan: Scan
    features: Features

    @property
    def mind(self) -> Tensor:
        """The MIND-SSC features (channels, z, y, x)."""
        return self.features.values[:-1]

    @property
    def grey(self) -> Tensor:
        """The grey values (z, y, x)."""
        return self.features.values[-1]

    @classmethod
    def of(cls, scan: Scan, window: Window, spacing_mm: float) -> Looks:
        """Compute them from a scan's values in model space, smoothed to a spacing where they are finer."""
        return cls(scan, _features(scan, tuple(window), spacing_mm))


@lru_cache(maxsize=2)
def _features(scan: Scan, window: tuple[tuple[float, float], ...], spacing_mm: float) -> Features:
    """Return the features of a scan's looks; a method and who judges it ask for the same, the method for a coarser one
    between.
    """
    levels = apply_window(torch.from_numpy(scan.values.copy()), window).numpy().astype(np.float32)
    image = image_of(levels, scan.grid)
    if spacing_mm > max(scan.grid.spacing_mm):
        image = coarser(image, spacing_mm)
    grey = torch.from_numpy(sitk.GetArrayFromImage(image))
    grid = Grid(image.GetSize(), image.GetSpacing(), image.GetOrigin())
    mind = Features.of(grey, grid)
    return Features(torch.cat([mind.values, grey[None]]), grid)


def points_in_body(scan: Scan, box_mm: FloatArray, count: int, generator: np.random.Generator) -> FloatArray:
    """Draw up to `count` points (n, 3) of a scan's body in a box (2, 3); of the whole box where it holds hardly any."""
    drawn = generator.uniform(box_mm[0], box_mm[1], (8 * count, 3))
    index = np.rint(scan.grid.voxel(drawn)).astype(int)
    inside = np.all((index >= 0) & (index < scan.body.shape), axis=1)
    body = inside.copy()
    body[inside] = scan.body[tuple(index[inside].T)]
    return drawn[body][:count] if body.sum() >= count // 4 else drawn[:count]


def region_of(scan: Scan, structures: Sequence[str]) -> FloatArray:
    """Return the box (2, 3) in mm around some of a support's structures that is compared."""
    return region_around(np.concatenate([scan.structures[name].extreme_mm for name in structures]))


def affine_of(from_mm: FloatArray, to_mm: FloatArray) -> Affine:
    """Return the affine transform nearest to taking points (n, 3) to others (n, 3), drawn towards a translation: a
    small box says little of what lies around it.
    """
    centres = from_mm.mean(axis=0), to_mm.mean(axis=0)
    here, there = from_mm - centres[0], to_mm - centres[1]
    rigid = len(from_mm) * _RIGID * np.eye(3)
    matrix = np.linalg.solve(here.T @ here + rigid, here.T @ there + rigid).T
    return Affine(matrix, centres[1] - matrix @ centres[0])


def corners_of(support: Scan, structure: str, points_mm: FloatArray) -> FloatArray:
    """Return the points of a support's structure that answer points (6, 3) or corners (2, 3) of an answer."""
    known = support.structures[structure]
    return known.extreme_mm if len(points_mm) == len(known.extreme_mm) else known.box_mm


Points = Mapping[str, FloatArray]
"""By structure: the points (6, 3) or (2, 3) of an answer in mm."""


def laid_of(support: Scan, answers: Points) -> Affine:
    """Return the affine transform that takes structures of a support to their answers, as `affine_of` does."""
    points = [corners_of(support, name, there) for name, there in answers.items()]
    return affine_of(np.concatenate(points), np.concatenate(list(answers.values())))
