"""A small supervised network in place of matching: taught by matched answers (`student`) or by labels (`ceiling`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from rprloc.cohort.methods import NO_SUPPORT
from rprloc.errors import InputError
from rprloc.geometry import FloatArray
from rprloc.methods.body_map import BodyMap
from rprloc.methods.clock import Clock
from rprloc.methods.crop import Crop
from rprloc.methods.prediction import Prediction, Scan, placed_row, row_key, timed
from rprloc.networks.checkpoint import Model
from rprloc.networks.device import bfloat16_is_fast

SETTING = "extreme"


class Student:
    """Locate all landmarks of a query by one pass of its position map and one of the votes around the structures.

    What it knows of the structures it has learned before: it answers without a support.
    """

    def __init__(self, method: str, votes: Model, body_map: Model, *, structures: Sequence[str] | None) -> None:
        """Take the method's name, its network, the position map, which says where to look, and the structures to find
        (None: those that it knows). Raises InputError where the network was trained with another position map: the
        latents of another have another origin.
        """
        self._method, self._votes, self._body_map = method, votes, body_map
        self._details = votes.settings.details
        if self._details["position_map"] != body_map.fingerprint:
            raise InputError(f"The {method} network was trained with another position map, expected the one given.")
        self._known: list[str] = list(self._details["structures"])
        self._structures = list(structures or self._known)

    def prepare(self, supports: Sequence[Scan]) -> None:
        """Do nothing: the supports have done their part in the training."""

    @torch.inference_mode()
    def locate(self, query: Scan) -> list[Prediction]:
        """Return a row for each structure, failed where the query has no finer volume as the network needs it."""
        clock = Clock()
        with clock.stage("start"):
            seen = BodyMap(self._body_map, query)
            fault = seen.fault()
        found: dict[str, tuple[FloatArray, float]] = {}
        if fault is None:
            middle = seen.met(np.array([self._details["middle_latent_mm"]])).positions_mm[0]
            try:
                with clock.stage("prepare"):
                    crop = Crop.of(query, middle, self._details["size"], self._votes.settings, self._votes.device)
                with clock.stage("network"):
                    found = self._found(crop)
            except InputError as error:
                fault = str(error).rstrip(".")
        with clock.stage("search"):
            rows = [self._answer(query, structure, found, fault) for structure in self._structures]
        return timed(rows, clock.seconds)

    def _found(self, crop: Crop) -> dict[str, tuple[FloatArray, float]]:
        """Return the landmarks (6, 3) in mm of each structure and the mean distance in mm of the votes to them."""
        device = self._votes.device
        with torch.autocast(device.type, dtype=torch.bfloat16, enabled=bfloat16_is_fast(device)):
            landmarks, apart = self._votes.network(crop.levels[None, None])
        points = crop.to_world(landmarks[0].double().cpu().numpy()).reshape(-1, 6, 3)
        spread = apart[0].double().cpu().numpy().reshape(-1, 6).mean(axis=1) * np.mean(self._details["spacing"])
        return dict(zip(self._known, zip(points, spread.tolist(), strict=True), strict=True))

    def _answer(
        self, query: Scan, structure: str, found: dict[str, tuple[FloatArray, float]], fault: str | None
    ) -> Prediction:
        """Return the row of a structure; `fault` says why the query cannot be searched."""
        key: dict[str, Any] = row_key(
            query, structure, method=self._method, setting=SETTING, support=NO_SUPPORT, drawn=NO_SUPPORT
        ) | {"n_supports": 0}
        if structure not in self._known:
            return Prediction(**key, failed=True, reason=f"the network has not learned {structure}")
        if fault is not None:
            return Prediction(**key, failed=True, reason=fault)
        points, spread = found[structure]
        half = self._details["half_voxel_mm"][structure]
        return placed_row(key, points, half, query.field_mm(), spread_mm=spread)
