"""The settings of networks: one record a kind, through a cohort's settings, a model file's header and back."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from rprloc.catalogue import networks
from rprloc.networks.settings import (
    CodeSettings,
    DetectorSettings,
    MapSettings,
    NetworkSettings,
    PatchSettings,
    VotesSettings,
    settings_from,
    settings_to_json,
)
from tests.networks.every import EVERY, LEARNING

STAGE: dict[str, Any] = {
    "modality": "ct",
    "spacing": [6, 6.0, 6.0],
    "patch_voxels": [1, 1, 1],
    "window": [[-500, 0], [500, 1]],
    "r_mm": 1.0,
    "convolution": "isotropic",
    "width": 4,
    "method": "x",
}
"""What files of version 0.1.0 say of every network."""
SEEN = {"modality": "ct", "spacing": (6.0, 6.0, 6.0), "window": ((-500.0, 0.0), (500.0, 1.0)), "width": 4}


@pytest.mark.parametrize("name", EVERY)
def test_a_header_gives_the_settings_back(name: str) -> None:
    settings = EVERY[name]
    assert settings_from(json.loads(json.dumps(settings_to_json(settings)))) == settings


@pytest.mark.parametrize("name", EVERY)
def test_a_header_that_lacks_a_setting_or_has_one_of_another_kind_is_none(name: str) -> None:
    header = settings_to_json(EVERY[name])
    for key in header:
        for other in ({k: v for k, v in header.items() if k != key}, header | {key: None}, header | {key: {"a": []}}):
            with pytest.raises((KeyError, TypeError, ValueError)):
                settings_from(other)


@pytest.mark.parametrize("header", [None, 3, "coarse", [], ["network"], {}, {"network": "nowhere"}, {"stage": None}])
def test_what_is_no_header_is_refused(header: Any) -> None:
    with pytest.raises((KeyError, TypeError, ValueError)):
        settings_from(header)


@pytest.mark.parametrize(
    ("stage", "details", "expected"),
    [
        ("fine", {}, PatchSettings(network="fine", patch_voxels=(1, 1, 1), r_mm=1.0, convolution="isotropic", **SEEN)),
        ("position_map", {}, MapSettings(network="position_map", **SEEN)),
        ("autoencoder", {}, CodeSettings(network="autoencoder", patch_voxels=(1, 1, 1), **SEEN)),
        (
            "retina_unet",
            {"structures": ["a"], "anchors": [[1, 2.0, 3.0]], "half_voxel_mm": {"a": [0.5, 0.5, 1.5]}},
            DetectorSettings(
                network="retina_unet", structures=("a",), anchors=((1.0, 2.0, 3.0),),
                half_voxel_mm={"a": (0.5, 0.5, 1.5)}, **SEEN,
            ),
        ),
        (
            "student",
            {
                "structures": ["a"], "spacing": [3.0, 2.0, 2.0], "size": [24, 24, 32],
                "middle_latent_mm": [1.0, 2.0, 3.0], "position_map": "0f", "half_voxel_mm": {"a": [0.5, 0.5, 1.5]},
            },
            VotesSettings(
                network="student", structures=("a",), matching_spacing=(3.0, 2.0, 2.0), size=(24, 24, 32),
                middle_latent_mm=(1.0, 2.0, 3.0), position_map="0f", half_voxel_mm={"a": (0.5, 0.5, 1.5)}, **SEEN,
            ),
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_files_of_version_0_1_0_are_read(stage: str, details: dict[str, Any], expected: NetworkSettings) -> None:
    assert settings_from(STAGE | {"stage": stage, "details": details}) == expected


def test_a_cohorts_settings_are_every_networks() -> None:
    assert EVERY.keys() == {row.name for row in networks()}
    for name, settings in EVERY.items():
        assert settings.network == name and settings.spacing == LEARNING.spacing and settings.window == LEARNING.window


def test_a_cohorts_patch_in_millimetres_becomes_voxels() -> None:
    for spacing, patch, expected in [
        ((3.0, 4.0, 4.0), (48.0, 64.0, 64.0), (16, 16, 16)),
        ((3.0, 1.0, 1.0), (48.0, 64.0, 64.0), (16, 64, 64)),
        ((3.0, 4.0, 4.0), (1.0, 1.0, 1.0), (1, 1, 1)),
    ]:
        cohort = msgspec.structs.replace(LEARNING, spacing=spacing, patch=patch)
        for kind in (PatchSettings, CodeSettings):
            assert kind.of_cohort("x", cohort).patch_voxels == expected
    assert PatchSettings.of_cohort("fine", LEARNING).r_mm == LEARNING.r
    assert VotesSettings.of_cohort("student", LEARNING).matching_spacing == LEARNING.matching_spacing
