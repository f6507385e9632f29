"""The paper's method: relative position regression, coarse then fine, from many starts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rprloc.errors import InputError
from rprloc.geometry import FloatArray
from rprloc.methods.answer import Answers, Found, Key, Setting, others, present, spread_of
from rprloc.methods.clock import Clock
from rprloc.methods.localize import Work
from rprloc.networks.checkpoint import Model
from rprloc.networks.offsets import offset_mm
from rprloc.networks.settings import PatchSettings
from rprloc.scans.record import Structure
from rprloc.scans.scan import Scan
from rprloc.seeds import generator_of

METHOD = "regression"


@dataclass(frozen=True)
class _Landmarks:
    """All landmarks of one structure in one support for one kind of points."""

    subject: str
    structure: str
    points: str
    half_voxel_mm: Sequence[float]
    rest_mm: FloatArray
    """(n, 3), from the centre of the support's patch, a voxel, to the landmark."""
    latents: Mapping[str, Tensor]
    """Network -> (n, 3)."""


class Regression:
    """Locate landmarks by moving from random starts of the query to where the support's patch lies (section 2).

    A start moves by the coarse network's offset, once or more, and then by the fine network's; the positions that K
    starts reach are averaged (not their latents: the average belongs outside the tanh). Every offset is added to the
    centre of the patch that was really cropped.
    """

    def __init__(
        self,
        models: Mapping[str, Model],
        settings: Sequence[Setting],
        *,
        structures: Sequence[str] | None = None,
        seed: int,
    ) -> None:
        """Take the models by network, the settings to answer, the structures (None: all that a support has) and the
        seed of the starts; raises InputError where a network is missing.
        """
        needed = {name for s in settings for name, steps in (("coarse", s.coarse), ("fine", s.fine)) if steps}
        missing = sorted(needed - models.keys())
        if missing:
            raise InputError(f"Found no {' and no '.join(missing)} network, expected one for each of {sorted(needed)}.")
        self._models = models
        self._settings = list(settings)
        self._structures = structures
        self._seed = seed
        self._landmarks: list[_Landmarks] = []

    def prepare(self, supports: Sequence[Scan]) -> None:
        """Compute the latents of every landmark of the supports, once for all queries."""
        kinds = dict.fromkeys(setting.points for setting in self._settings)
        for scan in supports:
            wanted = [(structure, points) for structure in present(scan, self._structures) for points in kinds]
            if wanted:
                self._landmarks += self._of_support(scan, wanted)

    def locate(self, query: Scan, clock: Clock) -> Answers:
        """Return the answers for a query from each other support."""
        landmarks = others(self._landmarks, query)
        with clock.part("prepare"):
            walk = _Walk(self._models, query)
        starts = self._starts(query, max(setting.starts for setting in self._settings))
        answers: Answers = {}
        for points in dict.fromkeys(setting.points for setting in self._settings):
            of_kind = [marks for marks in landmarks if marks.points == points]
            settings = [setting for setting in self._settings if setting.points == points]
            if of_kind:
                answers |= self._answers(of_kind, settings, walk, starts, clock)
        return answers

    def _of_support(self, scan: Scan, wanted: Sequence[tuple[str, str]]) -> list[_Landmarks]:
        """Return the landmarks of a support's structures, each for a kind of points."""
        points_mm = [_points_mm(scan.structures[structure], points) for structure, points in wanted]
        voxels = scan.grid.nearest_voxel(np.concatenate(points_mm))
        latents = _Latents(self._models, scan)
        at = {network: latents.at(network, voxels) for network in self._models}
        rest_mm = np.concatenate(points_mm) - scan.grid.world(voxels)
        found = []
        end = 0
        for (structure, points), of_structure in zip(wanted, points_mm, strict=True):
            start, end = end, end + len(of_structure)
            found.append(
                _Landmarks(
                    subject=scan.subject,
                    structure=structure,
                    points=points,
                    half_voxel_mm=scan.structures[structure].half_voxel_mm,
                    rest_mm=rest_mm[start:end],
                    latents={network: some[start:end] for network, some in at.items()},
                )
            )
        return found

    def _starts(self, query: Scan, count: int) -> NDArray[np.int64]:
        """Return random voxels (count, 3) of the query's body; fewer starts are a prefix of more."""
        voxels = np.argwhere(query.body)
        generator = generator_of(self._seed, query.cohort, query.subject, "starts")
        return voxels[generator.integers(len(voxels), size=count)]

    def _answers(
        self,
        landmarks: Sequence[_Landmarks],
        settings: Sequence[Setting],
        walk: _Walk,
        starts: NDArray[np.int64],
        clock: Clock,
    ) -> Answers:
        """Return the answers of all settings with one kind of points, walking for all landmarks together.

        Settings of the same steps share their walk's seconds; latents that several walks need are the first one's.
        """
        latents = {network: torch.cat([marks.latents[network] for marks in landmarks]) for network in self._models}
        rest_mm = np.concatenate([marks.rest_mm for marks in landmarks])[:, np.newaxis]
        answers: Answers = {}
        for coarse, fine in dict.fromkeys((setting.coarse, setting.fine) for setting in settings):
            of_way = [setting for setting in settings if (setting.coarse, setting.fine) == (coarse, fine)]
            count = max(setting.starts for setting in of_way)
            own = Clock()
            reached = walk.positions_mm(starts[:count], latents, own, coarse=coarse, fine=fine) + rest_mm
            of_marks = np.split(reached, np.cumsum([len(marks.rest_mm) for marks in landmarks])[:-1])
            for setting in of_way:
                for part, seconds in own.seconds.items():
                    clock.add(part.name, seconds / len(of_way), setting=str(setting))
                for marks, positions in zip(landmarks, of_marks, strict=True):
                    key = Key(METHOD, str(setting), marks.subject, marks.structure)
                    answers[key] = _answer(positions[:, : setting.starts], marks.half_voxel_mm)
        return answers


