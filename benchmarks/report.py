"""What the report of many queries costs and weighs: python -m benchmarks.report [FOLDER] leaves one of 300 to look at.

Scans, pictures and viewers are those of the demo's test scans, under many names; answers are made up around the truth.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from pathlib import Path

import msgspec
import numpy as np
from playwright.sync_api import CDPSession, sync_playwright

from benchmarks.bundled import ASSETS, preprocessed
from benchmarks.measurement import Measurement
from rprloc.cohort.tasks import View, Viewed
from rprloc.geometry import WALLS
from rprloc.pictures.manifest import read_manifests, write_manifest
from rprloc.pictures.view import ViewFiles, view_scans
from rprloc.results.report.run import ReportFiles, report_run
from rprloc.scans.record import ScanRecord
from tests.results.report.made import LAUNCH, Made, failed, made, report_of, write_results

STRUCTURES = ("brainstem", "mandible", "parotid_left", "parotid_right")
MANY, SHOWN = (250, 500, 1000), 300
"""Queries of a report; and of the one to look at."""
_OFF = ((1, -2, 0), (2, 1, -1))
"""How far boxes are off, mm."""
_SORT = """(() => {
    const one = document.getElementById("sort");
    one.value = "size";
    one.dispatchEvent(new Event("change"));
    document.body.offsetHeight;
})()"""


def measure() -> list[Measurement]:
    """Make pictures of the demo's test scans, and reports of many queries of them."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        viewed = _viewed(folder)
        taken = [_reported(folder, queries) for queries in MANY]
        each = (taken[-1] - taken[0]) / (MANY[-1] - MANY[0])
        middle = (taken[1] - taken[0]) / (MANY[1] - MANY[0])
        page = folder / "report.html"
        lines = [
            Measurement("report: pictures and viewer, CPU seconds a query", viewed, "s"),
            Measurement(f"report: CPU seconds for {MANY[-1]} queries of four structures", taken[-1], "s"),
            Measurement("report: CPU seconds each further query", each, "s", 0.05),
            Measurement("report: the same from 250 to 500 / from 250 to 1000", middle / each, "", 1.5),
            Measurement(f"report: megabytes of the page, {MANY[-1]} queries", page.stat().st_size / 1e6, "MB", 15),
        ]
        return [*lines, *_usable(page)]


def _viewed(folder: Path) -> float:
    """Write pictures and viewers of the demo's test scans, with answers near the truth, and a manifest; return the
    seconds of a query.
    """
    found = preprocessed(folder / "scans", splits=("validation", "test"))
    scans = {one.name: one for one in (*found["test"], found["validation"][0])}
    support = found["validation"][0].name
    subjects = {name: ScanRecord.read(path).subject for name, path in scans.items()}
    images = {name: ASSETS / "demo" / "images" / f"{subject}.nii.gz" for name, subject in subjects.items()}
    cohort, answers = _cohort(1), {}
    for path in found["test"]:
        record = ScanRecord.read(path)
        rows = [
            msgspec.structs.replace(
                row, subject=record.subject, box_mm=(structure.box_mm + np.array(_OFF)).tolist(),
                points_mm=dict(zip(WALLS, structure.extreme_mm.tolist(), strict=True)),
            )
            for row in cohort.predictions
            if (structure := record.structures.get(row.structure)) is not None
        ]  # fmt: skip
        answers[record.subject] = "".join(msgspec.json.encode(row.to_json()).decode() + "\n" for row in rows)
    own = tuple(Viewed(id=name, subject=subject, image="") for name, subject in subjects.items())
    task = View(id="seen", cohort="demo", modality="ct", viewed=own, beside=(support,), answers=answers)
    began = time.process_time()
    view_scans(folder, task, ViewFiles(scans=scans, images=images))
    return (time.process_time() - began) / len(scans)


def _cohort(queries: int) -> Made:
    """Return a cohort whose answers are good, doubtful, lost or missing."""
    one = made(("matched", "affine"), queries=queries, supports=1, structures=STRUCTURES)
    rng = np.random.default_rng(1)
    for number, row in enumerate(one.predictions):
        lost = float(rng.beta(0.6, 5))
        changed = msgspec.structs.replace(row, lost=lost, seconds={"search": float(rng.uniform(0.1, 0.3))})
        one.predictions[number] = failed(changed, "lost") if lost > 0.5 else changed
    return one


def _reported(folder: Path, queries: int) -> float:
    """Write the report of so many queries, whose pictures are those of the demo's scans in turn; return its seconds."""
    seen = list(read_manifests([folder / "seen.json"]).values())
    support = next(one for one in seen if not one.support)
    own = [one for one in seen if one.support]
    scans = [msgspec.structs.replace(own[n % len(own)], subject=f"q{n}", support="s0") for n in range(queries)]
    write_manifest(folder / "all.json", [*scans, msgspec.structs.replace(support, subject="s0")])
    results = write_results(folder / "results", cohort := _cohort(queries))
    began = time.process_time()
    report_run(folder, report_of(cohort), LAUNCH, ReportFiles(results=results, manifests=[folder / "all.json"]))
    return time.process_time() - began


def _usable(page: Path) -> list[Measurement]:
    """Open the page in Chromium, where there is one, and return the seconds until it can be used and a filter's."""
    chromium = shutil.which("chromium")
    if chromium is None:
        return []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        opened = browser.new_page(viewport={"width": 1300, "height": 900})
        session = opened.context.new_cdp_session(opened)
        session.send("Performance.enable", {"timeDomain": "threadTicks"})
        opened.goto(page.as_uri(), wait_until="commit")
        opened.wait_for_selector(".strip button")
        opened.wait_for_selector(".row")
        ready = _busy(session)
        opened.evaluate(_SORT)
        sorted_otherwise = _busy(session) - ready
        browser.close()
    return [
        Measurement(f"report: CPU seconds until a page of {MANY[-1]} queries can be used", ready, "s", 1),
        Measurement("report: CPU seconds to sort its list otherwise", sorted_otherwise, "s", 0.2),
    ]


def _busy(session: CDPSession) -> float:
    """Return the CPU seconds that the page's main thread has taken."""
    found = {one["name"]: one["value"] for one in session.send("Performance.getMetrics")["metrics"]}
    return float(found["TaskDuration"])


def main(folder: Path) -> None:
    """Write a report of SHOWN queries."""
    folder.mkdir(parents=True, exist_ok=True)
    _viewed(folder)
    _reported(folder, SHOWN)
    print(folder / "report.html")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
