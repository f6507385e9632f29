"""What a training needs to go on after a kill, in one file that is written every minute."""

from __future__ import annotations

import errno
import fcntl
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

import torch
from torch import Tensor, nn

from rprloc.errors import InputError
from rprloc.files import remove_parts
from rprloc.networks.checkpoint import read_tensors, write_tensors
from rprloc.networks.training_record import CurvePoint
from rprloc.training.optimiser import Optimiser

SAVE_SECONDS = 60.0


ASKING = (signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)
"""What schedulers send before they kill."""


class Interrupted(RuntimeError):
    """A signal asked the training to stop; its state is saved."""


class TrainingState:
    """A training's weights, optimiser, step, curve and time, kept in a file named by the hash of all it depends on."""

    def __init__(self, path: Path | None) -> None:
        """Take the file to keep the state in, or None to keep none."""
        self.path = path
        self.history: list[CurvePoint] = []
        self.seconds = 0.0
        """Training time before this start."""
        self.interrupted = False
        self.losses: list[Tensor] = []
        """Of the steps since the last point of the curve."""
        self.errors: list[Tensor] = []
        self._saved = time.monotonic()

    def restore(self, network: nn.Module, optimiser: Optimiser) -> int:
        """Fill the network and its optimiser from the file, where there is one; return the step to go on from.

        Raises InputError where the file is not whole, which a kill cannot cause.
        """
        if self.path is None or not self.path.exists():
            return 0
        try:
            tensors, header = read_tensors(self.path)
        except InputError as error:
            what = str(error).removeprefix(f"{self.path.name}: ").rstrip(".")
            raise InputError(f"{self.path}: {what}; delete this file and start the run again with -resume.") from error
        network.load_state_dict({name[6:]: tensor for name, tensor in tensors.items() if name.startswith("model.")})
        moments: dict[int, dict[str, Tensor]] = {}
        for name, tensor in tensors.items():
            if name.startswith("adam."):
                _, number, moment = name.split(".")
                moments.setdefault(int(number), {})[moment] = tensor
        optimiser.load_state_dict({"state": moments, "param_groups": optimiser.state_dict()["param_groups"]})
        self.history = [CurvePoint.from_json(point) for point in header["history"]]
        self.seconds = float(header["seconds"])
        self.losses, self.errors = (list(tensors.get(f"curve.{name}", ())) for name in ("losses", "errors"))
        return int(header["step"])

    def save(self, step: int, network: nn.Module, optimiser: Optimiser, seconds: float) -> None:
        """Write the state after `step` steps and `seconds` of this start."""
        if self.path is None:
            return
        tensors = {f"model.{name}": tensor for name, tensor in network.state_dict().items()}
        for number, moments in optimiser.state_dict()["state"].items():
            tensors |= {f"adam.{number}.{name}": tensor for name, tensor in moments.items()}
        since = {"losses": self.losses, "errors": self.errors}
        tensors |= {f"curve.{name}": torch.stack(values).float() for name, values in since.items() if values}
        history = [point.to_json() for point in self.history]
        header = {"step": step, "history": history, "seconds": round(self.seconds + seconds, 1)}
        write_tensors(self.path, tensors, header)
        self._saved = time.monotonic()

    def save_when_due(self, step: int, network: nn.Module, optimiser: Optimiser, seconds: float) -> None:
        """Write the state if a minute has passed since the last time or a signal asked to stop."""
        if self.interrupted or time.monotonic() - self._saved >= SAVE_SECONDS:
            self.save(step, network, optimiser, seconds)

    @contextmanager
    def stop_on_signal(self) -> Iterator[None]:
        """Let a signal that schedulers send before they kill end the training after its present step."""

        def stop(_number: int, _frame: FrameType | None) -> None:
            self.interrupted = True

        before = {number: signal.signal(number, stop) for number in ASKING}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


@contextmanager
def at_work(path: Path) -> Iterator[None]:
    """Hold a lock file for as long as the process writes: whoever asked it to stop can wait for its end (afterScript of
    modules/train). Without it on a file system that knows no locks.
    """
    with path.open("w") as stream:
        with suppress(OSError):
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


@contextmanager
def one_writer(path: Path, log: Callable[[str], None]) -> Iterator[None]:
    """Hold a lock file beside `path` so that two runs never train the same network at once; the second one waits.

    The operating system frees the lock of a killed process, whose half-written file is removed.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_suffix(".lock").open("w") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            log("another run trains this very network: waiting for its result")
            fcntl.flock(stream, fcntl.LOCK_EX)
        except OSError as error:
            if error.errno not in (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP):
                raise
            log(f"{path.parent} knows no locks: let no other run train this very network at the same time")
        else:
            remove_parts(path)
        yield
