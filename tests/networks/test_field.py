"""Fields: whole scans, windowed and averaged, and points of the world in them and back."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from rprloc.geometry import Grid
from rprloc.networks.field import STRIDE, field_of, padded_size, pooling_of, to_edges, to_world
from rprloc.networks.settings import MapSettings

WINDOW = ((-1000.0, 0.0), (1000.0, 1.0))


def settings(spacing: tuple[float, float, float]) -> MapSettings:
    """Return the settings of a network for CT."""
    return MapSettings(network="position_map", modality="ct", spacing=spacing, window=WINDOW, width=4)


@given(
    points=st.lists(st.tuples(*[st.floats(-500, 500)] * 3), min_size=1, max_size=4),
    spacing=st.tuples(*[st.floats(0.5, 8)] * 3),
    origin=st.tuples(*[st.floats(-400, 400)] * 3),
)
def test_a_point_goes_to_the_field_and_back(points: list[float], spacing: tuple[float, ...], origin: tuple) -> None:
    grid, pooling = Grid((30, 40, 50), spacing, origin), pooling_of(spacing[::-1])
    assert np.allclose(to_world(to_edges(points, grid, pooling), grid, pooling), points, atol=1e-6)


def test_a_scans_outer_corners_are_the_fields() -> None:
    grid = Grid((30, 40, 48), (1.0, 1.0, 3.0), (-7.0, 8.0, 100.0))
    pooling = pooling_of((3.0, 1.0, 1.0))
    assert pooling == (1, 4, 4)
    assert to_edges([-7.5, 7.5, 98.5], grid, pooling) == pytest.approx([0, 0, 0])
    assert to_edges([22.5, 47.5, 242.5], grid, pooling) == pytest.approx([48, 10, 7.5])


@pytest.mark.parametrize(("spacing", "expected"), [(6.0, 1), (3.0, 1), (8.0, 1), (2.0, 2), (1.0, 4), (1.5, 3)])
def test_fields_are_three_to_six_millimetres_where_scans_are_finer(spacing: float, expected: int) -> None:
    assert pooling_of([spacing] * 3) == (expected,) * 3


def test_a_field_is_the_windowed_scans_average_with_air_beyond_its_end() -> None:
    values = np.full((3, 8, 6), 1000, dtype=np.int16)
    values[:, :4] = 0
    field = field_of(torch.from_numpy(values), settings((4.0, 1.0, 1.0)))
    assert field.shape == (3, 2, 2)
    # Four voxels in y are one; of the last four in x two are air.
    assert torch.allclose(field[0], torch.tensor([[0.5, 0.25], [1.0, 0.5]]), atol=2e-2)


@given(st.tuples(*[st.integers(1, 200)] * 3))
def test_padded_sizes_are_the_next_that_the_network_takes(size: tuple[int, int, int]) -> None:
    for n, padded in zip(size, padded_size(size), strict=True):
        assert padded >= n and padded % STRIDE == 0
        assert padded - n < STRIDE or padded == 3 * STRIDE
