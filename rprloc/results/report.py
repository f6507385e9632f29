"""The report: one self-contained HTML page with what was run, tables, training curves and a picture of every query."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd

from rprloc.cohort.methods import NO_SUPPORT
from rprloc.files import write_text
from rprloc.methods.prediction import Setting
from rprloc.results.boxes import shown_answers
from rprloc.results.calibration_table import calibration_tables, risks_by_kind, tidy_calibration
from rprloc.results.combined import alone, together
from rprloc.results.comparison import comparison_tables
from rprloc.results.curves import Log, draw_training
from rprloc.results.error_sources import error_source_tables
from rprloc.results.expected import METHOD
from rprloc.results.layout import WIDEST, number_text
from rprloc.results.method_words import in_order, main_answers
from rprloc.results.paper import MEAN
from rprloc.results.pictures import (
    Scans,
    data_uri,
    figure4_pictures,
    how_in_words,
    query_pictures,
    scan_of,
    unmeasured,
)
from rprloc.results.risk import draw_risks
from rprloc.results.seconds import seconds_tables
from rprloc.results.statistics import describe
from rprloc.results.table3 import accuracy_tables
from rprloc.results.table4 import supports_tables
from rprloc.results.table5 import landmark_tables
from rprloc.results.tables import ROWS, cohort_tables

DOUBTFUL_SHOWN = 5
"""How many of the answers that have no truth and the largest spread the page names."""

FAILURES_SHOWN = 100
"""The page lists no more groups of failures than this; metrics.csv has all."""

_NO_SETTINGS = ("stages", "tables", "methods", "families")

REPORTED = ("table4", "table5", "error_sources")
"""The tables that the page takes from their CSV files; it makes the others from metrics and predictions."""

Row = dict[str, Any]


def write_report(
    path: Path,
    *,
    run: Mapping[str, Any],
    check: Mapping[str, Any],
    metrics: pd.DataFrame,
    predictions: Sequence[Row],
    tables: Mapping[str, pd.DataFrame],
    set_aside: pd.DataFrame,
    scans: Scans,
    logs: Mapping[str, Log],
    figures_folder: Path,
    embedded: int = 200,
) -> None:
    """Write the page to `path` and its pictures to `figures_folder`/<cohort>/.

    `run` is shown as it is: words by name, such as command, date, machine, or a group of them, such as versions.
    `check` is what the checked sheet holds (its parameters, rows and cohorts' settings), `metrics` metrics.csv and
    `predictions` the complete answers of all cohorts; `tables` holds the CSV files of REPORTED by name, `set_aside` is
    set_aside.csv. `scans` gives for (cohort, subject) the preprocessed scan: its `json` and the `folder` its files lie
    in; it must hold every query and every drawn support. `logs` are the training logs by `<cohort>.<stage>`. Only the
    first `embedded` pictures are put into the page (some 100 kB each); all are in the folder. A picture whose scan
    cannot be read leaves a sentence.
    """
    room = iter(range(embedded))
    cohorts = [
        _cohort(name, check, metrics, predictions, tables, scans, logs, figures_folder / name, room)
        for name in sorted(check["cohorts"])
    ]
    content = _template().render(
        facts=[_fact(name, value) for name, value in run.items()],
        parameters=[_fact(name, value) for name, value in check["parameters"].items()],
        cohorts=cohorts,
        aside=set_aside.fillna("").to_dict("records"),
        embedded=embedded,
    )
    write_text(path, content)


def _template() -> jinja2.Template:
    """Return the page's template, which escapes whatever is put into it."""
    source = resources.files("rprloc.results").joinpath("report.html.j2").read_text(encoding="utf-8")
    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    return environment.from_string(source)


def _fact(name: str, value: Any) -> tuple[str, str]:
    """Return a name and its value in words."""
    if isinstance(value, Mapping):
        return name, ", ".join(f"{key} {entry}" for key, entry in value.items())
    return name, "–" if value is None else str(value)


def _cohort(
    name: str,
    check: Mapping[str, Any],
    metrics: pd.DataFrame,
    predictions: Sequence[Row],
    tidy: Mapping[str, pd.DataFrame],
    scans: Scans,
    logs: Mapping[str, Log],
    folder: Path,
    room: Iterator[int],
) -> dict[str, Any]:
    """Return what the page says about one cohort, and draw its pictures."""
    settings = check["cohorts"][name]
    members = [row for row in check["rows"] if row["cohort"] == name]
    of_cohort = metrics[metrics["cohort"] == name]
    starts = settings["starts"]
    method, setting = main_answers(zip(of_cohort["method"], of_cohort["setting"], strict=True), starts)
    main = of_cohort[(of_cohort["setting"] == setting) & (of_cohort["method"] == method)]
    answers = shown_answers(predictions, name, starts)
    tables = [table for number in ROWS for table in cohort_tables(number, of_cohort, {name: starts})]
    several = of_cohort["method"].nunique() > 1
    figure4 = None
    if several:
        tables += accuracy_tables(of_cohort, {name: starts})
        tables += comparison_tables(of_cohort, {name: starts})
        chosen = check["parameters"].get("figure_query")
        figure4 = figure4_pictures(members, main, of_cohort, predictions, settings, scans, folder, room, chosen=chosen)
    known = bool(of_cohort["iou"].notna().any())
    sources = tidy["error_sources"][tidy["error_sources"]["cohort"] == name]
    certain = tidy_calibration(of_cohort, [row for row in predictions if row["cohort"] == name])
    return {
        "name": name,
        "sizes": _sizes(members, scans),
        "settings": [_fact(key, value) for key, value in settings.items() if key not in _NO_SETTINGS],
        "methods": in_order(of_cohort["method"]),
        "main_method": method,
        "how": how_in_words(method, setting),
        "headline": headline(main),
        # Without truth every table is the same sentence, which is said once.
        "tables": tables if known else [],
        "no_tables": tables[0].notes[0],
        "seconds": seconds_tables(predictions, {name: starts}, logs) if several else [],
        "table4": supports_tables(tidy["table4"], {name: starts}) if known else [],
        "table5": landmark_tables(tidy["table5"], {name: starts}) if known else [],
        "sources": error_source_tables(sources, [name]) if len(sources) else [],
        "calibration": calibration_tables(certain, {name: starts}) if len(certain) else [],
        "risk": _risk(of_cohort, folder),
        "figure4": figure4,
        "curves": _curves(name, logs, folder),
        "given": "all supports together" if len(together(main)) else "the drawn support",
        "overview": _overview(main, members),
        "doubtful": doubtful(main),
        "failures": failures(alone(of_cohort)),
        "queries": [
            query_pictures(row["subject"], answers.get(row["subject"], []), main, settings, scans, folder, room)
            for row in members
            if row["query"]
        ],
    }


def _sizes(members: Sequence[Row], scans: Scans) -> list[tuple[str, int]]:
    """Return the number of scans of each kind in the sheet, and how many of all were set aside."""
    kinds = (("training", "train"), ("validation", "validation"), ("support", "support"), ("query", "query"))
    aside = [row for row in members if scan_of(scans, row["cohort"], row["subject"]).get("status") != "ok"]
    return [(words, sum(row[key] for row in members)) for words, key in kinds] + [("set aside", len(aside))]


def headline(main: pd.DataFrame) -> str:
    """Return one cohort's result in a few sentences, from the metrics rows of its main setting."""
    if main.empty:
        return "There is nothing to report: no query, no support or no structure."
    drawn, single, every = main[main["drawn"]], alone(main), together(main)
    name = str(drawn["support"].iloc[0]) if len(drawn) else "none"
    queries, structures = main["subject"].nunique(), main["structure"].nunique()
    asked = f"{structures} structure{'s' * (structures != 1)} in {queries} quer{'y' if queries == 1 else 'ies'}"
    if not main["iou"].notna().any():
        shown = every if len(every) else drawn
        found = int((~shown["failed"]).sum())
        given = "Without a support" if name == NO_SUPPORT else f"With {name} as the one annotated scan"
        given = f"With {every['n_supports'].max()} annotated scans together" if len(every) else given
        return (
            f"{given}, {found} of {len(shown)} answers were found ({asked}). "
            "No query has a label, so nothing says how good they are: look at the pictures."
        )
    how = _how(str(main["method"].iloc[0]), str(main["setting"].iloc[0]))
    sentences = []
    if len(every):
        sentences.append(f"all {every['n_supports'].max()} supports together, {how}: {_numbers(every)}.")
    if len(drawn):
        given = "without a support" if name == NO_SUPPORT else f"{name} (drawn) as the one annotated scan"
        sentences.append(f"{given}, {how}: {_numbers(drawn)}.")
    if sentences:
        sentences[0] = f"{asked.capitalize()}, {sentences[0]}"
    if single["support"].nunique() > 1 or not sentences:
        sentences.append(f"Each of {single['support'].nunique()} supports alone: {_numbers(single)}.")
    return " ".join(sentences)


def _how(method: str, setting: str) -> str:
    """Return in words by which method the answers were found."""
    starts = f", K = {Setting.of(setting).starts}" if method == METHOD else ""
    return how_in_words(method, setting) + starts


def _numbers(rows: pd.DataFrame) -> str:
    """Return the mean IoU and AWD of metrics rows with their intervals, in words."""
    values = describe(rows)
    text = (
        f"mean IoU {number_text(100 * values['iou'], 1)} % "
        f"(95 % interval {number_text(100 * values['iou_low'], 1)} to {number_text(100 * values['iou_high'], 1)}), "
        f"AWD {number_text(values['awd_mm'], 2)} mm "
        f"({number_text(values['awd_low_mm'], 2)} to {number_text(values['awd_high_mm'], 2)}), n = {values['n']}"
    )
    if not math.isnan(values["iou_sd_supports"]):
        text += f", SD between supports {number_text(100 * values['iou_sd_supports'], 1)} points"
    return text + (f", {values['failures']} of {values['answers']} answers missing" if values["failures"] else "")


def _curves(cohort: str, logs: Mapping[str, Log], folder: Path) -> str | None:
    """Draw the cohort's training curves and return them as a data URI; None where nothing was trained."""
    stages = {name.rsplit(".", 1)[1]: log for name, log in sorted(logs.items()) if name.rsplit(".", 1)[0] == cohort}
    if not stages:
        return None
    # No subject begins with an underscore, so the name is free.
    draw_training(folder / "_training.png", stages)
    return data_uri(folder / "_training.png")


def _risk(of_cohort: pd.DataFrame, folder: Path) -> str | None:
    """Draw a cohort's risk-coverage curves and return them as a data URI; None where no answer has truth and spread."""
    curves = risks_by_kind(of_cohort)
    if not curves:
        return None
    draw_risks(folder / "_risk.png", curves)
    return data_uri(folder / "_risk.png")


def _shown(main: pd.DataFrame) -> pd.DataFrame:
    """Return the main method's metrics rows of all supports together and, for queries without, of the drawn one."""
    every = together(main)
    return pd.concat([every, main[main["drawn"] & ~main["subject"].isin(every["subject"])]])


def _overview(main: pd.DataFrame, members: Sequence[Row]) -> dict[str, Any]:
    """Return the table of queries x structures with the scores of the answers to use, queries in the sheet's order.

    Its last column is each query's mean, where there is any truth to compare with.
    """
    shown = _shown(main)
    structures = [str(name) for name in main["structure"].unique()]
    columns = structures if len(structures) <= WIDEST else []
    entries = {(row["subject"], row["structure"]): row for row in shown.to_dict("records")}
    known = bool(shown["iou"].notna().any())
    means = shown.groupby("subject")[["iou", "awd_mm"]].mean().to_dict("index")
    lines = []
    for row in members:
        subject = row["subject"]
        if not row["query"]:
            continue
        cells = [_cell(entries.get((subject, structure))) for structure in columns]
        mean = means.get(subject)
        if known:
            cells.append(_score(mean["iou"], mean["awd_mm"]) if mean and not math.isnan(mean["iou"]) else "–")
        lines.append({"subject": subject, "cells": cells})
    return {"columns": [*columns, MEAN] if known else columns, "lines": lines}


def _cell(entry: Mapping[Any, Any] | None) -> str:
    """Return one answer's score in words."""
    if entry is None:
        return "–"
    if entry["failed"]:
        return "missing"
    return unmeasured(entry) if math.isnan(entry["iou"]) else _score(entry["iou"], entry["awd_mm"])


def doubtful(main: pd.DataFrame) -> list[str]:
    """Return in words the answers to use that have no truth and the largest spreads, largest first."""
    shown = _shown(main)
    found = shown[~shown["failed"] & shown["iou"].isna()].nlargest(DOUBTFUL_SHOWN, "spread_mm")
    return [
        f"{row['structure']} in {row['subject']} ({number_text(row['spread_mm'], 1)} mm)"
        for row in found.to_dict("records")
    ]


def _score(iou: float, awd_mm: float) -> str:
    """Return IoU and AWD in words."""
    return f"{number_text(100 * iou, 0)} %" + ("" if math.isnan(awd_mm) else f", {number_text(awd_mm, 1)} mm")


def failures(metrics: pd.DataFrame) -> dict[str, Any]:
    """Return the failed answers of a cohort, grouped by query and reason: how many, of which structures."""
    failed = metrics[metrics["failed"]]
    groups = [
        {
            "subject": str(subject),
            "reason": str(reason),
            "structures": ", ".join(str(name) for name in rows["structure"].unique()),
            "answers": len(rows),
        }
        for (subject, reason), rows in failed.fillna({"reason": "no reason was written"}).groupby(
            ["subject", "reason"], sort=False
        )
    ]
    shown, more = groups[:FAILURES_SHOWN], len(groups) > FAILURES_SHOWN
    return {"answers": len(failed), "of": len(metrics), "groups": shown, "more": more}
