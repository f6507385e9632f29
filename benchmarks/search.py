"""Where the processor seconds of a LOCALIZE task go: python -m benchmarks.search [QUERIES] [--threads].

The demo's queries under so many names (50, a batch of the local executor), `matched` with the shipped network, from the
start of its process to its end, on one thread: a line for each part, in seconds a query and as a share of all. Last
comes what is neither reading, network nor search. With --threads, of a machine without other work, the seconds of the
task with one thread and with two, and of two such tasks side by side.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

import msgspec

from benchmarks.bundled import ASSETS, ONE_THREAD, copies, openkbp_settings, preprocessed
from benchmarks.cluster import SOUGHT
from rprloc.cohort.tasks import Search
from rprloc.cohort.weights import shipped_folder
from rprloc.locator.job import Job, Support
from rprloc.locator.names import Named
from rprloc.scans.scan import outline_path
from rprloc.scans.target import subject_of

# Its clock counts processor seconds: those of a machine with other work on it say nothing.
_COMMAND = "import time; time.perf_counter = time.process_time; from rprloc.cli import main; main()"


def main(count: int, *, threads: bool) -> None:
    """Print a line for each part, or for each way of using two cores."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        made = preprocessed(folder / "made", matching=True, splits=("validation", "test"))
        (support, *others) = [*made["validation"], *made["test"]]
        queries = copies(others, folder / "scans", count)
        for path in queries:
            # A user's queries have no label, so there is nothing to measure their outlines by.
            outline_path(path).unlink()
        (folder / "scans" / support.name).symlink_to(support)
        task = _task(support, queries)
        (folder / "models").mkdir()
        model = "position_map.safetensors"
        (folder / "models" / model).symlink_to(shipped_folder("head-neck-ct") / model)
        if threads:
            for number, tasks in ((1, 1), (2, 1), (1, 2)):
                seconds = _elapsed(folder, task, threads=number, tasks=tasks)
                print(f"{tasks} tasks of {count} queries, threads of each {number}: {seconds:.1f} s", flush=True)
            return
        spent = _spent(folder, task)
    total = sum(spent.values())
    for part, seconds in sorted(spent.items(), key=lambda one: -one[1]):
        print(f"{part:<12} {seconds / count:8.4f} s a query {seconds / total:7.1%}")
    rest = 1 - sum(spent.get(part, 0.0) for part in SOUGHT) / total
    print(f"all          {total / count:8.4f} s a query, neither reading, network nor search {rest:.1%}")


def _task(support: Path, queries: list[Path]) -> Search:
    """Return the task that searches preprocessed queries from a support."""
    subject = subject_of(support)
    given = Support(Named(subject, ASSETS / "demo" / "images" / f"{subject}.nii.gz"), label="labels")
    settings = openkbp_settings()
    job = Job(cohort="openkbp", settings=settings, supports=(given,), method="matched", weights="head-neck-ct")
    search = job.search()
    return msgspec.structs.replace(search, queries=tuple(sorted(path.name for path in queries)))


def _spent(folder: Path, task: Search) -> dict[str, float]:
    """Return the processor seconds of a task by part; `process` is what is in none."""
    words = ["step", "localize", "--scans", "scans", "--models", "models", "--threads", "1", "--output", "found.jsonl"]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        [sys.executable, "-c", _COMMAND, *words], cwd=folder, input=msgspec.json.encode(task), check=True,
        env=os.environ | ONE_THREAD,
    )  # fmt: skip
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent: dict[str, float] = defaultdict(float)
    for line in (folder / "found.jsonl").read_bytes().splitlines():
        row = msgspec.json.decode(line, type=dict[str, object])
        for part, seconds in msgspec.convert(row["seconds"], dict[str, float]).items():
            spent[part] += seconds
    spent["process"] = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime - sum(spent.values())
    return spent


def _elapsed(folder: Path, task: Search, *, threads: int, tasks: int) -> float:
    """Return the seconds until so many tasks, begun at once, are all done."""
    program = [sys.executable, "-c", "from rprloc.cli import main; main()", "step", "localize", "--scans", "scans"]
    began = time.perf_counter()
    running = [
        subprocess.Popen(
            [*program, "--models", "models", "--threads", str(threads), "--output", f"found{number}.jsonl"],
            cwd=folder, stdin=subprocess.PIPE, env=os.environ | {"GOMP_SPINCOUNT": "1000"},
        )
        for number in range(tasks)
    ]  # fmt: skip
    for one in running:
        assert one.stdin is not None
        one.stdin.write(msgspec.json.encode(task))
        one.stdin.close()
    ended = [one.wait() for one in running]
    if any(ended):
        sys.exit("a task failed")
    return time.perf_counter() - began


if __name__ == "__main__":
    numbers = [int(text) for text in sys.argv[1:] if text.isdigit()]
    main(numbers[0] if numbers else 50, threads="--threads" in sys.argv)
