"""The paper's method: relative position regression, coarse then fine, from many starts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rprloc.errors import InputError
from rprloc.geometry import CORNERS, WALLS, FloatArray, box_of_points
from rprloc.methods.clock import Clock
from rprloc.methods.prediction import (
    Prediction,
    Scan,
    Setting,
    absent_row,
    confidence_of,
    row_key,
    spread_of,
    timed,
    wanted_structures,
)
from rprloc.networks.checkpoint import Model
from rprloc.networks.offsets import offset_mm
from rprloc.seeds import generator_of

METHOD = "regression"

_POINT_NAMES = {"extreme": WALLS, "diagonal": CORNERS}


@dataclass(frozen=True)
class _Landmarks:
    """All landmarks of one structure in one support for one kind of points."""

    support: str
    structure: str
    points: str
    half_voxel_mm: list[float]
    rest_mm: FloatArray
    """(n, 3), from the centre of the support's patch, a voxel, to the landmark."""
    latents: dict[str, Tensor]
    """Stage -> (n, 3)."""


class Regression:
    """Locate landmarks by moving from random starts of the query to where the support's patch lies (section 2).

    A start moves by the coarse network's offset, once or more, and then by the fine network's; the positions that K
    starts reach are averaged (not their latents: the average belongs outside the tanh). Every offset is added to the
    centre of the patch that was really cropped.
    """

    def __init__(
        self,
        models: dict[str, Model],
        settings: Sequence[Setting],
        *,
        structures: Sequence[str] | None,
        drawn: str | None,
        seed: int,
    ) -> None:
        """Take the networks by stage, the settings to answer, the structures (None: those of each support), the name
        of the drawn support and the seed of the starts; raises InputError where a network is missing.
        """
        needed = {stage for s in settings for stage, steps in (("coarse", s.coarse), ("fine", s.fine)) if steps}
        missing = sorted(needed - models.keys())
        if missing:
            raise InputError(f"Found no {' and no '.join(missing)} network, expected one for each of {sorted(needed)}.")
        self._models = models
        self._settings = list(settings)
        self._structures = structures
        self._drawn = drawn
        self._seed = seed
        self._landmarks: list[_Landmarks] = []
        self._absent: list[tuple[str, str]] = []

    def prepare(self, supports: Sequence[Scan]) -> None:
        """Compute the latents of every landmark of the supports, once for all queries."""
        kinds = dict.fromkeys(setting.points for setting in self._settings)
        names = wanted_structures(self._structures, supports)
        for scan in supports:
            present = [(structure, points) for structure in names if structure in scan.structures for points in kinds]
            self._absent += [(scan.subject, structure) for structure in names if structure not in scan.structures]
            if not present:
                continue
            points_mm = [_points_mm(scan.structures[structure], points) for structure, points in present]
            voxels = scan.grid.nearest_voxel(np.concatenate(points_mm))
            latents = _Latents(self._models, scan)
            at = {stage: latents.at(stage, voxels) for stage in self._models}
            rest_mm = np.concatenate(points_mm) - scan.grid.world(voxels)
            end = 0
            for (structure, points), of_structure in zip(present, points_mm, strict=True):
                start, end = end, end + len(of_structure)
                self._landmarks.append(
                    _Landmarks(
                        support=scan.subject,
                        structure=structure,
                        points=points,
                        half_voxel_mm=scan.structures[structure]["half_voxel_mm"],
                        rest_mm=rest_mm[start:end],
                        latents={stage: found[start:end] for stage, found in at.items()},
                    )
                )

    def locate(self, query: Scan) -> list[Prediction]:
        """Return the answers for a query: a row for each support other than the query, structure and setting."""
        landmarks = [marks for marks in self._landmarks if marks.support != query.subject]
        rows: list[Prediction] = []
        clock = Clock()
        with clock.stage("prepare"):
            walk = _Walk(self._models, query)
        starts = self._starts(query, max(setting.starts for setting in self._settings))
        for points in dict.fromkeys(setting.points for setting in self._settings):
            of_kind = [marks for marks in landmarks if marks.points == points]
            settings = [setting for setting in self._settings if setting.points == points]
            if of_kind:
                rows += self._answers(query, of_kind, settings, walk, starts)
        return timed(rows, clock.seconds) + self._absences(query)

    def _starts(self, query: Scan, count: int) -> NDArray[np.int64]:
        """Return random voxels (count, 3) of the query's body; fewer starts are a prefix of more."""
        voxels = np.argwhere(query.body)
        generator = generator_of(self._seed, query.cohort, query.subject, "starts")
        return voxels[generator.integers(len(voxels), size=count)]

    def _answers(
        self,
        query: Scan,
        landmarks: list[_Landmarks],
        settings: list[Setting],
        walk: _Walk,
        starts: NDArray[np.int64],
    ) -> list[Prediction]:
        """Return the answers of all settings with one kind of points, walking for all landmarks together.

        Settings of the same steps share their walk's seconds; latents that several walks need are the first one's.
        """
        latents = {stage: torch.cat([marks.latents[stage] for marks in landmarks]) for stage in self._models}
        rest_mm = np.concatenate([marks.rest_mm for marks in landmarks])[:, np.newaxis]
        per_structure = len(_POINT_NAMES[settings[0].points])
        rows: list[Prediction] = []
        most: dict[tuple[int, int], int] = {}
        for setting in settings:
            way = (setting.coarse, setting.fine)
            most[way] = max(setting.starts, most.get(way, 0))
        for (coarse, fine), count in most.items():
            clock = Clock()
            reached = walk.positions_mm(starts[:count], latents, clock, coarse=coarse, fine=fine) + rest_mm
            reached = reached.reshape(len(landmarks), per_structure, count, 3)
            of_way = [
                self._answer(query, marks, setting, positions[:, : setting.starts])
                for setting in settings
                if (setting.coarse, setting.fine) == (coarse, fine)
                for marks, positions in zip(landmarks, reached, strict=True)
            ]
            rows += timed(of_way, clock.seconds)
        return rows

    def _answer(self, query: Scan, marks: _Landmarks, setting: Setting, positions_mm: FloatArray) -> Prediction:
        """Return the answer for one structure from the positions (points, starts, 3) that its landmarks reached."""
        common = self._key(query, marks.structure, setting, marks.support)
        if not np.isfinite(positions_mm).all():
            return Prediction(**common, failed=True, reason="the network's answer is not a number")
        points_mm = positions_mm.mean(axis=1)
        spread = float(spread_of(positions_mm).mean()) if setting.starts > 1 else None
        return Prediction(
            **common,
            points_mm=dict(zip(_POINT_NAMES[setting.points], points_mm.tolist(), strict=True)),
            box_mm=box_of_points(points_mm).tolist(),
            half_voxel_mm=marks.half_voxel_mm,
            spread_mm=spread,
            confidence=None if spread is None else confidence_of(spread),
        )

    def _absences(self, query: Scan) -> list[Prediction]:
        """Return failed rows for the structures that a support does not have."""
        return [
            absent_row(self._key(query, structure, setting, support))
            for support, structure in self._absent
            if support != query.subject
            for setting in self._settings
        ]

    def _key(self, query: Scan, structure: str, setting: Setting, support: str) -> dict[str, Any]:
        """Return the columns that name a row."""
        return row_key(query, structure, method=METHOD, setting=str(setting), support=support, drawn=self._drawn)


