"""One step's work by several processes, or in several parts."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from rprloc.catalogue import networks
from rprloc.catalogue.rows import Length
from rprloc.cohort.tasks import Folders, Train, to_json
from rprloc.errors import DeviceError
from rprloc.files import read_json_lines
from rprloc.networks.checkpoint import read_model
from rprloc.networks.device import bfloat16_is_fast
from rprloc.training import body_positions, detection, landmarks, loop, position, sharing, state
from rprloc.training.run import train_network
from rprloc.training.sharing import WHOLE, Share, Worker, device_of_rank
from rprloc.training.state import Interrupted
from tests.runs import ROOT
from tests.training.lessons import curve as curve_of
from tests.training.lessons import equal, lessons_for, objective_of, task_for, trained, write_scan_for
from tests.training.scans import write_scan

GROUPS = 3
CPU = torch.device("cpu")
ROUNDING = 1e-2 if bfloat16_is_fast(CPU) else 1e-3
"""Of the losses of trainings that share their steps otherwise, by what this machine computes in."""


@pytest.fixture
def _in_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    """In bfloat16 each part's gradients are rounded before they are added."""
    for module in (body_positions, detection, landmarks, position):
        monkeypatch.setattr(module, "bfloat16_is_fast", lambda _device: False)


def told(network: str) -> Length:
    """A training of few steps of several groups."""
    few = {"coarse": 4, "fine": 4, "autoencoder": 2}.get(network, 1)
    return Length(steps=2, groups=GROUPS, patches=few, decay="cosine", optimiser="muon" if few == 1 else "adam")


def gradients(objective: Any) -> list[Tensor | None]:
    return [None if one.grad is None else one.grad.clone() for one in objective.network.parameters()]


@pytest.mark.usefixtures("_in_float32")
@pytest.mark.parametrize("network", [row.name for row in networks() if row.name != "ceiling"])
def test_the_shares_of_a_step_add_up_to_the_whole(tmp_path: Path, network: str) -> None:
    scans = [write_scan_for(network, tmp_path, seed) for seed in (1, 2)]
    objective = objective_of(lessons_for(network, tmp_path / "x", scans, length=told(network)))
    whole = Worker(GROUPS).gradients(objective, 1)
    expected = gradients(objective)
    in_parts = Worker(GROUPS)
    in_parts.parts = 2
    found = in_parts.gradients(objective, 1)
    assert float(found[0]) == pytest.approx(float(whole[0]), rel=1e-5)
    # The root of a sum of squares is not the sum of roots.
    assert float(found[1]) == pytest.approx(float(whole[1]), rel=0.2 if network == "autoencoder" else 1e-5)
    for one, other in zip(gradients(objective), expected, strict=True):
        assert (one is None) == (other is None)
        if one is not None and other is not None:
            # A bias that all offsets are without has none but rounding.
            torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-5 * float(other.abs().max()) + 1e-6)


def test_a_share_has_every_so_manieth_group() -> None:
    assert [Share(index, 3).part("abcdefgh") for index in range(3)] == [list("adg"), list("beh"), list("cf")]
    assert WHOLE.part([1, 2]) == [1, 2]


class Hungry:
    """An objective of one number whose shares of more than `most` groups are too large for a memory."""

    def __init__(self, most: int) -> None:
        self.network = torch.nn.Linear(1, 1, bias=False)
        torch.nn.init.ones_(self.network.weight)
        self.most, self.asked = most, list[Share]()

    def loss(self, step: int, share: Share = WHOLE) -> tuple[Tensor, Tensor]:
        self.asked.append(share)
        own = share.part(range(1, 9))
        if len(own) > self.most:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        loss = self.network(torch.tensor([float(sum(own))])).sum() * step / 8
        return loss, loss.detach()


def test_a_step_that_is_too_large_is_computed_in_parts_of_the_same_batch() -> None:
    small, large = Hungry(most=3), Hungry(most=8)
    worker = Worker(8)
    found, whole = worker.gradients(small, 2), Worker(8).gradients(large, 2)
    assert float(found[0]) == float(whole[0]) == 9.0 and worker.parts == 4
    assert gradients(small)[0] == gradients(large)[0]
    assert small.asked == [WHOLE, Share(0, 2), *(Share(index, 4) for index in range(4))]
    # The next step begins with as many parts.
    worker.gradients(small, 3)
    assert len(small.asked) == 10 and small.asked[-4:] == small.asked[2:6]
    with pytest.raises(torch.OutOfMemoryError):
        Worker(8).gradients(Hungry(most=0), 1)


