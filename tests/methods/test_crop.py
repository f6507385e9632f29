"""The part of a finer volume that a network for landmarks is shown: which voxels, and where they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import msgspec
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from rprloc.errors import InputError
from rprloc.geometry import Grid
from rprloc.methods.crop import Crop
from rprloc.networks.patches import apply_window
from rprloc.networks.settings import VotesSettings
from rprloc.scans.scan import Scan, Volume
from tests.methods.fakes import scan

FINE = Grid((26, 22, 18), (2.0, 3.0, 4.0), (-31.0, 17.5, -204.0))
VALUES = np.random.default_rng(0).integers(-900, 900, FINE.size[::-1]).astype(np.int16)
WINDOW = ((-1000.0, 0.0), (0.0, 0.7), (1000.0, 1.0))
SETTINGS = VotesSettings(
    network="student", modality="ct", spacing=(6.0, 6.0, 6.0), window=WINDOW, width=4, matching_spacing=(4, 3.0, 2.0)
)
SIZE = (8, 10, 12)
MIDDLE = FINE.world([9.0, 11.0, 13.0])


def crop(
    middle_mm: Any = MIDDLE, size: Sequence[int] = SIZE, *, of: Scan | None = None, settings: VotesSettings = SETTINGS
) -> Crop:
    """Return a crop."""
    return Crop.of(of or replace(scan("q"), finer=Volume(VALUES, FINE)), middle_mm, size, settings, torch.device("cpu"))


def windowed(values: NDArray[np.int16]) -> torch.Tensor:
    """Return grey values as a network sees them."""
    return apply_window(torch.from_numpy(values.copy()), WINDOW)


@pytest.mark.parametrize("size", [SIZE, (7, 9, 11), (16, 20, 24)])
def test_a_crop_is_the_windowed_part_around_its_middle(size: tuple[int, int, int]) -> None:
    # The middle of a voxel is as near to the middle of an even crop from below as from above.
    found = crop(FINE.world([9.01, 11.01, 13.01]), size)
    first = found.first
    assert np.all(first >= 0) and found.levels.dtype == torch.float32 and tuple(found.levels.shape) == size
    inside = tuple(slice(a, a + n) for a, n in zip(first, size, strict=True))
    assert torch.equal(found.levels, windowed(VALUES[inside]))
    assert np.all(np.abs(first + np.array(size) / 2 - [9.51, 11.51, 13.51]) <= 0.5)


def test_the_middle_is_at_most_half_a_voxel_from_the_crop_s() -> None:
    generator = np.random.default_rng(1)
    for point in FINE.world(generator.uniform(-40, 60, (50, 3))):
        assert np.all(np.abs(crop(point).to_edges(point) - np.array(SIZE) / 2) <= 0.5 + 1e-9)


def test_places_in_a_crop_are_those_of_the_volume() -> None:
    found = crop()
    # The middle of the crop's first voxel, and the outer corner of the volume.
    np.testing.assert_allclose(found.to_edges(FINE.world(found.first)), [0.5, 0.5, 0.5])
    np.testing.assert_allclose(found.to_edges(FINE.world([-0.5, -0.5, -0.5])), -found.first)
    # One voxel further along x, in mm, is one further in the last axis.
    np.testing.assert_allclose(found.to_edges(MIDDLE + np.array([2, 0, 0])) - found.to_edges(MIDDLE), [0, 0, 1])


@pytest.mark.parametrize("shape", [(3,), (5, 3), (2, 6, 3)])
@pytest.mark.parametrize("middle", [MIDDLE, MIDDLE + 500])
def test_ways_to_the_crop_and_back_undo_each_other(shape: tuple[int, ...], middle: Any) -> None:
    points = np.random.default_rng(2).uniform(-300, 300, shape)
    found = crop(middle)
    np.testing.assert_allclose(found.to_world(found.to_edges(points)), points, atol=1e-9)
    np.testing.assert_allclose(found.to_edges(found.to_world(points)), points, atol=1e-9)


@pytest.mark.parametrize("corner", [(0, 0, 0), (17, 21, 25), (0, 11, 25)])
def test_beyond_the_scan_there_is_air(corner: tuple[int, int, int]) -> None:
    found = crop(FINE.world(np.array(corner) + 0.01))
    padded = np.pad(VALUES, 20, constant_values=-1024)
    inside = tuple(slice(a + 20, a + 20 + n) for a, n in zip(found.first, SIZE, strict=True))
    assert torch.equal(found.levels, windowed(padded[inside]))
    # No value of the scan is air.
    assert 0 < float((found.levels == 0).float().mean()) < 1


def test_a_crop_may_be_larger_than_the_scan() -> None:
    found = crop(size=(40, 40, 40))
    assert int((found.levels > 0).sum()) == VALUES.size
    inside = tuple(slice(-a, n - a) for a, n in zip(found.first, VALUES.shape, strict=True))
    assert torch.equal(found.levels[inside], windowed(VALUES))


@pytest.mark.parametrize("away", [(500.0, 0, 0), (0, -500.0, 0), (0, 0, 500.0), (-500.0, 500.0, -500.0)])
def test_wholly_outside_there_is_nothing_but_air(away: Any) -> None:
    found = crop(MIDDLE + np.array(away))
    assert tuple(found.levels.shape) == SIZE and not found.levels.any()
    np.testing.assert_allclose(found.to_world(np.array(SIZE) / 2), MIDDLE + np.array(away), atol=2.1)


def test_air_of_an_mr_scan_is_0() -> None:
    mr = msgspec.structs.replace(SETTINGS, modality="mr", window=((-2000.0, 0.0), (2000.0, 1.0)))
    assert torch.allclose(crop(MIDDLE + 500, settings=mr).levels, torch.tensor(0.5))


def test_a_scan_of_another_spacing_is_seen_at_that_of_the_network_and_one_without_is_refused() -> None:
    other = msgspec.structs.replace(SETTINGS, matching_spacing=(4.0, 6.0, 4.0))
    found = crop(settings=other)
    assert found.grid.spacing_mm == (4.0, 6.0, 4.0)
    np.testing.assert_allclose(found.to_world(np.array(SIZE) / 2), MIDDLE, atol=3.1)
    with pytest.raises(InputError, match="q: found no volume for image matching"):
        crop(of=scan("q"))
