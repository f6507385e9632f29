"""What the tests of the GPU do without: SimpleITK, whose files its machine may not be able to read or write."""

from __future__ import annotations

import importlib
import sys
import warnings
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from rprloc.scans.scan import Scan
from rprloc.scans.target import subject_of


@pytest.fixture
def plain_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let volumes be files of NumPy."""
    # MONAI, which it needs, may be missing, and warns.
    with suppress(ModuleNotFoundError), warnings.catch_warnings(action="ignore"):
        importlib.import_module("rprloc.training.detection")
    for name, module in list(sys.modules.items()):
        if name.startswith(("rprloc.", "tests.")):
            for function, stand_in in (("write_volume", _write), ("read_model_volume", _read)):
                if function in vars(module):
                    monkeypatch.setattr(module, function, stand_in)


@pytest.fixture
def folders(monkeypatch: pytest.MonkeyPatch) -> dict[str, Scan]:
    """Let scans be read from this dictionary, by the subjects of their folders."""
    scans: dict[str, Scan] = {}
    monkeypatch.setattr(Scan, "read", classmethod(lambda _cls, folder: scans[subject_of(folder)]))
    return scans


def _write(path: Path, values: NDArray[np.generic], _grid: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as stream:
        np.save(stream, values)


def _read(path: Path) -> NDArray[np.int16]:
    return np.asarray(np.load(path), dtype=np.int16)
