"""What all tests share."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, settings

from rprloc.importers.phantom import write_phantom
from tests.runs import PROFILE, Run, run_well

# Two threads that wait for each other on busy cores take many times as long as one.
torch.set_num_threads(1)

# The same examples in every run; a busy machine is no fault of the code.
settings.register_profile("rprloc", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("rprloc")


@pytest.fixture(scope="session", autouse=True)
def _no_waiting_for_the_disk() -> Iterator[None]:
    """No test needs its files after a power cut, and waiting for that is half the time of a small scan's step."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("os.fsync", lambda handle: None)
        yield


# One generated cohort and one full run of it, which most tests of Nextflow look at; every path has a space.


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of all runs."""
    return tmp_path_factory.mktemp("all runs")


@pytest.fixture(scope="session")
def phantom(place: Path) -> Path:
    """The cohort: 12 scans to train on, 2 supports, 4 queries; the sheet lacks the last query, `late.csv` has it."""
    sheet = write_phantom(place / "phantom cohort", n_test=4)
    lines = sheet.read_text().splitlines(keepends=True)
    sheet.rename(sheet.with_name("late.csv"))
    sheet.write_text("".join(lines[:-1]))
    return sheet.parent


@pytest.fixture(scope="session")
def full(place: Path, phantom: Path) -> Run:
    """Profile test, undisturbed; its results are a copy, because later runs in its folder replace them."""
    done = run_well(place / "full run", *PROFILE)
    copy = shutil.copytree(done.results, place / "full results")
    return replace(done, results=copy)
