"""What the position networks learn: where two patches of a scan lie to each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from rprloc.catalogue.rows import Length
from rprloc.networks.device import bfloat16_is_fast
from rprloc.networks.patches import apply_window
from rprloc.networks.settings import PatchSettings
from rprloc.seeds import generator_of
from rprloc.training.data import TrainingScan, lesson_scans
from rprloc.training.objective import FromScans, nothing
from rprloc.training.pairs import all_pairs_mm, pair_error_mm, pair_loss
from rprloc.training.sampling import IndexArray, draw_group
from rprloc.training.sharing import WHOLE, Share
from rprloc.training.task import Lessons

_VALIDATION_GROUPS, _VALIDATION_PATCHES = 24, 8


class RelativePosition(FromScans[PatchSettings]):
    """The offset of all pairs of patches within each group of a step (equations 2 and 3 of the paper)."""

    error, words = "error_mm", "pair error: training {:.1f} mm, validation {:.1f} mm"

    def _fix(self, scans: Sequence[TrainingScan]) -> None:
        """Draw the fixed pairs."""
        chosen = _fixed_groups(scans, self.settings, self._seed)
        self._fixed = [_cropped(chosen[start : start + 8], self.settings) for start in range(0, len(chosen), 8)]

    def loss(self, step: int, share: Share = WHOLE) -> tuple[Tensor, Tensor]:
        """Return what a step's pairs add to the loss and to their mean error in mm."""
        groups = _draw_groups(self._scans, self.settings, self._length, np.random.default_rng([self._seed, step]))
        predicted, true = _offsets_mm(self.network, _cropped(share.part(groups), self.settings), self.settings)
        if share != WHOLE and not len(true):
            return nothing(self.network)
        loss, error = pair_loss(predicted, true, self.settings.r_mm), pair_error_mm(predicted.detach(), true)
        part = 1.0 if share == WHOLE else len(true) / self._pairs(groups)
        return loss * part, error * part

    def _pairs(self, groups: Sequence[_Group]) -> int:
        """Return how many pairs there are in some groups."""
        voxels = torch.from_numpy(np.stack([centres for _, centres in groups]))
        centres_mm = (voxels * torch.tensor(self.settings.spacing)).flip(-1)
        return len(all_pairs_mm(centres_mm, centres_mm, self.settings.r_mm, network=self.settings.network)[1])

    def validation_error(self) -> float:
        """Return the mean error in mm over the fixed pairs."""
        return _validation_error_mm(self.network, self._fixed, self.settings)


def relative_position(lessons: Lessons) -> RelativePosition:
    """Return what a position network learns; raises InputError without scans, or where one has another spacing."""
    task = lessons.task
    settings = PatchSettings.of_cohort(task.network, task.settings)
    scans, validation = lesson_scans(lessons, settings, crop=settings.patch_voxels)
    return RelativePosition(scans, validation, settings, task.length, seed=task.seed, device=lessons.device)


_Group = tuple[TrainingScan, IndexArray]
"""A scan and the voxels (patches, 3) of patch centres in it."""


@dataclass(frozen=True)
class _Batch:
    """The patches of some groups."""

    patches: Tensor
    """(groups * patches, d, h, w) int16."""
    centres_mm: Tensor
    """(groups, patches, 3), (x, y, z)."""


def _draw_groups(
    scans: Sequence[TrainingScan], settings: PatchSettings, length: Length, generator: np.random.Generator
) -> list[_Group]:
    """Draw a step's groups, each from a scan drawn at random."""
    chosen = [scans[number] for number in generator.integers(len(scans), size=length.groups)]
    return [(scan, _draw(scan, length.patches, settings, generator)) for scan in chosen]


def _draw(scan: TrainingScan, patches: int, settings: PatchSettings, generator: np.random.Generator) -> IndexArray:
    """Draw one group of patch centres (patches, 3) in a scan's body."""
    return draw_group(
        scan.body,
        patches,
        network=settings.network,
        r_mm=settings.r_mm,
        spacing_mm=settings.spacing,
        generator=generator,
    )


def _fixed_groups(scans: Sequence[TrainingScan], settings: PatchSettings, seed: int) -> list[_Group]:
    """Draw the groups of the fixed validation pairs, as many from each scan, seeded by its subject's name.

    Of very many scans every second, third, ... is enough.
    """
    some = scans[:: -(-len(scans) // _VALIDATION_GROUPS)]
    per_scan = -(-_VALIDATION_GROUPS // len(some))
    groups = []
    for scan in some:
        generator = generator_of(seed, scan.subject)
        groups += [(scan, _draw(scan, _VALIDATION_PATCHES, settings, generator)) for _ in range(per_scan)]
    return groups


def _cropped(groups: Sequence[_Group], settings: PatchSettings) -> _Batch:
    """Crop the patches of some groups, by one gather a scan on the computing device."""
    device = groups[0][0].scan.values.device
    voxels = torch.from_numpy(np.stack([centres for _, centres in groups])).to(device)
    patches = torch.cat([scan.scan.crop(centres) for (scan, _), centres in zip(groups, voxels, strict=True)])
    # Voxels are (z, y, x), positions (x, y, z).
    return _Batch(patches, (voxels * torch.tensor(settings.spacing, device=device)).flip(-1))


def _offsets_mm(network: nn.Module, batch: _Batch, settings: PatchSettings) -> tuple[Tensor, Tensor]:
    """Return predicted and true offsets (pairs, 3) in mm of all pairs of a batch's groups, in one network pass."""
    device = batch.patches.device
    with torch.autocast(device.type, dtype=torch.bfloat16, enabled=bfloat16_is_fast(device)):
        latents = network(apply_window(batch.patches, settings.window))
    return all_pairs_mm(
        latents.view(*batch.centres_mm.shape), batch.centres_mm, settings.r_mm, network=settings.network
    )


@torch.inference_mode()
def _validation_error_mm(network: nn.Module, fixed: list[_Batch], settings: PatchSettings) -> float:
    """Return the mean error in mm over the fixed pairs."""
    parts = [_offsets_mm(network, batch, settings) for batch in fixed]
    predicted, true = (torch.cat(side) for side in zip(*parts, strict=True))
    return float(pair_error_mm(predicted, true))
