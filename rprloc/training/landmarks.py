"""What the student and the ceiling learn: landmarks in random views of crops around the structures."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from rprloc.errors import NothingToLearnError
from rprloc.geometry import FloatArray, box_of_points
from rprloc.methods.body_map import BodyMap
from rprloc.methods.crop import Crop
from rprloc.methods.prediction import Scan
from rprloc.networks.checkpoint import Model, ModelSettings, new_network
from rprloc.networks.device import bfloat16_is_fast
from rprloc.networks.field import padded_size
from rprloc.scans.preprocess import subject_of
from rprloc.training.augmentation import turned_grid
from rprloc.training.data import Kept, half_voxels
from rprloc.training.draws import Levels, Turns
from rprloc.training.plan import TrainingPlan
from rprloc.training.teaching import Points, true_points

TURNS = Turns(angle=math.radians(6), scale=0.08, stretch=0.04)
LEVELS = Levels(gain=0.1, gamma=0.15, noise=0.04)
SHIFT_MM = 10.0
"""Standard deviation of how far a view's middle is from where the position map puts it, along each axis."""

_SPARE_MM = 30.0
"""What is kept of a scan on each side of the network's crop, so that views can be moved and turned."""
_MARGIN_MM = 20.0
"""From the outermost landmarks to the edge of a crop."""
_OUTERMOST = 99.0
"""Percentile of the landmarks' distances along an axis that counts as the outermost."""
_TOLERANCE_MM = 5.0
"""Errors beyond it count linearly (Huber)."""
_BESIDE = 0.2
"""What the coordinates along a wall count, which wander on flat structures; the one across it counts 1."""
_FIXED = 12
"""Most scans on which the validation error is measured."""
_ACROSS = ((0, 0, 1), (0, 0, 1), (0, 1, 0), (0, 1, 0), (1, 0, 0), (1, 0, 0))
"""The axis (z, y, x) across each of the walls."""


@dataclass(frozen=True)
class Lesson:
    """A part of a scan and the landmarks in it."""

    levels: Tensor
    """(z, y, x) float16, on the computing device."""
    landmarks: FloatArray
    """(6 structures, 3), (z, y, x) in voxel edges; NaN where they are not known."""

    @property
    def nbytes(self) -> int:
        """The memory that it takes."""
        return int(self.levels.nbytes + self.landmarks.nbytes)


