"""Start Nextflow as a user does and look at what it left."""

from __future__ import annotations

import csv
import json
import os
import re
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

ROOT = Path(__file__).parents[1]
NEXTFLOW = ROOT / ".venv" / "bin" / "nextflow"
KEY = ["cohort", "subject", "structure", "method", "setting", "support"]

MOST_STARTS = 14
"""How often all tests of `make test` together may start Nextflow: a start takes seconds, whatever it does."""
COUNTED = "RPRLOC_TEST_STARTS"
"""The environment variable that names the file in which starts are counted, over all workers; none are without it."""


PROFILE = ("-profile", "test", "--max_cpus", "1")
"""Of every run that computes: two runs work side by side on few cores, where threads would wait for each other."""


def arguments(sheet: str = "../phantom cohort/samples.csv") -> tuple[str, ...]:
    """The arguments of a run of the phantom cohort, in a folder beside it."""
    return (*PROFILE, "--input", sheet, "--cohort_folder", "../phantom cohort/settings")


WITH_LABELS = ("--methods", "regression,retina_unet")
"""What else the full run is told: a method beside the paper's that learns from labels."""


@dataclass(frozen=True)
class Run:
    """A run that has ended: its exit status, what it printed, the folder in which it was started, and its results."""

    status: int
    output: str
    folder: Path
    results: Path

    @property
    def messages(self) -> list[str]:
        """The printed lines that are not Nextflow's own talk about versions and tasks."""
        talk = ("N E X T F L O W", "Launching ", "[")
        return [line for line in self.output.splitlines() if line.strip() and not line.startswith(talk)]

    def trace(self) -> list[dict[str, str]]:
        """The tasks of the run, a row each, as the trace file has them; names without those of the workflows."""
        with (self.results / "pipeline_info" / "execution_trace.txt").open(encoding="utf-8") as stream:
            rows = list(csv.DictReader(stream, delimiter="\t"))
        return [row | {"name": re.sub(r"^(\w+:)+", "", row["name"])} for row in rows]

    def tasks(self, status: str = "COMPLETED") -> Counter[str]:
        """How many tasks each process had that ended with a status (COMPLETED: run now, CACHED: taken over)."""
        return Counter(task["name"].split(" ")[0] for task in self.trace() if task["status"] == status)

    def names(self, status: str = "COMPLETED") -> set[str]:
        """The names of the tasks that ended with a status."""
        return {task["name"] for task in self.trace() if task["status"] == status}

    def work(self, name: str) -> Path:
        """The work folder of the task of a name, `TRAIN (phantom/coarse)`."""
        (found,) = [task["hash"] for task in self.trace() if task["name"] == name]
        (folder,) = (self.folder / "work").glob(found + "*")
        return folder

    def plan(self) -> dict[str, Any]:
        """What CHECK planned."""
        plan: dict[str, Any] = json.loads((self.work("CHECK (sample sheet)") / "plan.json").read_text(encoding="utf-8"))
        return plan

    def records(self) -> list[dict[str, Any]]:
        """The records of the scans."""
        if not self.results.exists():
            return []
        done = [task for task in self.trace() if task["status"] != "FAILED"]
        # What is widened is of the last one.
        tasks = [task for kind in ("PREPROCESS", "WIDEN") for task in done if task["name"].startswith(kind)]
        paths = [path for task in tasks for path in (self.folder / "work").glob(f"{task['hash']}*/*@*/*.json")]
        last = {path.parent.name: path for path in paths}
        return [json.loads(path.read_text(encoding="utf-8")) for path in last.values()]

    def metrics(self, method: str = "regression") -> pd.DataFrame:
        """The rows of a method in metrics.csv without the times, by key."""
        rows = pd.read_csv(self.results / "metrics.csv", dtype={"reason": "string"}).drop(columns="seconds")
        return rows[rows.method == method].set_index(KEY).sort_index()


