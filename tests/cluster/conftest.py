"""One real Slurm for all tests of a cluster, and sheets of scans that stubs take for real ones."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.servers import served
from tests.cluster.slurm import Slurm, missing, slurm

SHEET = (
    "subject,image,label,split\na,a.nii.gz,,train\nb,b.nii.gz,a.nii.gz,validation\nc,c.nii.gz,,test\nd,d.nii.gz,,test\n"
)


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slurm]:
    """Two nodes of two processors, 8 GB and a GPU that does not work each, in a partition of an hour at most."""
    with served(missing(), slurm(tmp_path_factory.mktemp("slurm")), "SLURM_CONF") as started:
        yield started


@pytest.fixture
def sheet(tmp_path: Path) -> Path:
    """A sheet of four scans without content."""
    for name in "abcd":
        (tmp_path / f"{name}.nii.gz").touch()
    (tmp_path / "samples.csv").write_text(SHEET, encoding="utf-8")
    return tmp_path / "samples.csv"
