"""Tiny settings of every network of the catalogue, with what a training would have found out."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from rprloc.catalogue import load, networks
from rprloc.cohort.tasks import Learning
from rprloc.networks.settings import NetworkSettings

LEARNING = Learning(
    modality="ct",
    window=((-500.0, 0.0), (-100.0, 0.2), (500.0, 1.0)),
    spacing=(6.0, 5.0, 4.0),
    convolution="isotropic",
    width=4,
    patch=(24.0, 20.0, 16.0),
    matching_spacing=(3.0, 3.0, 2.0),
    r=60.0,
)
_FOUND: dict[str, Any] = {
    "structures": ("heart", "liver"),
    "anchors": ((6.0, 5.0, 4.0), (3.0, 8.0, 8.5)),
    "half_voxel_mm": {"heart": (0.5, 0.5, 1.5), "liver": (0.5, 0.25, 1.5)},
    "size": (24, 24, 32),
    "middle_latent_mm": (1.0, -2.0, 3.5),
    "position_map": "0f1f",
}


def _settings(name: str, reference: str) -> NetworkSettings:
    kind: type[NetworkSettings] = load(reference)
    settings = kind.of_cohort(name, LEARNING)
    return replace(settings, **{key: value for key, value in _FOUND.items() if key in kind.__struct_fields__})


EVERY = {row.name: _settings(row.name, row.settings) for row in networks()}