class _Latents:
    """The latents of one scan, which is padded once; that of each voxel asked for is computed once."""

    def __init__(self, models: dict[str, Model], scan: Scan) -> None:
        self._models = models
        self._shape = scan.values.shape
        self._padded = {stage: model.pad(scan.values) for stage, model in models.items()}
        nothing = np.zeros(0, dtype=np.int64)
        self._known = {stage: (nothing, torch.zeros(0, 3, device=model.device)) for stage, model in models.items()}

    def at(self, stage: str, voxels: NDArray[np.int64]) -> Tensor:
        """Return a stage's latents (n, 3) of voxels (n, 3) in (z, y, x)."""
        wanted, place = np.unique(np.ravel_multi_index(tuple(voxels.T), self._shape), return_inverse=True)
        ids, latents = self._known[stage]
        new = np.setdiff1d(wanted, ids, assume_unique=True)
        if len(new):
            centres = torch.from_numpy(np.stack(np.unravel_index(new, self._shape), axis=1))
            ids = np.concatenate([ids, new])
            latents = torch.cat([latents, self._models[stage].latents(self._padded[stage], centres)])
            order = np.argsort(ids)
            ids, latents = ids[order], latents[torch.from_numpy(order).to(latents.device)]
            self._known[stage] = ids, latents
        found = torch.from_numpy(np.searchsorted(ids, wanted)[place]).to(latents.device)
        return latents[found]


class _Walk:
    """The positions that starts in one query reach."""

    def __init__(self, models: dict[str, Model], query: Scan) -> None:
        self._r_mm = {stage: model.settings.r_mm for stage, model in models.items()}
        self._grid = query.grid
        self._latents = _Latents(models, query)

    def positions_mm(
        self, starts_voxel: NDArray[np.int64], latents: dict[str, Tensor], clock: Clock, *, coarse: int, fine: int
    ) -> FloatArray:
        """Return the positions (landmarks, starts, 3) in mm after `coarse` and then `fine` steps.

        `starts_voxel` is (starts, 3) in (z, y, x), `latents` (landmarks, 3) by stage. The starts are the same for all
        landmarks. `clock` counts the seconds of each network.
        """
        voxels = starts_voxel[np.newaxis]
        positions = self._grid.world(voxels)
        for number, stage in enumerate(["coarse"] * coarse + ["fine"] * fine):
            with clock.stage(stage):
                lost = ~np.isfinite(positions)
                if number:
                    voxels = self._grid.nearest_voxel(np.nan_to_num(positions))
                # What was no number stays none, wherever its next patch lay.
                positions = np.where(lost, np.nan, self._step(stage, voxels, latents[stage]))
        return positions

    def _step(self, stage: str, voxels: NDArray[np.int64], support: Tensor) -> FloatArray:
        """Return where the patches at `voxels` (landmarks or 1, starts, 3) move to, in mm (landmarks, starts, 3)."""
        here = self._latents.at(stage, voxels.reshape(-1, 3)).view(*voxels.shape[:2], 3)
        moved = offset_mm(here, support[:, None], self._r_mm[stage])
        return np.asarray(self._grid.world(voxels) + moved.double().cpu().numpy())


def _points_mm(about: dict[str, Any], points: str) -> FloatArray:
    """Return a structure's extreme points (6, 3) or its box's corners (2, 3) in mm."""
    found = [about["extreme_mm"][wall] for wall in WALLS] if points == "extreme" else about["box_mm"]
    return np.array(found, dtype=np.float64)
