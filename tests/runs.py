"""Start Nextflow as a user does and look at what it left."""

from __future__ import annotations

import csv
import os
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

ROOT = Path(__file__).parents[1]
NEXTFLOW = ROOT / ".venv" / "bin" / "nextflow"
PROFILE = ("-profile", "test", "--input", "../phantom cohort/samples.csv")
"""The arguments of the full run."""
KEY = ["cohort", "subject", "structure", "method", "setting", "support"]


@dataclass(frozen=True)
class Run:
    """A run that has ended: its exit status, what it printed, the folder in which it was started, and its results."""

    status: int
    output: str
    folder: Path
    results: Path

    @property
    def messages(self) -> list[str]:
        """The printed lines that are not Nextflow's own talk about versions, tasks and its configuration."""
        talk = ("N E X T F L O W", "Launching ", "[", "WARN: Unrecognized config option")
        return [line for line in self.output.splitlines() if line.strip() and not line.startswith(talk)]

    def trace(self) -> list[dict[str, str]]:
        """The tasks of the run, a row each, as the trace file has them."""
        with (self.results / "pipeline_info" / "execution_trace.txt").open(encoding="utf-8") as stream:
            return list(csv.DictReader(stream, delimiter="\t"))

    def tasks(self, status: str = "COMPLETED") -> Counter[str]:
        """How many tasks each process had that ended with a status (COMPLETED: run now, CACHED: taken over)."""
        return Counter(process_of(task) for task in self.trace() if task["status"] == status)

    def work(self, name: str) -> Path:
        """The work folder of the task of a name, `TRAIN (phantom coarse)`."""
        (found,) = [task["hash"] for task in self.trace() if task["name"].removeprefix("RPRLOC:") == name]
        (folder,) = (self.folder / "work").glob(found + "*")
        return folder

    def metrics(self) -> pd.DataFrame:
        """metrics.csv without the times, by key."""
        return pd.read_csv(self.results / "metrics.csv").drop(columns="seconds").set_index(KEY).sort_index()


def process_of(task: dict[str, str]) -> str:
    return task["name"].removeprefix("RPRLOC:").split(" ")[0]


def command(arguments: Sequence[object]) -> list[str]:
    """A pipeline run with arguments."""
    assert NEXTFLOW.exists(), f"{NEXTFLOW} is missing: run 'make nextflow'."
    return [str(NEXTFLOW), "run", str(ROOT / "main.nf"), *map(str, arguments)]


def environment(parser: str = "v1") -> dict[str, str]:
    return os.environ | {"NXF_ANSI_LOG": "false", "NXF_SYNTAX_PARSER": parser}


def run(folder: Path, *arguments: object, parser: str = "v1", before: Sequence[str] = ()) -> Run:
    """Run the pipeline in a folder, which is made where it is missing, to its end; `before` are a command's words."""
    folder.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        [*before, *command(arguments)], cwd=folder, env=environment(parser), text=True, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, check=False,
    )  # fmt: skip
    return Run(done.returncode, done.stdout, folder, folder / "results")


def run_well(folder: Path, *arguments: object, parser: str = "v1", before: Sequence[str] = ()) -> Run:
    """Run the pipeline as `run` does; it must succeed."""
    done = run(folder, *arguments, parser=parser, before=before)
    assert done.status == 0, done.output
    return done


@contextmanager
def started(folder: Path, *arguments: object, parser: str = "v1") -> Iterator[subprocess.Popen[bytes]]:
    """Start the pipeline in a folder; its output goes to output.txt there. Nothing of it outlives the block."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "output.txt").open("wb") as stream:
        process = subprocess.Popen(
            command(arguments), cwd=folder, env=environment(parser), stdout=stream, stderr=subprocess.STDOUT
        )
        try:
            yield process
        finally:
            process.kill()
            process.wait()
            for number in pids_in(folder, "step"):
                os.kill(number, signal.SIGKILL)


def pids_in(folder: Path, *words: str) -> list[int]:
    """Numbers of the python processes that work below a folder and have all the words in their command line."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            given = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
            here = (entry / "cwd").readlink()
        except OSError:  # it has ended, or is somebody else's
            continue
        if here.is_relative_to(folder.resolve()) and "python" in given[0] and set(words) <= set(given):
            found.append(int(entry.name))
    return found


def wait_until(condition: Callable[[], object], *, seconds: float, what: str) -> None:
    """Wait for a condition; the limit only ends a test that would hang."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"waited {seconds} s for {what}"
        time.sleep(0.1)
