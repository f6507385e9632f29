"""ConvexAdam registration of synthetic patients with a local deformation."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import SimpleITK as sitk
import torch

from rprloc.methods import registration
from rprloc.methods.convex import convex
from rprloc.methods.images import carried
from tests.methods.heads import LANDMARKS, REGION, bump, image, unmoved

SMALL = REGION * 0.9
"""36 voxels along each axis."""


def test_a_local_deformation_is_followed_better_than_by_the_affine(capfd: Any) -> None:
    support, query = image(), image(bump)
    start = sitk.AffineTransform(3)
    transform = convex(support, query, start, SMALL)
    true = unmoved(bump, LANDMARKS)
    straight, bent = (np.abs(carried(t, LANDMARKS) - true).mean() for t in (start, transform))
    assert bent < 0.6 * straight
    assert capfd.readouterr().out == ""


def test_a_shift_is_followed_along_every_axis() -> None:
    shift = np.array([7.0, -5.0, 4.0])
    transform = convex(image(), image(lambda p: p - shift), sitk.AffineTransform(3), SMALL)
    moved = carried(transform, LANDMARKS) - LANDMARKS
    np.testing.assert_allclose(moved.mean(axis=0), shift, atol=1.0)


def test_the_process_keeps_its_warnings_and_random_numbers() -> None:
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    filters = list(warnings.filters)
    convex(image(), image(), sitk.AffineTransform(3), SMALL)
    assert warnings.filters == filters
    assert torch.equal(torch.rand(3), expected)


def test_no_other_method_pays_for_the_package() -> None:
    # The package ignores all warnings of the process from its import on.
    assert "convex" not in vars(registration)
