"""The offset law."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from rprloc.networks.offsets import offset_mm

latents = st.lists(st.floats(-20, 20, width=32), min_size=3, max_size=3).map(torch.tensor)
reaches = st.sampled_from([30.0, 50.0, 300.0, 700.0])


@given(latents, latents, reaches)
def test_offsets_are_antisymmetric_and_bounded(query: torch.Tensor, support: torch.Tensor, r_mm: float) -> None:
    there, back = offset_mm(query, support, r_mm), offset_mm(support, query, r_mm)
    assert torch.equal(there, -back)
    assert torch.all(there.abs() <= r_mm)


@given(latents, reaches)
def test_equal_patches_have_no_offset(latent: torch.Tensor, r_mm: float) -> None:
    assert torch.equal(offset_mm(latent, latent.clone(), r_mm), torch.zeros(3))


@pytest.mark.parametrize("shift", [7.0, -7.0, 0.01, 29.0])
@pytest.mark.parametrize("r_mm", [30.0, 300.0])
def test_a_planted_shift_comes_out_exactly(shift: float, r_mm: float) -> None:
    # The support's patch lies `shift` further along y: 7 mm are 7 mm.
    shift_mm = torch.tensor([0.0, shift, 0.0], dtype=torch.float64)
    support = torch.atanh(shift_mm / r_mm)
    np.testing.assert_allclose(offset_mm(torch.zeros(3), support, r_mm), shift_mm, atol=1e-9)
    anywhere = torch.tensor([0.3, -2.0, 1.1], dtype=torch.float64)
    np.testing.assert_allclose(offset_mm(anywhere, anywhere + support, r_mm), shift_mm, atol=1e-9)


def test_the_offset_points_from_the_query_to_the_support() -> None:
    assert offset_mm(torch.zeros(3), torch.tensor([1.0, 0, 0]), 10.0)[0] > 0


def test_latents_broadcast() -> None:
    found = offset_mm(torch.zeros(1, 5, 3), torch.ones(4, 1, 3), 10.0)
    assert found.shape == (4, 5, 3)
    np.testing.assert_allclose(found, 10 * np.tanh(1.0), rtol=1e-6)
