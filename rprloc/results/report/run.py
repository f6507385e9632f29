"""The REPORT step: from the files of the steps before to the page, its pictures and what is known of the run."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

import msgspec
import pandas as pd

from rprloc.cohort.provenance import versions
from rprloc.cohort.tasks import Cohort, Launch, Report
from rprloc.files import write_json, write_text
from rprloc.pictures.manifest import read_manifests
from rprloc.results.frame import read_metrics, read_predictions, read_tables
from rprloc.results.report.answers import Pictures
from rprloc.results.report.curves import Log, read_log
from rprloc.results.report.material import Gallery, Material, StoredScan
from rprloc.results.report.multiqc import multiqc_to_json
from rprloc.results.report.page import (
    EMBEDDED,
    CohortPage,
    DoubtedScan,
    Page,
    Scans,
    Shared,
    cohort_page,
    facts,
    html,
    viewer_files,
)
from rprloc.results.shown import read_shown
from rprloc.scans.record import ScanRecord

SCANS_SHOWN = 30
"""The page lists no more scans with findings than this; scans.csv has all."""


@dataclass(frozen=True, kw_only=True)
class ReportFiles:
    """What the steps before have left."""

    results: Path
    """The folder that TABULATE wrote."""
    scans: Sequence[Path] = ()
    """The folders of the preprocessed scans of figure 4."""
    manifests: Sequence[Path] = ()
    """What VIEW made of each batch of scans."""
    logs: Sequence[Path] = ()
    """The training curves, `<cohort>.<network>.jsonl`."""


def report_run(folder: Path, report: Report, launch: Launch, given: ReportFiles) -> None:
    """Write report.html, *_mqc.json, the viewer's script and style, figures/<cohort>/ and pipeline_info/run.json
    to `folder`.
    """
    run = {
        "command": launch.command,
        "profile": launch.profile,
        "pipeline": launch.pipeline,
        "finished": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "machine": f"{platform.system()} {platform.machine()}",
        "versions": versions() | {"nextflow": launch.nextflow},
    }
    scans, pictures = read_tables(given.results / "scans.csv"), read_manifests(given.manifests)
    seen = Shared(scans, pictures, _embedded(pictures))
    page = Page(
        command=launch.command,
        facts=facts(run),
        parameters=facts(report.parameters),
        scans=_scans(scans),
        cohorts=_cohorts(report, given, folder / "figures", seen),
        single=bool(seen.embedded),
        embedded=seen.embedded,
    )
    write_text(folder / "report.html", html(page))
    for name, content in multiqc_to_json(page.cohorts).items():
        write_json(folder / name, content)
    for name, text in viewer_files().items():
        write_text(folder / "viewer" / name, text)
    write_json(folder / "pipeline_info" / "run.json", _about_run(run, report, launch, given.results))


def _about_run(run: Mapping[str, object], report: Report, launch: Launch, results: Path) -> dict[str, object]:
    """Return what makes the same results again."""
    devices = sorted({row.device for row in read_predictions(results / "predictions.jsonl") if row.device})
    about = {
        "commit": launch.commit,
        "code": launch.code,
        "executor": launch.executor,
        "training_threads": report.threads,
        "devices": devices,
        "image": launch.image,
        "digest": launch.digest,
        "config": dict(launch.config),
    }
    return {
        "run": {**run, **about},
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


def _cohorts(report: Report, given: ReportFiles, figures: Path, seen: Shared) -> tuple[CohortPage, ...]:
    """Return what the page says of each cohort, by name, and draw their pictures."""
    metrics = read_metrics(given.results / "metrics.csv")
    predictions = read_predictions(given.results / "predictions.jsonl")
    shown = {one.cohort: one for one in read_shown(given.results / "tables" / "shown.json")}
    asked_for, scans = report.parameters.get("figure_query"), _stored(given.scans)

    def of(cohort: Cohort) -> CohortPage:
        own = {one.record.subject: one for one in scans if one.record.cohort == cohort.name}
        return cohort_page(
            cohort,
            Material.of(predictions, metrics, shown[cohort.name]),
            Gallery(own, cohort.modality, figures / cohort.name),
            seen,
            _logs(cohort.name, given.logs),
            None if asked_for is None else str(asked_for),
        )

    return tuple(of(cohort) for cohort in sorted(report.cohorts, key=lambda one: one.name))


def _embedded(pictures: Pictures) -> dict[str, str]:
    """Return the pictures of the first EMBEDDED queries, and of supports, as data URIs by their addresses."""
    queries = [one for one in pictures.values() if one.support][:EMBEDDED]
    supports = [one for one in pictures.values() if not one.support]
    return {
        quote(one.pictures[structure]): uri for one in (*queries, *supports) for structure, uri in one.embedded.items()
    }


def _stored(scans: Sequence[Path]) -> list[StoredScan]:
    """Return what is known of the scans, each read once."""
    return [StoredScan(folder, ScanRecord.read(folder)) for folder in scans]


def _logs(cohort: str, logs: Sequence[Path]) -> dict[str, Log]:
    """Return the training curves of one cohort by network."""
    named = {tuple(path.stem.rsplit(".", 1)): path for path in logs}
    return {network: read_log(path) for (name, network), path in sorted(named.items()) if name == cohort}


def _scans(scans: pd.DataFrame) -> Scans:
    """Return how many scans there are of each status, and the lines of scans.csv that are not PASS, FAIL first."""
    lines = scans.fillna("").astype(str).to_dict("records")
    counts = {status: sum(line["status"] == status for line in lines) for status in ("PASS", "WARN", "FAIL")}
    doubted = sorted((line for line in lines if line["status"] != "PASS"), key=lambda line: line["status"])
    shown = tuple(DoubtedScan(**{name: line[name] for name in DoubtedScan._fields}) for line in doubted[:SCANS_SHOWN])
    return Scans(counts, shown, len(doubted) - len(shown))