@pytest.mark.usefixtures("_in_float32")
def test_a_training_says_once_in_how_many_parts_a_step_fits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    length = Length(steps=3, groups=2, patches=4, optimiser="muon")
    scans = [write_scan(tmp_path, seed) for seed in (1, 2)]
    whole = trained(objective_of(lessons_for("coarse", tmp_path / "x", scans)), length)
    asked = objective_of(lessons_for("coarse", tmp_path / "y", scans))
    full = asked.loss

    def loss(step: int, share: Share = WHOLE) -> Any:
        if share == WHOLE:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return full(step, share)

    monkeypatch.setattr(asked, "loss", loss)
    lines: list[str] = []
    parts = trained(asked, length, log=lines.append)
    said = [line for line in lines if "parts" in line]
    assert said == ["the GPU's memory holds a step in 2 parts; the batch as a whole stays as it is"]
    for one, other in zip(curve_of(whole), curve_of(parts), strict=True):
        assert one.loss == pytest.approx(other.loss, rel=1e-4)


def step_of(task: Train, place: Path, *words: str) -> str:
    """Run the command of a training as the pipeline does; return what it says."""
    command = [sys.executable, str(ROOT / "bin" / "rprloc"), "step", "train", "--scans", "scans", "--models", "none"]
    command += ["--folder", str(place), "--device", "cpu", *words]
    told = json.dumps(to_json(task))
    done = subprocess.run(command, input=told, text=True, capture_output=True, check=False, cwd=place.parent)
    assert done.returncode == 0, done.stderr
    return done.stdout


def curve(place: Path) -> list[list[float]]:
    rows = read_json_lines(place / "c.coarse.jsonl")
    return [[row["loss"], row["train_error_mm"], row["validation_error_mm"]] for row in rows]


def test_two_processes_learn_what_one_does_and_go_on_from_its_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Steps of three groups, of which one process has two."""
    for seed in (1, 2):
        write_scan(tmp_path / "scans", seed)
    folders = Folders({path.name: path for path in sorted((tmp_path / "scans").iterdir())})
    length = Length(steps=6, groups=GROUPS, patches=4, optimiser="muon")

    def task(states: str) -> Train:
        return task_for("coarse", training=tuple(folders.scans), length=length, checkpoints=str(tmp_path / states))

    train_network(task("one's"), folders, tmp_path / "one", device=CPU, log=lambda _line: None)
    assert "shared by 2 processes" in step_of(task("two's"), tmp_path / "two", "--gpus", "2")
    np.testing.assert_allclose(curve(tmp_path / "two"), curve(tmp_path / "one"), rtol=ROUNDING)
    one, two = (read_model(tmp_path / place / "c" / "coarse.safetensors") for place in ("one", "two"))
    assert one.record is not None and two.record is not None
    assert (one.record.processes, two.record.processes) == (None, 2)

    steps = loop.take_step

    def three(objective: Any, length: Length, optimiser: Any, step: int, worker: Worker) -> Any:
        if step == 3:
            raise Interrupted
        return steps(objective, length, optimiser, step, worker)

    monkeypatch.setattr(state, "SAVE_SECONDS", 0.0)
    monkeypatch.setattr(loop, "take_step", three)
    with pytest.raises(Interrupted):
        train_network(task("both's"), folders, tmp_path / "x", device=CPU, log=lambda _line: None)
    assert "goes on from step 3 of 6" in step_of(task("both's"), tmp_path / "both", "--gpus", "2")
    np.testing.assert_allclose(curve(tmp_path / "both"), curve(tmp_path / "one"), rtol=ROUNDING)
    # And one process from the state of two.
    monkeypatch.undo()
    said: list[str] = []
    train_network(task("two's"), folders, tmp_path / "y", device=CPU, log=said.append)
    assert any("goes on from step 6 of 6" in line for line in said)
    assert equal(two, read_model(tmp_path / "y" / "c" / "coarse.safetensors"))


def test_more_gpus_than_there_are_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(DeviceError, match="found 1 GPUs, expected 2"), sharing.sharing(2, torch.device("cuda"), print):
        raise AssertionError("never begun")
    assert device_of_rank(torch.device("cuda"), 1) == torch.device("cuda:1")
    assert device_of_rank(torch.device("cpu"), 1) == torch.device("cpu")


def test_the_death_of_one_process_ends_the_other(tmp_path: Path) -> None:
    """With the status after which the pipeline tries again, and not never."""
    program = (
        "import os, time, torch\n"
        "from rprloc.training.sharing import joined, sharing\n"
        "def dies(rank, place):\n"
        "    with joined(rank, 2, place, torch.device('cpu')):\n"
        "        os._exit(9)\n"
        "if __name__ == '__main__':\n"
        "    with sharing(2, torch.device('cpu'), dies):\n"
        "        time.sleep(60)\n"
    )
    (tmp_path / "program.py").write_text(program)
    done = subprocess.run(
        [sys.executable, "program.py"], text=True, capture_output=True, check=False, cwd=tmp_path, timeout=50
    )
    assert done.returncode == sharing.EXIT_LOST
    assert done.stderr.strip().endswith("a process that shared the training died with status 9.")


def test_a_training_of_one_process_meets_nobody() -> None:
    with sharing.sharing(1, torch.device("cpu"), print):
        assert not torch.distributed.is_initialized()
