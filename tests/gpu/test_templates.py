"""Template matching on a GPU: the scores and places of direct sums, whatever it transforms at once."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch

from rprloc.methods import templates
from rprloc.methods.templates import MEASURES, Matcher
from tests.gpu.devices import CPU, GPU, needs_gpu
from tests.methods.test_templates import SHAPE, SIZES, Volume, direct_maps, noise, score_maps, window, with_air

pytestmark = needs_gpu

SCAN, PATCH = (40, 120, 110), (16, 48, 44)


def matcher(
    values: Volume, size: tuple[int, int, int], *, device: torch.device = GPU, centres: Any = None, **how: Any
) -> Matcher:
    """Return a matcher of a volume (channels, z, y, x) on a device, by default with centres everywhere."""
    everywhere = np.ones(values.shape[1:], dtype=bool)
    padded = np.pad(values, [(0, 0), *((n // 2, n - n // 2 - 1) for n in size)])
    return Matcher(torch.from_numpy(padded).to(device), size, everywhere if centres is None else centres, **how)


def patient() -> Volume:
    """Return values as a scan's, a part of them air."""
    values = noise(SCAN, seed=5)
    values[:, :, :30] = 0
    values[:, :, :, 90:] = 0
    return values


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("values", [with_air(), noise(channels=3)], ids=["air", "channels"])
def test_every_score_is_that_of_direct_sums(values: Volume, size: tuple[int, int, int]) -> None:
    # Windows of constant tissue and of air, and such as overhang the edges.
    template = noise(size, channels=len(values), seed=7)
    found = score_maps(matcher(values, size), torch.from_numpy(template).to(GPU))
    # As on the CPU, where the largest error is 2e-7, but for three values that are alike and hardly have a deviation.
    limit = 1e-5 if math.prod(size) > 1 else 1e-4
    for measure, expected in direct_maps(values, template).items():
        np.testing.assert_allclose(found[measure].cpu().numpy(), expected, atol=limit, err_msg=measure)


def test_stride_two_is_the_sub_sampled_map() -> None:
    values, template = with_air(), noise((4, 3, 5), seed=7)
    expected = direct_maps(values, template)
    searched = matcher(values, (4, 3, 5), stride=2)
    for measure, scores in score_maps(searched, torch.from_numpy(template).to(GPU)).items():
        np.testing.assert_allclose(scores.cpu().numpy(), expected[measure][::2, ::2, ::2], atol=1e-5)
    for measure, match in searched.best(torch.from_numpy(template).to(GPU)).items():
        scores = expected[measure][::2, ::2, ::2]
        place = np.unravel_index((np.argmin if measure == "mse" else np.argmax)(scores), scores.shape)
        assert match.voxel == tuple(2 * int(n) for n in place)
        # Scores of places are of double precision.
        assert match.score == pytest.approx(scores[place], abs=1e-12)


@pytest.mark.parametrize("size", SIZES[:2])
def test_the_best_of_some_centres_is_that_of_direct_sums(size: tuple[int, int, int]) -> None:
    values, template = with_air(), window(noise(seed=1), size, (4, 5, 6))
    centres = np.random.default_rng(3).random(SHAPE) < 0.5
    searched = matcher(values, size, centres=centres)
    maps, found = (ask(torch.from_numpy(template).to(GPU)) for ask in (partial(score_maps, searched), searched.best))
    for measure, scores in direct_maps(values, template).items():
        assert np.array_equal(np.isnan(maps[measure].cpu().numpy()), ~centres)
        scores[~centres] = math.inf if measure == "mse" else -math.inf
        place = (np.argmin if measure == "mse" else np.argmax)(scores)
        assert found[measure].voxel == np.unravel_index(place, SHAPE)
        assert found[measure].score == pytest.approx(scores.flat[place], abs=1e-12)


def test_constant_and_empty_windows_and_templates_have_a_score() -> None:
    size = (3, 3, 3)
    values = np.zeros((1, *SHAPE), dtype=np.float32)
    values[:, :, :, 6:] = 0.7
    searched = matcher(values, size)
    maps = score_maps(searched, torch.from_numpy(window(values, size, (4, 5, 6))).to(GPU))
    assert maps["ncc"][4, 5, 2] == maps["ncc"][4, 5, 9] == maps["cosine"][4, 5, 2] == 0
    assert float(maps["ncc"][4, 5, 6]) == pytest.approx(1)
    for value, zero in ((0.7, ["ncc"]), (0.0, ["ncc", "cosine"])):
        template = torch.full((1, *size), value, device=GPU)
        for measure in zero:
            assert score_maps(searched, template)[measure].abs().max() == 0
            assert searched.best(template)[measure].score == 0
        assert searched.best(template)["mse"].score == pytest.approx(0, abs=1e-12)


def test_values_that_are_no_numbers_have_no_score() -> None:
    values = noise()
    broken = torch.full((1, 3, 3, 3), math.nan, device=GPU)
    assert all(math.isnan(match.score) for match in matcher(values, (3, 3, 3)).best(broken).values())
    values[0, 0, 0, 0] = math.nan
    template = torch.from_numpy(noise((3, 3, 3))).to(GPU)
    assert all(math.isnan(match.score) for match in matcher(values, (3, 3, 3)).best(template).values())


@pytest.mark.parametrize("piece", [1, 1 << 9])
def test_what_is_transformed_at_once_changes_nothing(monkeypatch: pytest.MonkeyPatch, piece: int) -> None:
    values, template = with_air(), torch.from_numpy(noise((4, 6, 2), seed=7)).to(GPU)
    whole = matcher(values, (4, 6, 2))
    maps, best = score_maps(whole, template), whole.best(template)
    monkeypatch.setitem(templates._PIECE, GPU.type, piece)
    parts = matcher(values, (4, 6, 2))
    for measure, scores in score_maps(parts, template).items():
        assert torch.allclose(scores, maps[measure], atol=1e-6)
    for measure, match in parts.best(template).items():
        assert match.voxel == best[measure].voxel and match.score == pytest.approx(best[measure].score, abs=1e-12)


@pytest.mark.parametrize("stride", [1, 2])
def test_a_scan_s_scores_are_as_exact_as_the_search_relies_on_and_the_best_is_the_cpu_s(stride: int) -> None:
    values = patient()
    template = torch.from_numpy(window(values, PATCH, (20, 70, 60)) + 0.2 * noise(PATCH, seed=6))
    on_gpu, on_cpu = (matcher(values, PATCH, device=device, stride=stride) for device in (GPU, CPU))
    scores = score_maps(on_gpu, template.to(GPU))
    about = templates._Template.of(template)
    unit = {"mse": about.squares / template.numel(), "cosine": 1.0, "ncc": 1.0}
    places = np.random.default_rng(2).integers(0, [-(-n // stride) for n in SCAN], (300, 3)).tolist()
    for measure in MEASURES:
        errors = [
            abs(float(scores[measure][z, y, x]) - on_cpu._exact(measure, about, [z * stride, y * stride, x * stride]))
            for z, y, x in places
        ]
        print(f"{measure}, stride {stride}: error at most {max(errors) / unit[measure]:.2g} of {templates._CLOSE:g}")
        assert max(errors) <= templates._CLOSE * unit[measure]
    found, expected = on_gpu.best(template.to(GPU)), on_cpu.best(template)
    for measure in MEASURES:
        assert found[measure].voxel == expected[measure].voxel == (20, 70, 60)
        assert found[measure].score == pytest.approx(expected[measure].score, abs=1e-12)
