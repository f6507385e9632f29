"""Finding four structures in one scan, networks loaded."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import torch

from benchmarks.bundled import openkbp_learning, openkbp_settings, preprocessed
from benchmarks.measurement import Measurement, seconds_of
from rprloc.catalogue.rows import Length
from rprloc.methods.answer import Setting
from rprloc.methods.clock import Clock
from rprloc.methods.regression import Regression
from rprloc.networks.checkpoint import Model
from rprloc.networks.device import set_up_cpu
from rprloc.networks.settings import PatchSettings
from rprloc.scans.scan import Scan
from rprloc.training import loop
from rprloc.training.data import read_training_scans
from rprloc.training.position import RelativePosition
from rprloc.training.state import TrainingState

CPU = torch.device("cpu")
LANDMARKS = 4 * 6


def measure() -> list[Measurement]:
    """Locate the structures of one support in one query by shortly trained networks."""
    set_up_cpu(None)
    cohort = openkbp_settings()
    with tempfile.TemporaryDirectory() as folder:
        scans = preprocessed(Path(folder))
        models = {name: _model(scans["train"], name, Path(folder)) for name in ("coarse", "fine")}
        support, query = (Scan.read(scans[split][0]) for split in ("validation", "test"))
    assert support is not None and query is not None
    names = list(cohort.structures or {})
    setting = Setting("extreme", cohort.starts, coarse=1, fine=1)

    def method() -> Regression:
        return Regression(models, [setting], structures=names, seed=1)

    prepared = method()
    prepared.prepare([support])
    located = seconds_of(lambda: prepared.locate(query, Clock()))
    worst = _worst_seconds(models, query, cohort.starts)
    return [
        Measurement(
            "localization: seconds to prepare a support, once a batch", seconds_of(lambda: method().prepare([support]))
        ),
        Measurement("localization: seconds a scan (4 structures x 6 points x 15 starts)", located, "s", 1.5),
        Measurement("localization: the same where no two starts meet in a voxel", worst, "s", 1.5),
    ]


def _model(scans: list[Path], network: str, folder: Path) -> Model:
    """Return a network after a training of a few seconds: its answers scatter as real ones do."""
    settings = PatchSettings.of_cohort(network, openkbp_learning(network))
    read = list(read_training_scans(scans, settings, crop=settings.patch_voxels, device=CPU, scratch=folder))
    length = Length(steps=40, groups=6, patches=8, learning_rate=3e-3)
    objective = RelativePosition(read, [], settings, length, seed=1, device=CPU)
    return loop.train(objective, length, seed=1, state=TrainingState(None), log=lambda _: None)


def _worst_seconds(models: dict[str, Model], query: Scan, starts: int) -> float:
    """Return the seconds for the latents of the starts and of one more voxel for each landmark and start."""
    voxels = torch.from_numpy(np.random.default_rng(1).permutation(np.argwhere(query.body)))
    coarse, fine = models["coarse"], models["fine"]

    def work() -> None:
        coarse.latents(coarse.pad(query.values), voxels[:starts])
        fine.latents(fine.pad(query.values), voxels[: starts * LANDMARKS])

    return seconds_of(work)
