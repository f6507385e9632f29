"""Folders that are taken, full or gone, and a scan that has become another."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import pandas as pd
import pytest

from tests.faults.disk import small_disk
from tests.faults.undisturbed import assert_as_undisturbed, prepared
from tests.runs import Run, run, run_well

FULL_DISK = "found no room on its disk, expected some; free it and start again with -resume."
"""What the end of a run says where Nextflow itself could not write."""
NO_ROOM = "expected room on its disk; free some space and start again, a run with -resume."


@pytest.mark.long
def test_a_second_run_takes_everything_from_the_cache(full: Run) -> None:
    """That one with another query does so but for what the query touches is seen by `make test`."""
    folder, arguments = prepared(full, "twice")
    # The next run writes its trace to the same place.
    ran = run_well(folder, *arguments).tasks()
    again = run_well(folder, *arguments, "-resume")
    assert {task["status"] for task in again.trace()} == {"CACHED"}
    assert ran and again.tasks("CACHED") == ran
    assert_as_undisturbed(again, full)


@pytest.mark.long
def test_a_work_folder_that_is_gone_is_made_anew(full: Run) -> None:
    folder, arguments = prepared(full, "no work")
    run_well(folder, *arguments)
    shutil.rmtree(folder / "work")
    done = run_well(folder, *arguments, "-resume")
    assert done.tasks()["PREPROCESS"] == 17
    assert_as_undisturbed(done, full)
    # Half of it, as tidying by age leaves it.
    for task in sorted((folder / "work").glob("*/*"))[::2]:
        shutil.rmtree(task)
    assert_as_undisturbed(run_well(folder, *arguments, "-resume"), full)


@pytest.mark.long
@pytest.mark.parametrize("replaced", ["test_01", "train_02"])
def test_a_scan_that_was_replaced_is_read_anew(full: Run, replaced: str) -> None:
    """The run goes on with the new scan and ends as one that has never seen the old one."""
    folder, arguments = prepared(full, f"replaced {replaced}")
    copy = folder / "its own.nii.gz"
    write_own_image(folder / "samples.csv", replaced, copy)
    first = run_well(folder, *arguments)
    assert_as_undisturbed(first, full)
    before = first.metrics()
    shutil.copy(folder.parent / "phantom cohort" / "images" / "test_03.nii.gz", copy)
    resumed = run_well(folder, *arguments, "-resume")
    assert resumed.tasks()["PREPROCESS"] == 1
    assert resumed.tasks().get("TRAIN", 0) == (2 if replaced == "train_02" else 0)
    fresh = run_well(folder, *arguments, "--outdir", "fresh", "-work-dir", "fresh work")
    fresh = Run(0, "", folder, folder / "fresh")
    pd.testing.assert_frame_equal(resumed.metrics(), fresh.metrics(), check_exact=True)
    assert not resumed.metrics().equals(before)


def write_own_image(sheet: Path, subject: str, image: Path) -> None:
    """Give a subject of a sheet a copy of its image."""
    with sheet.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    (row,) = [row for row in rows if row["subject"] == subject]
    shutil.copy(sheet.parent / row["image"], image)
    row["image"] = image.name
    with sheet.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


@pytest.mark.long
@pytest.mark.parametrize("option", ["-work-dir", "--checkpoints", "--outdir"])
def test_a_run_on_a_full_disk_says_so_and_goes_on_when_there_is_room(full: Run, option: str) -> None:
    folder, arguments = prepared(full, f"full {option}", without="coarse" if option == "--checkpoints" else "nothing")
    with small_disk(folder / "disk", size=1 << 28) as disk:
        where, before = disk.folder / "there", disk.entering(folder)
        seen = disk.path / "there"
        if option == "--checkpoints":
            shutil.copytree(folder / ".rprloc" / "checkpoints", seen)
        filler = disk.fill(leave=1 << 17)
        stopped = run(folder, *arguments, option, where, before=before)
        assert stopped.status != 0, stopped.output
        assert "Traceback" not in stopped.output
        assert (NO_ROOM if option == "--checkpoints" else FULL_DISK) in stopped.output, stopped.output
        filler.unlink()
        done = run_well(folder, *arguments, option, where, "-resume", before=before)
        results = seen if option == "--outdir" else done.results
        assert_as_undisturbed(Run(0, done.output, folder, results), full)
