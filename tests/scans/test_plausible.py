"""Values that a scan cannot have are mended and said; those of an ordinary scan stay as they are."""

import numpy as np
import pytest
import SimpleITK as sitk

from rprloc.scans.plausible import mended


def phantom() -> np.ndarray:
    """A body of 0 to 80 HU with bone and an air pocket in air, (12, 24, 24)."""
    values = np.full((12, 24, 24), -1000, dtype=np.int16)
    values[:, 5:19, 5:19] = 40
    values[:, 6:9, 6:9] = 900
    values[4:7, 11:14, 11:14] = -1000
    return values


def seen(values: np.ndarray, modality: str = "ct") -> tuple[np.ndarray, tuple[str, ...]]:
    """What becomes of values."""
    image, findings = mended(sitk.GetImageFromArray(values), modality)
    return sitk.GetArrayFromImage(image), findings


@pytest.mark.parametrize("modality", ["ct", "mr"])
def test_an_ordinary_scan_stays_as_it_is(modality: str) -> None:
    """Neither copied nor said."""
    image = sitk.GetImageFromArray(phantom())
    found, findings = mended(image, modality)
    assert found is image
    assert findings == ()


@pytest.mark.parametrize("offset", [1000, 1024])
@pytest.mark.parametrize("kind", [np.uint16, np.int16, np.float32])
def test_air_stored_as_zero_is_shifted_back(offset: int, kind: type) -> None:
    """Whatever the type of the voxels."""
    found, findings = seen((phantom().astype(int) + offset).astype(kind))
    assert np.array_equal(found, phantom())
    assert len(findings) == 1
    assert findings[0].endswith(f"{offset} subtracted")


@pytest.mark.parametrize("top", [1, 255])
def test_a_window_is_said_and_kept(top: int) -> None:
    """Nothing is known of its HU."""
    window = ((phantom().clip(-160, 240) + 160) / 400 * top).astype(np.float32)
    found, findings = seen(window)
    assert np.array_equal(found, window)
    assert len(findings) == 1
    assert "Hounsfield" in findings[0]


@pytest.mark.parametrize("padding", [32767, 62512])
def test_bright_padding_is_air(padding: int) -> None:
    """It lies at the border, where no metal is."""
    values = phantom().astype(np.int32)
    values[:, :2] = padding
    found, findings = seen(values)
    assert (found[:, :2] < -500).all()
    assert np.array_equal(found[:, 2:], phantom()[:, 2:])
    assert len(findings) == 1


def test_bright_metal_inside_is_kept() -> None:
    """The highest value counts as padding only at the border."""
    values = phantom()
    values[3:5, 9:11, 9:11] = 3071
    found, findings = seen(values)
    assert np.array_equal(found, values)
    assert findings == ()


def test_nan_in_air_is_air_and_nan_in_tissue_stays() -> None:
    """The pocket within the body is air as well: so are its neighbours."""
    values = phantom().astype(np.float32)
    values[:, 0] = np.nan
    values[5, 12, 12] = np.nan
    found, findings = seen(values)
    assert (found[:, 0] < -500).all()
    assert found[5, 12, 12] < -500
    assert len(findings) == 1
    values[2, 16, 16] = np.nan
    assert np.isnan(seen(values)[0]).sum() == 1


def test_nan_around_an_mr_is_its_lowest_value() -> None:
    """As air is."""
    values = np.full((6, 8, 8), 100, dtype=np.float32)
    values[:, 4] = 20
    values[:, 0] = np.nan
    found, findings = seen(values, "mr")
    assert (found[:, 0] == 20).all()
    assert len(findings) == 1
