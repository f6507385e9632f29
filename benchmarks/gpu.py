"""A GPU against the CPU of its machine: template matching, the position map, the default method, a training's step.

`python -m benchmarks.gpu FOLDER` takes openkbp's scans as PREPROCESS wrote them, with their volumes for matching: the
first five that show all structures are the supports, the next one is the query. It reads them without SimpleITK. A
second argument `cpu` compares the CPU with itself, to try the program. `python -m benchmarks gpu` takes bundled scans.
"""

from __future__ import annotations

import itertools
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks import matching
from benchmarks.bundled import copies, openkbp_learning, openkbp_settings, preprocessed
from benchmarks.measurement import Measurement, seconds_of
from rprloc.catalogue import network_named
from rprloc.cohort.weights import shipped_folder
from rprloc.geometry import WALLS, Grid
from rprloc.methods.answer import Answers, Finder, Found
from rprloc.methods.clock import Clock
from rprloc.methods.grey import Grey, Look
from rprloc.methods.matched import Matched
from rprloc.methods.position_map import PositionMapMethod
from rprloc.methods.start import MapStart
from rprloc.networks.checkpoint import read_model
from rprloc.networks.device import device_of, set_up_cpu
from rprloc.networks.patches import PaddedScan
from rprloc.networks.settings import MapSettings, PatchSettings, Voxels
from rprloc.scans.nifti import read_header, read_voxels
from rprloc.scans.record import ScanRecord
from rprloc.scans.scan import Scan, Volume, volume_path
from rprloc.training.body_positions import BARE, BodyPositions
from rprloc.training.data import TrainingScan
from rprloc.training.loop import take_step
from rprloc.training.objective import Objective
from rprloc.training.optimiser import new_optimiser
from rprloc.training.position import RelativePosition
from rprloc.training.sampling import BodyVoxels

CPU = torch.device("cpu")
SUPPORTS = (1, 5)
TRAINING_SCANS = 20
STEPS = {"cpu": 1, "cuda": 10}
"""Steps of a training between two readings of the clock."""


@dataclass(frozen=True)
class Figure:
    """A figure of the GPU and, where there is one, of the CPU."""

    name: str
    unit: str
    gpu: float
    cpu: float | None = None

    def line(self) -> str:
        """Return the line of the table."""
        cpu, times = ("", "") if self.cpu is None else (f"{self.cpu:.4g}", f"{self.cpu / self.gpu:.3g}")
        return f"{self.name:<66} {self.unit:<7} {cpu:>9} {self.gpu:>9.4g} {times:>9}"


HEADING = f"{'':<66} {'':<7} {'CPU':>9} {'GPU':>9} {'CPU / GPU':>9}"


def measure() -> list[Measurement]:
    """Compare on bundled scans; nothing is measured where there is no GPU."""
    if not torch.cuda.is_available():
        return []
    set_up_cpu(None)
    with tempfile.TemporaryDirectory() as folder:
        scans = preprocessed(Path(folder), matching=True)
        five = copies(scans["validation"], Path(folder) / "copies", max(SUPPORTS))
        found = list(figures(_read([*five, scans["test"][0], *scans["train"]]), device_of("cuda")))
    return [
        Measurement(f"gpu: {figure.name}, {where}", value, figure.unit)
        for figure in found
        for where, value in (("CPU", figure.cpu), ("GPU", figure.gpu))
        if value is not None
    ]


def main(folder: Path, name: str = "cuda") -> None:
    """Print the table of a folder's scans."""
    if name == "cuda" and not torch.cuda.is_available():
        sys.exit("benchmarks.gpu: found no GPU that torch can use, expected one.")
    set_up_cpu(None)
    device = device_of(name)
    what = torch.cuda.get_device_name(device) if device.type == "cuda" else str(device)
    print(f"{what}; torch {torch.__version__}; CPU: {torch.get_num_threads()} threads\n\n{HEADING}", flush=True)
    for figure in figures(_read(sorted(folder.iterdir())), device):
        print(figure.line(), flush=True)