def command(arguments: Sequence[object]) -> list[str]:
    """A pipeline run with arguments, which is counted as a start."""
    assert NEXTFLOW.exists(), f"{NEXTFLOW} is missing: run 'make nextflow'."
    if counted := os.environ.get(COUNTED):
        with Path(counted).open("a", encoding="utf-8") as stream:
            stream.write(" ".join(map(str, arguments)).replace("\n", " ") + "\n")
        starts = Path(counted).read_text(encoding="utf-8").splitlines()
        assert len(starts) <= MOST_STARTS, "\n".join([f"more than {MOST_STARTS} starts of Nextflow:", *starts])
    return [str(NEXTFLOW), "run", str(ROOT / "main.nf"), *map(str, arguments)]


def environment(parser: str = "v1") -> dict[str, str]:
    # Short runs: a collector of garbage that works beside the tasks takes a fifth of a start's processor time.
    quick = {"NXF_JVM_ARGS": "-XX:+UseSerialGC"}
    return os.environ | quick | {"NXF_ANSI_LOG": "false", "NXF_SYNTAX_PARSER": parser}


def run(folder: Path, *arguments: object, parser: str = "v1", before: Sequence[str] = ()) -> Run:
    """Run the pipeline in a folder, which is made where it is missing, to its end; `before` are a command's words."""
    folder.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        [*before, *command(arguments)], cwd=folder, env=environment(parser), text=True, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, check=False,
    )  # fmt: skip
    return Run(done.returncode, done.stdout, folder, folder / "results")


def run_well(folder: Path, *arguments: object, parser: str = "v1", before: Sequence[str] = ()) -> Run:
    """Run the pipeline as `run` does; it must succeed and warn of nothing but what its plan warns of."""
    done = run(folder, *arguments, parser=parser, before=before)
    assert done.status == 0, done.output
    assert_no_other_warnings(done)
    return done


def assert_no_other_warnings(done: Run) -> None:
    """Compare the lines of WARN or ERROR with the warnings of the plan, where there is one, and findings of scans."""
    found = [line for line in done.output.splitlines() if "WARN" in line or "ERROR" in line]
    planned = done.plan()["warnings"] if found and done.results.exists() else []
    told = [f"WARN: {one['cohort']} {one['subject']}: {said}" for one in done.records() for said in said_of(one)]
    assert sorted(found) == sorted([*(f"WARN: {sentence}" for sentence in planned), *told]), done.output


def said_of(record: dict[str, Any]) -> list[str]:
    """What the console says of a scan."""
    return [f"set aside: {record['reason']}"] if record["reason"] else record["findings"]


@contextmanager
def started(folder: Path, *arguments: object, parser: str = "v1") -> Iterator[subprocess.Popen[bytes]]:
    """Start the pipeline in a folder; its output goes to output.txt there. Nothing of it outlives the block.

    It hears Ctrl-C even where the tests do not: a shell has what it starts in the background ignore it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    words = ["env", "--default-signal=INT", *command(arguments)]
    with (folder / "output.txt").open("wb") as stream:
        process = subprocess.Popen(
            words, cwd=folder, env=environment(parser), stdout=stream, stderr=subprocess.STDOUT, process_group=0
        )
        try:
            yield process
        finally:
            process.kill()
            process.wait()
            for number in pids_in(folder, "step"):
                os.kill(number, signal.SIGKILL)


def pids_in(folder: Path, *words: str, told: str = "") -> list[int]:
    """Numbers of the python processes that work below a folder and have all the words in their command line.

    With `told` only of those tasks whose script holds that text: what a step is told is on its standard input.
    """
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            given = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
            here = (entry / "cwd").readlink()
            if not (here.is_relative_to(folder.resolve()) and "python" in given[0] and set(words) <= set(given)):
                continue
            if told in (here / ".command.sh").read_text(encoding="utf-8"):
                found.append(int(entry.name))
        except OSError:  # it has ended, or is somebody else's
            continue
    return found


def wait_until(condition: Callable[[], object], *, seconds: float, what: str) -> None:
    """Wait for a condition; the limit only ends a test that would hang."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"waited {seconds} s for {what}"
        time.sleep(0.1)
