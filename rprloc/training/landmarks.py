"""What the student and the ceiling learn: landmarks in random views of crops around the structures."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from msgspec.structs import replace
from numpy.typing import NDArray
from torch import Tensor, nn

from rprloc.catalogue.rows import BY_LABELS
from rprloc.errors import NothingToLearnError
from rprloc.geometry import FloatArray, box_of_points
from rprloc.methods.body_map import BodyMap
from rprloc.methods.crop import Crop
from rprloc.networks.checkpoint import Model, new_network
from rprloc.networks.device import bfloat16_is_fast
from rprloc.networks.field import padded_size
from rprloc.networks.settings import VotesSettings, Voxels
from rprloc.scans.scan import Scan
from rprloc.scans.target import subject_of
from rprloc.training.augmentation import turned_grid
from rprloc.training.data import Kept, check_spacing, half_voxels
from rprloc.training.draws import Levels, Turns
from rprloc.training.sharing import WHOLE, Share
from rprloc.training.task import Lessons
from rprloc.training.teaching import Points, taught_points, true_points

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


@dataclass(frozen=True)
class _Told:
    """Scans of which landmarks are known and that the position map knows."""

    folders: tuple[Path, ...]
    points: Mapping[Path, Points]
    middles: Mapping[Path, FloatArray]
    """Where (x, y, z) in mm crops have their middle."""

    @classmethod
    def of(
        cls, folders: Sequence[Path], points: Mapping[str, Points], position_map: Model, latent: FloatArray
    ) -> _Told:
        """Take folders of preprocessed scans, their landmarks by subject, and the latent of the crops' middles."""
        known = [folder for folder in folders if points.get(subject_of(folder))]
        middles = {folder: at for folder in known if (at := _middle(position_map, folder, latent)) is not None}
        return cls(tuple(middles), {folder: points[subject_of(folder)] for folder in middles}, middles)


def landmarks(lessons: Lessons) -> Landmarks:
    """Return what the student and the ceiling learn.

    Raises InputError without a position map, NothingToLearnError where there is nothing to tell, and what
    `taught_points` raises.
    """
    position_map = lessons.model("position_map")
    return Landmarks(lessons, taught_points(lessons, position_map), position_map)