def figures(scans: Sequence[Scan], device: torch.device) -> Iterator[Figure]:
    """Measure all on both devices."""
    names = list(openkbp_settings().structures or {})
    labelled = [scan for scan in scans if all(name in scan.structures for name in names)]
    if len(labelled) <= max(SUPPORTS):
        sys.exit(f"benchmarks.gpu: found {len(labelled)} scans with all structures, expected {max(SUPPORTS) + 1}.")
    yield from _grey(device)
    yield from _methods(labelled[: max(SUPPORTS)], labelled[max(SUPPORTS)], names, device)
    for network in ("coarse", "position_map"):
        cpu, gpu = (_step_seconds(network, scans[:TRAINING_SCANS], where) for where in (CPU, device))
        yield Figure(f"training {network}, `standard`: a step", "s", gpu, cpu)


def _seconds(work: Callable[[], object], device: torch.device) -> float:
    """Return the median seconds in which a device has done a work, after one that warms up."""

    def done() -> None:
        work()
        _wait(device)

    return seconds_of(done)


def _both(methods: Sequence[Finder], device: torch.device, work: Callable[[Finder], object]) -> tuple[float, float]:
    """Return the median seconds of a work by a method on the CPU and by the same on a device."""
    cpu, gpu = (_seconds(partial(work, method), where) for method, where in zip(methods, (CPU, device), strict=True))
    return cpu, gpu


def _wait(device: torch.device) -> None:
    """Wait until a device has done all that it was told."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _grey(device: torch.device) -> Iterator[Figure]:
    """Search templates of 16 x 64 x 64 voxels at every position of a scan of 60 x 200 x 200, by three measures."""
    six, query = matching.scan("s", 1), matching.scan("q", 2)
    about = six.structures["organ"]
    # Landmarks of one voxel share their template.
    together = replace(about, extreme_mm=np.tile(about.extreme_mm[0], (len(WALLS), 1)))
    one = replace(six, record=replace(six.record, structures={"organ": together}))
    for count, support in ((1, one), (6, six)):
        methods = [_prepared_grey(support, where) for where in (CPU, device)]
        cpu, gpu = _both(methods, device, lambda method: method.locate(query, Clock()))
        yield Figure(f"grey, 3 measures together, templates: {count}: a scan", "s", gpu, cpu)
        yield _apart(*(method.locate(query, Clock()) for method in methods))
        if device.type == "cuda":
            yield Figure("    GPU memory at most / the scan in single precision", "", _volumes(methods[1], query))


def _prepared_grey(support: Scan, device: torch.device) -> Grey:
    """Return the method with a support's templates on a device."""
    look = Look(patch_voxels=matching.SIZE, window=matching.WINDOW, modality="ct")
    method = Grey(dict.fromkeys(matching.METHODS, "extreme.s1"), look, device=device)
    method.prepare([support])
    return method


def _volumes(method: Finder, query: Scan) -> float:
    """Return the most memory that a search takes on the GPU, in volumes of the query as float32."""
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    method.locate(query, Clock())
    return (torch.cuda.max_memory_allocated() - before) / (4 * query.values.size)


def _methods(supports: Sequence[Scan], query: Scan, names: list[str], device: torch.device) -> Iterator[Figure]:
    """Find all structures of a query by the shipped weights, networks loaded and supports prepared."""
    path = shipped_folder("head-neck-ct") / "position_map.safetensors"
    models = {where: read_model(path, device=where) for where in (CPU, device)}
    window = openkbp_settings().window

    def by_map(where: torch.device) -> Finder:
        return PositionMapMethod(models[where], structures=names)

    def matched(where: torch.device) -> Finder:
        return Matched(MapStart(models[where], seed=1), window=window, structures=names, device=where)

    asked: list[tuple[str, Callable[[torch.device], Finder], int]] = [("position_map", by_map, max(SUPPORTS))]
    asked += [("matched", matched, count) for count in SUPPORTS]
    for name, made, count in asked:
        methods = [made(where) for where in (CPU, device)]
        cpu, gpu = _both(methods, device, partial(_prepared, supports=supports[:count]))
        yield Figure(f"{name}, supports: {count}: to prepare them, once a batch", "s", gpu, cpu)
        cpu, gpu = _both(methods, device, lambda method: method.locate(query, Clock()))
        yield Figure(f"{name}, supports: {count}: a scan", "s", gpu, cpu)
        yield _apart(*(method.locate(query, Clock()) for method in methods))
    yield Figure("    of which to read the query's volume for matching", "s", seconds_of(query.matching))


