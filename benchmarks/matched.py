"""The position map and the matching that starts from it: seconds a scan, by the shipped weights."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

from benchmarks.bundled import openkbp_settings, preprocessed
from benchmarks.measurement import Measurement, seconds_of
from rprloc.cohort.weights import shipped_folder
from rprloc.methods.matched import Matched
from rprloc.methods.position_map import PositionMapMethod
from rprloc.methods.prediction import Method, Scan
from rprloc.methods.start import MapStart
from rprloc.networks.checkpoint import read_model
from rprloc.networks.device import set_up_cpu

GOAL_SECONDS = {1: 1.5, 5: 3.0}
"""Of a scan by the number of supports, for 24 landmarks on two cores."""
MAP_GOAL_SECONDS = 0.3


def measure() -> list[Measurement]:
    """Locate the structures of one and of five supports in one query, networks loaded and supports prepared."""
    set_up_cpu(None)
    settings = openkbp_settings()
    names = list(settings.structures or {})
    with tempfile.TemporaryDirectory() as folder:
        scans = preprocessed(Path(folder), matching=True)
        support, query = (Scan.read(scans[split][0]) for split in ("validation", "test"))
        assert support is not None and query is not None
        model = read_model(shipped_folder("head-neck-ct") / "position_map.safetensors")
        start = MapStart(model, seed=1)

        def seconds(method: Method, supports: Sequence[Scan]) -> float:
            method.prepare(supports)
            return seconds_of(lambda: method.locate(query))

        def matched() -> Matched:
            return Matched(start, window=settings.window, structures=names, drawn=None, device=torch.device("cpu"))

        five = [replace(support, subject=f"copy_{number}") for number in range(5)]
        map_seconds = seconds(PositionMapMethod(model, structures=names, drawn=None), five)
        prepared = seconds_of(lambda: matched().prepare([support]))
        located = {count: seconds(matched(), five[:count]) for count in GOAL_SECONDS}
    return [
        Measurement("matched: seconds to prepare a support, once a batch", prepared),
        Measurement("position_map: seconds a scan, five supports", map_seconds, "s", MAP_GOAL_SECONDS),
        *(
            Measurement(f"matched: seconds a scan, supports: {count}", located[count], "s", goal)
            for count, goal in GOAL_SECONDS.items()
        ),
    ]
