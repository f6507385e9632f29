"""One real Slurm for all tests of a cluster, and sheets of scans that stubs take for real ones."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from rprloc.importers.phantom import write_phantom
from tests.cluster.servers import served
from tests.cluster.slurm import FITTING, Slurm, missing, slurm
from tests.runs import Run, run

SHEET = (
    "subject,image,label,split\na,a.nii.gz,,train\nb,b.nii.gz,a.nii.gz,validation\nc,c.nii.gz,,test\nd,d.nii.gz,,test\n"
)


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slurm]:
    """Two nodes of two processors, 8 GB and a GPU that does not work each, in a partition of an hour at most."""
    with served(missing(), slurm(tmp_path_factory.mktemp("slurm")), "SLURM_CONF") as started:
        yield started


@pytest.fixture(scope="session")
def accounts(cluster: Slurm) -> Slurm:
    """The same with its accounts; without Debian's packages for these their tests are skipped, by name of what is
    missing, and all others run.
    """
    if cluster.unaccounted:
        pytest.skip(cluster.unaccounted)
    return cluster


@pytest.fixture(scope="session")
def computed(cluster: Slurm, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run that finds something, with GPUs that do not work: tasks that ended well and two that did not."""
    folder = tmp_path_factory.mktemp("computed")
    write_phantom(folder / "phantom", n_train=1, n_validation=1, n_test=1)
    asked = ("--input", "phantom/samples.csv", *FITTING, "--methods", "grey_mse", "--template_stride", "4")
    return run(folder, "-profile", "gpu,slurm,test", *asked)


@pytest.fixture
def sheet(tmp_path: Path) -> Path:
    """A sheet of four scans without content."""
    for name in "abcd":
        (tmp_path / f"{name}.nii.gz").touch()
    (tmp_path / "samples.csv").write_text(SHEET, encoding="utf-8")
    return tmp_path / "samples.csv"
