"""What a training needs to go on: whole files, one writer, signals."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from torch import nn

from rprloc.errors import InputError
from rprloc.files import whole_file
from rprloc.networks.training_record import CurvePoint
from rprloc.training.state import TrainingState, at_work, one_writer

POINT = CurvePoint(
    step=4, steps=9, loss=0.1, error="error_mm", train=2.0, validation=3.0, learning_rate=1e-3, seconds=1.5
)


def stepped(steps: int) -> tuple[nn.Module, torch.optim.Optimizer]:
    """Return a small network and its optimiser after some steps."""
    torch.manual_seed(0)
    network = nn.Linear(3, 2)
    optimiser = torch.optim.Adam(network.parameters(), fused=True)
    for _ in range(steps):
        optimiser.zero_grad()
        network(torch.ones(1, 3)).sum().backward()
        optimiser.step()
    return network, optimiser


def test_a_state_is_restored_bit_by_bit(tmp_path: Path) -> None:
    network, optimiser = stepped(4)
    state = TrainingState(tmp_path / "new" / "a.safetensors")
    state.history.append(POINT)
    state.losses, state.errors = [torch.tensor(0.1), torch.tensor(0.3)], [torch.tensor(2.5)]
    state.save(4, network, optimiser, 12.25)
    again = TrainingState(tmp_path / "new" / "a.safetensors")
    other, its_optimiser = stepped(0)
    assert again.restore(other, its_optimiser) == 4
    assert again.history == [POINT] and again.seconds == pytest.approx(12.25, abs=0.06)
    assert torch.equal(torch.stack(again.losses), torch.tensor([0.1, 0.3])) and again.errors == [torch.tensor(2.5)]
    assert all(torch.equal(a, b) for a, b in zip(network.parameters(), other.parameters(), strict=True))
    for number, moments in optimiser.state_dict()["state"].items():
        for name, tensor in moments.items():
            found = its_optimiser.state_dict()["state"][number][name]
            assert torch.equal(found, tensor) and found.dtype == tensor.dtype, name
    assert os.listdir(tmp_path / "new") == ["a.safetensors"]  # noqa: PTH208


def test_without_a_file_the_training_begins_at_the_start(tmp_path: Path) -> None:
    assert TrainingState(None).restore(*stepped(0)) == 0
    assert TrainingState(tmp_path / "none").restore(*stepped(0)) == 0
    TrainingState(None).save(3, *stepped(3), 1.0)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("part", [0.0, 0.3, 0.99])
def test_a_broken_state_is_a_clear_error(tmp_path: Path, part: float) -> None:
    path = tmp_path / "state.safetensors"
    TrainingState(path).save(3, *stepped(3), 1.0)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(part * len(whole))])
    with pytest.raises(InputError) as caught:
        TrainingState(path).restore(*stepped(0))
    assert str(caught.value).startswith(f"{path}: expected a model file of rprloc (safetensors), found: ")
    assert str(caught.value).endswith("; delete this file and start the run again with -resume.")


def test_a_state_is_written_when_a_minute_has_passed_or_a_signal_came(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.safetensors"
    state = TrainingState(path)
    state.save_when_due(1, *stepped(1), 1.0)
    assert not path.exists()
    monkeypatch.setattr("rprloc.training.state.SAVE_SECONDS", 0.0)
    state.save_when_due(1, *stepped(1), 1.0)
    assert path.exists()
    path.unlink()
    monkeypatch.undo()
    state.interrupted = True
    state.save_when_due(1, *stepped(1), 1.0)
    assert path.exists()


def test_the_time_of_earlier_starts_adds_up(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    for expected in (5.0, 10.0):
        state = TrainingState(path)
        state.restore(*stepped(0))
        state.save(1, *stepped(1), 5.0)
        again = TrainingState(path)
        again.restore(*stepped(0))
        assert again.seconds == expected


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2])
def test_a_signal_asks_the_training_to_stop_and_the_old_handler_comes_back(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    state = TrainingState(None)
    with state.stop_on_signal():
        assert not state.interrupted
        os.kill(os.getpid(), number)
        time.sleep(0.01)
        assert state.interrupted
    assert signal.getsignal(number) is before


def test_whoever_asked_a_training_to_stop_can_wait_for_its_lock(tmp_path: Path) -> None:
    path = tmp_path / ".training"
    with at_work(path), path.open() as other, pytest.raises(BlockingIOError):
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
    assert not path.exists()


HOLDER = """
import fcntl, sys, time
stream = open(sys.argv[1], "w")
fcntl.flock(stream, fcntl.LOCK_EX)
print("locked", flush=True)
time.sleep(float(sys.argv[2]))
"""


def test_a_second_run_of_the_same_training_waits_for_the_first(tmp_path: Path) -> None:
    path, logged = tmp_path / "new" / "a.safetensors", []
    with one_writer(path, logged.append):
        lock = path.with_suffix(".lock")
        assert lock.exists() and logged == []
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(lock), "0.6"], stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None and holder.stdout.readline() == "locked\n"
        begin = time.monotonic()
        with one_writer(path, logged.append):
            waited = time.monotonic() - begin
    assert waited > 0.3
    assert logged == ["another run trains this very network: waiting for its result"]


def test_the_lock_of_a_killed_run_is_free(tmp_path: Path) -> None:
    path, logged = tmp_path / "a.safetensors", []
    lock = path.with_suffix(".lock")
    with subprocess.Popen([sys.executable, "-c", HOLDER, str(lock), "60"], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None and holder.stdout.readline() == "locked\n"
        holder.kill()
        holder.wait()
        with one_writer(path, logged.append):
            assert logged == []


def test_the_half_written_file_of_a_killed_run_is_removed(tmp_path: Path) -> None:
    path, other = tmp_path / "a.b[1].safetensors", tmp_path / "a.b1.safetensors"
    with pytest.raises(KeyError), whole_file(other) as theirs, whole_file(path) as ours:
        left = [shutil.copy(part, part.with_name(f"{part.name}.copy")) for part in (theirs, ours)]
        raise KeyError
    assert sorted(left) == sorted(tmp_path.iterdir())
    with one_writer(path, lambda _line: None):
        assert list(tmp_path.glob(".part-*")) == left[:1]


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP])
def test_a_file_system_without_locks_is_told_and_trained_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", refuse)
    logged: list[str] = []
    with one_writer(tmp_path / "a.safetensors", logged.append):
        pass
    expected = f"{tmp_path} knows no locks: let no other run train this very network at the same time"
    assert logged == [expected]


def test_a_lock_that_fails_otherwise_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(fcntl, "flock", fail)
    with pytest.raises(OSError, match=os.strerror(errno.EIO)), one_writer(tmp_path / "a", print):
        pass
