"""Values that a scan cannot have are mended and said; those of an ordinary scan stay as they are."""

import numpy as np
import pytest
import SimpleITK as sitk

from rprloc.scans.plausible import body_findings, mended, tissue_findings
from rprloc.scans.record import NO_HOUNSFIELD


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
    image = sitk.GetImageFromArray(phantom() if modality == "ct" else mr())
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


@pytest.mark.parametrize("kind", [np.int16, np.float32])
def test_what_was_subtracted_twice_is_added_and_said_and_padding_is_left(kind: type) -> None:
    bony = phantom()
    bony[:, 10:16, 6:9] = 450
    found, findings = seen((bony - 1024).astype(kind))
    assert np.array_equal(found, bony)
    assert len(findings) == 1 and findings[0].endswith("as where 1024 was subtracted twice: added")
    for padding in (-2000, -3024):
        padded = phantom()
        padded[:, :, :4] = padding
        assert seen(padded.astype(kind))[1] == ()


@pytest.mark.parametrize("top", [1, 255])
def test_a_soft_tissue_window_is_spread_again_and_said(top: int) -> None:
    window = ((phantom().clip(-160, 240) + 160) / 400 * top).astype(np.float32)
    found, findings = seen(window)
    inside = phantom() > -160
    np.testing.assert_allclose(found[inside], phantom()[inside].clip(-160, 240), atol=0.1)
    assert (found[~inside] == -1024).all()
    assert len(findings) == 1 and findings[0].endswith(
        "taken for a window of -160 to 240 HU, the darkest for air, a guess"
    )
    assert ("scaled to 0..1" if top == 1 else "of eight bits") in findings[0]


def test_a_whole_range_that_was_scaled_is_spread_so_that_air_is_air_and_tissue_tissue() -> None:
    values = phantom().astype(np.float32) + np.random.default_rng(0).normal(0, 5, phantom().shape).astype(np.float32)
    found, findings = seen((values - values.min()) / 3000)
    tissue = phantom() > -200
    assert (found[tissue] > -500).all() and (found[~tissue & (phantom() < -900)] < -500).all()
    assert len(findings) == 1 and "a guess" in findings[0]


@pytest.mark.parametrize("noise", [0.0, 3.0])
def test_an_inverted_mr_is_turned_round_and_said_and_no_other_is(noise: float) -> None:
    random = np.random.default_rng(0)
    values = np.abs(random.normal(0, noise, (20, 24, 28))) + 0.0
    values[5:15, 6:18, 7:21] = random.normal(300, 60, (10, 12, 14))
    assert seen(values.astype(np.float32), "mr")[1] == ()
    found, findings = seen((1000 - values).astype(np.float32), "mr")
    np.testing.assert_allclose(found, values - values.min(), atol=1e-3)
    assert len(findings) == 1 and findings[0].endswith("as of an inverted image: its values are turned round")


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
    values = mr().astype(np.float32)
    values[:, 0] = np.nan
    found, findings = seen(values, "mr")
    assert (found[:, 0] == 0).all()
    assert len(findings) == 1


@pytest.mark.parametrize(
    ("share", "litres", "said"),
    [(0.3, 30.0, ()), (1.0, 5.0, ("fills 100% of the field",)), (0.2, 900.0, ("measures 900 litres",)),
     (0.99, 0.0001, ("fills 99%", "measures 0.0001 litres"))],
)  # fmt: skip
def test_a_body_that_fills_the_field_or_has_no_patient_s_volume_is_said(
    share: float, litres: float, said: tuple[str, ...]
) -> None:
    found = body_findings(share, litres)
    assert len(found) == len(said) and all(part in one for part, one in zip(said, found, strict=True))


def test_tissue_far_from_its_hounsfield_units_is_said_and_ordinary_tissue_is_not() -> None:
    random = np.random.default_rng(1)

    def body(commonest: float) -> np.ndarray:
        soft, bone, lung = (random.normal(at, 25, size) for at, size in ((commonest, 5000), (700, 800), (-850, 3000)))
        return np.concatenate([soft, bone, lung]).astype(np.int16)

    for commonest in (-100, 0, 40, 150):
        assert tissue_findings(body(commonest)) == ()
    for commonest in (-320, 400):
        (said,) = tissue_findings(body(commonest))
        assert NO_HOUNSFIELD in said
        assert abs(int(said.split(" is ")[1].split(",")[0]) - commonest) < 40
    assert tissue_findings(np.full(100, -900, dtype=np.int16)) == ()


@pytest.mark.parametrize("background", [0, -1, 200])
def test_a_background_that_a_program_has_written_is_air(background: int) -> None:
    """A CT of which all around the body was set to one value; what is inside stays."""
    values = phantom()
    values[5, 12, 12] = background
    written = values.copy()
    written[:, :5] = written[:, 19:] = written[:, :, :5] = written[:, :, 19:] = background
    found, findings = seen(written)
    np.testing.assert_array_equal(found, values)
    assert findings == (f"the border of the field is filled with {background}, of one value: read as air",)


def mr() -> np.ndarray:
    """An MR with noise around the body."""
    values = np.random.default_rng(0).integers(0, 12, (12, 24, 24)).astype(np.int16)
    values[:, 5:19, 5:19] = np.random.default_rng(1).integers(300, 900, (12, 14, 14))
    return values


@pytest.mark.parametrize("background", [-2000, 4095, 32767])
def test_an_mr_whose_corners_were_filled_is_as_dark_there_as_elsewhere(background: int) -> None:
    written = mr()
    written[:, :3] = background
    found, findings = seen(written, "mr")
    assert (found[:, :3] == 0).all()
    np.testing.assert_array_equal(found[:, 3:], mr()[:, 3:])
    assert len(findings) == 1


def test_zeros_around_values_of_both_signs_are_background() -> None:
    """As of a brain that was normalised within its mask."""
    values = np.zeros((12, 24, 24), dtype=np.float32)
    values[:, 5:19, 5:19] = np.random.default_rng(1).normal(0, 1, (12, 14, 14))
    found, findings = seen(values, "mr")
    assert (found[:, :5] == values.min()).all()
    np.testing.assert_array_equal(found[:, 5:19, 5:19], values[:, 5:19, 5:19])
    assert len(findings) == 1


def test_ordinary_backgrounds_of_an_mr_are_not_told() -> None:
    assert seen(mr(), "mr")[1] == ()
    for value in (0, 3):
        values = mr()
        values[:, :5] = value
        assert seen(values, "mr")[1] == ()


def test_a_ct_of_other_units_is_told() -> None:
    values = phantom()
    (said,) = tissue_findings(values[values > -500] * 1000.0)
    assert NO_HOUNSFIELD in said
