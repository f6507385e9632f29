"""What the tests of faults in whole runs share: where they start from, and the run that they must end as."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from rprloc.networks.checkpoint import read_tensors
from tests.runs import Run, arguments


def prepared(full: Run, name: str, *, without: str = "nothing") -> tuple[Path, tuple[str, ...]]:
    """Return a new folder to run in and the arguments of a run there that is to answer as the full one.

    The folder has the states of the trainings that are over, which spares time, but for the network `without`. The
    sheet is the full run's; a later run has added a query to it in its place.
    """
    place = full.folder.parent
    folder, cohort = place / name, place / "phantom cohort"
    shutil.copytree(full.folder / ".rprloc", folder / ".rprloc", ignore=shutil.ignore_patterns(f"*.{without}.*"))
    lines = (cohort / "late.csv").read_text().splitlines(keepends=True)
    (folder / "samples.csv").write_text("".join(lines[:-1]).replace("images/", "../phantom cohort/images/").replace(
        "labels/", "../phantom cohort/labels/"))  # fmt: skip
    return folder, arguments("samples.csv")


def assert_as_undisturbed(done: Run, full: Run) -> None:
    """Compare a run's weights bit by bit and its metrics, all but the times, with the full run's."""
    assert tensors(done) == tensors(full)
    pd.testing.assert_frame_equal(done.metrics(), full.metrics(), check_exact=True)


def tensors(run: Run) -> dict[str, Any]:
    """Every tensor of both models as bytes."""
    found: dict[str, Any] = {}
    for network in ("coarse", "fine"):
        values, _ = read_tensors(run.results / "models" / "phantom" / f"{network}.safetensors")
        for name, value in values.items():
            found[f"{network}.{name}"] = value.contiguous().view(torch.uint8).numpy().tobytes()
    return found
