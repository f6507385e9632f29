"""Stand-ins for Slurm and for container engines, which note what they are asked for and run it on this machine."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

# A Slurm that runs a job at once, an array's tasks one after the other, and keeps a copy of its script.
SBATCH = """#!/bin/bash
job=$RECORD/job.$$
cp "${@: -1}" "$job"
last=$(sed -n 's/^#SBATCH --array 0-//p' "$job")
if [ "$last" ]; then
  (for i in $(seq 0 "$last"); do SLURM_ARRAY_TASK_ID=$i bash "$job"; done) < /dev/null > /dev/null 2>&1 &
else
  bash "$job" < /dev/null > /dev/null 2>&1 &
fi
echo "Submitted batch job ${job##*.}"
"""
# A queue with a job that a killed run has left; Nextflow's own question is another one.
SQUEUE = """#!/bin/bash
[[ "$*" != *%Z* || "$*" == *PENDING* ]] || echo "77|nf-RPRLOC_LEARN_TRAIN_(c_coarse)|None|$LEFT/ab/cdef"
"""
# A container engine that notes its arguments and runs the command, what stands behind the image, on this machine.
ENGINE = """#!/bin/bash
printf '%s ' "${@%%$'\\n'*}" > "$(mktemp "$RECORD/container.XXXXXX")"
while [[ $# -gt 0 && $1 != *.sif && $1 != rprloc:* ]]; do shift; done
[ $# -gt 1 ] || exit 0
shift
exec "$@"
"""
TEXTS = {"sbatch": SBATCH, "squeue": SQUEUE, "singularity": ENGINE, "apptainer": ENGINE, "docker": ENGINE}


@dataclass(frozen=True)
class StandIns:
    """The folder of the programs, and that of what they were asked for: `job.*` and `container.*`."""

    programs: Path
    record: Path

    @property
    def path(self) -> str:
        """The PATH on which they come first; the engine's wrapper puts .venv/bin before it, which has none of them."""
        return f"{self.programs}{os.pathsep}{os.environ['PATH']}"


def write_stand_ins(folder: Path, names: Iterable[str], *, left: Path) -> StandIns:
    """Write stand-ins below a folder; the job that the queue holds was left in the work folder `left`."""
    made = StandIns(folder / "bin", folder / "record")
    for path in (made.programs, made.record):
        path.mkdir()
    for name in names:
        # Folders are written in full: Nextflow starts the engine with an empty environment.
        text = TEXTS[name].replace("$RECORD", str(made.record)).replace("$LEFT", str(left))
        (made.programs / name).write_text(text, encoding="utf-8")
        (made.programs / name).chmod(0o755)
    return made
