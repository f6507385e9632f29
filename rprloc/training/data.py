"""Preprocessed scans in memory, ready to draw patches from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from rprloc.errors import InputError
from rprloc.files import read_json
from rprloc.networks.checkpoint import ModelSettings
from rprloc.networks.patches import PaddedScan
from rprloc.scans.preprocess import subject_of
from rprloc.scans.volume import read_model_volume
from rprloc.training.sampling import BodyVoxels


@dataclass(frozen=True)
class TrainingScan:
    """One scan's grey values and body."""

    subject: str
    scan: PaddedScan
    body: BodyVoxels


def read_training_scans(
    folders: Sequence[Path], settings: ModelSettings, *, device: torch.device
) -> list[TrainingScan]:
    """Read preprocessed scans from their folders, in sorted order, without those that were set aside.

    Raises InputError where a scan has another spacing than `settings` ask for.
    """
    scans = []
    for folder in sorted(folders):
        subject = subject_of(folder)
        about: dict[str, Any] = read_json(folder / f"{subject}.json")
        if about["status"] != "ok":
            continue
        if tuple(about["model"]["spacing_mm"][::-1]) != settings.spacing:
            raise InputError(
                f"{subject}.json: found a spacing of {about['model']['spacing_mm'][::-1]} mm (z, y, x), "
                f"expected {list(settings.spacing)}."
            )
        values = read_model_volume(folder / f"{subject}.nii.gz")
        body = read_model_volume(folder / f"{subject}_body.nii.gz") > 0
        padded = PaddedScan.of(values, settings.patch_voxels, modality=settings.modality, device=device)
        scans.append(TrainingScan(subject, padded, BodyVoxels.of(body)))
    return scans
