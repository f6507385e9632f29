"""What many structures cost a LOCALIZE task: `python -m benchmarks.structures SHEET,SETTINGS[,SPLIT...] COUNT ...`

The first annotated scan of a sheet is the support of the next QUERIES; so many of its structures are searched as each
COUNT says, by `matched` without a network, on one thread. A line for each has the task's most memory and its processor
seconds a query.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import msgspec

from benchmarks.bundled import ONE_THREAD
from benchmarks.lost import Cohort, prepared
from rprloc.catalogue import methods
from rprloc.cohort.tasks import Search, Seen
from rprloc.scans.target import scan_folder

QUERIES = 4


def main(asked: str, counts: Sequence[int]) -> None:
    """Print the lines."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (cohort,) = prepared([asked.split(",")], folder)
        scan = cohort.scan(cohort.own[0])
        assert scan is not None
        for count in counts:
            task = _task(cohort, sorted(scan.structures)[:count])
            gigabytes, seconds = _spent(folder, task)
            about = f"{count} structures of {len(scan.structures)}: {gigabytes:.2f} GB"
            print(f"{cohort.name} {about}, {seconds / QUERIES:.2f} s a query", flush=True)


def _task(cohort: Cohort, structures: Sequence[str]) -> Search:
    """Return the task that searches some structures of the first scan in the next ones."""
    (family,) = {method.family for method in methods() if method.name == "matched"}
    settings = cohort.settings
    seen = Seen(modality=settings.modality, window=settings.window, spacing=settings.spacing, patch=settings.patch)
    support, *queries = (scan_folder(cohort.name, subject) for subject in cohort.own[: QUERIES + 1])
    return Search(
        id="found", cohort=cohort.name, family=family.name, make=family.make, methods={"matched": ("extreme",)},
        batch="1", queries=tuple(queries), supports=(support,), structures=tuple(structures), seen=seen,
        most_supports=None, parameters={},
    )  # fmt: skip


def _spent(folder: Path, task: Search) -> tuple[float, float]:
    """Return the most memory of a task in GB, and its processor seconds."""
    words = ["step", "localize", "--scans", ".", "--models", "none", "--threads", "1", "--output", "found.jsonl"]
    command = [sys.executable, "-c", "from rprloc.cli import main; main()", *words]
    with subprocess.Popen(command, cwd=folder, stdin=subprocess.PIPE, env=os.environ | ONE_THREAD) as process:
        assert process.stdin is not None
        process.stdin.write(msgspec.json.encode(task))
        process.stdin.close()
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"the task ended with status {process.returncode}")
    return used.ru_maxrss / 2**20, used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main(sys.argv[1], [int(text) for text in sys.argv[2:]])
