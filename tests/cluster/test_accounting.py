"""Runs on a Slurm that keeps accounts: what these say of their jobs, and limits that jobs can never meet."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import time
from functools import partial
from pathlib import Path

import pandas as pd

from benchmarks.cluster import gigabytes
from tests.cluster.slurm import FITTING, LONG, Slurm
from tests.runs import NEXTFLOW, ROOT, Run, environment, run, started, wait_until

FIELDS = "JobID,JobName,State,ExitCode,ElapsedRaw,MaxRSS,AllocCPUS"
CAPPED = "capped"
"""Name of an account and of its quality of service, whose limits tests set."""


def entries(accounts: Slurm, jobs: list[str]) -> dict[str, dict[str, str]]:
    """What the accounts say of jobs and of their batch steps, by number."""
    text = accounts.ask("sacct", "-P", "--units=K", "-S", "now-1days", "-j", ",".join(jobs), "-o", FIELDS)
    return {row["JobID"]: row for row in csv.DictReader(io.StringIO(text), delimiter="|")}


def seconds(text: str) -> float:
    """A time as the trace has it."""
    return pd.Timedelta(text).total_seconds()


def test_the_accounts_say_of_each_job_what_the_trace_says(accounts: Slurm, computed: Run) -> None:
    rows = [row for row in computed.trace() if row["name"].split(" ")[0] not in ("NAMES", "CHECK")]
    jobs = [row["native_id"] for row in rows]

    def ended() -> bool:
        found = entries(accounts, jobs)
        return all(found.get(job, {}).get("State") in ("COMPLETED", "FAILED") for job in jobs)

    wait_until(ended, seconds=120, what="the accounts of all jobs")
    found = entries(accounts, jobs)
    for row in rows:
        job = found[row["native_id"]]
        assert f"_{row['name'].split(' ')[0]}" in job["JobName"]
        assert (job["State"], job["ExitCode"]) == (row["status"], f"{row['exit']}:0"), (row, job)
        # From the wrapper's start to its end, in whole seconds; what Nextflow calls the duration is with the queue.
        assert seconds(row["realtime"]) - 1.5 <= float(job["ElapsedRaw"]) <= seconds(row["duration"]) + 1.5, (row, job)
        # Nextflow misses the peak of a short task where the machine is busy; of a failed one it says nothing.
        if row["status"] == "COMPLETED" and seconds(row["realtime"]) >= 3:
            used = float(found[row["native_id"] + ".batch"]["MaxRSS"].rstrip("K")) / 2**20
            assert used / gigabytes(row["peak_rss"]) > 0.5, (row, used)
    assert {row["status"] for row in rows} == {"COMPLETED", "FAILED"}


def test_each_reason_that_does_not_pass_has_its_parameter(tmp_path: Path) -> None:
    """Reasons as Slurm 22.05 calls them; those of other jobs and of nodes that are busy pass."""
    reasons = {
        "--max_time": ["PartitionTimeLimit", "AssocMaxWallDurationPerJobLimit", "QOSMaxGRESMinutesPerJob"],
        "--max_cpus": ["PartitionConfig", "AssocMaxCpuPerNode", "QOSMaxBillingPerJob", "AssocMaxCpuMinutesPerJobLimit"],
        "--max_memory": ["AssocMaxMemPerJob", "QOSMaxMemoryPerNode", "MaxMemPerLimit", "BadConstraints"],
        "--slurm_gres": ["AssocMaxGRESPerJob", "QOSMaxGRESPerNode"],
        "--slurm_account": ["AccountNotAllowed", "AssocGrpCPUMinutesLimit", "QOSGrpMemoryMinutes", "AssocGrpWallLimit"],
        "process.clusterOptions": ["InvalidQOS", "QOSMinCpuNotSatisfied", "QOSMinMemory"],
    }
    passing = ["Priority", "Resources", "QOSMaxJobsPerUserLimit", "QOSMaxCpuPerUserLimit", "AssocGrpCpuLimit"]
    passing += ["AssocGrpCPURunMinutesLimit", "AssociationJobLimit", "Dependency", "None"]
    names = [*passing, *(name for some in reasons.values() for name in some)]
    script = ROOT / "tests" / "cluster" / "reasons.nf"
    command = [NEXTFLOW, "run", script, "--checkout", ROOT, "--reasons", ",".join(names)]
    subprocess.run(command, cwd=tmp_path, env=environment(), check=True)
    found = json.loads((tmp_path / "found.json").read_text(encoding="utf-8"))
    assert {name for name, help_ in found.items() if help_ is None} == set(passing)
    for parameter, some in reasons.items():
        assert all(parameter in found[name] for name in some), (parameter, found)


def test_a_limit_of_an_account_that_a_job_can_never_meet_is_named(accounts: Slurm, tmp_path: Path, sheet: Path) -> None:
    """One limit after the other, each before the last one is lifted; when there is none, the run goes on to its end."""
    accounts.ask("sacctmgr", "-i", "add", "qos", CAPPED)
    accounts.ask("sacctmgr", "-i", "add", "account", CAPPED, f"qos={CAPPED}", f"defaultqos={CAPPED}")
    accounts.ask("sacctmgr", "-i", "add", "user", accounts.user, f"account={CAPPED}")
    limits = (
        ("account", "MaxTRESPerJob=cpu", "1", "AssocMaxCpuPerJobLimit", "ask for fewer processors with --max_cpus"),
        ("qos", "MaxWall", "00:10:00", "QOSMaxWallDurationPerJobLimit", "ask for less time with --max_time"),
        ("qos", "MaxTRESPerJob=mem", "1G", "QOSMaxMemoryPerJob", "ask for less memory with --max_memory"),
        ("qos", "MaxTRESPerUser=cpu", "1", "QOSMaxCpuPerUserLimit", "ask for fewer processors with --max_cpus"),
    )

    def limit(kind: str, what: str, value: str) -> None:
        accounts.ask("sacctmgr", "-i", "modify", kind, CAPPED, "set", f"{what}={value}")

    def said(words: str) -> bool:
        return words in (tmp_path / "output.txt").read_text()

    limit(*limits[0][:3])
    asked = ("--input", sheet.name, *FITTING, "--methods", "regression", "--slurm_account", CAPPED)
    with started(tmp_path, "-profile", "slurm,test", *asked, "-stub") as engine:
        wait_until(lambda: said("TRAIN (phantom/coarse)") and said("TRAIN (phantom/fine)"), seconds=LONG, what="jobs")
        for place, (kind, what, value, reason, help_) in enumerate(limits):
            if place:
                limit(kind, what, value)
                limit(*limits[place - 1][:2], "-1")
            began = time.monotonic()
            sentence = f": {reason}); stop the run, {help_}"
            wait_until(partial(said, sentence), seconds=LONG, what=reason)
            assert time.monotonic() - began < 120
        limit(*limits[-1][:2], "-1")
        wait_until(lambda: engine.poll() is not None, seconds=LONG, what="the end")
    output = (tmp_path / "output.txt").read_text()
    assert engine.returncode == 0 and output.count("wait for what will not come") == len(limits), output

    limit("qos", "MaxTRESPerJob=cpu", "1")
    limit("qos", "Flags", "DenyOnLimit")
    done = run(tmp_path / "refused", "-profile", "slurm,test", "--input", sheet, *asked[2:], "-stub")
    assert done.status == 1
    assert "Job violates accounting/QOS policy" in done.output
    assert "more than its account or quality of service gives a job: ask for fewer processors with" in done.output
