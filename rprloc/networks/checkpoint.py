"""Trained networks as files: safetensors whose header says what the network may be used with."""

from __future__ import annotations

import errno
import hashlib
import json
import math
import os
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from rprloc.catalogue import load, network_named
from rprloc.cohort.tasks import Learning, Seen
from rprloc.errors import InputError
from rprloc.files import PICKLES, whole_file
from rprloc.networks.patches import PaddedScan, apply_window
from rprloc.networks.settings import CodeSettings, NetworkSettings, PatchSettings, settings_from, settings_to_json
from rprloc.networks.training_record import TrainingRecord

FORMAT = "rprloc-model-1"
Header = Mapping[str, Any]
"""The JSON object in a file's header, before a record is made of it."""


@dataclass(frozen=True)
class Model:
    """A network together with the settings that it was trained with and its training record."""

    network: nn.Module
    settings: NetworkSettings
    record: TrainingRecord | None = None

    @property
    def device(self) -> torch.device:
        """The device on which the network computes."""
        return next(self.network.parameters()).device

    @property
    def fingerprint(self) -> str:
        """The SHA-256 of the weights, whatever file they came from and whichever device they are on."""
        digest = hashlib.sha256()
        for name, tensor in sorted(self.network.state_dict().items()):
            digest.update(name.encode())
            digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()

    def pad(self, values: NDArray[np.int16]) -> PaddedScan:
        """Return a preprocessed scan (z, y, x) ready for `latents`; raises TypeError for a network without patches."""
        settings = self._patches
        return PaddedScan.of(values, settings.patch_voxels, modality=settings.modality, device=self.device)

    @torch.inference_mode()
    def latents(self, scan: PaddedScan, centres_voxel: Tensor, *, patches_at_once: int = 32) -> Tensor:
        """Return the latents (n, 3) of the patches around voxels (n, 3) in (z, y, x), in float32.

        Raises TypeError for a network without patches.

        The last batch is filled up by repeating a voxel, so that a latent does not depend on how many others are
        asked for: convolution libraries choose their summation order by the batch's size.
        """
        window, found = self._patches.window, []
        for chunk in centres_voxel.to(self.device).split(patches_at_once):
            full = torch.cat([chunk, chunk[:1].expand(patches_at_once - len(chunk), 3)])
            found.append(self.network(apply_window(scan.crop(full), window))[: len(chunk)])
        return torch.cat(found)

    @property
    def _patches(self) -> PatchSettings:
        """The settings of a network that sees patches."""
        if not isinstance(self.settings, PatchSettings):
            raise TypeError(f"found the network {self.settings.network}, expected one that sees patches")
        return self.settings


def new_network(settings: NetworkSettings, *, seed: int) -> nn.Module:
    """Return an untrained network of its settings, whose weights come from `seed`; raises KeyError, ValueError or
    TypeError where they are wrong.
    """
    build: Callable[[NetworkSettings], nn.Module] = load(network_named(settings.network).build)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return build(settings)


def write_tensors(path: Path, tensors: dict[str, Tensor], header: Header) -> None:
    """Write tensors and a JSON header as one safetensors file, whole; raises OSError, as for a full disk."""
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    with whole_file(path) as temporary:
        try:
            save_file(tensors, temporary, metadata={"rprloc": json.dumps(header, sort_keys=True, allow_nan=False)})
        except SafetensorError as error:
            # Its text ends with the operating system's number of the error.
            number = re.search(r"os error (\d+)", str(error))
            code = int(number[1]) if number else errno.EIO
            raise OSError(code, os.strerror(code)) from error


def read_tensors(path: Path) -> tuple[dict[str, Tensor], Header]:
    """Return the tensors and the header of a file that `write_tensors` wrote; raises InputError for any other file."""
    try:
        with safe_open(path, framework="pt") as stream:
            header = json.loads((stream.metadata() or {})["rprloc"])
            if not isinstance(header, dict):
                raise ValueError("a header that is no JSON object")
            return {name: stream.get_tensor(name) for name in stream.keys()}, header  # noqa: SIM118
    except (OSError, SafetensorError, KeyError, ValueError, TypeError, RecursionError) as error:
        raise InputError(
            f"{path.name}: expected a model file of rprloc (safetensors), found: {_fault(path, error)}."
        ) from error


