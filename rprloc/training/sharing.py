"""A step's gradients by several processes, or in several parts: a GPU each, or as much at once as its memory holds.

A step's data are the same however they are shared (they depend on the seed and the step's number), and the gradients of
all shares add up to those of the whole, to rounding. So a training goes on with more or fewer processes than before.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import wait
from pathlib import Path
from typing import Protocol, TypeVar

import torch
from torch import Tensor, nn
from torch import distributed as dist

from rprloc.errors import DeviceError

T = TypeVar("T")

EXIT_LOST = 137
"""As if the memory had not sufficed, which is why most processes die: the pipeline starts the task again."""
_PATIENCE_SECONDS = 10.0


@dataclass(frozen=True)
class Share:
    """Every `of`-th of a step's groups, from one on."""

    index: int = 0
    of: int = 1

    def part(self, groups: Sequence[T]) -> list[T]:
        """Return those of a step's groups that belong to it."""
        return list(groups[self.index :: self.of])


WHOLE = Share()


class Learned(Protocol):
    """What is shared of an objective (`rprloc.training.objective`)."""

    network: nn.Module

    def loss(self, step: int, share: Share = WHOLE) -> tuple[Tensor, Tensor]:
        """Return what a share of a step's data adds to the loss and to the error."""


class Worker:
    """One process's part of the work on each step."""

    def __init__(self, groups: int, *, rank: int = 0, processes: int = 1) -> None:
        """Take the groups of a step, and which of how many processes this is."""
        self._groups, self._rank, self.processes = groups, rank, processes
        self.parts = 1
        """In how many parts this process computes its share, one after the other."""

    def gradients(self, objective: Learned, step: int) -> tuple[Tensor, Tensor]:
        """Leave the gradients of a whole step in the network; return the step's loss and error.

        Where the GPU's memory does not suffice, this and all later steps are computed in twice as many parts. Raises
        torch.OutOfMemoryError where a single group is too large.
        """
        while True:
            try:
                loss, error = self._own(objective, step)
                break
            except torch.OutOfMemoryError:
                if self.parts * self.processes >= self._groups:
                    raise
                self.parts *= 2
            # Out of the block: the exception holds what filled the memory.
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
        return (loss, error) if self.processes == 1 else _summed(objective.network, loss, error)

    def _own(self, objective: Learned, step: int) -> tuple[Tensor, Tensor]:
        """Leave the gradients of this process's share in the network; return what it adds to loss and error."""
        parameters = list(objective.network.parameters())
        for parameter in parameters:
            parameter.grad = None
        total = torch.zeros(2, device=parameters[0].device)
        for number in range(self._rank, self._groups, self.processes)[: self.parts]:
            loss, error = objective.loss(step, Share(number, self.processes * self.parts))
            loss.backward()
            total = total + torch.stack([loss.detach().float(), error.detach().float()])
        return total[0], total[1]


def _summed(network: nn.Module, loss: Tensor, error: Tensor) -> tuple[Tensor, Tensor]:
    """Add up the gradients, loss and error of all processes."""
    parameters = list(network.parameters())
    # One that has no gradient in any process is to have none afterwards: optimisers pass it over.
    has = torch.tensor([float(one.grad is not None) for one in parameters], device=loss.device)
    values = [torch.zeros_like(one) if one.grad is None else one.grad for one in parameters]
    flat = torch.cat([*(one.flatten().float() for one in values), has, torch.stack([loss, error])])
    try:
        dist.all_reduce(flat)
    except RuntimeError:
        # Another process has died, which ends this one in a moment (`_end_with`), with its own sentence.
        time.sleep(_PATIENCE_SECONDS)
        raise
    *parts, present, sums = flat.split([*(one.numel() for one in parameters), len(parameters), 2])
    for parameter, part, count in zip(parameters, parts, present.tolist(), strict=True):
        parameter.grad = part.view_as(parameter).to(parameter.dtype) if count else None
    return sums[0], sums[1]


def device_of_rank(device: torch.device, rank: int) -> torch.device:
    """Return the device of one of several processes."""
    return torch.device("cuda", rank) if device.type == "cuda" else device


@contextmanager
def sharing(processes: int, device: torch.device, help_as: Callable[[int, Path], None]) -> Iterator[None]:
    """Let other processes work on the block's steps as well; `help_as` is what each does, given its rank and where all
    meet: `multiprocessing` hands it to the processes that it starts, so no lambda. This process has the rank 0.

    Raises DeviceError where there are fewer GPUs than processes. A process that dies ends this one with EXIT_LOST.
    """
    if device.type == "cuda" and torch.cuda.device_count() < processes:
        raise DeviceError(f"--gpus: found {torch.cuda.device_count()} GPUs, expected {processes} (profile gpu asks).")
    if processes == 1:
        yield
        return
    with tempfile.TemporaryDirectory(prefix="rprloc-") as folder:
        place = Path(folder) / "meeting"
        context = multiprocessing.get_context("spawn")
        helpers = [context.Process(target=help_as, args=(rank, place), daemon=True) for rank in range(1, processes)]
        for helper in helpers:
            helper.start()
        ended = threading.Event()
        threading.Thread(target=_end_with, args=(helpers, ended), daemon=True).start()
        try:
            with joined(0, processes, place, device):
                yield
        finally:
            ended.set()
            for helper in helpers:
                helper.kill()
                helper.join()


@contextmanager
def joined(rank: int, processes: int, place: Path, device: torch.device) -> Iterator[None]:
    """Let the block's steps be shared with the other processes that meet at a place."""
    # All are on this machine, which may have no network.
    for name in ("GLOO_SOCKET_IFNAME", "NCCL_SOCKET_IFNAME"):
        os.environ.setdefault(name, "lo")
    if device.type == "cuda":
        torch.cuda.set_device(device_of_rank(device, rank))
    store = dist.FileStore(str(place), processes)  # type: ignore[attr-defined]
    backend = "nccl" if device.type == "cuda" else "gloo"
    dist.init_process_group(backend, store=store, rank=rank, world_size=processes)
    try:
        yield
    finally:
        dist.destroy_process_group()


def ignore_requests(requests: Sequence[signal.Signals]) -> None:
    """Leave it to the process of rank 0 to answer requests to stop, which a scheduler sends to all."""
    for request in requests:
        signal.signal(request, signal.SIG_IGN)


def _end_with(helpers: Sequence[multiprocessing.process.BaseProcess], ended: threading.Event) -> None:
    """End this process where another one dies, for which it would wait for ever."""
    wait([helper.sentinel for helper in helpers])
    time.sleep(1)
    died = [helper.exitcode for helper in helpers if helper.exitcode]
    if died and not ended.is_set():
        print(f"rprloc: a process that shared the training died with status {died[0]}.", file=sys.stderr, flush=True)
        os._exit(EXIT_LOST)
