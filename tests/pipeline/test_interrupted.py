"""A run beside which another one is started, and which is then stopped and killed, goes on and ends as undisturbed."""

from __future__ import annotations

import os
import re
import signal
import time

from tests.faults.undisturbed import assert_as_undisturbed, prepared
from tests.runs import PROFILE, Run, pids_in, run, run_well, started, wait_until


def test_a_run_that_is_stopped_and_killed_goes_on_and_a_second_one_beside_it_is_refused(full: Run) -> None:
    folder, arguments = prepared(full, "killed run", without="coarse")
    checkpoints = folder / ".rprloc" / "checkpoints"

    def said(words: str) -> bool:
        return any(words in log.read_text() for log in checkpoints.glob("phantom.coarse.*.log"))

    with started(folder, *arguments, parser="v2") as first:
        lock = folder / "results" / "pipeline_info" / "run.lock"
        wait_until(lambda: lock.exists() and "since" in lock.read_text(), seconds=300, what="the run's lock")
        trace = folder / "results" / "pipeline_info" / "execution_trace.txt"
        wait_until(lambda: trace.exists() and "NAMES" in trace.read_text(), seconds=300, what="the first task")
        before = trace.read_text()
        # From a folder of its own: the last run of a folder is the one that -resume goes on with.
        asked = (*PROFILE, "--input", "../killed run/samples.csv", "--outdir", "../killed run/results")
        second = run(folder.parent / "second run", *asked, parser="v2")
        assert trace.read_text().startswith(before)
        assert first.poll() is None
        assert second.status == 1
        (message,) = second.messages
        words = r"\.\./killed run/results: found run \w+ \(process \d+ on .+, since 20.+\) at work there, expected .+"
        assert re.fullmatch(words, message)
        assert message.endswith("that no other run writes to; wait for its end or name another one with --outdir.")
        # As a scheduler does that takes the machine back: the task ends with 143 and is tried again.
        wait_until(lambda: said("training on 12 scans"), seconds=300, what="the training")
        time.sleep(2)  # some steps: they are said every ten seconds only
        (training,) = pids_in(folder, "train", told='"network":"coarse"')
        os.kill(training, signal.SIGTERM)
        wait_until(lambda: said("goes on from step"), seconds=300, what="the second attempt")
        assert first.poll() is None
        first.kill()
        for number in pids_in(folder, "train", told='"network":"coarse"'):
            os.kill(number, signal.SIGKILL)
    output = (folder / "output.txt").read_text()
    assert "terminated with an error exit status (143) -- Execution is retried (1)" in output

    done = run_well(folder, *arguments, "-resume", parser="v2")
    assert done.tasks("CACHED")["PREPROCESS"] == 17
    (log,) = checkpoints.glob("phantom.coarse.*.log")
    assert log.read_text().count("training on 12 scans") == 3
    assert log.read_text().count("goes on from step") == 2
    assert_as_undisturbed(done, full)
