"""The supervised row: Retina U-Net, trained on the boxes and labels of the training scans, which needs no support."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from rprloc.cohort.methods import NO_SUPPORT
from rprloc.errors import InputError
from rprloc.geometry import CORNERS
from rprloc.methods.clock import Clock
from rprloc.methods.prediction import Prediction, Scan, timed
from rprloc.networks.checkpoint import Model
from rprloc.networks.detector import Found, detector_of
from rprloc.networks.field import field_of, padded, pooling_of, to_world

METHOD, SETTING = "retina_unet", "box"

LEAST_SCORE = 0.05
"""A best box with a lower score is no find."""


class RetinaUnet:
    """Locate each structure at its best box (ALGORITHM.md section 5)."""

    def __init__(
        self,
        *,
        model: Model | None,
        structures: Sequence[str] | None,
        device: torch.device,
        drawn: str | None = None,
    ) -> None:
        """Take the trained network and the structures to find (None: those of the supports, or where there are none
        those that it knows); `drawn` says nothing here.

        Raises InputError where there is no network.
        """
        if model is None:
            raise InputError("Found no retina_unet network, expected one.")
        self._settings = model.settings
        self._known: list[str] = list(model.settings.details["structures"])
        self._given, self._structures = structures is not None, list(structures or self._known)
        self._detector = detector_of(model.network, model.settings.details)
        self._device = device

    def prepare(self, supports: Sequence[Scan]) -> None:
        """Take the structures that the supports show, if none were given: what the network knows of them comes from the
        training scans.
        """
        shown = sorted({name for scan in supports for name in scan.structures})
        if shown and not self._given:
            self._structures = shown

    def locate(self, query: Scan) -> list[Prediction]:
        """Return a row for each structure."""
        clock = Clock()
        with clock.stage("prepare"):
            field = field_of(torch.from_numpy(query.values).to(self._device), self._settings)
            batch = padded(field)
        with clock.stage("network"):
            found = dict(zip(self._known, self._detector.best(batch), strict=True))
        with clock.stage("search"):
            rows = [self._answer(query, structure, found) for structure in self._structures]
        return timed(rows, clock.seconds)

    def _answer(self, query: Scan, structure: str, found: dict[str, Found | None]) -> Prediction:
        """Return the row of a structure."""
        row = Prediction(
            cohort=query.cohort,
            subject=query.subject,
            structure=structure,
            method=METHOD,
            setting=SETTING,
            support=NO_SUPPORT,
            drawn=True,
            n_supports=0,
        )
        if structure not in found:
            return replace(row, failed=True, reason=f"no training scan has a label of {structure}")
        best = found[structure]
        if best is None:
            return replace(row, failed=True, reason="the network's answer is not a number")
        if best.score < LEAST_SCORE:
            return replace(row, failed=True, reason=f"found no box with a score of at least {LEAST_SCORE}")
        pooling = pooling_of(self._settings.spacing)
        inside = np.clip(best.box * pooling, 0, query.values.shape) / pooling
        if np.any(inside[0] >= inside[1]):
            return replace(row, failed=True, reason="the best box lies outside the scan")
        box_mm: Any = to_world(inside, query.grid, pooling).tolist()
        return replace(
            row,
            points_mm=dict(zip(CORNERS, box_mm, strict=True)),
            box_mm=box_mm,
            half_voxel_mm=self._settings.details["half_voxel_mm"][structure],
            confidence=best.score,
        )
