"""Scans as Nextflow hands them over: alone, or several in one task."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from rprloc.cohort import staged
from rprloc.cohort.staged import Staged, preprocess_staged, preprocess_together, said_of
from rprloc.cohort.tasks import Preprocess
from rprloc.scans.record import ScanRecord
from rprloc.scans.target import Target
from tests.scans.images import patient, write

TARGET = Target(modality="ct", spacing=(3, 2.5, 2), structures={"organ": 1}, matching_spacing=(2, 2, 2))


def task_of(subject: str, image: str, *label: str, voxels: tuple[str, ...] = ()) -> Preprocess:
    return Preprocess(
        id=f"c@{subject}", cohort="c", subject=subject, image=image, label=label, voxels=voxels, target=TARGET
    )


TASKS = (
    task_of("a", "s/x.mhd", "s/l.nii", voxels=("s/x.raw",)),
    task_of("b", "s/x.mhd", voxels=("s/x.raw",)),
    task_of("c", "broken.nii"),
    task_of("d", "s/y.nii", "s/l.hdr", "s/l.img"),
)


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def numbered(tmp_path: Path) -> Path:
    """Folders `images` and `labels` as Nextflow stages them, a link in each of their numbered folders."""
    image, label = patient()
    for path in ("s/x.mhd", "s/y.nii"):
        write(image, tmp_path / path)
    for path in ("s/l.nii", "s/l.hdr"):
        write(label, tmp_path / path)
    (tmp_path / "broken.nii").write_bytes(b"no scan")
    for kind, files in (
        ("images", [file for task in TASKS for file in (task.image, *task.voxels)]),
        ("labels", [file for task in TASKS for file in task.label]),
    ):
        for number, file in enumerate(files, start=1):
            place = tmp_path / kind / str(number)
            place.mkdir(parents=True)
            (place / Path(file).name).symlink_to(tmp_path / file)
    return tmp_path


def together(place: Path, capfd: pytest.CaptureFixture[str]) -> tuple[list[str], list[str]]:
    """Preprocess all scans in one task; return what it says of those that died, and of the others."""
    (place / "out").mkdir()
    died = list(preprocess_together(place / "out", TASKS, place / "images", place / "labels"))
    return died, capfd.readouterr().out.splitlines()


def test_several_scans_in_one_task_become_what_they_become_alone(
    numbered: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    died, said = together(numbered, capfd)
    (numbered / "alone").mkdir()
    records = []
    for task in TASKS:
        for kind, files in (("image", (task.image, *task.voxels)), ("label", task.label)):
            (numbered / task.id / kind).mkdir(parents=True)
            for file in files:
                (numbered / task.id / kind / Path(file).name).symlink_to(numbered / file)
        one = Staged(task, numbered / task.id / "image", numbered / task.id / "label")
        records.append(preprocess_staged(numbered / "alone", one))
    assert files_of(numbered / "out") == files_of(numbered / "alone")
    assert died == [] and said == [said_of(record) for record in records]
    assert [record.usable for record in records] == [True, True, False, True]
    assert sorted(path.name for path in (numbered / "out").iterdir()) == ["c@a", "c@b", "c@c", "c@d"]


def test_a_scan_whose_process_dies_leaves_nothing_and_the_others_as_they_are(
    numbered: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = staged.preprocess_staged

    def killed(folder: Path, one: Staged) -> ScanRecord:
        record = whole(folder, one)
        if one.task.subject == "a":
            os.kill(os.getpid(), signal.SIGKILL)
        if one.task.subject == "b":
            raise RuntimeError("a fault of ours")
        return record

    monkeypatch.setattr(staged, "preprocess_staged", killed)
    died, said = together(numbered, capfd)
    assert died == ["c a: died with status -9; left out", "c b: died with status 1; left out"]
    assert [line.split(":")[0] for line in said] == ["c a", "c b", "c c", "c d"][2:]
    assert sorted(path.name for path in (numbered / "out").iterdir()) == ["c@c", "c@d"]
