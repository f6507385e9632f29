"""The position map and the matching that starts from it: seconds a scan, by the shipped weights.

`python -m benchmarks.matched SHEET` prints how well they find on a sample sheet's labelled validation scans, each
searched from every other.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import torch

from benchmarks.bundled import copies, openkbp_settings, preprocessed
from benchmarks.measurement import Measurement, seconds_of
from benchmarks.registration import figures, validation_scans
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
        folders = [scans["test"][0], *copies(scans["validation"], Path(folder) / "copies", max(GOAL_SECONDS))]
        query, *five = [scan for path in folders if (scan := Scan.read(path)) is not None]
        model = read_model(shipped_folder("head-neck-ct") / "position_map.safetensors")
        start = MapStart(model, seed=1)

        def seconds(method: Method, supports: Sequence[Scan]) -> float:
            method.prepare(supports)
            if any(row.failed for row in method.locate(query)):
                raise RuntimeError("an answer failed")
            return seconds_of(lambda: method.locate(query))

        def matched() -> Matched:
            return Matched(start, window=settings.window, structures=names, drawn=None, device=torch.device("cpu"))

        map_seconds = seconds(PositionMapMethod(model, structures=names, drawn=None), five)
        prepared = seconds_of(lambda: matched().prepare(five[:1]))
        located = {count: seconds(matched(), five[:count]) for count in GOAL_SECONDS}
    return [
        Measurement("matched: seconds to prepare a support, once a batch", prepared),
        Measurement("position_map: seconds a scan, five supports", map_seconds, "s", MAP_GOAL_SECONDS),
        *(
            Measurement(f"matched: seconds a scan, supports: {count}", located[count], "s", goal)
            for count, goal in GOAL_SECONDS.items()
        ),
    ]


def main(sheet: Path) -> None:
    """Print the figures of both methods over all pairs of a sheet's validation scans."""
    settings = openkbp_settings()
    names = list(settings.structures or {})
    model = read_model(shipped_folder("head-neck-ct") / "position_map.safetensors")
    matched = Matched(
        MapStart(model, seed=1), window=settings.window, structures=names, drawn=None, device=torch.device("cpu")
    )
    with tempfile.TemporaryDirectory() as folder:
        scans = validation_scans(sheet, Path(folder))
        for name, method in (
            ("position_map", PositionMapMethod(model, structures=names, drawn=None)),
            ("matched", matched),
        ):
            method.prepare(scans)
            rows = [row for query in scans for row in method.locate(query)]
            print(figures(rows, {scan.subject: scan for scan in scans}, name), flush=True)


if __name__ == "__main__":
    set_up_cpu(None)
    main(Path(sys.argv[1]))
