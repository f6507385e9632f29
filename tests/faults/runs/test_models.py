"""Weights whose fault only shows when they are read whole."""

from __future__ import annotations

import shutil

import pytest
import torch

from rprloc.networks.checkpoint import read_tensors, write_tensors
from tests.faults.undisturbed import prepared
from tests.runs import Run, run


@pytest.mark.long
def test_weights_that_are_no_numbers_end_the_run_with_a_sentence(full: Run) -> None:
    folder, arguments = prepared(full, "no weights")
    shutil.copytree(full.results / "models", folder / "models")
    path = folder / "models" / "phantom" / "fine.safetensors"
    tensors, header = read_tensors(path)
    name = min(tensors)
    write_tensors(path, tensors | {name: torch.full_like(tensors[name], torch.nan)}, header)
    done = run(folder, *arguments, "--weights", "models")
    assert done.status != 0
    assert "rprloc: fine.safetensors: " in done.output
    assert "Traceback" not in done.output
