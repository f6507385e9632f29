"""The TABULATE step: all cohorts together in the results folder, and every table, once, for programs and for people."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pandas as pd

from rprloc.files import write_json_lines, write_text
from rprloc.methods.answer import NO_SUPPORT, Prediction
from rprloc.results.frame import (
    DIGITS,
    alone,
    main_of,
    main_rows,
    median_query,
    read_metrics,
    read_predictions,
    read_tables,
    together,
    with_truth,
    write_frame,
)
from rprloc.results.shown import CohortShown, CohortTable, WeightsShown, write_shown
from rprloc.results.statistics import describe
from rprloc.results.tables.boxes import box_table, landmark_table
from rprloc.results.tables.calibration import calibration_tables, risks_by_kind, tidy_calibration
from rprloc.results.tables.comparison import comparison_tables, tidy_comparison
from rprloc.results.tables.error_sources import error_source_tables
from rprloc.results.tables.layout import WITHOUT_TRUTH, CohortFacts, write_table
from rprloc.results.tables.points import point_tables
from rprloc.results.tables.seconds import Trained, read_training_seconds, seconds_tables, tidy_seconds
from rprloc.results.tables.summary import summary
from rprloc.results.tables.table3 import accuracy_tables, tidy_table3
from rprloc.results.tables.table4 import supports_tables
from rprloc.results.tables.table5 import landmark_tables
from rprloc.results.tables.table6 import outline_tables, tidy_outlines
from rprloc.results.tables.tables12 import KINDS, cohort_tables, tidy_table
from rprloc.scans.target import scan_folder


@dataclass(frozen=True)
class Run:
    """What EVALUATE found in all cohorts, one after the other."""

    cohorts: tuple[CohortFacts, ...]
    """By name."""
    predictions: list[Prediction]
    metrics: pd.DataFrame
    """metrics.csv, in the order of the predictions."""
    measured: Mapping[str, pd.DataFrame]
    """The lines that EVALUATE made of tables, and of the scans, by the name of their file."""
    trained: Trained


@dataclass(frozen=True)
class Table:
    """One table: its lines for programs, and laid out for people by cohort."""

    tidy: pd.DataFrame
    laid_out: list[CohortTable]


def tabulate_cohorts(folder: Path, evaluated: Sequence[Path], logs: Sequence[Path]) -> str:
    """Put the cohorts' files together in `folder`, write the tables below it, and return tables/summary.md.

    `evaluated` are the folders that `evaluate_cohort` wrote, each named by its cohort, `logs` the training curves,
    `<cohort>.<network>.jsonl`.
    """
    run = read_run(evaluated, logs)
    names = [cohort.name for cohort in run.cohorts]
    write_json_lines(folder / "predictions.jsonl", (one.to_json() for one in run.predictions))
    write_frame(folder / "boxes.csv", box_table(run.predictions, run.metrics, names))
    write_frame(folder / "landmarks.csv", landmark_table(run.predictions, run.metrics, names))
    write_frame(folder / "metrics.csv", run.metrics)
    write_frame(folder / "set_aside.csv", run.measured["set_aside"])
    write_frame(folder / "scans.csv", run.measured["scans"])
    tables = make_tables(run)
    _write_tables(folder / "tables", tables)
    small = summary(tables["table3"].tidy, run.metrics, names)
    write_text(folder / "tables" / "summary.md", small)
    shown = [
        msgspec.structs.replace(shown_of(cohort, run, tables), figure=figure_scans(cohort.name, run))
        for cohort in run.cohorts
    ]
    write_shown(folder / "tables" / "shown.json", shown)
    return small


def read_run(evaluated: Sequence[Path], logs: Sequence[Path]) -> Run:
    """Read what EVALUATE wrote, and the seconds of the trainings."""
    metrics = read_metrics(*(path / "metrics.csv" for path in evaluated))
    measured = {
        name: read_tables(*(path / f"{name}.csv" for path in evaluated))
        for name in ("table4", "table5", "landmarks", "error_sources", "set_aside", "scans", "weights")
    }
    predictions = read_predictions(*(path / "predictions.jsonl" for path in evaluated))
    cohorts = facts_of(metrics, [path.name for path in evaluated])
    return Run(cohorts, predictions, metrics, measured, read_training_seconds(logs))


def facts_of(metrics: pd.DataFrame, cohorts: Sequence[str]) -> tuple[CohortFacts, ...]:
    """Return what tables have to know of the cohorts, by name, from metrics.csv of all of them."""
    known = set(with_truth(metrics)["cohort"])
    rows = metrics[metrics["drawn"] & (metrics["n_supports"] == 1)].drop_duplicates("cohort")
    drawn = {str(cohort): str(name) for cohort, name in zip(rows["cohort"], rows["support"], strict=True)}
    return tuple(CohortFacts(name, name in known, drawn.get(name, "drawn")) for name in sorted(cohorts))


def make_tables(run: Run) -> dict[str, Table]:
    """Return every table by the name of its file, in the order in which they are shown."""
    first = {number: tidy_table(number, run.metrics) for number in KINDS}
    third, compared = tidy_table3(run.metrics), tidy_comparison(run.metrics)
    seconds = tidy_seconds(run.predictions, run.metrics, run.trained)
    measured = ("table4", "table5", "landmarks", "error_sources")
    fourth, fifth, points, sources = (run.measured[name] for name in measured)
    sixth = tidy_outlines(run.metrics)
    sure = tidy_calibration(run.metrics, run.predictions)
    return {
        **{f"table{number}": Table(tidy, cohort_tables(number, tidy, run.cohorts)) for number, tidy in first.items()},
        "table3": Table(third, accuracy_tables(third, run.cohorts)),
        "comparison": Table(compared, comparison_tables(compared, run.cohorts)),
        "table3_seconds": Table(seconds, seconds_tables(seconds, run.metrics, run.cohorts)),
        "table4": Table(fourth, supports_tables(fourth, run.cohorts)),
        "table5": Table(fifth, landmark_tables(fifth, run.cohorts)),
        "table6": Table(sixth, outline_tables(sixth, run.cohorts)),
        "landmarks": Table(points, point_tables(points, run.cohorts)),
        "error_sources": Table(sources, error_source_tables(sources, run.cohorts)),
        "calibration": Table(sure, calibration_tables(sure, run.cohorts)),
    }


def _write_tables(folder: Path, tables: Mapping[str, Table]) -> None:
    """Write each table as CSV and as Markdown; table 3 and its seconds share a page."""
    seconds = tables["table3_seconds"]
    for name, table in tables.items():
        if table is seconds:
            write_frame(folder / f"{name}.csv", table.tidy, digits=DIGITS)
        else:
            more = seconds.laid_out if name == "table3" else []
            write_table(folder, name, table.tidy, [*table.laid_out, *more])


def shown_of(cohort: CohortFacts, run: Run, tables: Mapping[str, Table]) -> CohortShown:
    """Return what the report shows of a cohort."""
    metrics, weights = run.metrics, run.measured["weights"]
    main, own = main_of(metrics, cohort.name), main_rows(metrics, cohort.name)
    kinds = {"drawn": own[own["drawn"]], "alone": alone(own), "together": together(own)}
    of_cohort = metrics[metrics["cohort"] == cohort.name]
    return CohortShown(
        cohort=cohort.name,
        weights=tuple(
            WeightsShown(str(line["method"]), str(line["weights"]), str(line["why"]), int(line["queries"]))
            for line in weights[weights["cohort"] == cohort.name].to_dict("records")
        ),
        method=main.method,
        setting=main.setting,
        numbers={kind: _known(describe(rows)) for kind, rows in kinds.items() if len(rows)},
        tables=tuple(_shown_tables(cohort, tables, several=of_cohort["method"].nunique() > 1)),
        risks={kind: [curve.tolist() for curve in curves] for kind, curves in risks_by_kind(of_cohort).items()},
    )


def figure_scans(cohort: str, run: Run) -> tuple[str, ...]:
    """Return the scans of a cohort's figure 4: the query in the middle of all and the support drawn for it."""
    own, main = run.metrics[run.metrics["cohort"] == cohort], main_rows(run.metrics, cohort)
    scans = run.measured["scans"]
    aside = set(scans[(scans["cohort"] == cohort) & (scans["status"] == "FAIL")]["subject"])
    query = median_query(main, [str(name) for name in main["subject"].unique() if name not in aside])
    if query is None or own["method"].nunique() < 2:
        return ()
    given = alone(own[own["subject"] == query])
    supports = [*given[given["drawn"]]["support"], *given["support"]]
    support = next((str(name) for name in supports if name != NO_SUPPORT and name not in aside), None)
    return tuple(scan_folder(cohort, name) for name in (query, support) if name is not None)


def _shown_tables(cohort: CohortFacts, tables: Mapping[str, Table], *, several: bool) -> list[CohortTable]:
    """Return the tables of a cohort that the report shows, of one method or several.

    Without truth most tables are the same sentence, which is said once, by a table without a title.
    """
    own = {name: [one for one in table.laid_out if one.cohort == cohort.name] for name, table in tables.items()}
    beside = {"table3", "comparison", "table3_seconds"} if several else set()
    names = {"table1", "table2", "table4", "table5"} | beside if cohort.known else beside & {"table3_seconds"}
    rest = ("table6", "landmarks", "error_sources", "calibration")
    telling = {name for name in rest if any(one.lines for one in own[name])}
    said = [] if cohort.known or "landmarks" in telling else [CohortTable(0, cohort.name, "", (), (), (WITHOUT_TRUTH,))]
    return said + [one for name, laid_out in own.items() if name in names | telling for one in laid_out]


def _known(numbers: Mapping[str, float]) -> dict[str, float | None]:
    """Return numbers with None for NaN."""
    return {name: None if math.isnan(value) else value for name, value in numbers.items()}
