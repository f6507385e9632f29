"""Features of grey values: those of the package of the method's authors, whatever the scan's brightness."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from rprloc.methods import mind
from rprloc.methods.images import quietly
from rprloc.methods.mind import CHANNELS, FEWER, _directions, fewer, mind_ssc


def noise(*shape: int, seed: int = 0) -> Tensor:
    """Return grey values."""
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


def test_the_features_are_those_of_convexadam_away_from_the_edges() -> None:
    with quietly():
        from convexAdam.convex_adam_utils import MINDSSC
    levels = noise(14, 17, 19)
    theirs = MINDSSC(levels[None, None], 1, 2, device="cpu")[0, :, 3:-3, 3:-3, 3:-3]
    ours = mind_ssc(levels)[:, 3:-3, 3:-3, 3:-3]
    apart = (ours[:, None] - theirs).abs().amax(dim=(2, 3, 4))
    # In another order, and each of them once.
    assert sorted(apart.argmin(dim=1).tolist()) == list(range(CHANNELS))
    assert float(apart.min(dim=1).values.max()) < 1e-5


@given(scale=st.floats(0.01, 100), shift=st.floats(-10, 10), seed=st.integers(0, 9))
def test_a_scan_that_is_scaled_and_shifted_has_the_same_features(scale: float, shift: float, seed: int) -> None:
    levels = noise(6, 7, 8, seed=seed)
    torch.testing.assert_close(mind_ssc(scale * levels.double() + shift), mind_ssc(levels), atol=2e-2, rtol=0)


def test_most_alike_is_one_and_each_voxel_has_one_such_pair() -> None:
    found = mind_ssc(noise(5, 6, 7))
    assert found.shape == (CHANNELS, 5, 6, 7)
    assert float(found.min()) > 0
    assert bool((found.amax(dim=0) == 1).all())


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_beyond_an_edge_the_values_there_go_on(axis: int) -> None:
    levels = noise(8, 9, 10)
    more = [levels.narrow(axis, 0, 1)] * 5 + [levels] + [levels.narrow(axis, levels.shape[axis] - 1, 1)] * 5
    wide = mind_ssc(torch.cat(more, dim=axis)).narrow(1 + axis, 5, levels.shape[axis])
    # What is usual in a volume limits only those whose places hardly differ.
    torch.testing.assert_close(mind_ssc(levels), wide)


def test_whole_numbers_are_grey_values_too() -> None:
    levels = (100 * noise(5, 6, 7)).round()
    torch.testing.assert_close(mind_ssc(levels.to(torch.int16)), mind_ssc(levels))


def test_fewer_numbers_have_the_features_own_differences_but_for_three_directions() -> None:
    smooth = torch.nn.functional.avg_pool3d(noise(13, 14, 15)[None, None], 5, stride=1)[0, 0]
    features = mind_ssc(smooth)
    found = fewer(features)
    assert found.shape == (FEWER, 9, 10, 11)
    directions = _directions()
    torch.testing.assert_close(directions @ directions.T, torch.eye(FEWER), atol=1e-5, rtol=0)
    # Whatever one number says of each place, and of each diagonal, is kept whole.
    apart = features - features.mean(dim=(1, 2, 3), keepdim=True)
    kept = torch.tensordot(directions.T, torch.tensordot(directions, apart, dims=1), dims=1)
    assert float(kept.square().sum() / apart.square().sum()) > 0.8
    assert float((fewer(kept) - fewer(apart)).abs().max()) < 1e-5


def test_what_is_dropped_has_no_mean_over_the_pairs_of_any_place() -> None:
    dropped = torch.eye(CHANNELS) - _directions().T @ _directions()
    assert int(torch.linalg.matrix_rank(dropped, tol=1e-4)) == CHANNELS - FEWER
    # Each place belongs to four pairs; all twelve together, and opposite pairs together, lose nothing.
    assert float(dropped.sum(dim=1).abs().max()) < 1e-5
    opposite = dropped.view(CHANNELS, CHANNELS // 2, 2).sum(dim=2)
    assert float(opposite.abs().max()) < 1e-5


def test_a_scan_that_is_taken_by_slabs_has_the_same_features(monkeypatch: pytest.MonkeyPatch) -> None:
    levels = noise(23, 9, 10)
    whole = mind_ssc(levels)
    monkeypatch.setattr(mind, "_AT_ONCE", 5 * 90)
    monkeypatch.setattr(mind, "_THINNEST", 1)
    torch.testing.assert_close(mind_ssc(levels), whole)
    torch.testing.assert_close(mind_ssc(levels, fewer), fewer(whole))
