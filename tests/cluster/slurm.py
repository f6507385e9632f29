"""A real Slurm on this machine: munge, a controller and a daemon for each of several nodes, all on the loopback.

It needs root and Debian's packages slurm-wlm and munge. Memory limits are real where cgroups (version 1) are, accounts
where tests.cluster.accounting finds what they need; each node has a device file in the place of a GPU. What was started
is stopped by its own process number.
"""

from __future__ import annotations

import getpass
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.cluster import accounting
from tests.cluster.servers import lacking, wait_for

CLUSTER = "rprloctest"
PORT = 17817
LONG = 1800.0
"""Seconds after which a test gives up: a machine with other work on it takes minutes to start Nextflow alone."""
FITTING = ("--max_cpus", "2", "--max_memory", "3 GB")
"""What a run is told whose jobs shall fit the nodes."""
CGROUPS = Path("/sys/fs/cgroup/memory")

CONF = """ClusterName={cluster}
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/run/munge.socket
CryptoType=crypto/munge
CommunicationParameters=NoAddrCache,NoInAddrAny,NoCtldInAddrAny
MpiDefault=none
ProctrackType={proctrack}
TaskPlugin={task}
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=1,bf_interval=1,defer_batch=0
ReturnToService=2
SlurmctldTimeout=10
SlurmdTimeout=60
InactiveLimit=0
KillWait={kill_wait}
OverTimeLimit=0
MinJobAge=300
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
{over}
{accounts}
JobCompType=jobcomp/filetxt
JobCompLoc={folder}/log/jobs.txt
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool/%n
SlurmctldPidFile={folder}/run/slurmctld.pid
SlurmdPidFile={folder}/run/slurmd.%n.pid
SlurmctldLogFile={folder}/log/slurmctld.log
SlurmdLogFile={folder}/log/slurmd.%n.log
GresTypes=gpu
DefMemPerCPU=512
"""


@dataclass(frozen=True)
class Slurm:
    """A running Slurm: the environment of its commands, the file with a line for each job that has ended, why it keeps
    no accounts, empty where it does, and its user.
    """

    environment: dict[str, str]
    ended: Path
    unaccounted: str
    user: str

    def ask(self, *command: str) -> str:
        """Return what one of its commands prints."""
        done = subprocess.run(command, env=self.environment, text=True, capture_output=True, check=True, timeout=120)
        return done.stdout

    def at_work(self, node: str) -> bool:
        """Tell whether a node runs jobs, and all of them have begun."""
        jobs = self._running_on(node)
        return bool(jobs) and jobs == {job for job, _ in self._processes_on(node)}

    def end_of(self, job: str) -> str:
        """Return the line of a job that has ended, empty where it has not."""
        lines = self.ended.read_text(encoding="utf-8").splitlines()
        return next((line for line in lines if line.startswith(f"JobId={job} ")), "")

    def times(self, name: str) -> list[tuple[str, str]]:
        """Return when jobs with a text in their name began and ended, in the order of their ends."""
        lines = self.ended.read_text(encoding="utf-8").splitlines()
        return [_times(line) for line in lines if name in line]

    @contextmanager
    def without(self, node: str) -> Iterator[set[str]]:
        """Lose a node, all at once as when its power fails, and bring it back at the end; yields the jobs it ran."""
        daemon = Path(self.environment["SLURM_CONF"]).parent / "run" / f"slurmd.{node}.pid"
        os.kill(int(daemon.read_text()), signal.SIGKILL)
        jobs = self._running_on(node)
        while found := self._processes_on(node):
            # The oldest first: a parent whose child dies before it does something about it.
            for number in sorted(number for _, number in found):
                with suppress(ProcessLookupError):
                    os.kill(number, signal.SIGKILL)
        try:
            yield jobs
        finally:
            subprocess.run(["slurmd", "-N", node], env=self.environment, check=True)
            wait_for(lambda: _idle(self, node) == 1, f"Slurm's {node}")

    def _running_on(self, node: str) -> set[str]:
        """Return the numbers of the jobs that run on a node."""
        return set(self.ask("squeue", "-h", "-w", node, "-t", "RUNNING", "-o", "%A").split())

    def _processes_on(self, node: str) -> set[tuple[str, int]]:
        """Return job and number of each process on a node, those of Slurm that started them among them."""
        wanted = {f"SLURM_CONF={self.environment['SLURM_CONF']}", f"SLURMD_NODENAME={node}"}
        found = set()
        for entry in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):  # it has ended, or is somebody else's
                variables = (entry / "environ").read_text(errors="replace").split("\0")
                if wanted <= set(variables):
                    (job,) = (one.partition("=")[2] for one in variables if one.startswith("SLURM_JOB_ID="))
                    found.add((job, int(entry.name)))
                    parent = (entry / "stat").read_text().rpartition(")")[2].split()[1]
                    if Path(f"/proc/{parent}/comm").read_text() == "slurmstepd\n":
                        found.add((job, int(parent)))
        return found