def _prepared(method: Finder, supports: Sequence[Scan]) -> None:
    """Prepare a method for some supports."""
    method.prepare(supports)


def _apart(of_cpu: Answers, of_gpu: Answers) -> Figure:
    """Return how far the GPU's points are from the CPU's at most, or how many answers failed."""
    failed = [answer for answer in (*of_cpu.values(), *of_gpu.values()) if isinstance(answer, str)]
    if failed:
        return Figure(f"    answers that failed: {failed[0]}"[:66], "", len(failed))
    apart = [
        float(np.abs(one.points_mm - two.points_mm).max())
        for one, two in zip(of_cpu.values(), of_gpu.values(), strict=True)
        if isinstance(one, Found) and isinstance(two, Found)
    ]
    return Figure("    its points are from the CPU's at most", "mm", max(apart))


def _step_seconds(network: str, scans: Sequence[Scan], device: torch.device) -> float:
    """Return the seconds of a step of a training, without those of looking at the validation error."""
    cohort, length = openkbp_learning(network), network_named(network).lengths["standard"]

    def read(crop: Voxels) -> list[TrainingScan]:
        return [
            TrainingScan(
                scan.subject,
                PaddedScan.of(scan.values, crop, modality=cohort.modality, device=device),
                BodyVoxels.of(scan.body),
            )
            for scan in scans
        ]

    if network == "position_map":
        whole = MapSettings.of_cohort(network, cohort)
        objective: Objective = BodyPositions(read(BARE), [], whole, length, seed=1, device=device)
    else:
        settings = PatchSettings.of_cohort(network, cohort)
        objective = RelativePosition(read(settings.patch_voxels), [], settings, length, seed=1, device=device)
    optimiser = new_optimiser(objective.network, length)
    numbers = itertools.count()
    steps = STEPS.get(device.type, 1)

    def work() -> None:
        for number in itertools.islice(numbers, steps):
            take_step(objective, length, optimiser, number)

    return _seconds(work, device) / steps


@dataclass(frozen=True, eq=False)
class _Plain(Scan):
    """A preprocessed scan that is read without SimpleITK, which a machine with a GPU may lack."""

    @classmethod
    def read(cls, folder: Path) -> Scan | None:
        """Read a scan from its folder; None for one that was set aside."""
        record = ScanRecord.read(folder)
        if record.model is None:
            return None
        values = _voxels(volume_path(folder), record.model).astype(np.int16)
        return cls(record, values, _voxels(volume_path(folder, "body"), record.model) > 0, folder)

    def matching(self, spacing_mm: Sequence[float] | None = None) -> Volume:
        """Read the finer volume for image matching; all scans of the cohort have it at one spacing."""
        assert spacing_mm is None or self.record.matching is None or spacing_mm == self.record.matching.spacing_mm
        assert self.folder is not None and self.record.matching is not None
        grid = self.record.matching
        return Volume(_voxels(volume_path(self.folder, "matching"), grid).astype(np.int16), grid)


def _voxels(path: Path, grid: Grid) -> NDArray[Any]:
    """Return the voxels (z, y, x) of a NIfTI file."""
    return read_voxels(path, read_header(path)).reshape(grid.size[::-1])


def _read(folders: Sequence[Path]) -> list[Scan]:
    """Read preprocessed scans."""
    return [scan for folder in folders if (scan := _Plain.read(folder)) is not None]


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit("benchmarks.gpu: expected a folder of preprocessed scans.")
    main(Path(sys.argv[1]), *sys.argv[2:])
