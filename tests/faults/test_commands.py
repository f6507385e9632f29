"""A command that fails for no fault of its input: one sentence, no traceback, and the exit status for the pipeline."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
import torch

from rprloc import cli
from rprloc.catalogue.rows import Length
from rprloc.cohort.tasks import Preprocess, Train, to_json
from rprloc.errors import InputError
from rprloc.networks.checkpoint import read_model
from rprloc.scans.target import Target
from rprloc.training import position
from rprloc.training import state as state_module
from rprloc.training.state import Interrupted
from tests.faults.disk import names, small_disk
from tests.training.labelled import write_labelled
from tests.training.lessons import task_for
from tests.training.scans import write_scan

NO_ROOM = "room on its disk; free some space and start again, a run with -resume."
NO_PATH = "a path that can be used; see to it and start again, a run with -resume."
NO_ANSWER = "a file system that answers; a run tries again."
NO_MEMORY = "a run tries again and asks for more."


def named(number: int) -> OSError:
    return OSError(number, os.strerror(number), "folder/a file")


FAILURES = [
    (named(errno.ENOSPC), 74, f"folder/a file: found 'No space left on device', expected {NO_ROOM}"),
    (named(errno.EDQUOT), 74, f"folder/a file: found 'Disk quota exceeded', expected {NO_ROOM}"),
    (OSError(errno.ENOSPC, ""), 74, f"a file: found 'No space left on device', expected {NO_ROOM}"),
    (OSError("8 requested and 3 written"), 74, f"a file: found 'No space left on device', expected {NO_ROOM}"),
    (named(errno.EACCES), 74, f"folder/a file: found 'Permission denied', expected {NO_PATH}"),
    (named(errno.EROFS), 74, f"folder/a file: found 'Read-only file system', expected {NO_PATH}"),
    (named(errno.ENOENT), 74, f"folder/a file: found 'No such file or directory', expected {NO_PATH}"),
    (OSError("odd"), 74, f"a file: found 'odd', expected {NO_PATH}"),
    (named(errno.ESTALE), 104, f"folder/a file: found 'Stale file handle', expected {NO_ANSWER}"),
    (named(errno.EIO), 104, f"folder/a file: found 'Input/output error', expected {NO_ANSWER}"),
    (MemoryError(), 137, f"the memory did not suffice (an allocation failed); {NO_MEMORY}"),
    (RuntimeError("std::bad_alloc"), 137, f"the memory did not suffice (std::bad_alloc); {NO_MEMORY}"),
    (torch.OutOfMemoryError("Out of memory"), 137, f"the memory did not suffice (Out of memory); {NO_MEMORY}"),
    (Interrupted("stopped at step 3"), 143, "stopped at step 3"),
    (InputError("a.nii: found x, expected y."), 65, "a.nii: found x, expected y."),
]  # fmt: skip


@pytest.mark.parametrize(("failure", "status", "sentence"), FAILURES)
def test_every_failure_has_its_status_and_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], failure: Exception, status: int, sentence: str
) -> None:
    def fail(*, standalone_mode: bool) -> None:
        raise failure

    monkeypatch.setattr(cli, "command", fail)
    with pytest.raises(SystemExit) as caught:
        cli.main()
    assert caught.value.code == status
    assert capsys.readouterr().err == f"rprloc: {sentence}\n"


def test_a_mistake_in_the_code_is_no_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*, standalone_mode: bool) -> None:
        raise RuntimeError("shapes do not match")

    monkeypatch.setattr(cli, "command", fail)
    with pytest.raises(RuntimeError, match="shapes do not match"):
        cli.main()


class Step:
    """A step of the pipeline in this process: its exit status and what it said as an error."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._told, self._patched, self._captured = folder / "task.json", monkeypatch, capsys

    def __call__(self, *arguments: object, task: Preprocess | Train) -> tuple[int, str]:
        self._told.write_text(json.dumps(to_json(task)), encoding="utf-8")
        self._patched.setattr("sys.argv", ["rprloc", "step", *map(str, arguments), "--task", str(self._told)])
        status: object = 0
        try:
            cli.main()
        except SystemExit as end:
            status = end.code
        assert isinstance(status, int)
        return status, self._captured.readouterr().err


@pytest.fixture
def step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Step:
    return Step(tmp_path, monkeypatch, capsys)


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """The folder of a scan of 13 MB whose middle is body."""
    values = np.full((150, 200, 220), -1000, dtype=np.int16)
    values[20:130, 30:170, 30:190] = np.random.default_rng(0).integers(-100, 100, (110, 140, 160))
    (tmp_path / "image").mkdir()
    sitk.WriteImage(sitk.GetImageFromArray(values), tmp_path / "image" / "a.nii.gz", compressionLevel=1)
    return tmp_path / "image"