class Landmarks:
    """Where a scan's landmarks are said to be, in random views of a crop of its finer volume."""

    error, words = "error_mm", "wall error: training {:.1f} mm, validation {:.1f} mm"

    def __init__(
        self,
        folders: Sequence[Path],
        validation: Sequence[Path],
        settings: ModelSettings,
        plan: TrainingPlan,
        *,
        told: Mapping[str, Points],
        tellers: Sequence[Path],
        body_map: Model,
        spacing: Sequence[float],
        seed: int,
        device: torch.device,
    ) -> None:
        """Take the folders of training and validation scans, where the landmarks of the former are said to be and by
        whose labels, the position map, which places the crops, and the spacing (z, y, x) in mm of the finer volumes.

        The error is that of the validation scans' own labels or, where none has one, of what some training scans are
        said to have. Raises NothingToLearnError where the position map knows none of the training scans.
        """
        self._plan, self._seed, self._device, self._body_map = plan, seed, device, body_map
        self._spacing = np.asarray(spacing, dtype=np.float64)
        taught = [folder for folder in sorted(folders) if subject_of(folder) in told]
        latent = self._middle_latent(taught, told)
        middles = {folder: at for folder in (*taught, *validation) if (at := self._middle(folder, latent)) is not None}
        taught = [folder for folder in taught if folder in middles]
        self._structures = sorted({name for folder in taught for name in told[subject_of(folder)]})
        tested = {subject_of(folder): true_points(folder, self._structures) for folder in validation}
        fixed = [folder for folder in sorted(validation) if tested[subject_of(folder)] and folder in middles]
        points = {folder: told[subject_of(folder)] for folder in taught}
        points |= {folder: tested[subject_of(folder)] for folder in fixed}
        size = self._size([np.abs(p - middles[f]) for f in taught for p in points[f].values()])
        self.settings = replace(
            settings,
            details={
                "structures": self._structures, "spacing": self._spacing.tolist(), "size": size,
                "middle_latent_mm": latent.tolist(), "position_map": body_map.fingerprint,
                "half_voxel_mm": half_voxels(tellers, self._structures),
            },
        )  # fmt: skip
        spare = np.ceil(_SPARE_MM / self._spacing).astype(int)
        self._train = Kept(taught, lambda folder: self._lesson(folder, points[folder], middles[folder], spare))
        self.scans, self.validation = len(taught), [subject_of(folder) for folder in fixed]
        measured = fixed or taught
        self._fixed = [
            self._lesson(folder, points[folder], middles[folder], np.zeros(3, dtype=int))
            for folder in measured[:: -(-len(measured) // _FIXED)]
        ]
        self.network: nn.Module = new_network(self.settings, seed=seed).to(device)
        self._across = torch.tensor(_ACROSS * len(self._structures), dtype=torch.float32, device=device)

    def loss(self, step: int) -> tuple[Tensor, Tensor]:
        """Return the loss of a step's scans and the mean distance in mm of their walls to where they should be."""
        generator = np.random.default_rng([self._seed, step])
        chosen = generator.integers(len(self._train), size=self._plan.groups)
        fields, landmarks = zip(*(self._view(self._train[int(number)], generator) for number in chosen), strict=True)
        residuals, known = self._residuals(torch.cat(fields), torch.stack(landmarks))
        scaled = residuals / _TOLERANCE_MM
        losses = nn.functional.huber_loss(scaled, torch.zeros_like(scaled), reduction="none")
        weights = known * (_BESIDE + (1 - _BESIDE) * self._across)
        across = known * self._across
        error = (residuals.detach().abs() * across).sum() / across.sum().clamp(min=1)
        return (losses * weights).sum() / weights.sum().clamp(min=1), error

    @torch.inference_mode()
    def validation_error(self) -> float:
        """Return the mean distance in mm of the walls in the fixed crops to where they should be."""
        sums = torch.zeros(2)
        for lesson in self._fixed:
            landmarks = torch.from_numpy(lesson.landmarks).to(self._device)
            residuals, known = self._residuals(lesson.levels.float()[None, None], landmarks[None])
            across = known * self._across
            sums += torch.stack([(residuals.abs() * across).sum(), across.sum()]).cpu()
        return float(sums[0] / sums[1])

    def _residuals(self, fields: Tensor, landmarks: Tensor) -> tuple[Tensor, Tensor]:
        """Return how far in mm the landmarks found in crops (B, 1, D, H, W) are from others (B, n, 3), 0 where these
        are not known, and which are (1 or 0).
        """
        with torch.autocast(self._device.type, dtype=torch.bfloat16, enabled=bfloat16_is_fast(self._device)):
            found, _ = self.network(fields)
        known = landmarks.isfinite()
        wanted = torch.where(known, landmarks, 0.0).to(found)
        spacing = torch.as_tensor(self._spacing).to(found)
        return torch.where(known, (found - wanted) * spacing, 0.0), known.to(found)

    def _view(self, lesson: Lesson, generator: np.random.Generator) -> tuple[Tensor, Tensor]:
        """Return a crop (1, 1, D, H, W) turned, scaled, moved and in other grey levels, and its landmarks (n, 3)."""
        size = np.array(self.settings.details["size"])
        matrix = TURNS.draw(generator)
        centre = np.array(lesson.levels.shape) / 2
        seen = size / 2 + generator.normal(0, SHIFT_MM, 3) / self._spacing
        # The matrix is one of millimetres.
        turn = matrix * self._spacing / self._spacing[:, np.newaxis]
        grid = turned_grid(lesson.levels, size, turn, centre, seen)
        field = nn.functional.grid_sample(lesson.levels.float()[None, None], grid, align_corners=False)
        moved = (lesson.landmarks - centre) @ turn.T + seen
        return LEVELS.other(field, generator), torch.from_numpy(moved).to(self._device)

    def _lesson(self, folder: Path, points: Points, middle_mm: FloatArray, spare: Any) -> Lesson:
        """Cut a scan's crop with some voxels to spare on each side."""
        scan = Scan.read(folder)
        assert scan is not None
        size = np.array(self.settings.details["size"]) + 2 * spare
        crop = Crop.of(scan, middle_mm, size.tolist(), self.settings, self._device)
        unknown = np.full((6, 3), np.nan)
        edges = crop.to_edges(np.concatenate([points.get(name, unknown) for name in self._structures]))
        # Levels from 0 to 1 lose nothing that matters in 16 bits.
        return Lesson(crop.levels.half(), edges)

    def _middle_latent(self, folders: Sequence[Path], told: Mapping[str, Points]) -> FloatArray:
        """Return the latent (x, y, z) at which crops have their middle: that of the box around the structures' own.

        Each structure's latent is the median over the scans, whichever structures they show.
        """
        latents: dict[str, list[FloatArray]] = {}
        for folder in folders:
            seen = self._map(folder)
            if seen is None:
                continue
            for name, points in told[subject_of(folder)].items():
                latents.setdefault(name, []).append(seen.at(box_of_points(points).mean(axis=0)[None])[0])
        if not latents:
            raise NothingToLearnError("found no training scan that the position map knows, expected at least one.")
        return box_of_points([np.median(of, axis=0) for of in latents.values()]).mean(axis=0)

    def _middle(self, folder: Path, latent: FloatArray) -> FloatArray | None:
        """Return where (x, y, z) in mm a scan's crop has its middle; None for a scan that the position map rejects."""
        seen = self._map(folder)
        return None if seen is None else seen.met(latent[None]).positions_mm[0]

    def _map(self, folder: Path) -> BodyMap | None:
        scan = Scan.read(folder)
        seen = None if scan is None else BodyMap(self._body_map, scan)
        return None if seen is None or seen.fault() is not None else seen

    def _size(self, away_mm: Sequence[FloatArray]) -> list[int]:
        """Return how many voxels (z, y, x) a crop has by how far (..., 3), (x, y, z), landmarks are from its middle."""
        reach = np.percentile(np.concatenate(away_mm), _OUTERMOST, axis=0)[::-1] + _MARGIN_MM
        return list(padded_size(np.ceil(2 * reach / self._spacing).astype(int).tolist()))
