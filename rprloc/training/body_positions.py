"""What the position map learns: where all voxels of a body lie to each other, however a scan shows it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from rprloc.networks.device import bfloat16_is_fast
from rprloc.networks.field import pooling_of
from rprloc.networks.position_map import body_field
from rprloc.networks.settings import MapSettings
from rprloc.seeds import generator_of
from rprloc.training.data import TrainingScan, lesson_scans
from rprloc.training.objective import FromScans
from rprloc.training.sharing import WHOLE, Share
from rprloc.training.task import Lessons
from rprloc.training.views import BodyField, BodyView, random_body_view

BARE = (1, 1, 1)
"""The crops of scans of which none are cropped: they are not padded."""

_TOLERANCE_MM = 10.0
"""Errors beyond it count linearly (Huber)."""
_FEWEST = 50
"""Voxels of the body that a view must show to teach anything."""
_TRIES = 8
_FIXED = 5
"""Scans on whose views the validation error is measured."""


class BodyPositions(FromScans[MapSettings]):
    """The offsets between all voxels of the body in two random views of each of a step's scans.

    With a linear offset law the loss over all pairs is that over latent minus true place minus its mean over both
    views, so every voxel takes part (arXiv 2409.10291).
    """

    error, words = "error_mm", "position error: training {:.1f} mm, validation {:.1f} mm"

    def _fix(self, scans: Sequence[TrainingScan]) -> None:
        """Draw the fixed views."""
        some = scans[:: -(-len(scans) // _FIXED)]
        self._fixed = [self._views(scan, generator_of(self._seed, scan.subject)) for scan in some]

    def loss(self, step: int, share: Share = WHOLE) -> tuple[Tensor, Tensor]:
        """Return what a step's scans add to the loss and to the mean distance in mm of their voxels to where they
        should be.
        """
        generator = np.random.default_rng([self._seed, step])
        chosen = [self._scans[number] for number in generator.integers(len(self._scans), size=self._length.groups)]
        own = share.part([self._views(scan, generator) for scan in chosen])
        found = [self._residuals(views) for views in own]
        losses = [_weighed(_huber(residuals), weights) for residuals, weights in found]
        errors = [_weighed(residuals.detach().norm(dim=1), weights) for residuals, weights in found]
        counts = len(own) / len(chosen)
        return torch.stack(losses).mean() * counts, torch.stack(errors).mean() * counts

    @torch.inference_mode()
    def validation_error(self) -> float:
        """Return the mean distance in mm over the fixed views."""
        found = [self._residuals(views) for views in self._fixed]
        return float(torch.stack([_weighed(residuals.norm(dim=1), weights) for residuals, weights in found]).mean())

    def _views(self, scan: TrainingScan, generator: np.random.Generator) -> list[BodyView]:
        """Draw two views of a scan that show some body."""
        levels, body = body_field(scan.scan.values, torch.from_numpy(scan.body.mask), self.settings)
        field = BodyField(levels, body, np.array(self.settings.spacing) * pooling_of(self.settings.spacing))
        enough = min(_FEWEST, int(body.sum())) / 2
        return [self._view(field, enough, generator) for _ in range(2)]

    @staticmethod
    def _view(field: BodyField, enough: float, generator: np.random.Generator) -> BodyView:
        """Draw a view that shows enough of the body, or the last of some tries."""
        for _ in range(_TRIES):
            view = random_body_view(field, generator)
            if int(view.body.sum()) >= enough:
                break
        return view

    def _residuals(self, views: Sequence[BodyView]) -> tuple[Tensor, Tensor]:
        """Return latents less places less their mean (n, 3) in mm, and weights (n,) by which views count alike."""
        parts, weights = [], []
        for view in views:
            device = view.field.device
            with torch.autocast(device.type, dtype=torch.bfloat16, enabled=bfloat16_is_fast(device)):
                latents = self.network(view.field)[0]
            parts.append(latents.movedim(0, -1)[view.body] - view.source_mm[view.body])
            count = len(parts[-1])
            weights.append(torch.full((count,), 1 / max(1, count) / len(views), device=device))
        residuals, all_weights = torch.cat(parts), torch.cat(weights)
        return residuals - all_weights @ residuals, all_weights


def body_positions(lessons: Lessons) -> BodyPositions:
    """Return what the position map learns; raises InputError without scans, or where one has another spacing."""
    task = lessons.task
    settings = MapSettings.of_cohort(task.network, task.settings)
    scans, validation = lesson_scans(lessons, settings, crop=BARE)
    return BodyPositions(scans, validation, settings, task.length, seed=task.seed, device=lessons.device)


def _huber(residuals: Tensor) -> Tensor:
    """Return the loss (n,) of residuals (n, 3) in mm, which grows with their size where they are large."""
    scaled = residuals / _TOLERANCE_MM
    return torch.nn.functional.huber_loss(scaled, torch.zeros_like(scaled), reduction="none").mean(dim=1)


def _weighed(values: Tensor, weights: Tensor) -> Tensor:
    """Return the weighted mean of values (n,) whose weights sum to 1."""
    return values @ weights
