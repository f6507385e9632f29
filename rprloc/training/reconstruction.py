"""What the auto-encoder learns: to give grey values back from their code."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from rprloc.networks.autoencoder import CODE_STRIDE, HALO
from rprloc.networks.patches import apply_window
from rprloc.networks.settings import CodeSettings
from rprloc.seeds import generator_of
from rprloc.training.data import TrainingScan, lesson_scans
from rprloc.training.objective import FromScans
from rprloc.training.sampling import IndexArray
from rprloc.training.sharing import WHOLE, Share
from rprloc.training.task import Lessons

_CELLS = 6
CROP_VOXELS = (CODE_STRIDE * _CELLS + 2 * HALO,) * 3
"""The crops that the auto-encoder is trained on, and for which its scans have to be padded."""

_VALIDATION_CROPS = 192


class Reconstruction(FromScans[CodeSettings]):
    """Mean squared error of the decoded grey values of crops around random voxels of the body.

    Only the inside of a crop is decoded: what a cell of its code sees is never cut off.
    """

    error, words = "error_grey", "root mean square error of grey values: training {:.4f}, validation {:.4f}"

    def _fix(self, scans: Sequence[TrainingScan]) -> None:
        """Draw the fixed crops; all scans have to be padded for CROP_VOXELS."""
        self._fixed = torch.cat([_crops(*each) for each in _fixed_centres(scans, self._seed)])

    def loss(self, step: int, share: Share = WHOLE) -> tuple[Tensor, Tensor]:
        """Return the mean squared error of a step's crops, windowed grey values, and its root; of a share what it adds.

        The root of the whole is not the sum of the shares' roots, but near to it.
        """
        generator = np.random.default_rng([self._seed, step])
        chosen = [self._scans[number] for number in generator.integers(len(self._scans), size=self._length.groups)]
        own = share.part([(scan, scan.body.draw(self._length.patches, generator)) for scan in chosen])
        loss = self._squared_error(torch.cat([_crops(scan, centres) for scan, centres in own]))
        counts = len(own) / len(chosen)
        return loss * counts, loss.detach().sqrt() * counts

    @torch.inference_mode()
    def validation_error(self) -> float:
        """Return the root mean square error of the fixed crops."""
        parts = self._fixed.split(32)
        sums = [self._squared_error(part) * len(part) for part in parts]
        return float((torch.stack(sums).sum() / len(self._fixed)).sqrt())

    def _squared_error(self, crops: Tensor) -> Tensor:
        """Return the mean squared error of crops (n, d, h, w) int16."""
        levels = apply_window(crops, self.settings.window)
        inside = levels[:, HALO:-HALO, HALO:-HALO, HALO:-HALO]
        return (self.network(levels) - inside).square().mean()


def reconstruction(lessons: Lessons) -> Reconstruction:
    """Return what the auto-encoder learns; raises InputError without scans, or where one has another spacing."""
    task = lessons.task
    settings = CodeSettings.of_cohort(task.network, task.settings)
    scans, validation = lesson_scans(lessons, settings, crop=CROP_VOXELS)
    return Reconstruction(scans, validation, settings, task.length, seed=task.seed, device=lessons.device)


def _crops(scan: TrainingScan, centres: IndexArray) -> Tensor:
    """Return the crops (n, d, h, w) int16 around voxels (n, 3) of a scan."""
    return scan.scan.crop(torch.from_numpy(centres).to(scan.scan.values.device))


def _fixed_centres(scans: Sequence[TrainingScan], seed: int) -> list[tuple[TrainingScan, IndexArray]]:
    """Draw the centres of the validation crops, as many in each scan, seeded by its subject's name.

    Of very many scans every second, third, ... is enough.
    """
    some = scans[:: -(-len(scans) // _VALIDATION_CROPS)]
    per_scan = -(-_VALIDATION_CROPS // len(some))
    return [(scan, scan.body.draw(per_scan, generator_of(seed, scan.subject, "crops"))) for scan in some]
