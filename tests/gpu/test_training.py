"""The trainings on a GPU: the CPU's losses and gradients, a state to go on from, and models for any device."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from rprloc.catalogue.rows import Length
from rprloc.cohort.tasks import Folders
from rprloc.methods.answer import Prediction
from rprloc.networks.checkpoint import Model, new_network, read_model, read_tensors
from rprloc.networks.settings import CodeSettings, PatchSettings
from rprloc.scans.scan import Scan
from rprloc.training import data, run
from rprloc.training.augmentation import plain_view
from rprloc.training.objective import Objective
from rprloc.training.optimiser import new_optimiser
from rprloc.training.reconstruction import CROP_VOXELS
from rprloc.training.run import train_network
from rprloc.training.state import Interrupted, TrainingState
from tests.gpu.devices import CPU, GPU, compare, need_monai, needs_gpu
from tests.methods.fakes import answered
from tests.training import labelled, scans
from tests.training.lessons import StopAt, lessons_for, objective_of, record_of, task_for

pytestmark = [
    needs_gpu,
    pytest.mark.usefixtures("plain_files"),
    # torch says so where the first matrix product of a process is that of a gradient.
    pytest.mark.filterwarnings("ignore:Attempting to run cuBLAS"),
]

_PATCHES = Length(steps=4, groups=2, patches=4)
_WHOLE = Length(steps=4, groups=2, patches=1, optimiser="muon")
LENGTH = {
    "coarse": _PATCHES,
    "fine": replace(_PATCHES, optimiser="muon"),
    "autoencoder": _PATCHES,
    "position_map": _WHOLE,
    "retina_unet": _WHOLE,
}
"""What is trained, by an optimiser that the product trains it by."""


@pytest.fixture(params=LENGTH)
def network(request: pytest.FixtureRequest) -> str:
    """A network."""
    if request.param == "retina_unet":
        need_monai()
    return str(request.param)


@pytest.fixture
def sources(tmp_path: Path, network: str) -> list[Path]:
    """The folders of two training scans."""
    write: Callable[..., Path] = labelled.write_labelled if network == "retina_unet" else scans.write_scan
    return [write(tmp_path, seed) for seed in (1, 2)]


def objective(network: str, folders: list[Path], device: torch.device, scratch: Path) -> Objective:
    """Return what a network learns from some scans on a device."""
    found: Objective = objective_of(lessons_for(network, scratch, folders, length=LENGTH[network], device=device))
    return found


def step(of: Objective) -> tuple[float, float, Tensor]:
    """Return the loss of a first step, the validation error before it, and the gradient."""
    before = of.validation_error()
    loss, _ = of.loss(0)
    loss.backward()
    gradients = [p.grad.detach().cpu().double().flatten() for p in of.network.parameters() if p.grad is not None]
    return float(loss.detach()), before, torch.cat(gradients)


def test_a_step_s_loss_and_gradient_are_the_cpu_s(network: str, sources: list[Path], tmp_path: Path) -> None:
    (loss, error, found), (true_loss, true_error, expected) = (
        step(objective(network, sources, device, tmp_path)) for device in (GPU, CPU)
    )
    cosine = float(torch.cosine_similarity(found, expected, dim=0))
    print(
        f"{network}: loss {loss:.6g} and {true_loss:.6g}, error {error:.6g} and {true_error:.6g}, cosine {cosine:.6f}"
    )
    # All but the auto-encoder compute in bfloat16, of 8 bits of mantissa, each device with sums in its own order. By
    # bfloat16 and single precision on a CPU losses are 0.2 % apart, the cosine is 0.97 for Retina U-Net, else 0.994.
    assert loss == pytest.approx(true_loss, rel=0.02)
    assert cosine > (0.9 if network == "retina_unet" else 0.97)
    # An untrained detector's best box is one of many that are nearly as good.
    assert network == "retina_unet" or error == pytest.approx(true_error, rel=0.02)


def test_scans_beyond_the_memory_train_the_same(
    network: str, sources: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = step(objective(network, sources, GPU, tmp_path))[0]
    monkeypatch.setattr(data, "MEMORY_BYTES", 0)
    assert step(objective(network, sources, GPU, tmp_path))[0] == pytest.approx(expected, rel=1e-4)


def test_a_training_that_was_stopped_goes_on_and_its_model_is_read_on_a_cpu(
    network: str, sources: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    logged: list[str] = []

    def trained(place: str) -> Model:
        states = str(tmp_path / place / "states")
        task = task_for(network, training=sources, length=LENGTH[network], checkpoints=states)
        folders = Folders({folder.name: folder for folder in sources})
        return train_network(task, folders, tmp_path / place, device=GPU, log=logged.append)

    whole = trained("whole")
    with monkeypatch.context() as patch:
        patch.setattr(run, "TrainingState", lambda path: StopAt(path, 2))
        with pytest.raises(Interrupted, match="stopped at step 2 of 4"):
            trained("parts")
    (path,) = (tmp_path / "parts" / "states").glob("*.safetensors")
    restored_bit_by_bit(path, new_network(whole.settings, seed=2).to(GPU), LENGTH[network])
    again = trained("parts")
    assert f"c {network}: goes on from step 2 of 4" in logged
    assert f"on {GPU}, " in logged[0]

    start, ends = flat(new_network(whole.settings, seed=1)), [flat(model.network) for model in (whole, again)]
    way, apart = float((ends[0] - start).norm()), float((ends[0] - ends[1]).norm())
    print(f"{network}: stopped and gone on with it ends {apart / way:.2g} of the way away, equal: {apart == 0}")
    # A GPU adds up some gradients in any order, and optimisers step by noise where there is nothing else: noise of a
    # millionth of each gradient's largest number ends 3 % of the way away, of a tenth of that 0.5 %.
    assert way > 0 and apart <= 0.05 * way
    losses = [[point.loss for point in record_of(model).history] for model in (whole, again)]
    assert np.isfinite(losses).all() and losses[1] == pytest.approx(losses[0], rel=0.01)

    read = read_model(tmp_path / "whole" / "c" / f"{network}.safetensors")
    assert read.device == CPU and whole.device.type == GPU.type and torch.equal(flat(read.network), ends[0])
    asked = torch.rand(inputs(read), generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        found, expected = whole.network(asked.to(GPU)), read.network(asked)
    for one, two in zip(parts(found), parts(expected), strict=True):
        assert float((one.cpu() - two).abs().max()) <= 1e-3 * float(two.abs().max())


def restored_bit_by_bit(path: Path, network: nn.Module, length: Length) -> None:
    """Require that a state of two steps fills a network and its optimiser on the GPU with what it holds."""
    tensors, header = read_tensors(path)
    assert header["step"] == 2 and all(tensor.isfinite().all() for tensor in tensors.values())
    optimiser = new_optimiser(network, length)
    assert TrainingState(path).restore(network, optimiser) == 2
    found = {f"model.{name}": tensor for name, tensor in network.state_dict().items()}
    for number, moments in optimiser.state_dict()["state"].items():
        found |= {f"adam.{number}.{name}": tensor for name, tensor in moments.items()}
    assert found.keys() == tensors.keys()
    for name, tensor in found.items():
        assert tensor.device.type == GPU.type and torch.equal(tensor.cpu(), tensors[name]), name


def flat(network: nn.Module) -> Tensor:
    """Return all weights of a network."""
    return torch.cat([tensor.detach().cpu().double().flatten() for tensor in network.state_dict().values()])


def inputs(model: Model) -> tuple[int, ...]:
    """Return a size that a network takes."""
    if isinstance(model.settings, PatchSettings):
        return 3, *model.settings.patch_voxels
    return (3, *CROP_VOXELS) if isinstance(model.settings, CodeSettings) else (1, 1, 24, 32, 24)


def parts(output: Any) -> list[Tensor]:
    """Return the tensors of what a network gives."""
    if isinstance(output, Tensor):
        return [output]
    return [part for some in (output.values() if isinstance(output, dict) else output) for part in parts(some)]


def test_boxes_that_were_learnt_on_a_gpu_are_found_on_both_devices(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    need_monai()
    from rprloc.methods.retina_unet import RetinaUnet
    from rprloc.training import detection

    monkeypatch.setattr(detection, "random_view", lambda scan, _generator: plain_view(scan))
    folders = [labelled.write_labelled(tmp_path, seed) for seed in (1, 2)]
    states = str(tmp_path / "states")
    task = task_for("retina_unet", training=folders, length=labelled.BY_HEART, checkpoints=states)
    named = Folders({folder.name: folder for folder in folders})
    train_network(task, named, tmp_path, device=GPU, log=lambda _line: None)
    queries = [scan for folder in folders if (scan := Scan.read(folder)) is not None]
    answers: list[list[Prediction]] = []
    for device in (GPU, CPU):
        method = RetinaUnet(read_model(tmp_path / "c" / "retina_unet.safetensors", device=device))
        method.prepare([])
        answers.append([row for query in queries for row in answered(method, query)])
    # A tenth of a voxel.
    compare(*answers, apart_mm=0.5)
    truth = {query.subject: query.structures for query in queries}
    for row in answers[0]:
        assert not row.failed and row.box_mm is not None
        away = np.abs(np.array(row.box_mm) - truth[row.subject][row.structure].box_mm)
        assert np.all(away < 2 * np.array(labelled.SPACING[::-1]))
