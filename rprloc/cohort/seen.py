"""What networks and trainings depend on, of a cohort's settings."""

from __future__ import annotations

from rprloc.catalogue import Network
from rprloc.cohort.settings import Settings
from rprloc.cohort.tasks import Learning, Seen


def seen_by(settings: Settings) -> Seen:
    """Return what a model has to agree with, and what methods compare."""
    return Seen(modality=settings.modality, window=settings.window, spacing=settings.spacing, patch=settings.patch)


def learning_of(settings: Settings, network: Network) -> Learning:
    """Return the settings that a network's training depends on."""
    reach = {"r.coarse": settings.r.coarse, "r.fine": settings.r.fine}
    return Learning(
        modality=settings.modality,
        window=settings.window,
        spacing=settings.spacing,
        convolution=settings.network.convolution,
        width=settings.network.width,
        patch=settings.patch if "patch" in network.keys else None,
        matching_spacing=settings.learnt_spacing if "matching_spacing" in network.keys else None,
        r=next((reach[key] for key in network.keys if key in reach), None),
        structures=settings.structures if "structures" in network.keys else None,
    )
