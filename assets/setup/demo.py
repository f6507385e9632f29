"""Run the demo cohort through the pipeline, with Nextflow's lines and the trainings' own log lines as they come.

The training processes write a line every ten seconds into files below .rprloc/checkpoints; a thread here repeats them.
A second call resumes the first one. The exit status is Nextflow's.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
RESULTS = Path("results")
CHECKPOINTS = Path(".rprloc/checkpoints")
COMMAND = ["run", "main.nf", "-profile", "demo", "--outdir", str(RESULTS)]
POLL_SECONDS = 0.5


class Follower(threading.Thread):
    """Prints the whole lines that are added to the log files of a folder, each with the file's name before it."""

    def __init__(self, folder: Path) -> None:
        super().__init__(daemon=True)
        self.folder = folder
        self.finished = threading.Event()
        self.seen = {path: path.stat().st_size for path in folder.rglob("*.log")}

    def run(self) -> None:
        """Look for new lines until told to stop, and once more then."""
        while not self.finished.wait(POLL_SECONDS):
            self.print_news()
        self.print_news()

    def print_news(self) -> None:
        """Print what was added to any file since the last look."""
        for path in sorted(self.folder.rglob("*.log")):
            try:
                content = path.read_bytes()
            except OSError:
                continue
            start = self.seen.get(path, 0)
            if len(content) < start:  # written anew
                start = 0
            end = content.rfind(b"\n") + 1
            if end > start:
                lines = content[start:end].decode(errors="replace").splitlines()
                # <cohort>.<network>.<hash>.log
                name = path.stem.rpartition(".")[0]
                print("".join(f"  {name} | {line}\n" for line in lines), end="", flush=True)
            self.seen[path] = max(end, start)


def last_session() -> str | None:
    """Session of the last demo that Nextflow's history of this folder knows, None where there is none."""
    history = Path(".nextflow/history")
    if not history.is_file():
        return None
    entries = [line.split("\t") for line in history.read_text(encoding="utf-8").splitlines()]
    sessions = [entry[5] for entry in entries if len(entry) > 6 and "-profile demo" in entry[6]]
    return sessions[-1] if sessions else None


def run_pipeline() -> int:
    """Run Nextflow in the foreground and return its exit status."""
    session = last_session()
    if session:
        print("An earlier demo is resumed: what has not changed since is not computed again ('make clean' forgets it).")
    resume = ["-resume", session] if session else []
    command = [str(ROOT / ".venv/bin/nextflow"), *COMMAND, *resume]
    print("$ .venv/bin/nextflow " + " ".join([*COMMAND, *resume]), flush=True)
    follower = Follower(CHECKPOINTS)
    # a terminal's Ctrl-C reaches Nextflow too, which ends its tasks; this process only waits for it
    interrupted = threading.Event()
    signal.signal(signal.SIGINT, lambda *_: interrupted.set())
    nextflow = subprocess.Popen(command, env=os.environ | {"NXF_ANSI_LOG": "false"})
    signal.signal(signal.SIGTERM, lambda *_: nextflow.terminate())
    follower.start()
    status = nextflow.wait()
    follower.finished.set()
    follower.join()
    if interrupted.is_set():
        print("Stopped; 'make demo' goes on from here.", file=sys.stderr)
        sys.exit(130)
    return 128 - status if status < 0 else status


def main() -> int:
    """Run the demo from the checkout's folder and end with what a person looks at next."""
    os.chdir(ROOT)
    started = time.monotonic()
    status = run_pipeline()
    if status:
        print(f"The demo failed (exit status {status}); .nextflow.log holds the details.", file=sys.stderr)
        return status
    minutes, seconds = divmod(round(time.monotonic() - started), 60)
    print(f"\nThe demo took {minutes} min {seconds:02d} s.\n")
    print((RESULTS / "tables" / "summary.md").read_text(encoding="utf-8"))
    print(f"The report: {(RESULTS / 'report.html').resolve()}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
