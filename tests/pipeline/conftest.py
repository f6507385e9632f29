"""One generated cohort and one full run of it, which most tests of Nextflow look at; every path has a space.

With `-n 2` two processes of pytest run a file each, the longest first; what they share, one makes and the other awaits.
"""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import SimpleITK as sitk
from xdist.scheduler import LoadScopeScheduling

from rprloc.importers.phantom import write_phantom
from tests.runs import COUNTED, ROOT, WITH_LABELS, Run, arguments, run_well

ORDER = ("test_full_run.py", "test_methods.py", "test_faults.py", "test_interrupted.py", "test_stub.py")
"""The files that take longest, in which order they begin: the full run is over when the third one needs it."""


class FileByFile(LoadScopeScheduling):
    """What is in a file is not divided. (xdist's own `loadfile` begins with the file of most tests.)"""

    def _split_scope(self, nodeid: str) -> str:
        return nodeid.split("::")[0]


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> FileByFile:
    config.option.loadscopereorder = False
    return FileByFile(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    place_of = {name: place for place, name in enumerate(ORDER)}
    items.sort(key=lambda item: place_of.get(item.path.name, len(ORDER)))


@pytest.fixture(scope="session", autouse=True)
def _starts_are_counted(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Iterator[None]:
    """Over all processes of this pytest, whose folders have one parent."""
    own = tmp_path_factory.getbasetemp()
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv(COUNTED, str((own if worker_id == "master" else own.parent) / "starts"))
        yield


SMALL = {
    "\nspacing: [8, 8, 8]": "\nspacing: [12, 12, 12]",
    "matching_spacing: [4, 4, 4]": "matching_spacing: [8, 8, 8]",
    "patch: [96, 96, 96]": "patch: [72, 72, 72]",
    "convolution: isotropic, width: 8}": "convolution: in_plane, width: 4}",
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
def place(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """The folder of all runs, over all processes of this pytest."""
    own = tmp_path_factory.getbasetemp()
    folder = (own if worker_id == "master" else own.parent) / "all runs"
    folder.mkdir(exist_ok=True)
    return folder


def once(marker: Path, make: Callable[[], object]) -> None:
    """Make something unless its marker tells that another process has; wait for one that is at it."""
    with marker.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not marker.exists():
            make()
            marker.touch()


@pytest.fixture(scope="session")
def phantom(place: Path) -> Path:
    """The cohort: 12 scans to train on, 2 supports, 4 queries; the sheet lacks the last query, `late.csv` has it.

    The one training scan with a label has none of the structures in it, so that what learns from labels cannot.
    """
    folder = place / "phantom cohort"

    def make() -> None:
        sheet = write_phantom(folder, n_test=4)
        empty = sitk.ReadImage(folder / "images" / "train_01.nii.gz") * 0
        sitk.WriteImage(empty, folder / "labels" / "train_01.nii.gz")
        text = sheet.read_text().replace("train_01.nii.gz,,", "train_01.nii.gz,labels/train_01.nii.gz,")
        sheet.with_name("late.csv").write_text(text)
        sheet.write_text("".join(text.splitlines(keepends=True)[:-1]))
        write_settings(folder)

    once(place / "phantom", make)
    return folder


@pytest.fixture(scope="session")
def full(place: Path, phantom: Path) -> Run:
    """Profile test, undisturbed; its results are a copy, because later runs in its folder replace them."""
    folder, copy, said = place / "full run", place / "full results", place / "full output.txt"

    def make() -> None:
        done = run_well(folder, *arguments(), *WITH_LABELS)
        shutil.copytree(done.results, copy)
        said.write_text(done.output, encoding="utf-8")

    once(place / "full", make)
    return Run(0, said.read_text(encoding="utf-8"), folder, copy)