def _fault(path: Path, error: Exception) -> str:
    """Return in a few words why a file is no model file."""
    start = b""
    with suppress(OSError), path.open("rb") as stream:
        start = stream.read(4)
    if start.startswith(PICKLES):
        return "a pickle, as torch.save writes it, which is never opened"
    if isinstance(error, KeyError):
        return "weights without a header of rprloc"
    return (str(error).splitlines() or ["an unknown fault"])[0].rstrip(".")


def write_model(path: Path, model: Model) -> None:
    """Write a trained network with its settings and training record."""
    record = model.record.to_json() if model.record else {}
    header = {"format": FORMAT, "settings": settings_to_json(model.settings), "record": record}
    write_tensors(path, dict(model.network.state_dict()), header)


def read_model(path: Path, *, device: torch.device | str = "cpu") -> Model:
    """Return the network of a model file, ready to use; raises InputError for a file that is none or does not fit."""
    tensors, header = read_tensors(path)
    if header.get("format") != FORMAT:
        raise InputError(f"{path.name}: found a file of format {header.get('format')!r}, expected {FORMAT!r}.")
    try:
        settings = settings_from(header["settings"])
        _check_weights(tensors, settings)
        network = new_network(settings, seed=0)
        network.load_state_dict(tensors)
        told = header.get("record")
        record = TrainingRecord.from_json(told) if told else None
    except (LookupError, TypeError, ValueError, ArithmeticError, RuntimeError, AttributeError) as error:
        first = (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(f"{path.name}: its weights do not fit its own settings ({first}).") from error
    network.requires_grad_(False)
    return Model(network.to(device).eval(), settings, record)


def _check_weights(tensors: dict[str, Tensor], settings: NetworkSettings) -> None:
    """Refuse weights of another network than the settings describe, and NaN; raises ValueError or RuntimeError.

    The shapes come from a network without memory: a damaged header may describe one that is larger than the machine.
    """
    sizes: list[float] = [settings.width, *settings.spacing]
    if isinstance(settings, PatchSettings | CodeSettings):
        sizes += settings.patch_voxels
    if isinstance(settings, PatchSettings):
        sizes.append(settings.r_mm)
    if not all(0 < size < math.inf for size in sizes):
        raise ValueError("a size that is not a positive number")
    with torch.device("meta"):
        expected = {name: tensor.shape for name, tensor in new_network(settings, seed=0).state_dict().items()}
    found = {name: tensor.shape for name, tensor in tensors.items()}
    for name in sorted(expected.keys() | found.keys()):
        if expected.get(name) != found.get(name):
            raise ValueError(f"{name} is {_shape(found.get(name))}, expected {_shape(expected.get(name))}")
        if not torch.isfinite(tensors[name]).all():
            raise ValueError(f"{name} holds numbers that are not finite")


def _shape(shape: torch.Size | None) -> str:
    """Return a tensor's shape as a person writes it."""
    return "missing" if shape is None else " x ".join(map(str, shape)) or "a number"


def check_conflicts(name: str, model: NetworkSettings, seen: Seen | Learning) -> None:
    """Refuse a model that was trained for other scans than a cohort's settings ask for; raises InputError.

    Spacing, window and modality are compared; patch, r and network always come from the model.
    """
    compared = (
        ("modality", model.modality, seen.modality),
        ("spacing", model.spacing, seen.spacing),
        ("window", model.window, seen.window),
    )
    errors = [
        f"{name}: was trained with {key} {_plain(own)}, the cohort's settings say {_plain(asked)}."
        for key, own, asked in compared
        if own != asked
    ]
    if errors:
        raise InputError(errors)


def _plain(value: object) -> str:
    """Return a setting as a person writes it."""
    return value if isinstance(value, str) else json.dumps(value)
