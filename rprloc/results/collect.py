"""The EVALUATE, TABULATE and REPORT steps: from the files of the steps before to those of the results folder."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd

import rprloc
from rprloc.files import read_json, read_json_lines, whole_file, write_json, write_json_lines, write_text
from rprloc.results.boxes import box_table
from rprloc.results.calibration_table import calibration_tables, tidy_calibration
from rprloc.results.comparison import write_comparison
from rprloc.results.error_sources import error_source_tables, tidy_error_sources
from rprloc.results.layout import write_csv, write_table
from rprloc.results.metrics import evaluate
from rprloc.results.report import REPORTED, write_report
from rprloc.results.table3 import write_table3
from rprloc.results.table4 import supports_tables, tidy_table4
from rprloc.results.table5 import landmark_tables, tidy_table5
from rprloc.results.tables import summary, write_tables

_LIBRARIES = ("torch", "SimpleITK", "numpy", "scipy", "pandas", "matplotlib", "safetensors", "statsmodels")


def evaluate_cohort(
    folder: Path,
    check: Mapping[str, Any],
    *,
    cohort: str,
    scans: Sequence[Path],
    batches: Sequence[Path],
    seed: int,
    tables: bool,
) -> None:
    """Write a cohort's complete predictions, metrics, lines of its tables and set-aside scans to `folder`.

    `check` holds the checked sheet's rows and the cohorts' settings, `scans` are the folders of preprocessed scans and
    `batches` the prediction files of all batches.
    """
    about = [_read_about(path) for path in scans]
    predictions = [row for batch in batches for row in read_json_lines(batch)]
    by_subject = {scan["subject"]: scan for scan in about}
    rows, metrics, set_aside = evaluate(check, cohort, by_subject, predictions, seed=seed, tables=tables)
    starts = check["cohorts"][cohort]["starts"]
    table4 = tidy_table4(rows, metrics, by_subject, starts=starts, seed=seed)
    table5 = tidy_table5(rows, metrics, by_subject, starts=starts)
    sources = tidy_error_sources(rows, metrics, by_subject, starts=starts)
    write_json_lines(folder / "predictions.jsonl", rows)
    _write_csv(folder / "metrics.csv", metrics)
    write_csv(folder / "table4.csv", table4)
    write_csv(folder / "table5.csv", table5)
    write_csv(folder / "error_sources.csv", sources)
    _write_csv(folder / "set_aside.csv", set_aside)


def tabulate_cohorts(
    folder: Path, starts: Mapping[str, int], evaluated: Sequence[Path], logs: Sequence[Path] = ()
) -> str:
    """Put the cohorts' files together in `folder`, write the tables below it, and return tables/summary.md.

    `starts` has each cohort's K, `evaluated` are the folders that `evaluate_cohort` wrote, `logs` the training curves.
    """
    rows = [row for path in evaluated for row in read_json_lines(path / "predictions.jsonl")]
    metrics, table4, table5, sources, set_aside = (
        _read_csvs(evaluated, f"{name}.csv") for name in ("metrics", "table4", "table5", "error_sources", "set_aside")
    )
    write_json_lines(folder / "predictions.jsonl", rows)
    _write_csv(folder / "boxes.csv", box_table(rows, starts))
    _write_csv(folder / "metrics.csv", metrics)
    _write_csv(folder / "set_aside.csv", set_aside)
    write_tables(folder / "tables", metrics, starts)
    write_table3(folder / "tables", metrics, rows, starts, _read_logs(logs))
    write_comparison(folder / "tables", metrics, starts)
    write_table(folder / "tables", "table4", table4, supports_tables(table4, starts))
    write_table(folder / "tables", "table5", table5, landmark_tables(table5, starts))
    write_table(folder / "tables", "error_sources", sources, error_source_tables(sources, starts))
    calibration = tidy_calibration(metrics, rows)
    write_table(folder / "tables", "calibration", calibration, calibration_tables(calibration, starts))
    small = summary(metrics, starts)
    write_text(folder / "tables" / "summary.md", small)
    return small


def report_run(
    folder: Path, values: Mapping[str, Any], *, results: Path, scans: Sequence[Path], logs: Sequence[Path]
) -> None:
    """Write report.html, figures/ and pipeline_info/run.json to `folder`.

    `values` holds `run` (what the report says about the run) and `check` (parameters, rows, cohorts), `results` is
    the folder of `tabulate_cohorts`, `scans` are all preprocessed scans and `logs` the training curves.
    """
    run = {
        **values["run"],
        "finished": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "machine": f"{platform.system()} {platform.machine()}",
        "versions": versions() | values.get("versions", {}),
    }
    about = {path: _read_about(path) for path in scans}
    write_report(
        folder / "report.html",
        run=run,
        check=values["check"],
        metrics=_read_csvs([results], "metrics.csv"),
        predictions=read_json_lines(results / "predictions.jsonl"),
        tables={name: _read_csvs([results / "tables"], f"{name}.csv") for name in REPORTED},
        set_aside=_read_csvs([results], "set_aside.csv"),
        scans={(scan["cohort"], scan["subject"]): {"json": scan, "folder": path} for path, scan in about.items()},
        logs=_read_logs(logs),
        figures_folder=folder / "figures",
    )
    about_run = {"run": run, "parameters": values["check"]["parameters"]}
    # SHA-256 of the sample sheet and of every model.
    about_run |= {name: values[name] for name in ("sheet", "weights") if name in values}
    write_json(folder / "pipeline_info" / "run.json", about_run)


def versions() -> dict[str, str]:
    """Return the versions of this package, Python and the libraries whose results depend on them."""
    return {
        "rprloc": rprloc.__version__,
        "python": platform.python_version(),
        **{name: version(name) for name in _LIBRARIES},
    }


def _read_about(scan: Path) -> dict[str, Any]:
    """Return the JSON of a preprocessed scan's folder."""
    about: dict[str, Any] = read_json(next(scan.glob("*.json")))
    return about


def _read_logs(logs: Sequence[Path]) -> dict[str, list[dict[str, Any]]]:
    """Return the training curves by `<cohort>.<stage>`."""
    return {path.stem: read_json_lines(path) for path in logs}


def _read_csvs(folders: Sequence[Path], name: str) -> pd.DataFrame:
    """Return the rows of a file in several folders, in their order; subjects and reasons stay texts."""
    texts = dict.fromkeys(("cohort", "subject", "structure", "support", "reason", "file"), "str")
    parts = [pd.read_csv(folder / name, dtype=texts, keep_default_na=False, na_values=[""]) for folder in folders]
    # Parts without rows have no types, which would spread.
    return pd.concat([part for part in parts if len(part)] or parts[:1], ignore_index=True)


def _write_csv(path: Path, table: pd.DataFrame) -> None:
    """Write a table as CSV, whole."""
    with whole_file(path) as temporary:
        table.to_csv(temporary, index=False)
