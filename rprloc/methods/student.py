"""A small supervised network in place of matching: taught by matched answers (`student`) or by labels (`ceiling`)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from rprloc.errors import InputError
from rprloc.geometry import FloatArray
from rprloc.methods.answer import NO_SUPPORT, Answers, Found, Key, placed
from rprloc.methods.body_map import BodyMap
from rprloc.methods.clock import Clock
from rprloc.methods.crop import Crop
from rprloc.methods.localize import Work
from rprloc.networks.checkpoint import Model
from rprloc.networks.device import bfloat16_is_fast
from rprloc.networks.settings import VotesSettings
from rprloc.scans.scan import Scan

SETTING = "extreme"


class Student:
    """Locate all landmarks of a query by one pass of its position map and one of the votes around the structures.

    What it knows of the structures it has learned before: it answers without a support.
    """

    def __init__(
        self, method: str, votes: Model, position_map: Model, *, structures: Sequence[str] | None = None
    ) -> None:
        """Take the method's name, its network, the position map, which says where to look, and the structures to find
        (None: those that it knows). Raises InputError where the network was trained with another position map: the
        latents of another have another origin; TypeError for another network.
        """
        if not isinstance(votes.settings, VotesSettings):
            raise TypeError(f"found {type(votes.network).__name__}, expected Votes")
        self._method, self._votes, self._position_map = method, votes, position_map
        self._knows = votes.settings
        if self._knows.position_map != position_map.fingerprint:
            raise InputError(f"The {method} network was trained with another position map, expected the one given.")
        self._structures = list(structures or self._knows.structures)

    def prepare(self, supports: Sequence[Scan]) -> None:
        """Do nothing: the supports have done their part in the training."""

    @torch.inference_mode()
    def locate(self, query: Scan, clock: Clock) -> Answers:
        """Return the answer for each structure; the query needs a finer volume as the network has seen them."""
        with clock.part("start"):
            body_map = BodyMap(self._position_map, query)
            fault = body_map.fault()
        found: dict[str, tuple[FloatArray, float]] = {}
        if fault is None:
            middle = body_map.met(np.array([self._knows.middle_latent_mm])).positions_mm[0]
            try:
                with clock.part("prepare"):
                    crop = Crop.of(query, middle, self._knows.size, self._knows, self._votes.device)
                with clock.part("network"):
                    found = self._found(crop)
            except InputError as error:
                fault = str(error).rstrip(".")
        with clock.part("search"):
            return {
                Key(self._method, SETTING, NO_SUPPORT, structure): self._answer(query, structure, found, fault)
                for structure in self._structures
            }

    def _found(self, crop: Crop) -> dict[str, tuple[FloatArray, float]]:
        """Return the landmarks (6, 3) in mm of each structure and the mean distance in mm of the votes to them."""
        device = self._votes.device
        with torch.autocast(device.type, dtype=torch.bfloat16, enabled=bfloat16_is_fast(device)):
            landmarks, apart = self._votes.network(crop.levels[None, None])
        points = crop.to_world(landmarks[0].double().cpu().numpy()).reshape(-1, 6, 3)
        step_mm = np.mean(self._knows.matching_spacing)
        spread = apart[0].double().cpu().numpy().reshape(-1, 6).mean(axis=1) * step_mm
        return dict(zip(self._knows.structures, zip(points, spread.tolist(), strict=True), strict=True))

    def _answer(
        self, query: Scan, structure: str, found: dict[str, tuple[FloatArray, float]], fault: str | None
    ) -> Found | str:
        """Return the answer for a structure; `fault` says why the query cannot be searched."""
        if structure not in self._knows.structures:
            return f"the network has not learned {structure}"
        if fault is not None:
            return fault
        points, spread = found[structure]
        return placed(points, self._knows.half_voxel_mm[structure], query, spread_mm=spread)


def make(work: Work) -> Student:
    """Return the network that learned from supports or labels, whichever of the two the task asks for."""
    (name,) = work.search.methods
    position_map = work.model("position_map")
    return Student(name, work.model(name), position_map, structures=work.structures)
