"""Slabs of one value at a face of the field, NaN wherever it was dark, and padding that hides how air is stored."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.scans.test_plausible import mr, phantom, seen

FACES = [(axis, end) for axis in range(3) for end in ("first", "last")]


def noisy() -> NDArray[np.int16]:
    """Return a CT with noise, whose body goes on beyond both ends of z."""
    values = phantom().astype(np.float64)
    return np.rint(values + np.random.default_rng(3).normal(0, 15, values.shape)).astype(np.int16)


def with_slab(values: NDArray[Any], axis: int, end: str, value: float) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Return values with three planes at a face that have one, and where they lie."""
    there = np.zeros(values.shape, dtype=np.bool_)
    np.moveaxis(there, axis, 0)[slice(3) if end == "first" else slice(-3, None)] = True
    return np.where(there, values.dtype.type(value), values), there


@pytest.mark.parametrize(("axis", "end"), FACES)
@pytest.mark.parametrize("value", [-200, 0, 40, 1000, 2000, 4000])
def test_a_slab_at_a_face_of_a_ct_is_air(axis: int, end: str, value: int) -> None:
    written, there = with_slab(noisy(), axis, end, value)
    found, findings = seen(written)
    assert (found[there] < -500).all()
    # A voxel of tissue that touches it may have its value by chance.
    assert np.mean(found[~there] != noisy()[~there]) < 0.002
    assert len(findings) == 1 and findings[0].startswith(f"the border of the field is filled with {value}, ")


@pytest.mark.parametrize(("axis", "end"), FACES)
@pytest.mark.parametrize("value", [32767, -32768, 600, 899])
def test_a_slab_at_a_face_of_an_mr_is_dark(axis: int, end: str, value: int) -> None:
    written, there = with_slab(mr(), axis, end, value)
    found, findings = seen(written, "mr")
    assert (found[there] == 0).all()
    assert np.mean(found[~there] != mr()[~there]) < 0.002
    assert findings == (f"the border of the field is filled with {value}, of one value: read as air",)


def test_padding_with_an_mrs_own_maximum_is_no_inverted_image() -> None:
    values = np.pad(mr(), 3, constant_values=int(mr().max()))
    found, findings = seen(values, "mr")
    assert np.mean(found[3:-3, 3:-3, 3:-3] != mr()) < 0.002
    assert found[0].max() == 0 and len(findings) == 1


@pytest.mark.parametrize("padding", [-2000, -3024, np.nan])
def test_air_that_is_stored_as_zero_is_seen_beside_padding(padding: float) -> None:
    values = (noisy().astype(np.float32) + 1024).clip(0)
    _, y, x = np.indices(values.shape)
    values[(y - 11.5) ** 2 + (x - 11.5) ** 2 > 11.5**2] = padding
    found, findings = seen(values)
    assert abs(float(np.median(found[:, 8:16, 8:16])) - float(np.median(noisy()[:, 8:16, 8:16]))) < 1
    assert any("air is stored as 0: 1024 subtracted" in one for one in findings) and len(findings) == 2


@pytest.mark.parametrize("limit", [-900, -700, -500, -300])
def test_nan_wherever_a_ct_is_dark_is_air_in_pockets_too(limit: float) -> None:
    values = noisy().astype(np.float32)
    values[4:7, 10:13, 10:13] = -600
    values[values < limit] = np.nan
    found, findings = seen(values)
    assert np.isfinite(found).all() and (found[np.isnan(values)] < -299).all()
    assert "read as air" in findings[0]


def test_nan_wherever_an_mr_is_dark_is_dark_in_pockets_too_and_nan_in_a_scan_with_its_own_dark_stays() -> None:
    values = mr().astype(np.float32)
    values[5, 10:12, 10:12] = np.nan
    assert np.isnan(seen(values, "mr")[0]).sum() == 4
    values[values < 100] = np.nan
    found, findings = seen(values, "mr")
    assert np.isfinite(found).all() and (found[np.isnan(values)] == np.nanmin(values)).all()
    assert "read as air" in findings[0]


@pytest.mark.parametrize("modality", ["ct", "mr"])
def test_a_scan_without_padding_stays(modality: str) -> None:
    values = noisy() if modality == "ct" else mr()
    found, findings = seen(values, modality)
    np.testing.assert_array_equal(found, values)
    assert findings == ()
