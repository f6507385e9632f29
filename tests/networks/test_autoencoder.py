"""The auto-encoder: its dense code is that of crops, whatever lies around them."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

from rprloc.networks import autoencoder
from rprloc.networks.autoencoder import CODE_CHANNELS, CODE_STRIDE, HALO, Autoencoder
from rprloc.networks.checkpoint import new_network
from rprloc.networks.settings import CodeSettings

SETTINGS = CodeSettings(
    network="autoencoder",
    modality="ct",
    spacing=(3.0, 2.0, 2.0),
    window=((-500.0, 0.0), (500.0, 1.0)),
    width=4,
    patch_voxels=(8, 8, 8),
)
FIELD = 2 * HALO + 1


def network(seed: int = 1) -> Autoencoder:
    """Return an untrained network."""
    net = new_network(SETTINGS, seed=seed)
    assert isinstance(net, Autoencoder)
    return net.requires_grad_(False)


def noise(seed: int, *shape: int) -> Tensor:
    """Return grey values from 0 to 1."""
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


@settings(max_examples=20)
@given(shape=st.tuples(*[st.integers(1, 13)] * 3), seed=st.integers(0, 99))
def test_the_dense_code_is_that_of_crops_at_every_voxel_borders_too(shape: tuple[int, int, int], seed: int) -> None:
    net, scan = network(), noise(seed, *shape)
    padded = F.pad(scan, (HALO,) * 6)
    code = net.dense(padded)
    assert tuple(code.shape) == (CODE_CHANNELS, *shape)
    windows = padded.unfold(0, FIELD, 1).unfold(1, FIELD, 1).unfold(2, FIELD, 1)
    alone = net.encode(windows.reshape(-1, FIELD, FIELD, FIELD))
    assert tuple(alone.shape[1:]) == (CODE_CHANNELS, 1, 1, 1)
    assert (code - alone.view(*shape, CODE_CHANNELS).movedim(3, 0)).abs().max() < 1e-5


@pytest.mark.parametrize("start", [(0, 0, 0), (1, 0, 1), (0, 1, 1)])
def test_cells_of_a_crop_are_those_of_the_dense_code_in_steps_of_the_stride(start: tuple[int, int, int]) -> None:
    net, scan = network(), noise(3, 20, 19, 22)
    place = tuple(slice(n, None) for n in start)
    crop = net.encode(scan[place][None])[0]
    steps = tuple(slice(n, None, CODE_STRIDE) for n in start)
    assert (crop - net.dense(scan)[(slice(None), *steps)]).abs().max() < 1e-5


def test_a_large_scan_is_encoded_in_slabs_with_the_same_result(monkeypatch: pytest.MonkeyPatch) -> None:
    net, scan = network(), noise(4, 31, 12, 11)
    whole = net.dense(scan)
    monkeypatch.setattr(autoencoder, "_SLAB_VOXELS", 1)
    assert (net.dense(scan) - whole).abs().max() < 1e-6


def test_what_lies_outside_the_field_of_a_cell_does_not_change_it() -> None:
    net, scan = network(), noise(5, 30, 10, 10)
    other = scan.clone()
    # A patch-wise normalisation would see this.
    other[20:] = 100 * noise(6, 10, 10, 10)
    seen = net.dense(other) - net.dense(scan)
    assert seen[:, : 20 - 2 * HALO].abs().max() < 1e-6
    assert seen[:, 20 - 2 * HALO].abs().max() > 1e-3
    assert not any("Norm" in type(module).__name__ for module in net.modules())


def test_the_inside_of_a_crop_is_decoded() -> None:
    net = network()
    assert net(noise(7, 3, 20, 16, 14)).shape == (3, 12, 8, 6)
    assert sum(isinstance(module, nn.Conv3d) for module in net.modules()) == 8


@pytest.mark.parametrize("level", [0.0, 0.5, 1.0])
def test_constant_patches_give_finite_codes(level: float) -> None:
    code = network().dense(torch.full((12, 12, 12), level))
    assert torch.isfinite(code).all()
    assert (code - code[:, :1, :1, :1]).abs().max() < 1e-5
