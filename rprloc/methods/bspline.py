"""B-spline registration of a support to a query in the structures' region, after the affine one."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

from rprloc.geometry import FloatArray
from rprloc.methods.affine import executed, registration_method
from rprloc.methods.images import MaskedImage, RegistrationError, carried, coarser, cropped

_CONTROL_MM = 50.0
_SPACING_MM, _SAMPLED, _ITERATIONS = 4.0, 0.3, 20
_MOST_MM = 60.0
"""Longest displacement that is left after an affine registration of two patients."""


def bspline(
    support: MaskedImage, query: MaskedImage, start: sitk.Transform, region_mm: FloatArray, *, seed: int
) -> sitk.Transform:
    """Return the transform that takes points of the support to the query: a cubic B-spline, then the affine `start`.

    Control points lie 50 mm apart over the box `region_mm` (2, 3) of the support; mutual information at 4 mm is
    optimised by L-BFGS (Rueckert et al., IEEE TMI 1999). Outside the box the spline moves nothing. Raises
    RegistrationError where the optimisation fails or moves tissue by more than 60 mm.
    """
    fixed = cropped(coarser(support.grey, _SPACING_MM), region_mm)
    extent = np.array(fixed.GetSize()) * np.array(fixed.GetSpacing())
    mesh = np.maximum(np.rint(extent / _CONTROL_MM), 1).astype(int)
    spline = sitk.BSplineTransformInitializer(fixed, mesh.tolist(), order=3)
    method = registration_method(support, sampled=_SAMPLED, seed=seed)
    method.SetOptimizerAsLBFGS2(solutionAccuracy=1e-5, numberOfIterations=_ITERATIONS)
    method.SetMovingInitialTransform(start)
    method.SetInitialTransform(spline, True)
    executed(method, fixed, coarser(query.grey, _SPACING_MM))
    check_displacement(spline, fixed)
    return sitk.CompositeTransform([start, spline])


def check_displacement(transform: sitk.Transform, region: sitk.Image) -> None:
    """Raise RegistrationError where a transform moves the points of a region too far or to no number."""
    last = np.array(region.GetSize()) - 1
    voxels = np.stack(np.meshgrid(*[np.linspace(0, n, 7) for n in last], indexing="ij"), axis=-1).reshape(-1, 3)
    points = np.array(region.GetOrigin()) + voxels * np.array(region.GetSpacing())
    longest = float(np.linalg.norm(carried(transform, points) - points, axis=-1).max())
    if not longest <= _MOST_MM:
        raise RegistrationError(f"the registration diverged: it moves tissue by {longest:.0f} mm after the affine one")
