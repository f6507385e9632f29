"""The training against the plain way, and against what the processor can multiply."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.bundled import openkbp_learning, preprocessed
from benchmarks.measurement import Measurement, seconds_of
from rprloc.catalogue import network_named
from rprloc.catalogue.rows import Length
from rprloc.networks.checkpoint import new_network
from rprloc.networks.device import bfloat16_is_fast, set_up_cpu
from rprloc.networks.offsets import offset_mm
from rprloc.networks.patches import apply_window
from rprloc.networks.settings import PatchSettings
from rprloc.training import loop, position
from rprloc.training.data import TrainingScan, read_training_scans
from rprloc.training.optimiser import new_optimiser
from rprloc.training.pairs import pair_loss
from rprloc.training.state import TrainingState

CPU = torch.device("cpu")
DEMO = network_named("coarse").lengths["demo"]
PLAIN_STEPS, STEPS = 1000, 120
POINTS = 20
"""How often the validation error is looked at. The looks are no part of either training's seconds."""


def measure() -> list[Measurement]:
    """Train the coarse network of the bundled scans both ways."""
    settings = PatchSettings.of_cohort("coarse", openkbp_learning("coarse"))
    crop = settings.patch_voxels
    with tempfile.TemporaryDirectory() as folder:
        scans = preprocessed(Path(folder))
        train, validation = (
            list(read_training_scans(scans[split], settings, crop=crop, device=CPU, scratch=Path(folder)))
            for split in ("train", "validation")
        )
        # The plain way comes first, so that it has the C library's own habits with memory.
        plain_mm, plain_seconds = plain_training(train, validation, settings)
        set_up_cpu(None)
        reached_mm, seconds = product_training(train, validation, settings, goal_mm=plain_mm)
        return [
            Measurement("plain training: validation pair error reached", plain_mm, "mm"),
            Measurement("plain training: seconds", plain_seconds, "s"),
            Measurement("training: validation pair error reached", reached_mm, "mm", plain_mm),
            Measurement("training: its time to that error / the plain way's", seconds / plain_seconds, "", 1 / 3),
            *_step_measurements(train, settings),
        ]


def plain_training(
    scans: Sequence[TrainingScan], validation: Sequence[TrainingScan], settings: PatchSettings
) -> tuple[float, float]:
    """Train as the paper's text reads; return the lowest validation pair error in mm and the seconds to it.

    Six random pairs a step, each from a scan drawn at random, cropped one by one on the CPU; one pass of the network
    for the queries' patches and one for the supports'; Adam with the paper's learning rate.
    """
    network = new_network(settings, seed=1)
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-3, weight_decay=1e-4)
    length = Length(PLAIN_STEPS, groups=6, patches=2)
    generator = np.random.default_rng(1)
    fixed = _fixed(validation, settings)
    clock = _Clock()
    for step in range(length.steps):
        for group in optimiser.param_groups:
            group["lr"] = length.learning_rate_at(step)
        queries, supports, true = [], [], []
        for _ in range(length.groups):
            scan = scans[int(generator.integers(len(scans)))]
            centres = scan.body.draw(2, generator)
            query, support = (_crop(scan, centre) for centre in centres)
            queries.append(query)
            supports.append(support)
            true.append(((centres[1] - centres[0]) * settings.spacing)[::-1])
        latents = [
            network(apply_window(torch.from_numpy(np.stack(side)), settings.window)) for side in (queries, supports)
        ]
        predicted = offset_mm(latents[0], latents[1], settings.r_mm)
        loss = pair_loss(predicted, torch.from_numpy(np.stack(true)).float(), settings.r_mm)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        if (step + 1) % (length.steps // POINTS) == 0:
            clock.look(lambda: position._validation_error_mm(network, fixed, settings))
    return min(clock.points)


class _Clock:
    """A training's seconds without those of the looks at its validation error."""

    def __init__(self) -> None:
        self.points: list[tuple[float, float]] = []
        """The validation error in mm and the seconds of training to it, for each look."""
        self._started = time.perf_counter()

    def look(self, error_mm: Callable[[], float]) -> float:
        """Return the validation error, and keep it; the clock stands still meanwhile."""
        began = time.perf_counter()
        found = error_mm()
        self.points.append((found, began - self._started))
        self._started += time.perf_counter() - began
        return found


def _crop(scan: TrainingScan, centre: np.ndarray) -> np.ndarray:
    """Return one patch of a padded scan as a copy."""
    box = tuple(slice(start, start + size) for start, size in zip(centre, scan.scan.patch_voxels, strict=True))
    return scan.scan.values.numpy()[box].copy()


def product_training(
    scans: Sequence[TrainingScan], validation: Sequence[TrainingScan], settings: PatchSettings, *, goal_mm: float
) -> tuple[float, float]:
    """Train as the demo does, but shorter; return the first validation error up to `goal_mm`, or the lowest, and
    the seconds to it.
    """
    loop.RECORDS = POINTS
    length = replace(DEMO, steps=STEPS)
    objective = position.RelativePosition(scans, validation, settings, length, seed=1, device=CPU)
    clock, error_mm = _Clock(), objective.validation_error
    objective.validation_error = lambda: clock.look(error_mm)  # type: ignore[method-assign]
    loop.train(objective, length, seed=1, state=TrainingState(None), log=lambda _: None)
    return next((point for point in clock.points if point[0] <= goal_mm), min(clock.points))


def _fixed(validation: Sequence[TrainingScan], settings: PatchSettings) -> list[position._Batch]:
    """Return the validation pairs that the product's training uses."""
    groups = position._fixed_groups(validation, settings, 1)
    return [position._cropped(groups[start : start + 8], settings) for start in range(0, len(groups), 8)]


class Stepper:
    """Steps of the product's training, one by one."""

    def __init__(self, scans: Sequence[TrainingScan], settings: PatchSettings) -> None:
        self._scans, self._settings, self._length = scans, settings, DEMO
        self._generator = np.random.default_rng(1)
        self._network = new_network(settings, seed=1)
        self._optimiser = new_optimiser(self._network, self._length)

    def sample(self) -> position._Batch:
        """Draw and crop a step's patches."""
        groups = position._draw_groups(self._scans, self._settings, self._length, self._generator)
        return position._cropped(groups, self._settings)

    def step(self) -> None:
        """Do one step of the training."""
        predicted, true = position._offsets_mm(self._network, self.sample(), self._settings)
        self._optimiser.zero_grad()
        pair_loss(predicted, true, self._settings.r_mm).backward()
        self._optimiser.step()


def _step_measurements(scans: Sequence[TrainingScan], settings: PatchSettings) -> list[Measurement]:
    """Measure one step of the product's training: the share of sampling, and FLOPs against the processor's."""
    stepper = Stepper(scans, settings)
    seconds, sampling = seconds_of(stepper.step, repeats=15), seconds_of(stepper.sample, repeats=15)
    with FlopCounterMode(display=False) as counter:
        stepper.step()
    flops = counter.get_total_flops()
    number = torch.bfloat16 if bfloat16_is_fast(CPU) else torch.float32
    one = torch.randn(2048, 2048).to(number)
    peak = 2 * 2048**3 / seconds_of(lambda: one @ one, repeats=9)
    return [
        Measurement("training: share of a step that is sampling", sampling / seconds, "", 0.1),
        Measurement("training: a step", seconds, "s"),
        Measurement("training: arithmetic of a step", flops / 1e9, "GFLOP"),
        Measurement(
            f"training: arithmetic a second / that of a {str(number)[6:]} matrix product", flops / seconds / peak
        ),
    ]