TARGET = Target(modality="ct", spacing=(1, 1, 1), structures=None)
SCAN = Preprocess(id="c@s", cohort="c", subject="s", image="a.nii.gz", target=TARGET)


def test_a_scan_on_a_full_disk_is_not_set_aside_but_ends_the_run(image: Path, step: Step) -> None:
    with small_disk(image.parent / "disk", size=1 << 20) as disk:
        status, said = step("preprocess", "--image", image, "--label", "none", "--folder", disk.path, task=SCAN)
        path = disk.path / "c@s" / "s.nii.gz"
        assert said.splitlines()[-1] == f"rprloc: {path}: found 'No space left on device', expected {NO_ROOM}"
        assert (status, names(disk.path / "c@s")) == (74, [])


# As much as the process has when its libraries are loaded, OpenBLAS with its buffer, and some megabytes.
LITTLE_MEMORY = """
import resource
import numpy
import SimpleITK
import rprloc.scans.preprocess
numpy.ones((200, 200)) @ numpy.ones((200, 200))
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + {megabytes} * 2**20,) * 2)
"""


@pytest.mark.parametrize("megabytes", [5, 25, 60])
def test_a_scan_without_memory_is_not_set_aside_but_tried_again(image: Path, megabytes: int) -> None:
    before = LITTLE_MEMORY.format(megabytes=megabytes)
    folder = image.parent / "out"
    arguments = ["step", "preprocess", "--image", str(image), "--label", "none", "--folder", str(folder)]
    done = subprocess.run(
        [sys.executable, "-c", f"{before}\nfrom rprloc.cli import main\nmain()", *arguments],
        input=json.dumps(to_json(SCAN)), capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    status, said = done.returncode, done.stderr
    assert "Traceback" not in said
    assert said.splitlines()[-1].startswith("rprloc: the memory did not suffice (")
    assert said.endswith(f"); {NO_MEMORY}\n")
    assert status == 137
    assert not list(folder.rglob("*.*"))


def trained(step: Step, folder: Path, task: Train) -> tuple[int, str]:
    """Train from the scans beside a folder; the network goes into the folder."""
    where = ("--scans", folder.parent / "scans", "--models", "none", "--folder", folder)
    return step("train", *where, "--device", "cpu", task=task)


def test_a_training_whose_state_has_no_room_keeps_the_last_one_and_goes_on_from_it(
    tmp_path: Path, step: Step, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its state is written after each step."""
    monkeypatch.setattr(state_module, "SAVE_SECONDS", 0.0)
    monkeypatch.setattr(position, "_VALIDATION_GROUPS", 1)
    rate = Length.learning_rate_at

    def stopped(length: Length, number: int) -> float:
        """The rate, and a signal to end before step 10."""
        if number == 10:
            signal.raise_signal(signal.SIGTERM)
        return rate(length, number)

    scan = write_scan(tmp_path / "scans", 1)
    undisturbed, disturbed = tmp_path / "undisturbed", tmp_path / "disturbed"

    def task(checkpoints: Path) -> Train:
        length = Length(steps=30, groups=1, patches=2)
        return task_for("coarse", training=[scan], length=length, checkpoints=str(checkpoints))

    assert trained(step, undisturbed, task(undisturbed)) == (0, "")
    with small_disk(tmp_path / "disk", size=1 << 22) as disk:
        with monkeypatch.context() as patched:
            patched.setattr(Length, "learning_rate_at", stopped)
            assert trained(step, disturbed, task(disk.path))[0] == 143
        (state,) = disk.path.glob("*.safetensors")
        filler = disk.fill()
        before, kept = names(disk.path), state.read_bytes()
        status, said = trained(step, disturbed, task(disk.path))
        assert said == f"rprloc: {state}: found 'No space left on device', expected {NO_ROOM}\n"
        assert (status, names(disk.path), state.read_bytes()) == (74, before, kept)
        filler.unlink()
        assert trained(step, disturbed, task(disk.path)) == (0, "")
        assert "goes on from step 11 of 30" in state.with_suffix(".log").read_text(encoding="utf-8")
    models = [folder / "c" / "coarse.safetensors" for folder in (undisturbed, disturbed)]
    found, expected = (read_model(path).network.state_dict() for path in models)
    assert all(torch.equal(found[name], expected[name]) for name in expected)


def test_a_network_without_a_label_to_learn_from_leaves_nothing_and_ends_well(tmp_path: Path, step: Step) -> None:
    scan = write_labelled(tmp_path / "scans", 1, labelled=())
    task = task_for("retina_unet", training=[scan], checkpoints=str(tmp_path / "states"))
    assert trained(step, tmp_path / "out", task) == (0, "")
    assert not list((tmp_path / "out").iterdir())
