"""A run that is first asked to stop and then killed goes on, and ends as an undisturbed one."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from rprloc.networks.checkpoint import read_tensors
from tests.pipeline.conftest import PROFILE
from tests.pipeline.runs import Run, pids_in, run_well, started, wait_until


def test_a_killed_run_ends_as_an_undisturbed_one(place: Path, full: Run) -> None:
    folder = place / "killed run"
    checkpoints = folder / ".rprloc" / "checkpoints"
    # The fine training is over already, which spares time; the coarse one has to start.
    shutil.copytree(full.folder / ".rprloc", folder / ".rprloc", ignore=shutil.ignore_patterns("*.coarse.*"))
    sheet = place / "killed.csv"
    profile = (*PROFILE[:3], first_sheet(sheet, place / "phantom cohort"))

    def said(words: str) -> bool:
        return any(words in log.read_text() for log in checkpoints.glob("phantom.coarse.*.log"))

    with started(folder, *profile) as nextflow:
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

    done = run_well(folder, *profile, "-resume")
    assert done.tasks("CACHED")["PREPROCESS"] == 17
    (log,) = checkpoints.glob("phantom.coarse.*.log")
    assert log.read_text().count("training on 12 scans") == 3
    assert log.read_text().count("goes on from step") == 2
    assert tensors(done) == tensors(full)
    pd.testing.assert_frame_equal(done.metrics(), full.metrics(), check_exact=True)


def first_sheet(path: Path, cohort: Path) -> Path:
    """The full run's sheet; a later run has added a query to it in its place."""
    lines = (cohort / "late.csv").read_text().replace("images/", f"{cohort}/images/").splitlines(keepends=True)
    path.write_text("".join(lines[:-1]).replace("labels/", f"{cohort}/labels/"))
    return path


def tensors(run: Run) -> dict[str, Any]:
    """Every tensor of both models as bytes."""
    found: dict[str, Any] = {}
    for stage in ("coarse", "fine"):
        values, _ = read_tensors(run.results / "models" / "phantom" / f"{stage}.safetensors")
        found |= {
            f"{stage}.{name}": value.contiguous().view(torch.uint8).numpy().tobytes() for name, value in values.items()
        }
    return found
