"""The auto-encoder's training: the error of what it decodes of the fixed crops."""

from __future__ import annotations

import pytest
import torch

from rprloc.catalogue.rows import Length
from rprloc.networks.autoencoder import HALO
from rprloc.networks.patches import apply_window
from rprloc.networks.settings import CodeSettings
from rprloc.training import reconstruction
from rprloc.training.reconstruction import CROP_VOXELS, Reconstruction
from tests.training.scans import COHORT, scan

SETTINGS = CodeSettings.of_cohort("autoencoder", COHORT)
SCANS = [scan(seed, CROP_VOXELS) for seed in range(3)]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Reconstruction:
    """What is learned, with few crops to measure."""
    monkeypatch.setattr(reconstruction, "_VALIDATION_CROPS", 6)
    length = Length(steps=5, groups=2, patches=2)
    return Reconstruction(SCANS, [scan(10, CROP_VOXELS)], SETTINGS, length, seed=1, device=torch.device("cpu"))


def test_the_loss_is_the_error_of_the_decoded_inside(asked: Reconstruction) -> None:
    fixed = apply_window(asked._fixed, SETTINGS.window)
    assert fixed.shape[0] == 6 and fixed.shape[1:] == CROP_VOXELS
    inside = fixed[:, HALO:-HALO, HALO:-HALO, HALO:-HALO]
    with torch.inference_mode():
        expected = (asked.network(fixed) - inside).square().mean().sqrt()
    assert asked.validation_error() == pytest.approx(float(expected), abs=1e-6)


def test_the_error_is_the_root_of_the_loss(asked: Reconstruction) -> None:
    loss, error = asked.loss(0)
    assert float(error) ** 2 == pytest.approx(float(loss.detach()))
