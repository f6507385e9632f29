"""What the servers that tests start have in common: what they need, how long one waits, and how they are found."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol, TypeVar

import pytest


class Server(Protocol):
    """A running server."""

    @property
    def environment(self) -> dict[str, str]:
        """Of its commands."""


S = TypeVar("S", bound=Server)


def lacking(commands: Sequence[str], packages: str, reason: str) -> str:
    """Return what is missing to start a server, commands of Debian's packages or root for a reason, or nothing."""
    absent = [name for name in commands if shutil.which(name) is None]
    if absent:
        return f"found no {', '.join(absent)}, expected Debian's packages {packages}"
    return "" if os.getuid() == 0 else f"expected root, who may {reason}"


def wait_for(answers: Callable[[], bool], name: str) -> None:
    """Wait five minutes at most until a server answers."""
    end = time.monotonic() + 300
    while time.monotonic() < end:
        if answers():
            return
        time.sleep(0.2)
    raise TimeoutError(f"{name} did not come up")


@contextmanager
def served(missing: str, server: AbstractContextManager[S], variable: str) -> Iterator[S]:
    """Start a server that commands find by an environment variable; skip with a sentence where something is missing."""
    if missing:
        pytest.skip(missing)
    with server as started, pytest.MonkeyPatch.context() as patched:
        patched.setenv(variable, started.environment[variable])
        yield started
