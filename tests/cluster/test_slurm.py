"""Runs on a real Slurm: what jobs ask for, what waits for ever, and what a time limit, a broken GPU or a kill leave."""

from __future__ import annotations

import re
import signal
import time
from itertools import pairwise
from pathlib import Path

import pytest

from rprloc.importers.phantom import write_phantom
from tests.cluster.slurm import FITTING, LONG, Slurm
from tests.runs import Run, run, started, wait_until


def headers(folder: Path) -> dict[str, set[str]]:
    """What jobs of a run asked for, by their name; that of all tries of a task."""
    found: dict[str, set[str]] = {}
    for path in folder.glob("work/*/*/.command.run"):
        lines = {line[8:] for line in path.read_text(encoding="utf-8").splitlines() if line.startswith("#SBATCH ")}
        for name in (line[3:] for line in lines if line.startswith("-J ")):
            found.setdefault(name, set()).update(lines)
    return found


@pytest.mark.parametrize(("profiles", "parser"), [("slurm,gpu,test", "v2"), ("gpu,test,slurm", "v1")])
def test_profiles_in_any_order_ask_for_the_same(
    cluster: Slurm, tmp_path: Path, sheet: Path, profiles: str, parser: str
) -> None:
    asked = ("--input", sheet.name, *FITTING, "--methods", "regression,matched,affine", "-process.beforeScript=sleep 4")
    done = run(tmp_path, "-profile", profiles, *asked, "-stub", parser=parser)
    assert done.status == 0 and "WARN" not in done.output, done.output
    jobs = headers(tmp_path)
    searches = {name: lines for name, lines in jobs.items() if "LOCALIZE_(1)" in name}
    (array,) = searches.values()
    assert {"--array 0-1", "--gres=gpu:1", "--mem 3072M", "-t 01:00:00"} <= array
    # One processor each: more are asked for by -c.
    assert not [line for line in array if line.startswith("-c ")]
    for name, lines in jobs.items():
        network = re.search("_(TRAIN|TEACH|LOCALIZE)_", name)
        # Of an array's parts the array's own script asks.
        assert ("--gres=gpu:1" in lines) == bool(network), name
    assert {"--array 0-3", "--mem 3072M"} <= jobs["nf-RPRLOC_LEARN_PREPROCESS_(1)"]
    # Not one GPU task at a time on the whole cluster: two of three, as another task may hold a node for the first.
    spans = sorted(cluster.times("LEARN_TRAIN")[-3:])
    assert any(after[0] < before[1] for before, after in pairwise(spans)), spans


def test_jobs_that_can_never_start_and_jobs_of_a_killed_run_are_named(
    cluster: Slurm, tmp_path: Path, sheet: Path
) -> None:
    """Trainings of 8 hours where the partition gives one; then trainings of 8 processors where no node has as many."""
    asked = (
        "-profile",
        "slurm,test",
        "--input",
        sheet.name,
        "--max_memory",
        "3 GB",
        "--methods",
        "regression",
        "-stub",
    )

    def said(words: str) -> bool:
        return words in (tmp_path / "output.txt").read_text()

    with started(tmp_path, *asked, "--max_cpus", "2", "--training", "standard") as engine:
        wait_until(lambda: said("TRAIN (phantom/coarse)") and said("TRAIN (phantom/fine)"), seconds=LONG, what="jobs")
        began = time.monotonic()
        wait_until(lambda: said("PartitionTimeLimit"), seconds=LONG, what="the reason")
        assert time.monotonic() - began < 180
        engine.kill()
    output = (tmp_path / "output.txt").read_text()
    assert "Slurm: found jobs that wait for what will not come (nf-RPRLOC_LEARN_TRAIN_(" in output
    assert "ask for less time with --max_time, such as --max_time '1 h', and start it again with -resume." in output
    left = cluster.ask("squeue", "-h", "-o", "%A").split()
    assert len(left) == 2
    with started(tmp_path, *asked, "--training", "demo", "-resume") as engine:
        wait_until(lambda: said("PartitionConfig"), seconds=LONG, what="the other reason")
        engine.send_signal(signal.SIGINT)
        wait_until(lambda: engine.poll() is not None, seconds=LONG, what="the end")
    output = (tmp_path / "output.txt").read_text()
    assert "found jobs that a run left in Slurm's queue (nf-RPRLOC_LEARN_TRAIN_(phantom_" in output
    assert re.search(f"scancel ({' '.join(left)}|{' '.join(reversed(left))})$", output, re.MULTILINE)
    assert "ask for fewer processors with --max_cpus, such as --max_cpus 2" in output
    cluster.ask("scancel", *left)


def test_a_job_that_slurm_refuses_is_told_with_the_parameters_to_set(
    cluster: Slurm, tmp_path: Path, sheet: Path
) -> None:
    done = run(tmp_path, "-profile", "slurm,test", "--input", sheet.name, "--max_cpus", "2", "-stub",
               "--methods", "position_map")  # fmt: skip
    assert done.status == 1
    assert "Memory specification can not be satisfied" in done.output
    assert "set --max_cpus, --max_memory or --slurm_gres to what one has" in done.output


