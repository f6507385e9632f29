"""ConvexAdam registration of a support to a query in the structures' region, after the affine one."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk
import torch

from rprloc.geometry import FloatArray, Grid
from rprloc.methods.images import MaskedImage, on_grid, quietly

_SPACING_MM = 3.0
_SEARCH_VOXELS, _SEARCH_STEPS = 6, 4
_SMOOTHNESS, _ITERATIONS = 1.25, 80
_CELL = 12
"""The region has a multiple of these voxels along each axis: the package's coarse grids (6 and 2 voxels) then fit."""


def convex(support: MaskedImage, query: MaskedImage, start: sitk.Transform, region_mm: FloatArray) -> sitk.Transform:
    """Return the transform that takes points of the support to the query: displacements, then the affine `start`.

    ConvexAdam (Siebert et al., arXiv 2408.14611; package convexadam) compares MIND-SSC features of the box `region_mm`
    (2, 3) at 3 mm, on the CPU in float32: a coupled convex search over displacements up to +-72 mm, made inverse
    consistent, then instance optimisation by Adam. Outside the box nothing moves after the affine.
    """
    grid = _region_grid(region_mm)
    fixed = sitk.GetArrayFromImage(on_grid(support.grey, grid, sitk.Transform()))
    moving = sitk.GetArrayFromImage(on_grid(query.grey, grid, start))
    moved = _displacements(torch.from_numpy(fixed), torch.from_numpy(moving))
    field = sitk.GetImageFromArray(np.ascontiguousarray(moved[..., ::-1]) * _SPACING_MM, isVector=True)
    field.SetSpacing(grid.spacing_mm)
    field.SetOrigin(grid.origin_mm)
    return sitk.CompositeTransform([start, sitk.DisplacementFieldTransform(field)])


def _region_grid(region_mm: FloatArray) -> Grid:
    """Return the grid that covers a box (2, 3), around its centre."""
    extent = region_mm[1] - region_mm[0]
    size = (np.ceil(extent / _SPACING_MM / _CELL).clip(1) * _CELL).astype(int)
    origin = region_mm.mean(axis=0) - (size - 1) * _SPACING_MM / 2
    return Grid(tuple(size.tolist()), (_SPACING_MM,) * 3, tuple(origin.tolist()))


def _displacements(fixed: torch.Tensor, moving: torch.Tensor) -> FloatArray:
    """Return the displacements (z, y, x, 3) in voxels (z, y, x) from `fixed` to `moving` (z, y, x)."""
    with quietly(), torch.random.fork_rng(devices=[]):
        from convexAdam.convex_adam_MIND import convex_adam_pt

        return np.asarray(
            convex_adam_pt(
                fixed,
                moving,
                grid_sp=_SEARCH_VOXELS,
                disp_hw=_SEARCH_STEPS,
                lambda_weight=_SMOOTHNESS,
                selected_niter=_ITERATIONS,
                dtype=torch.float32,
                device=torch.device("cpu"),
            )
        )