def missing() -> str:
    """Return what is missing to start it, empty where nothing is."""
    return lacking(("slurmctld", "slurmd", "munged"), "slurm-wlm and munge", "start nodes")


@contextmanager
def slurm(folder: Path, *, nodes: int = 2, cpus: int = 2, memory_mb: int = 8000, hours: int = 1) -> Iterator[Slurm]:
    """Start a Slurm whose files lie in a folder, with one partition of a longest time, and stop it at the end."""
    for name in ("state", "spool", "log", "run"):
        (folder / name).mkdir(parents=True)
    run = folder / "run"
    unaccounted, user = accounting.missing(), getpass.getuser()
    values = {"folder": folder, "port": PORT, "accounts_port": PORT + 90, "user": user, "cluster": CLUSTER}
    values["accounts"] = (
        "AccountingStorageType=accounting_storage/none" if unaccounted else accounting.CONF.format(**values)
    )
    _configure(folder, values, [f"CPUs={cpus} RealMemory={memory_mb}"] * nodes, hours)
    environment = os.environ | {"SLURM_CONF": str(folder / "slurm.conf")}
    try:
        munge = ["--key-file", folder / "munge.key", "--socket", run / "munge.socket", "--pid-file", run / "munged.pid"]
        munge += ["--log-file", folder / "log" / "munged.log", "--seed-file", folder / "munge.seed"]
        subprocess.run(["munged", "--force", *map(str, munge)], env=environment, check=True)
        with nullcontext() if unaccounted else accounting.accounting(folder, values, environment):
            try:
                subprocess.run(["slurmctld"], env=environment, check=True)
                for number in range(1, nodes + 1):
                    subprocess.run(["slurmd", "-N", f"node{number}"], env=environment, check=True)
                found = Slurm(environment, folder / "log" / "jobs.txt", unaccounted, user)
                wait_for(lambda: _idle(found) >= nodes, "Slurm's nodes")
                yield found
            finally:
                subprocess.run(["scancel", "-u", user], env=environment, check=False, timeout=120)
                time.sleep(2)
                # The daemons before the database, which they write to.
                _stop(run)
    finally:
        _stop(run)


def _configure(folder: Path, values: Mapping[str, object], nodes: Sequence[str], hours: int) -> None:
    """Write what the daemons read: the nodes by what each has, one partition, and a key."""
    limited = (CGROUPS / "memory.limit_in_bytes").exists() and os.access(CGROUPS, os.W_OK)
    host = socket.gethostname().split(".")[0]
    enforced = {
        "proctrack": "proctrack/cgroup" if limited else "proctrack/linuxproc",
        "task": "task/cgroup" if limited else "task/none",
        "over": "" if limited else "JobAcctGatherParams=OverMemoryKill",
    }
    here = f"NodeHostname={host} NodeAddr=127.0.0.1"
    lines = [
        f"NodeName=node{number} {here} Port={PORT + number} {has} Gres=gpu:1 State=UNKNOWN"
        for number, has in enumerate(nodes, start=1)
    ]
    lines.append(f"PartitionName=main Nodes=ALL Default=YES MaxTime={hours * 60} State=UP")
    written = CONF.format(host=host, kill_wait=30, **enforced, **values)
    (folder / "slurm.conf").write_text(written + "\n".join(lines) + "\n", encoding="utf-8")
    gpus = [f"NodeName=node{number} Name=gpu File=/dev/null\n" for number in range(1, len(nodes) + 1)]
    (folder / "gres.conf").write_text("".join(gpus))
    mounted = "/sys/fs/cgroup" if limited else f"{folder}/none"
    lines = ["CgroupPlugin=cgroup/v1", f"CgroupMountpoint={mounted}", "CgroupAutomount=no"]
    lines.append(f"ConstrainRAMSpace={'yes' if limited else 'no'}")
    (folder / "cgroup.conf").write_text("\n".join(lines) + "\n")
    key = folder / "munge.key"
    key.write_bytes(os.urandom(1024))
    key.chmod(0o400)


def _times(line: str) -> tuple[str, str]:
    """Return when a job began and ended, by its line."""
    values = dict(word.split("=", 1) for word in line.split() if "=" in word)
    return values["StartTime"], values["EndTime"]


def _idle(started: Slurm, *nodes: str) -> int:
    """Return how many nodes, those of some names or all, take jobs."""
    asked = ["sinfo", "-h", "-N", "-o", "%T", *(["-n", ",".join(nodes)] if nodes else [])]
    done = subprocess.run(asked, env=started.environment, text=True, capture_output=True, check=False)
    return done.stdout.split().count("idle")


def _stop(run: Path) -> None:
    """Stop the daemons whose numbers stand in a folder."""
    numbers = [int(path.read_text()) for path in sorted(run.glob("*.pid")) if path.read_text().strip()]
    for sent in (signal.SIGTERM, signal.SIGKILL):
        for number in numbers:
            if Path(f"/proc/{number}").exists():
                os.kill(number, sent)
        end = time.monotonic() + 60
        while any(Path(f"/proc/{number}").exists() for number in numbers) and time.monotonic() < end:
            time.sleep(0.1)
