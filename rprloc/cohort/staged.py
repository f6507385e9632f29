"""Scans as Nextflow hands them to PREPROCESS: from a task and its staged files to a folder each."""

from __future__ import annotations

import multiprocessing
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from rprloc.cohort.tasks import Preprocess
from rprloc.files import only_file
from rprloc.marks.annotation import Annotated
from rprloc.scans.preprocess import Source, preprocess
from rprloc.scans.record import ScanRecord


@dataclass(frozen=True)
class Staged:
    """A scan's task, and the folders that hold its image's files and its annotation's, if there are any."""

    task: Preprocess
    image: Path
    label: Path


def preprocess_staged(folder: Path, staged: Staged) -> ScanRecord:
    """Write a scan in model space to a folder of its own in `folder`; return its record.

    One that cannot be used is set aside with the reason (`rprloc.scans.preprocess`).
    """
    task = staged.task
    scan = only_file(staged.image, beside=task.voxels) or staged.image
    files = {path.name: path for path in sorted(staged.label.iterdir())} if staged.label.is_dir() else {}
    apart = {*task.marks, task.colours, *(PurePosixPath(name).name for name in task.label[1:])}
    annotation = Annotated(
        image=scan,
        # Without masks, which go by structure, the label is the first file there is, if any.
        label=next((path for name, path in files.items() if name not in apart), None)
        if task.masks is None
        else {name: files[file] for name, file in task.masks.items()},
        colours=None if task.colours is None else files[task.colours],
        marks=tuple(files[name] for name in task.marks),
    )
    source = Source(
        cohort=task.cohort,
        subject=task.subject,
        image=scan,
        label=annotation if files else None,
        series=task.series,
        usual_mm=task.usual_mm,
    )
    return preprocess(folder, source, task.target)


def preprocess_together(folder: Path, tasks: Sequence[Preprocess], images: Path, labels: Path) -> Iterator[str]:
    """Write several scans to a folder each in `folder`; yield a line for each.

    `images` and `labels` hold a folder for each file of all scans, in their order, named by its number. Each scan has a
    process of its own: one that dies leaves no folder, and the others as they are.
    """
    context = multiprocessing.get_context("fork")
    with tempfile.TemporaryDirectory(dir=folder, prefix=".staged-") as place:
        for staged in _brought_together(tasks, images, labels, Path(place)):
            process = context.Process(target=_told, args=(folder, staged))
            process.start()
            process.join()
            if process.exitcode:
                shutil.rmtree(folder / staged.task.id, ignore_errors=True)
                yield f"{staged.task.cohort} {staged.task.subject}: died with status {process.exitcode}; left out"


def _told(folder: Path, staged: Staged) -> None:
    record = preprocess_staged(folder, staged)
    print(said_of(record), flush=True)


def said_of(record: ScanRecord) -> str:
    """Return a line about a scan that was preprocessed."""
    return f"{record.cohort} {record.subject}: {record.reason or 'ok'}"


def _brought_together(tasks: Sequence[Preprocess], images: Path, labels: Path, place: Path) -> Iterator[Staged]:
    """Yield each scan with its files in two folders below `place`, as links."""
    image = label = 1
    for task in tasks:
        own = Staged(task, place / task.id / "image", place / task.id / "label")
        images_end, labels_end = image + 1 + len(task.voxels), label + len(task.label)
        _link(own.image, images, range(image, images_end))
        _link(own.label, labels, range(label, labels_end))
        image, label = images_end, labels_end
        yield own


def _link(folder: Path, numbered: Path, numbers: range) -> None:
    """Fill a new folder with links to what some numbered folders hold."""
    folder.mkdir(parents=True)
    for path in (path for number in numbers for path in (numbered / str(number)).iterdir()):
        (folder / path.name).symlink_to(path.resolve())
