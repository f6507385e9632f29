"""The supervised row: Retina U-Net, trained on the boxes and labels of the training scans, which needs no support."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch

from rprloc.methods.answer import NO_SUPPORT, Answers, Found, Key
from rprloc.methods.clock import Clock
from rprloc.methods.localize import Work
from rprloc.networks import detector
from rprloc.networks.checkpoint import Model
from rprloc.networks.field import field_of, padded, pooling_of, to_world
from rprloc.networks.settings import DetectorSettings
from rprloc.scans.scan import Scan

METHOD, SETTING = "retina_unet", "box"

LEAST_SCORE = 0.05
"""A best box with a lower score is no find."""


class RetinaUnet:
    """Locate each structure at its best box."""

    def __init__(self, model: Model, *, structures: Sequence[str] | None = None) -> None:
        """Take the trained network and the structures to find (None: those that it knows).

        Raises TypeError for another network.
        """
        if not isinstance(model.settings, DetectorSettings):
            raise TypeError(f"found {type(model.network).__name__}, expected a RetinaNetwork")
        self._settings = model.settings
        self._structures = list(structures or self._settings.structures)
        self._detector = detector.detector_of(model.network, self._settings)
        self._device = model.device

    def prepare(self, supports: Sequence[Scan]) -> None:
        """Do nothing: what the network knows of the structures comes from the training scans."""

    def locate(self, query: Scan, clock: Clock) -> Answers:
        """Return the answer for each structure."""
        with clock.part("prepare"):
            field = field_of(torch.from_numpy(query.values).to(self._device), self._settings)
            batch = padded(field)
        with clock.part("network"):
            found = dict(zip(self._settings.structures, self._detector.best(batch), strict=True))
        with clock.part("search"):
            return {
                Key(METHOD, SETTING, NO_SUPPORT, structure): self._answer(query, structure, found)
                for structure in self._structures
            }

    def _answer(self, query: Scan, structure: str, found: Mapping[str, detector.BestBox | None]) -> Found | str:
        """Return the answer for a structure."""
        if structure not in found:
            return f"no training scan has a label of {structure}"
        best = found[structure]
        if best is None:
            return "the network's answer is not a number"
        if best.score < LEAST_SCORE:
            return f"found no box with a score of at least {LEAST_SCORE}"
        pooling = pooling_of(self._settings.spacing)
        inside = np.clip(best.box * pooling, 0, query.values.shape) / pooling
        if np.any(inside[0] >= inside[1]):
            return "the best box lies outside the scan"
        return Found(
            points_mm=to_world(inside, query.grid, pooling),
            half_voxel_mm=self._settings.half_voxel_mm[structure],
            confidence=best.score,
        )


def make(work: Work) -> RetinaUnet:
    """Return the supervised detector."""
    return RetinaUnet(work.model(METHOD), structures=work.structures)
