"""Processes that are killed: the run goes on, or the next one does, and ends as an undisturbed one."""

from __future__ import annotations

import os
import signal
import time

import pytest

from tests.faults.undisturbed import assert_as_undisturbed, prepared
from tests.runs import Run, pids_in, run_well, started, wait_until

STEPS = ("check", "preprocess", "train", "localize", "evaluate", "tabulate", "report")


def test_a_training_and_its_run_that_are_stopped_and_killed_go_on(full: Run) -> None:
    folder, arguments = prepared(full, "killed run", without="coarse")
    checkpoints = folder / ".rprloc" / "checkpoints"

    def said(words: str) -> bool:
        return any(words in log.read_text() for log in checkpoints.glob("phantom.coarse.*.log"))

    with started(folder, *arguments) as nextflow:
        # As a scheduler does that takes the machine back: the task ends with 143 and is tried again.
        wait_until(lambda: said("training on 12 scans"), seconds=300, what="the training")
        wait_until(lambda: said("\nstep "), seconds=300, what="the training's first steps")
        for number in pids_in(folder, "train", "coarse"):
            os.kill(number, signal.SIGTERM)
        wait_until(lambda: said("goes on from step"), seconds=300, what="the second attempt")
        assert nextflow.poll() is None
        nextflow.kill()
        for number in pids_in(folder, "train", "coarse"):
            os.kill(number, signal.SIGKILL)
    output = (folder / "output.txt").read_text()
    assert "terminated with an error exit status (143) -- Execution is retried (1)" in output

    done = run_well(folder, *arguments, "-resume")
    assert done.tasks("CACHED")["PREPROCESS"] == 17
    (log,) = checkpoints.glob("phantom.coarse.*.log")
    assert log.read_text().count("training on 12 scans") == 3
    assert log.read_text().count("goes on from step") == 2
    assert_as_undisturbed(done, full)


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