def _answer(positions_mm: FloatArray, half_voxel_mm: Sequence[float]) -> Found | str:
    """Return the answer for one structure from the positions (points, starts, 3) that its landmarks reached."""
    if not np.isfinite(positions_mm).all():
        return "the network's answer is not a number"
    return Found(
        points_mm=positions_mm.mean(axis=1),
        half_voxel_mm=half_voxel_mm,
        spread_mm=float(spread_of(positions_mm).mean()) if positions_mm.shape[1] > 1 else None,
    )


class _Latents:
    """The latents of one scan, which is padded once; that of each voxel asked for is computed once."""

    def __init__(self, models: Mapping[str, Model], scan: Scan) -> None:
        self._models = models
        self._shape = scan.values.shape
        self._padded = {network: model.pad(scan.values) for network, model in models.items()}
        nothing = np.zeros(0, dtype=np.int64)
        self._known = {network: (nothing, torch.zeros(0, 3, device=model.device)) for network, model in models.items()}

    def at(self, network: str, voxels: NDArray[np.int64]) -> Tensor:
        """Return a network's latents (n, 3) of voxels (n, 3) in (z, y, x)."""
        wanted, place = np.unique(np.ravel_multi_index(tuple(voxels.T), self._shape), return_inverse=True)
        ids, latents = self._known[network]
        new = np.setdiff1d(wanted, ids, assume_unique=True)
        if len(new):
            centres = torch.from_numpy(np.stack(np.unravel_index(new, self._shape), axis=1))
            ids = np.concatenate([ids, new])
            latents = torch.cat([latents, self._models[network].latents(self._padded[network], centres)])
            order = np.argsort(ids)
            ids, latents = ids[order], latents[torch.from_numpy(order).to(latents.device)]
            self._known[network] = ids, latents
        found = torch.from_numpy(np.searchsorted(ids, wanted)[place]).to(latents.device)
        return latents[found]


class _Walk:
    """The positions that starts in one query reach."""

    def __init__(self, models: Mapping[str, Model], query: Scan) -> None:
        self._r_mm = {network: _r_mm(model) for network, model in models.items()}
        self._grid = query.grid
        self._latents = _Latents(models, query)

    def positions_mm(
        self, starts_voxel: NDArray[np.int64], latents: Mapping[str, Tensor], clock: Clock, *, coarse: int, fine: int
    ) -> FloatArray:
        """Return the positions (landmarks, starts, 3) in mm after `coarse` and then `fine` steps.

        `starts_voxel` is (starts, 3) in (z, y, x), `latents` (landmarks, 3) by network. The starts are the same for all
        landmarks. `clock` counts the seconds of each network.
        """
        voxels = starts_voxel[np.newaxis]
        positions = self._grid.world(voxels)
        for number, network in enumerate(["coarse"] * coarse + ["fine"] * fine):
            with clock.part(network):
                lost = ~np.isfinite(positions)
                if number:
                    voxels = self._grid.nearest_voxel(np.nan_to_num(positions))
                # What was no number stays none, wherever its next patch lay.
                positions = np.where(lost, np.nan, self._step(network, voxels, latents[network]))
        return positions

    def _step(self, network: str, voxels: NDArray[np.int64], support: Tensor) -> FloatArray:
        """Return where the patches at `voxels` (landmarks or 1, starts, 3) move to, in mm (landmarks, starts, 3)."""
        here = self._latents.at(network, voxels.reshape(-1, 3)).view(*voxels.shape[:2], 3)
        moved = offset_mm(here, support[:, None], self._r_mm[network])
        return np.asarray(self._grid.world(voxels) + moved.double().cpu().numpy())


def _r_mm(model: Model) -> float:
    """Return the longest offset that a network says; raises TypeError for a network that says none."""
    if not isinstance(model.settings, PatchSettings):
        raise TypeError(f"found {type(model.network).__name__}, expected a Pnet")
    return model.settings.r_mm


def _points_mm(structure: Structure, points: str) -> FloatArray:
    """Return a structure's extreme points (6, 3) or its box's corners (2, 3) in mm; a single landmark is (1, 3)."""
    return structure.extreme_mm if points == "extreme" or structure.is_point else structure.box_mm


def make(work: Work) -> Regression:
    """Return the paper's method."""
    settings = [Setting.of(name) for name in work.settings(METHOD)]
    return Regression(work.models, settings, structures=work.structures, seed=work.search.seed)
