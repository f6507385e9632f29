"""What each network was trained with and cannot be used without: one record a kind, in the header of a model file."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Self, TypedDict

import msgspec

from rprloc.catalogue import load, network_named
from rprloc.cohort.tasks import Learning, Seen, Window
from rprloc.scans.target import Triple, voxels_of

Voxels = tuple[int, int, int]


class _Common(TypedDict):
    """What all networks take over from a cohort."""

    network: str
    modality: str
    spacing: Triple
    window: Window
    width: int


class NetworkSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What all networks have."""

    network: str
    modality: str
    spacing: Triple
    """Millimetres, (z, y, x)."""
    window: Window
    width: int
    """Base number of channels."""

    @classmethod
    def of_cohort(cls, network: str, cohort: Learning) -> Self:
        """Return a network's settings from its cohort's."""
        return cls(**cls._common(network, cohort))

    @staticmethod
    def _common(network: str, cohort: Learning) -> _Common:
        return {
            "network": network,
            "modality": cohort.modality,
            "spacing": cohort.spacing,
            "window": cohort.window,
            "width": cohort.width,
        }


class MapSettings(NetworkSettings, frozen=True, kw_only=True):
    """Of the position map, which sees whole scans."""


class CodeSettings(NetworkSettings, frozen=True, kw_only=True):
    """Of the auto-encoder."""

    patch_voxels: Voxels
    """(z, y, x), of a template."""

    @classmethod
    def of_cohort(cls, network: str, cohort: Learning) -> Self:
        """Return a network's settings from its cohort's."""
        return cls(**cls._common(network, cohort), patch_voxels=patch_voxels(cohort))


class PatchSettings(NetworkSettings, frozen=True, kw_only=True):
    """Of the coarse and of the fine network, which see patches."""

    patch_voxels: Voxels
    """(z, y, x)."""
    r_mm: float
    """Largest offset of equation 2."""
    convolution: str

    @classmethod
    def of_cohort(cls, network: str, cohort: Learning) -> Self:
        """Return a network's settings from its cohort's."""
        assert cohort.r is not None
        patch = patch_voxels(cohort)
        return cls(**cls._common(network, cohort), patch_voxels=patch, r_mm=cohort.r, convolution=cohort.convolution)


class DetectorSettings(NetworkSettings, frozen=True, kw_only=True):
    """Of the Retina U-Net; what it knows of its structures comes with the training."""

    structures: tuple[str, ...] = ()
    anchors: tuple[Triple, ...] = ()
    """Sizes (z, y, x) in the field's voxels."""
    half_voxel_mm: Mapping[str, Triple] = {}
    """Half a native voxel along x, y, z of the labels that it learned from."""


class VotesSettings(NetworkSettings, frozen=True, kw_only=True):
    """Of the student and of the ceiling; what they know of their structures comes with the training."""

    matching_spacing: Triple
    """Millimetres, (z, y, x), of the finer volume that they see."""
    structures: tuple[str, ...] = ()
    size: Voxels = (0, 0, 0)
    """Voxels (z, y, x) of the crop that they see."""
    middle_latent_mm: Triple = (0.0, 0.0, 0.0)
    """The latent (x, y, z) of the crop's middle."""
    position_map: str = ""
    """The fingerprint of the position map that places the crop."""
    half_voxel_mm: Mapping[str, Triple] = {}
    """Half a native voxel along x, y, z of the labels that they learned from."""

    @classmethod
    def of_cohort(cls, network: str, cohort: Learning) -> Self:
        """Return a network's settings from its cohort's."""
        assert cohort.matching_spacing is not None
        return cls(**cls._common(network, cohort), matching_spacing=cohort.matching_spacing)


def patch_voxels(cohort: Learning | Seen) -> Voxels:
    """Return the size (z, y, x) in voxels of a cohort's patch."""
    assert cohort.patch is not None
    return voxels_of(cohort.patch, cohort.spacing)


def check_structures(names: Sequence[str], half_voxel_mm: Mapping[str, Triple]) -> None:
    """Refuse names of structures that are not different or have no positive half voxel; raises KeyError, ValueError."""
    if len(set(names)) < len(names):
        raise ValueError("structures that are not different names")
    check_positive("half_voxel_mm", [half_voxel_mm[name] for name in names])


def check_positive(what: str, sizes: Iterable[Sequence[float]]) -> None:
    """Refuse sizes (n, 3) that are not finite or not positive; raises ValueError, which calls them `what`."""
    if not all(0 < size < math.inf for each in sizes for size in each):
        raise ValueError(f"{what} that are not three positive numbers each")


def settings_from(values: Any) -> NetworkSettings:
    """Return the settings in a model file's header; raises KeyError, TypeError or ValueError where they are none."""
    if not isinstance(values, Mapping):
        raise TypeError("settings that are no JSON object")
    # Files of version 0.1.0 call the network a stage and keep what is not common to all under `details`, in which
    # `spacing` is that of the finer volume.
    details = dict(values.get("details", {}))
    if "spacing" in details:
        details["matching_spacing"] = details.pop("spacing")
    plain = {"network": values.get("stage")} | dict(values) | details
    kind: type[NetworkSettings] = load(network_named(str(plain["network"])).settings)
    return msgspec.convert({name: plain[name] for name in kind.__struct_fields__}, kind)


def settings_to_json(settings: NetworkSettings) -> dict[str, Any]:
    """Return the settings as plain values for a model file's header."""
    values: dict[str, Any] = msgspec.to_builtins(settings)
    return values
