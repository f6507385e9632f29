"""Is it noticed that left and right are exchanged? `python -m benchmarks.sides SHEET,SETTINGS[,SPLIT...] ...`.

Each argument is a cohort, as `benchmarks.lost` takes it. Every scan is searched by `matched`, without a network, from
the first three others and from the first one, as it is and mirrored. A line has of how many mirrored scans it is told
that they are, and of how many others.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pandas as pd

from benchmarks.lost import SUPPORTS, Cohort, matched, prepared, without_label
from rprloc.methods.clock import Clock
from rprloc.methods.judged import Court
from rprloc.networks.device import set_up_cpu
from rprloc.scans.turned import UNTURNED, turned


def main(arguments: Sequence[str]) -> None:
    """Print a table."""
    with tempfile.TemporaryDirectory() as folder:
        cohorts = prepared([one.split(",") for one in arguments], Path(folder))
        tasks = [(cohort, subject) for cohort in cohorts for subject in cohort.own]
        with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
            rows = pd.DataFrame([row for found in pool.map(_asked, tasks) for row in found])
    print("| cohort | supports | scans | mirrored: told | as they are: taken for mirrored |")
    print("|---" * 5 + "|")
    for (cohort, supports), own in rows.groupby(["cohort", "supports"], sort=False):
        right = own["told"] & own["mirrored"], own["told"] & ~own["mirrored"]
        print(f"| {cohort} | {supports} | {own['subject'].nunique()} | {right[0].sum()} | {right[1].sum()} |")


def _asked(task: tuple[Cohort, str]) -> list[dict[str, object]]:
    """Return whether a scan, as it is and mirrored, is taken for one that is exchanged, by three supports and one."""
    cohort, subject = task
    set_up_cpu(1)
    query, window = cohort.scan(subject), cohort.settings.window
    others = [scan for name in cohort.own if name != subject and (scan := cohort.scan(name)) is not None][:SUPPORTS]
    rows: list[dict[str, object]] = []
    if query is None:
        return rows
    bare = without_label(query)
    for supports in (others, others[:1]):
        method = matched(window)
        method.prepare(supports)
        court = Court(supports, window, seed=1)
        for mirrored in (False, True):
            scan = turned(bare, UNTURNED.mirrored) if mirrored else bare
            assert scan is not None
            found = court.answered(method, scan, Clock()).turned
            told = found is not None and found.turn == UNTURNED.mirrored and found.sided
            about = {"cohort": cohort.name, "subject": subject, "supports": len(supports)}
            rows.append(about | {"mirrored": mirrored, "told": told})
    return rows


if __name__ == "__main__":
    main(sys.argv[1:])
