"""The REPORT step: from the files of the steps before to the page, its pictures and what is known of the run."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from rprloc.cohort.provenance import versions
from rprloc.cohort.tasks import Cohort, Launch, Report
from rprloc.files import write_json, write_text
from rprloc.results.frame import read_metrics, read_predictions, read_tables
from rprloc.results.report.curves import Log, read_log
from rprloc.results.report.material import Gallery, Material, StoredScan
from rprloc.results.report.page import CohortPage, DoubtedScan, Page, Scans, cohort_page, facts, html
from rprloc.results.shown import read_shown
from rprloc.scans.scan import ScanRecord

SCANS_SHOWN = 30
"""The page lists no more scans with findings than this; scans.csv has all."""


def report_run(
    folder: Path, report: Report, launch: Launch, *, results: Path, scans: Sequence[Path], logs: Sequence[Path]
) -> None:
    """Write report.html, figures/<cohort>/ and pipeline_info/run.json to `folder`.

    `results` is the folder that TABULATE wrote, `scans` are the folders of all preprocessed scans and `logs` the
    training curves, `<cohort>.<network>.jsonl`.
    """
    run = {
        "command": launch.command,
        "profile": launch.profile,
        "pipeline": launch.pipeline,
        "finished": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "machine": f"{platform.system()} {platform.machine()}",
        "versions": versions() | {"nextflow": launch.nextflow},
    }
    page = Page(
        facts=facts(run),
        parameters=facts(report.parameters),
        scans=_scans(results / "scans.csv"),
        cohorts=_cohorts(report, results, folder / "figures", _stored(scans), logs),
    )
    write_text(folder / "report.html", html(page))
    devices = sorted({row.device for row in read_predictions(results / "predictions.jsonl") if row.device})
    about_run = {
        "run": run
        | {
            "commit": launch.commit,
            "code": launch.code,
            "executor": launch.executor,
            "training_threads": report.threads,
            "devices": devices,
            "image": launch.image,
            "digest": launch.digest,
            "config": dict(launch.config),
        },
        "parameters": report.parameters,
        "sheet": msgspec.to_builtins(report.sheet),
        "weights": dict(sorted(launch.weights.items())),
        "scans": dict(sorted(launch.scans.items())),
        "chosen": [
            {"cohort": one.cohort, **msgspec.to_builtins(line)}
            for one in read_shown(results / "tables" / "shown.json")
            for line in one.weights
        ],
    }
    write_json(folder / "pipeline_info" / "run.json", about_run)


def _cohorts(
    report: Report, results: Path, figures: Path, scans: Sequence[StoredScan], logs: Sequence[Path]
) -> tuple[CohortPage, ...]:
    """Return what the page says of each cohort, by name, and draw their pictures."""
    metrics, predictions = read_metrics(results / "metrics.csv"), read_predictions(results / "predictions.jsonl")
    shown = {one.cohort: one for one in read_shown(results / "tables" / "shown.json")}
    asked_for = report.parameters.get("figure_query")

    def of(cohort: Cohort) -> CohortPage:
        own = {one.record.subject: one for one in scans if one.record.cohort == cohort.name}
        return cohort_page(
            cohort,
            Material.of(predictions, metrics, shown[cohort.name]),
            Gallery(own, cohort.modality, figures / cohort.name),
            _logs(cohort.name, logs),
            None if asked_for is None else str(asked_for),
        )

    return tuple(of(cohort) for cohort in sorted(report.cohorts, key=lambda one: one.name))


def _stored(scans: Sequence[Path]) -> list[StoredScan]:
    """Return what is known of the scans, each read once."""
    return [StoredScan(folder, ScanRecord.read(folder)) for folder in scans]


def _logs(cohort: str, logs: Sequence[Path]) -> dict[str, Log]:
    """Return the training curves of one cohort by network."""
    named = {tuple(path.stem.rsplit(".", 1)): path for path in logs}
    return {network: read_log(path) for (name, network), path in sorted(named.items()) if name == cohort}


def _scans(path: Path) -> Scans:
    """Return how many scans there are of each status, and the lines of scans.csv that are not PASS, FAIL first."""
    lines = read_tables(path).fillna("").astype(str).to_dict("records")
    counts = {status: sum(line["status"] == status for line in lines) for status in ("PASS", "WARN", "FAIL")}
    doubted = sorted((line for line in lines if line["status"] != "PASS"), key=lambda line: line["status"])
    shown = tuple(DoubtedScan(**{name: line[name] for name in DoubtedScan._fields}) for line in doubted[:SCANS_SHOWN])
    return Scans(counts, shown, len(doubted) - len(shown))
