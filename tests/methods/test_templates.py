"""Template matching: every position against direct sums, and against ITK where it computes the same."""

from __future__ import annotations

import math
from itertools import product
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from rprloc.methods.templates import MEASURES, Matcher, _Template

Volume = NDArray[np.float32]
SIZES = [(3, 4, 5), (4, 6, 2), (1, 1, 1), (5, 5, 5), (12, 3, 17)]
"""Odd and even, a single voxel, larger than the volume."""
SHAPE = (9, 11, 13)


def noise(shape: tuple[int, ...] = SHAPE, *, channels: int = 1, seed: int = 0) -> Volume:
    """Return random values in 0 to 1."""
    return np.random.default_rng(seed).random((channels, *shape), dtype=np.float32)


def with_air(seed: int = 1) -> Volume:
    """Return values of which a slab is air and a block constant tissue."""
    values = noise(seed=seed)
    values[:, :5] = 0
    values[:, 6:, 4:, 6:] = 0.3
    return values


def matcher(values: Volume, size: tuple[int, int, int], *, centres: Any = None, **how: Any) -> Matcher:
    """Return a matcher of a volume (channels, z, y, x), by default with centres everywhere."""
    everywhere = np.ones(values.shape[1:], dtype=bool)
    padded = np.pad(values, [(0, 0), *((n // 2, n - n // 2 - 1) for n in size)])
    return Matcher(torch.from_numpy(padded), size, everywhere if centres is None else centres, **how)


def score_maps(matcher: Matcher, template: torch.Tensor) -> dict[str, torch.Tensor]:
    """Return, by measure, the scores of all positions (z, y, x) that a search goes by; NaN outside the centres."""
    about = _Template.of(template)
    product = matcher._correlation(about)
    found = {}
    for measure in matcher._measures:
        score = matcher._score(measure, about, product, slice(None))
        plain = (about.squares - score) / matcher._n if measure == "mse" else score.clamp(-1, 1)
        found[measure] = plain.masked_fill_(matcher._outside, math.nan)
    return found


def window(values: Volume, size: tuple[int, int, int], centre: tuple[int, ...]) -> Volume:
    """Return the window around a voxel, zeros where it overhangs."""
    found = np.zeros((len(values), *size), dtype=np.float32)
    first = [c - s // 2 for c, s in zip(centre, size, strict=True)]
    ends = [(max(0, f), min(n, f + s)) for f, n, s in zip(first, values.shape[1:], size, strict=True)]
    inside = tuple(slice(low - f, max(low, high) - f) for f, (low, high) in zip(first, ends, strict=True))
    found[(slice(None), *inside)] = values[(slice(None), *(slice(low, max(low, high)) for low, high in ends))]
    return found


def direct(measure: str, a: Volume, b: Volume) -> float:
    """Return the measure of two windows by direct sums in double precision."""
    one, two = a.astype(np.float64).ravel(), b.astype(np.float64).ravel()
    if measure == "mse":
        return float(np.mean((one - two) ** 2))
    if measure == "ncc":
        if np.ptp(a) == 0 or np.ptp(b) == 0:
            return 0.0
        one, two = one - one.mean(), two - two.mean()
    size = np.sqrt(np.sum(one**2) * np.sum(two**2))
    return float(np.sum(one * two) / size) if size else 0.0


def direct_maps(values: Volume, template: Volume) -> dict[str, NDArray[np.float64]]:
    """Return the measures of every position."""
    size = template.shape[1:]
    maps = {measure: np.zeros(values.shape[1:]) for measure in MEASURES}
    for centre in np.ndindex(values.shape[1:]):
        here = window(values, size, centre)  # type: ignore[arg-type]
        for measure, found in maps.items():
            found[centre] = direct(measure, here, template)
    return maps


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("values", [noise(), with_air(), noise(channels=3)], ids=["noise", "air", "channels"])
def test_every_score_is_that_of_direct_sums(values: Volume, size: tuple[int, int, int]) -> None:
    template = noise(size, channels=len(values), seed=7)
    found = score_maps(matcher(values, size), torch.from_numpy(template))
    for measure, expected in direct_maps(values, template).items():
        np.testing.assert_allclose(found[measure].numpy(), expected, atol=1e-5, err_msg=measure)


@pytest.mark.parametrize("size", SIZES[:2])
def test_the_best_position_is_that_of_direct_sums(size: tuple[int, int, int]) -> None:
    values, template = with_air(), window(noise(seed=1), size, (4, 5, 6))
    centres = np.random.default_rng(3).random(SHAPE) < 0.5
    found = matcher(values, size, centres=centres).best(torch.from_numpy(template))
    for measure, scores in direct_maps(values, template).items():
        scores[~centres] = math.inf if measure == "mse" else -math.inf
        place = (np.argmin if measure == "mse" else np.argmax)(scores)
        assert found[measure].voxel == np.unravel_index(place, SHAPE)
        assert found[measure].score == pytest.approx(scores.flat[place], abs=1e-12)


def test_stride_two_is_exactly_the_sub_sampled_map() -> None:
    values, template = with_air(), torch.from_numpy(noise((4, 3, 5), seed=7))
    whole, sub = (matcher(values, (4, 3, 5), stride=stride) for stride in (1, 2))
    for measure, scores in score_maps(sub, template).items():
        np.testing.assert_allclose(scores, score_maps(whole, template)[measure][::2, ::2, ::2], atol=1e-6)
    for measure, match in sub.best(template).items():
        assert all(coordinate % 2 == 0 for coordinate in match.voxel)
        scores = direct_maps(values, template.numpy())[measure][::2, ::2, ::2]
        assert match.score == pytest.approx(scores.min() if measure == "mse" else scores.max(), abs=1e-12)


@settings(max_examples=30, deadline=None)
@given(
    shape=st.tuples(*[st.integers(1, 12)] * 3),
    size=st.tuples(*[st.integers(1, 14)] * 3),
    stride=st.integers(1, 3),
    channels=st.integers(1, 3),
    seed=st.integers(0, 99),
)
def test_any_shape_size_and_stride(shape: Any, size: Any, stride: int, channels: int, seed: int) -> None:
    values, template = (noise(s, channels=channels, seed=seed + n) for n, s in enumerate((shape, size)))
    found = matcher(values, size, stride=stride).best(torch.from_numpy(template))
    positions = list(product(*(range(0, length, stride) for length in shape)))
    for measure, match in found.items():
        scores = [direct(measure, window(values, size, centre), template) for centre in positions]
        best = (np.argmin if measure == "mse" else np.argmax)(scores)
        assert match.score == pytest.approx(scores[best], abs=1e-9)
        # A window of one voxel scores 1 wherever it lies.
        assert match.voxel == positions[best] or scores[positions.index(match.voxel)] == pytest.approx(scores[best])


def test_a_template_is_found_where_it_was_cut_and_nowhere_outside_the_centres() -> None:
    size, values = (4, 6, 2), noise(seed=5)
    for centre in [(0, 0, 0), (4, 5, 6), (8, 10, 12)]:
        template = torch.from_numpy(window(values, size, centre))
        for measure, match in matcher(values, size).best(template).items():
            assert match.voxel == centre
            assert match.score == pytest.approx(0 if measure == "mse" else 1, abs=1e-12)
        elsewhere = np.ones(SHAPE, dtype=bool)
        elsewhere[centre] = False
        for match in matcher(values, size, centres=elsewhere).best(template).values():
            assert match.voxel != centre


def test_what_lies_outside_does_not_win_where_every_centre_is_worse() -> None:
    # The map outside the centres is 0, which is better than any ncc of these two.
    values = np.zeros((1, 3, 3, 40), dtype=np.float32)
    values[..., :] = np.arange(40)
    centres = np.zeros(values.shape[1:], dtype=bool)
    centres[1, 1, 10:20] = True
    template = torch.from_numpy(-values[:, :, :, 10:15].copy())
    found = matcher(values, (3, 3, 5), centres=centres).best(template)
    for match in found.values():
        assert centres[match.voxel]
    assert found["ncc"].score == pytest.approx(-1)
    assert -1 <= found["cosine"].score < -0.9


def test_constant_and_empty_windows_and_templates_have_a_score() -> None:
    size = (3, 3, 3)
    values = np.zeros((1, *SHAPE), dtype=np.float32)
    values[:, :, :, 6:] = 0.7
    step = torch.from_numpy(window(values, size, (4, 5, 6)))
    maps = score_maps(matcher(values, size), step)
    assert maps["ncc"][4, 5, 2] == maps["ncc"][4, 5, 9] == maps["cosine"][4, 5, 2] == 0
    assert maps["ncc"][4, 5, 6] == pytest.approx(1)
    for template, zero in [(torch.full((1, *size), 0.7), ["ncc"]), (torch.zeros(1, *size), ["ncc", "cosine"])]:
        found = matcher(values, size)
        for measure in zero:
            assert score_maps(found, template)[measure].abs().max() == 0
            assert found.best(template)[measure].score == 0
        assert found.best(template)["mse"].score == pytest.approx(0, abs=1e-12)


def test_a_window_that_one_step_of_a_voxel_tells_from_constant_is_not_constant() -> None:
    # A HU of a window of 2000 HU, in a volume with bone and air elsewhere.
    values = noise((20, 20, 20))
    values[:, 4:16, 4:16, 4:16] = 0.5
    values[:, 10, 10, 10] += 1 / 2000
    template = torch.from_numpy(window(values, (6, 6, 6), (10, 10, 10)))
    match = matcher(values, (6, 6, 6)).best(template)["ncc"]
    assert match.voxel == (10, 10, 10)
    assert match.score == pytest.approx(1, abs=1e-6)


def test_equal_scores_are_told_apart_by_the_lower_index() -> None:
    block = noise((3, 3, 3))
    values = np.tile(block, (1, 4, 4, 4))
    template = torch.from_numpy(block)
    centres = np.zeros(values.shape[1:], dtype=bool)
    centres[2:-2, 2:-2, 2:-2] = True
    for match in matcher(values, (3, 3, 3), centres=centres).best(template).values():
        assert match.voxel == (4, 4, 4)


def test_values_that_are_no_numbers_have_no_score() -> None:
    values = noise()
    broken = torch.full((1, 3, 3, 3), math.nan)
    for match in matcher(values, (3, 3, 3)).best(broken).values():
        assert math.isnan(match.score)
    values[0, 0, 0, 0] = math.nan
    for match in matcher(values, (3, 3, 3)).best(torch.from_numpy(noise((3, 3, 3)))).values():
        assert math.isnan(match.score)


def test_only_the_measures_that_are_asked_for() -> None:
    found = matcher(noise(), (3, 3, 3), measures=("cosine",)).best(torch.from_numpy(noise((3, 3, 3))))
    assert list(found) == ["cosine"]


def test_no_position_and_no_fitting_shape_are_refused() -> None:
    nowhere = matcher(noise(), (3, 3, 3), centres=np.zeros(SHAPE, dtype=bool))
    assert nowhere.positions == 0
    with pytest.raises(ValueError, match="found no position"):
        nowhere.best(torch.from_numpy(noise((3, 3, 3))))
    with pytest.raises(ValueError, match="voxels with padding"):
        Matcher(torch.from_numpy(noise()), (3, 3, 3), np.ones(SHAPE, dtype=bool))


def test_ncc_is_that_of_itk() -> None:
    values, template = noise((16, 18, 20)), noise((5, 7, 3), seed=4)
    found = score_maps(matcher(values, (5, 7, 3)), torch.from_numpy(template))["ncc"]
    itk = sitk.FFTNormalizedCorrelation(
        *(sitk.GetImageFromArray(array[0].astype(np.float64)) for array in (values, template)), 0
    )
    # Its map is of all overlaps, and leaves out of the sums what lies beyond the edges: the same where none overhangs.
    full = sitk.GetArrayFromImage(itk)
    inside = [slice(n // 2, length - n // 2) for n, length in zip((5, 7, 3), (16, 18, 20), strict=True)]
    whole = [slice(n - 1, length) for n, length in zip((5, 7, 3), (16, 18, 20), strict=True)]
    np.testing.assert_allclose(found.numpy()[tuple(inside)], full[tuple(whole)], atol=1e-5)


def test_the_threads_do_not_change_what_is_found() -> None:
    values, template = noise((20, 40, 44)), torch.from_numpy(noise((7, 9, 8), seed=3))
    threads, found = torch.get_num_threads(), []
    try:
        for count in (1, 2):
            torch.set_num_threads(count)
            found.append(matcher(values, (7, 9, 8)).best(template))
    finally:
        torch.set_num_threads(threads)
    assert {m: match.voxel for m, match in found[0].items()} == {m: match.voxel for m, match in found[1].items()}
    for measure in MEASURES:
        assert found[0][measure].score == pytest.approx(found[1][measure].score, abs=1e-12)