class Landmarks:
    """Where a scan's landmarks are said to be, in random views of a crop of its finer volume."""

    error, words = "error_mm", "wall error: training {:.1f} mm, validation {:.1f} mm"

    def __init__(self, lessons: Lessons, told: Mapping[str, Points], position_map: Model) -> None:
        """Take the task, where the landmarks of its training scans are said to be, by subject, and the position map,
        which places the crops.

        The error is that of the validation scans' own labels or, where none has one, of what some training scans are
        said to have. Raises NothingToLearnError where the position map knows none of the training scans.
        """
        task = lessons.task
        self._length, self._seed, self._device = task.length, task.seed, lessons.device
        latent = _middle_latent(position_map, lessons.training, told)
        taught = _Told.of(lessons.training, told, position_map, latent)
        structures = sorted({name for points in taught.points.values() for name in points})
        true = {subject_of(folder): true_points(folder, structures) for folder in lessons.validation}
        fixed = _Told.of(lessons.validation, true, position_map, latent)
        plain = VotesSettings.of_cohort(task.network, task.settings)
        x, y, z = latent.tolist()
        self.settings = replace(
            plain,
            structures=tuple(structures),
            size=_size(taught, plain.matching_spacing),
            middle_latent_mm=(x, y, z),
            position_map=position_map.fingerprint,
            half_voxel_mm=half_voxels(lessons.training if task.learns == BY_LABELS else lessons.supports, structures),
        )
        self._spacing = np.array(plain.matching_spacing)
        spare = np.ceil(_SPARE_MM / self._spacing).astype(int)
        self._train = Kept(taught.folders, lambda folder: self._lesson(folder, taught, spare))
        self.scans, self.validation = len(taught.folders), [subject_of(folder) for folder in fixed.folders]
        measured = fixed if fixed.folders else taught
        some = measured.folders[:: -(-len(measured.folders) // _FIXED)]
        self._fixed = [self._lesson(folder, measured, np.zeros(3, dtype=int)) for folder in some]
        self.network: nn.Module = new_network(self.settings, seed=task.seed).to(self._device)
        self._across = torch.tensor(_ACROSS * len(structures), dtype=torch.float32, device=self._device)

    def loss(self, step: int, share: Share = WHOLE) -> tuple[Tensor, Tensor]:
        """Return what a step's scans add to the loss and to the mean distance in mm of their walls to where they should
        be.
        """
        generator = np.random.default_rng([self._seed, step])
        chosen = generator.integers(len(self._train), size=self._length.groups)
        views = [self._view(self._train[int(number)], generator) for number in chosen]
        fields, landmarks = zip(*share.part(views), strict=True)
        residuals, known = self._residuals(torch.cat(fields), torch.stack(landmarks))
        all_known = torch.stack([points for _, points in views]).isfinite().to(known)
        scaled = residuals / _TOLERANCE_MM
        losses = nn.functional.huber_loss(scaled, torch.zeros_like(scaled), reduction="none")
        counts = _BESIDE + (1 - _BESIDE) * self._across
        error = (residuals.detach().abs() * (known * self._across)).sum() / (all_known * self._across).sum().clamp(
            min=1
        )
        return (losses * (known * counts)).sum() / (all_known * counts).sum().clamp(min=1), error

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
        size = np.array(self.settings.size)
        matrix = TURNS.draw(generator)
        centre = np.array(lesson.levels.shape) / 2
        seen = size / 2 + generator.normal(0, SHIFT_MM, 3) / self._spacing
        # The matrix is one of millimetres.
        turn = matrix * self._spacing / self._spacing[:, np.newaxis]
        grid = turned_grid(lesson.levels, size, turn, centre, seen)
        field = nn.functional.grid_sample(lesson.levels.float()[None, None], grid, align_corners=False)
        moved = (lesson.landmarks - centre) @ turn.T + seen
        return LEVELS.other(field, generator), torch.from_numpy(moved).to(self._device)

    def _lesson(self, folder: Path, told: _Told, spare: NDArray[np.int64]) -> Lesson:
        """Cut a scan's crop with some voxels to spare on each side."""
        scan = Scan.read(folder)
        assert scan is not None
        check_spacing(scan.record, self.settings)
        size = np.array(self.settings.size) + 2 * spare
        crop = Crop.of(scan, told.middles[folder], size.tolist(), self.settings, self._device)
        points, unknown = told.points[folder], np.full((6, 3), np.nan)
        edges = crop.to_edges(np.concatenate([points.get(name, unknown) for name in self.settings.structures]))
        # Levels from 0 to 1 lose nothing that matters in 16 bits.
        return Lesson(crop.levels.half(), edges)


def _middle_latent(position_map: Model, folders: Sequence[Path], told: Mapping[str, Points]) -> FloatArray:
    """Return the latent (x, y, z) at which crops have their middle: that of the box around the structures' own.

    Each structure's latent is the median over the scans, whichever structures they show. Raises NothingToLearnError
    where the position map knows none of the scans.
    """
    latents: dict[str, list[FloatArray]] = {}
    for folder in folders:
        points_of = told.get(subject_of(folder), {})
        body_map = _map(position_map, folder) if points_of else None
        if body_map is None:
            continue
        for name, points in points_of.items():
            latents.setdefault(name, []).append(body_map.at(box_of_points(points).mean(axis=0)[None])[0])
    if not latents:
        raise NothingToLearnError("found no training scan that the position map knows, expected at least one.")
    return box_of_points([np.median(of, axis=0) for of in latents.values()]).mean(axis=0)


def _middle(position_map: Model, folder: Path, latent: FloatArray) -> FloatArray | None:
    """Return where (x, y, z) in mm a scan's crop has its middle; None for a scan that the position map rejects."""
    body_map = _map(position_map, folder)
    return None if body_map is None else body_map.met(latent[None]).positions_mm[0]


def _map(position_map: Model, folder: Path) -> BodyMap | None:
    """Return a scan's map; None for one that was set aside, or that the position map rejects."""
    scan = Scan.read(folder)
    body_map = None if scan is None else BodyMap(position_map, scan)
    return None if body_map is None or body_map.fault() is not None else body_map


def _size(told: _Told, spacing: Sequence[float]) -> Voxels:
    """Return how many voxels (z, y, x) crops have, by how far landmarks are from their middles."""
    away = [np.abs(points - told.middles[f]) for f in told.folders for points in told.points[f].values()]
    reach = np.percentile(np.concatenate(away), _OUTERMOST, axis=0)[::-1] + _MARGIN_MM
    return padded_size(np.ceil(2 * reach / np.asarray(spacing)).astype(int).tolist())
