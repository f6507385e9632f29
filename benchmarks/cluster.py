"""What a run of many rows costs: python -m benchmarks.cluster ROWS [ROWS ...] [--stub] [--slurm] [--folder FOLDER].

The demo's scans under many names, `matched` with the shipped network; with --stub every task is empty, which leaves
what Nextflow itself takes. A line for each number of rows, others for the core seconds of its processes and the seconds
of LOCALIZE's parts, and cluster.png beside them, the cost against the rows.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd

ROOT = Path(__file__).parents[1]
NEXTFLOW = ROOT / ".venv" / "bin" / "nextflow"
DEMO = ROOT / "assets" / "demo" / "samples.csv"
DISTINCT = 50
SOUGHT = ("read", "network", "start", "transform", "search", "surface")
"""Parts of a prediction's seconds that are reading, network or search."""


def write_sheet(folder: Path, rows: int) -> Path:
    """Write a sheet of one support and queries, the demo's scans under other names; DISTINCT files, as links."""
    demo = pd.read_csv(DEMO)
    support = demo[demo.split == "validation"].iloc[0]
    lines = ["subject,image,label,split,cohort"]
    lines.append(f"support,{DEMO.parent / support.image},{DEMO.parent / support.label},validation,{support.cohort}")
    for number in range(min(DISTINCT, rows - 1)):
        (folder / f"{number}.nii.gz").symlink_to(DEMO.parent / demo.image[number % len(demo)])
    lines += [f"q{number:05d},{number % DISTINCT}.nii.gz,,test,{support.cohort}" for number in range(rows - 1)]
    path = folder / "samples.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def run(folder: Path, rows: int, words: list[str]) -> list[dict[str, float]]:
    """Run the pipeline on so many rows in an empty folder; return what it cost, core seconds by process, and seconds by
    part of LOCALIZE.
    """
    sheet = write_sheet(folder, rows)
    asked = ["run", ROOT / "main.nf", "--input", sheet, "--weights", "head-neck-ct", "--cohort", "openkbp", *words]
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    done = subprocess.Popen(
        [str(NEXTFLOW), *map(str, asked)],
        cwd=folder,
        env=os.environ | {"NXF_ANSI_LOG": "false"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    output, _ = done.communicate()
    if done.returncode:
        sys.exit(output)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    results = folder / "results"
    trace = pd.read_csv(results / "pipeline_info" / "execution_trace.txt", sep="\t")
    trace["process"] = trace.name.str.extract(r"(\w+)(?: \(|$)")[0]
    trace["seconds"] = trace.realtime.map(lambda text: pd.Timedelta(text).total_seconds() if text != "-" else 0.0)
    # Stubs are too short for Nextflow's own measure.
    used = pd.to_numeric(trace["%cpu"].astype(str).str.rstrip("%"), errors="coerce").fillna(0.0) / 100 * trace.seconds
    found, search = trace.process == "LOCALIZE", trace[trace.process == "LOCALIZE"]
    parts = _parts(results)
    cost = {
        "rows": rows,
        "tasks": len(trace),
        "seconds": time.monotonic() - began,
        "core_seconds": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
        "preprocess_seconds_a_scan": trace.seconds[trace.process.str.startswith("PREPROCESS")].sum() / rows,
        "localize_seconds_a_query": search.seconds.sum() / (rows - 1),
        "localize_not_sought": 1 - sum(parts.get(part, 0.0) for part in SOUGHT) / max(search.seconds.sum(), 1e-9),
        "localize_tasks": float(found.sum()),
        "localize_gb": max(map(gigabytes, search.peak_rss)),
        "memory_gb": after.ru_maxrss / 2**20,
    }
    by_process = {str(name): float(used[trace.process == name].sum()) for name in sorted(set(trace.process))}
    parts["beside them"] = search.seconds.sum() - sum(parts.values())
    return [cost | _left(folder / "work", rows), by_process, parts]


def _parts(results: Path) -> dict[str, float]:
    """Return the seconds that all predictions together took, by part."""
    found: dict[str, float] = {}
    with (results / "predictions.jsonl").open(encoding="utf-8") as lines:
        for part, seconds in (one for line in lines for one in json.loads(line).get("seconds", {}).items()):
            found[part] = found.get(part, 0.0) + seconds
    return found


def _left(work: Path, rows: int) -> dict[str, float]:
    """Return what a run left in its work folder, a row: entries, links among them, and megabytes."""
    entries = list(work.rglob("*"))
    files = [path for path in entries if not path.is_symlink() and path.is_file()]
    return {
        "entries_a_row": len(entries) / rows,
        "links_a_row": sum(path.is_symlink() for path in entries) / rows,
        "megabytes_a_row": sum(path.stat().st_size for path in files) / 1e6 / rows,
    }


def gigabytes(text: str) -> float:
    """Return a size as the trace writes it, `1.2 GB`, in GB."""
    number, _, unit = text.partition(" ")
    return float(number) * {"B": 2**-30, "KB": 2**-20, "MB": 2**-10, "GB": 1.0}[unit] if unit else 0.0


def plot(found: pd.DataFrame, path: Path) -> None:
    """Draw the cost against the rows."""
    import matplotlib as mpl

    mpl.use("agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, 4, figsize=(12, 3), layout="constrained")
    for axis, name in zip(axes, ("seconds", "core_seconds", "memory_gb", "entries_a_row"), strict=True):
        axis.plot(found.rows, found[name], marker="o")
        axis.set(xlabel="rows", ylabel=name.replace("_", " "), xlim=0, ylim=0)
    figure.savefig(path)


def main() -> None:
    """Measure, print a line each and draw."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rows", type=int, nargs="+")
    parser.add_argument("--stub", action="store_true")
    parser.add_argument("--slurm", action="store_true")
    parser.add_argument("--folder", type=Path, default=Path())
    given = parser.parse_args()
    words = [*(["-stub"] if given.stub else []), *(["-profile", "slurm"] if given.slurm else [])]
    found = []
    for rows in given.rows:
        with tempfile.TemporaryDirectory(dir=given.folder) as folder:
            told = run(Path(folder).resolve(), rows, words)
            found.append(told[0])
            for values in told:
                print("   ".join(f"{name} {value:.4g}" for name, value in values.items()), flush=True)
    plot(pd.DataFrame(found), given.folder / "cluster.png")


if __name__ == "__main__":
    main()
