"""Processes that are killed: the run goes on, or the next one does, and ends as an undisturbed one."""

from __future__ import annotations

import os
import signal
import time

import pytest

from tests.faults.undisturbed import assert_as_undisturbed, prepared
from tests.runs import Run, pids_in, run_well, started, wait_until

STEPS = ("names", "check", "preprocess", "train", "localize", "evaluate", "tabulate", "report")


@pytest.mark.long
def test_a_run_outlives_the_death_of_any_of_its_processes(full: Run) -> None:
    """Each step's Python is killed once, as for too much memory, and then asked to end; the third attempt is let be."""
    folder, arguments = prepared(full, "deaths in a run")
    left = {step: [signal.SIGKILL, signal.SIGTERM] for step in STEPS}
    with started(folder, *arguments) as nextflow:
        while nextflow.poll() is None:
            for step, signals in left.items():
                numbers = pids_in(folder, "step", step) if signals else []
                if numbers:
                    os.kill(numbers[0], signals.pop(0))
                    wait_until(lambda: numbers[0] not in pids_in(folder, "step"), seconds=60, what="the death")  # noqa: B023
            time.sleep(0.01)
        assert nextflow.returncode == 0, (folder / "output.txt").read_text()
    assert not any(left.values())
    output = (folder / "output.txt").read_text()
    assert output.count("(137) -- Execution is retried") == len(STEPS)
    assert_as_undisturbed(Run(0, output, folder, folder / "results"), full)


@pytest.mark.long
def test_a_run_whose_engine_is_killed_at_every_step_goes_on(full: Run) -> None:
    """Killed at one step, asked to end at the next."""
    folder, arguments = prepared(full, "deaths of a run")
    for number, step in enumerate(STEPS):
        with started(folder, *arguments, "-resume") as nextflow:
            wait_until(lambda: pids_in(folder, "step", step), seconds=300, what=step)  # noqa: B023
            assert nextflow.poll() is None
            nextflow.send_signal((signal.SIGKILL, signal.SIGTERM)[number % 2])
            assert nextflow.wait(60) != 0
    done = run_well(folder, *arguments, "-resume")
    assert done.tasks("CACHED")["PREPROCESS"] == 17
    assert_as_undisturbed(done, full)
