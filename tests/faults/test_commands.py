"""A command that fails for no fault of its input: one sentence, no traceback, and the exit status for the pipeline."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
import torch

from rprloc import cli
from rprloc.errors import InputError
from rprloc.networks.checkpoint import read_model
from rprloc.training.state import Interrupted
from tests.faults.disk import names, small_disk
from tests.training.labelled import COHORT as LABELLED
from tests.training.labelled import write_labelled
from tests.training.scans import COHORT, write_scan

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


def step(*arguments: object, values: object, before: str = "") -> tuple[int, str]:
    """Run a step of the pipeline in a process of its own; return its exit status and what it said as an error."""
    code = f"{before}\nfrom rprloc.cli import main\nmain()"
    done = subprocess.run(
        [sys.executable, "-c", code, "step", *map(str, arguments)],
        input=json.dumps(values), capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    return done.returncode, done.stderr


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """The folder of a scan of 13 MB whose middle is body."""
    values = np.full((150, 200, 220), -1000, dtype=np.int16)
    values[20:130, 30:170, 30:190] = np.random.default_rng(0).integers(-100, 100, (110, 140, 160))
    (tmp_path / "image").mkdir()
    sitk.WriteImage(sitk.GetImageFromArray(values), tmp_path / "image" / "a.nii.gz", compressionLevel=1)
    return tmp_path / "image"


PREPROCESS = ("preprocess", "--cohort", "c", "--subject", "s", "--label", "none")
SETTINGS = {"modality": "ct", "spacing": [1, 1, 1], "patch": [48, 48, 48], "structures": None}


def test_a_scan_on_a_full_disk_is_not_set_aside_but_ends_the_run(image: Path) -> None:
    with small_disk(image.parent / "disk", size=1 << 20) as disk:
        status, said = step(*PREPROCESS, "--image", image, "--folder", disk.path, values=SETTINGS)
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
    status, said = step(*PREPROCESS, "--image", image, "--folder", folder, values=SETTINGS, before=before)
    assert "Traceback" not in said
    assert said.splitlines()[-1].startswith("rprloc: the memory did not suffice (")
    assert said.endswith(f"); {NO_MEMORY}\n")
    assert status == 137
    assert not list(folder.rglob("*.*"))


# A training of 30 steps whose state is written after each, and is asked to stop before the given step.
SHORT_TRAINING = """
import os, signal
import rprloc.training.position as position
import rprloc.training.state as state
from rprloc.training.plan import PLANS, TrainingPlan
state.SAVE_SECONDS = 0.0
PLANS["demo"] = TrainingPlan(steps=30, groups=1, patches=2)
position._VALIDATION_GROUPS = 1
rate = TrainingPlan.learning_rate_at
def learning_rate_at(plan, step):
    if step == {stop}:
        os.kill(os.getpid(), signal.SIGTERM)
    return rate(plan, step)
TrainingPlan.learning_rate_at = learning_rate_at
"""


def test_a_training_whose_state_has_no_room_keeps_the_last_one_and_goes_on_from_it(tmp_path: Path) -> None:
    write_scan(tmp_path / "scans", 1)

    def train(checkpoints: Path, stop: int = -1) -> tuple[int, str]:
        arguments = ["--cohort", "c", "--stage", "coarse", "--scans", tmp_path / "scans", "--validation", "none"]
        arguments += ["--training", "demo", "--threads", 1, "--folder", tmp_path / checkpoints.name]
        values = {"settings": COHORT, "checkpoints": str(checkpoints)}
        return step("train", *arguments, values=values, before=SHORT_TRAINING.format(stop=stop))

    assert train(tmp_path / "undisturbed") == (0, "")
    with small_disk(tmp_path / "disk", size=1 << 22) as disk:
        assert train(disk.path, stop=10)[0] == 143
        (state,) = disk.path.glob("*.safetensors")
        filler = disk.fill()
        before, kept = names(disk.path), state.read_bytes()
        status, said = train(disk.path)
        assert said == f"rprloc: {state}: found 'No space left on device', expected {NO_ROOM}\n"
        assert (status, names(disk.path), state.read_bytes()) == (74, before, kept)
        filler.unlink()
        assert train(disk.path) == (0, "")
        assert "goes on from step 11 of 30" in state.with_suffix(".log").read_text(encoding="utf-8")
    models = [tmp_path / name / "c" / "coarse.safetensors" for name in ("undisturbed", "disk")]
    found, expected = (read_model(path).network.state_dict() for path in models)
    assert all(torch.equal(found[name], expected[name]) for name in expected)


def test_a_network_without_a_label_to_learn_from_leaves_nothing_and_ends_well(tmp_path: Path) -> None:
    write_labelled(tmp_path / "scans", 1, labelled=())
    arguments = ["--cohort", "c", "--stage", "retina_unet", "--scans", tmp_path / "scans", "--validation", "none"]
    arguments += ["--training", "demo", "--threads", 1, "--folder", tmp_path / "out"]
    values = {"settings": LABELLED, "checkpoints": str(tmp_path / "states")}
    assert step("train", *arguments, values=values) == (0, "")
    assert not list((tmp_path / "out").iterdir())