def test_a_gpu_that_does_not_work_is_tried_twice_then_the_cpu_computes(computed: Run) -> None:
    assert computed.status == 0, computed.output
    assert computed.output.count("error exit status (69) -- Execution is retried") == 2
    assert (
        "LOCALIZE (phantom/grey.batch0): found no GPU that works in two attempts; it computes on the CPU."
        in computed.output
    )
    assert "CPU, 1 thread" in (computed.results / "predictions.jsonl").read_text()


def test_a_task_that_its_memory_limit_ends_asks_for_more(cluster: Slurm, tmp_path: Path, sheet: Path) -> None:
    asked = ("--input", sheet.name, "--max_cpus", "2", "--max_memory", "6 GB", "--methods", "affine")
    taking = "-process.beforeScript=python3 -c \"b'x' * 3000000000\""
    done = run(tmp_path, "-profile", "slurm,test", *asked, taking, "-stub")
    assert done.status == 0, done.output
    # What asks for 4 GB has enough, what asks for 2 GB is killed.
    retried = re.findall(r"Process `RPRLOC:\w+:(\w+)[ `].*Execution is retried \(1\)", done.output)
    assert sorted(retried) == ["EVALUATE", "TABULATE"], done.output
    assert "--mem 4096M" in headers(tmp_path)["nf-RPRLOC_TELL_TABULATE"]


def test_tasks_of_a_node_that_is_lost_run_again_on_another(cluster: Slurm, tmp_path: Path, sheet: Path) -> None:
    """What runs on a node is killed with its daemon: Slurm gives it up after a minute, Nextflow another one later."""
    asked = ("--input", sheet.name, *FITTING, "--methods", "affine", "-process.beforeScript=sleep 20")
    with started(tmp_path, "-profile", "slurm,test", *asked, "-stub") as engine:
        wait_until(lambda: cluster.at_work("node1"), seconds=LONG, what="jobs on the node")
        with cluster.without("node1") as lost:
            wait_until(lambda: engine.poll() is not None, seconds=LONG, what="the end")
    output = (tmp_path / "output.txt").read_text()
    assert engine.returncode == 0, output
    assert lost and all("JobState=NODE_FAIL" in cluster.end_of(job) for job in lost)
    again = re.findall(r"Process `RPRLOC:(\S+) \(.*\)` terminated for an unknown reason .*Execution is retried", output)
    assert len(again) == len(lost), output
    # Every task that was lost ended well in the end.
    done = Run(0, output, tmp_path, tmp_path / "results")
    failed = done.names("FAILED")
    assert len(failed) == len(lost) and failed <= done.names(), done.trace()


def test_a_training_that_its_time_limit_ends_asks_for_the_same_and_goes_on(cluster: Slurm, tmp_path: Path) -> None:
    """A job of two minutes: Slurm asks it to stop up to a minute and a half before, and it writes its state."""
    write_phantom(tmp_path / "phantom", n_train=2, n_validation=1, n_test=1)
    asked = ("--input", "phantom/samples.csv", "--max_cpus", "1", "--max_memory", "3 GB", "--max_time", "2 min")
    with started(tmp_path, "-profile", "slurm,test", *asked, "--training", "quick") as engine:
        states = tmp_path / ".rprloc" / "checkpoints"

        def resumed() -> list[Path]:
            return [log for log in states.glob("*.log") if log.read_text().count("goes on from step") >= 1]

        wait_until(lambda: len(resumed()) == 2, seconds=LONG, what="both trainings' second jobs")
        engine.send_signal(signal.SIGINT)
        wait_until(lambda: engine.poll() is not None, seconds=LONG, what="the end")
    for log in states.glob("*.log"):
        before, after = log.read_text().split("goes on from step ")[:2]
        last = [int(step.replace(",", "")) for step in re.findall(r"^step ([\d,]+) of", before, re.MULTILINE)][-1]
        # Of no more than ten seconds, which is how often a line is written: not the state of the last minute.
        assert int(after.split()[0]) >= last
    trainings = [lines for name, lines in headers(tmp_path).items() if "LEARN_TRAIN" in name]
    sizes = [{line for line in lines if line.startswith(("-t ", "--mem "))} for lines in trainings]
    assert len(sizes) == 2 and all(one == {"-t 00:02:00", "--mem 3072M"} for one in sizes), sizes


def test_two_engines_or_schedulers_at_once_are_a_sentence(cluster: Slurm, tmp_path: Path, sheet: Path) -> None:
    done = run(tmp_path, "-profile", "slurm,sge,test", "--input", sheet.name, "-stub")
    assert done.status == 1
    assert "command line, option -profile: found slurm and sge, expected one scheduler." in done.output
