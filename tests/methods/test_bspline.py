"""B-spline registration of synthetic patients with a local deformation."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from rprloc.methods.bspline import bspline, check_displacement
from rprloc.methods.images import RegistrationError, carried
from tests.methods.heads import LANDMARKS, REGION, bump, image, unmoved


def test_a_local_deformation_is_followed_better_than_by_the_affine() -> None:
    support, query = image(), image(bump)
    start = sitk.AffineTransform(3)
    transform = bspline(support, query, start, REGION, seed=1)
    true = unmoved(bump, LANDMARKS)
    straight, bent = (np.abs(carried(t, LANDMARKS) - true).mean() for t in (start, transform))
    assert bent < 0.6 * straight


def test_scans_that_lie_apart_have_no_answer() -> None:
    away = sitk.TranslationTransform(3, [5000.0, 0.0, 0.0])
    with pytest.raises(RegistrationError, match="the scans hardly overlap where they are compared"):
        bspline(image(), image(), away, REGION, seed=1)


def test_neither_threads_nor_another_run_change_an_answer() -> None:
    before = sitk.ProcessObject.GetGlobalDefaultNumberOfThreads()
    support, query = image(), image(bump)
    found = []
    try:
        for threads in (1, 2):
            sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(threads)
            found.append(carried(bspline(support, query, sitk.AffineTransform(3), REGION * 0.6, seed=3), LANDMARKS))
    finally:
        sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(before)
    for other in found[1:]:
        np.testing.assert_allclose(other, found[0], atol=1e-6)


@pytest.mark.parametrize("matrix", [np.eye(3) * 9, np.full((3, 3), np.nan)])
def test_what_no_patient_does_is_refused(matrix: np.ndarray) -> None:
    transform = sitk.AffineTransform(3)
    transform.SetMatrix(matrix.ravel().tolist())
    region = sitk.Image([20, 20, 20], sitk.sitkFloat32)
    with pytest.raises(RegistrationError, match="diverged"):
        check_displacement(transform, region)
