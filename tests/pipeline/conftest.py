"""One generated cohort and one full run of it, which most tests of Nextflow look at; every path has a space.

With `-n 2` one process of pytest runs the tests that look at it and another one, beside it, all others.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import SimpleITK as sitk
from xdist.scheduler import LoadScopeScheduling

from rprloc.importers.phantom import write_phantom
from tests.runs import COUNTED, ROOT, WITH_LABELS, Run, arguments, run_well

OF_THE_FULL_RUN = ("test_full_run.py", "test_interrupted.py", "test_faults.py")


class TwoGroups(LoadScopeScheduling):
    """What uses the full run is not divided, and neither is the rest. (xdist_group does nothing by pytest 9.2.)"""

    def _split_scope(self, nodeid: str) -> str:
        return "full" if nodeid.split("::")[0].endswith(OF_THE_FULL_RUN) else "others"


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> TwoGroups:
    return TwoGroups(config, log)


@pytest.fixture(scope="session", autouse=True)
def _starts_are_counted(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Iterator[None]:
    """Over all processes of this pytest, whose folders have one parent."""
    own = tmp_path_factory.getbasetemp()
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv(COUNTED, str((own if worker_id == "master" else own.parent) / "starts"))
        yield


SMALL = {
    "\nspacing: [8, 8, 8]": "\nspacing: [12, 12, 12]",
    "matching_spacing: [4, 4, 4]": "matching_spacing: [6, 6, 6]",
    "patch: [96, 96, 96]": "patch: [72, 72, 72]",
    "width: 8}": "width: 4}",
}
"""Of the phantoms' settings, and what stands instead: a training of the same steps takes a third of the time."""


def write_settings(folder: Path) -> Path:
    """Write the phantoms' settings with coarser scans and smaller networks; return their folder."""
    text = (ROOT / "assets" / "cohorts" / "phantom.yml").read_text(encoding="utf-8")
    for shipped, small in SMALL.items():
        assert text.count(shipped) == 1, shipped
        text = text.replace(shipped, small)
    (folder / "settings").mkdir()
    (folder / "settings" / "phantom.yml").write_text(text, encoding="utf-8")
    return folder / "settings"


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of all runs."""
    return tmp_path_factory.mktemp("all runs")


@pytest.fixture(scope="session")
def phantom(place: Path) -> Path:
    """The cohort: 12 scans to train on, 2 supports, 4 queries; the sheet lacks the last query, `late.csv` has it.

    The one training scan with a label has none of the structures in it, so that what learns from labels cannot.
    """
    sheet = write_phantom(place / "phantom cohort", n_test=4)
    empty = sitk.ReadImage(sheet.parent / "images" / "train_01.nii.gz") * 0
    sitk.WriteImage(empty, sheet.parent / "labels" / "train_01.nii.gz")
    text = sheet.read_text().replace("train_01.nii.gz,,", "train_01.nii.gz,labels/train_01.nii.gz,")
    sheet.with_name("late.csv").write_text(text)
    sheet.write_text("".join(text.splitlines(keepends=True)[:-1]))
    write_settings(sheet.parent)
    return sheet.parent


@pytest.fixture(scope="session")
def full(place: Path, phantom: Path) -> Run:
    """Profile test, undisturbed; its results are a copy, because later runs in its folder replace them."""
    done = run_well(place / "full run", *arguments(), *WITH_LABELS)
    copy = shutil.copytree(done.results, place / "full results")
    return replace(done, results=copy)
