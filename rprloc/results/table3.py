"""Table 3 of the paper for any cohort: how good every method is, the paper's numbers beside ours."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from rprloc.results.combined import alone
from rprloc.results.curves import Log
from rprloc.results.layout import (
    WIDEST,
    CohortTable,
    Line,
    drawn_supports,
    number_text,
    pair,
    structures_of,
    without_truth,
    write_csv,
    write_table,
)
from rprloc.results.method_words import LEARNED_NOTE, compared
from rprloc.results.paper import MEAN, paper_entry
from rprloc.results.seconds import seconds_tables, tidy_seconds
from rprloc.results.statistics import describe, spread_between_images

TITLE = "Table 3: every method"

_PAPER_NOTES = (
    "The paper's numbers come from another cohort (head and neck: 109 training and 38 test scans; pancreas: 50 and "
    "21), one drawn support, no spread and no interval. Its template matching moves by 2 voxels.",
    "The paper prints a mean AWD of 7.92 mm for FM Cosine; its four organs' mean is 6.91 mm.",
)


def tidy_table3(metrics: pd.DataFrame, starts: Mapping[str, int]) -> pd.DataFrame:
    """Return table 3 as one line per cohort x method x support mode x structure (and their mean); IoU are fractions.

    `metrics` is metrics.csv of all cohorts, `starts` the K of each cohort. The mode is `drawn`, the one support that
    the seed drew, `all`, the mean over all supports that the method was given, each alone, or `none` for a method that
    needs no support. `iou_sd` and `awd_sd_mm` are standard deviations between images. Cohorts without truth have no
    lines.
    """
    lines: list[dict[str, Any]] = []
    known = alone(metrics[metrics["iou"].notna()])
    for cohort in sorted(starts):
        of_cohort = known[known["cohort"] == cohort]
        structures = structures_of(of_cohort)
        for method, setting, label in compared(of_cohort, starts[cohort]):
            answers = of_cohort[(of_cohort["method"] == method) & (of_cohort["setting"] == setting)]
            for mode, rows in _modes(answers):
                names = {"cohort": cohort, "row": label, "method": method, "setting": setting, "support": mode}
                for structure in [*structures, MEAN]:
                    chosen = rows if structure == MEAN else rows[rows["structure"] == structure]
                    paper = paper_entry(3, method, structure, structures)
                    lines.append({**names, "structure": structure, **_numbers(chosen), **paper})
    columns = ["cohort", "row", "method", "setting", "support", "structure", *_numbers(known[:0])]
    return pd.DataFrame(lines, columns=[*columns, "paper_iou", "paper_awd_mm"])


def _modes(answers: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield one method's rows by support mode, those that there are."""
    alone = answers["n_supports"] == 0
    for mode, rows in (
        ("drawn", answers[answers["drawn"] & ~alone]),
        ("all", answers[~alone]),
        ("none", answers[alone]),
    ):
        if len(rows):
            yield mode, rows


def _numbers(rows: pd.DataFrame) -> dict[str, float | int]:
    """Return one line of numbers for metrics rows with truth of one method and one or several structures."""
    numbers = describe(rows)
    spread = spread_between_images(rows, ["iou", "awd_mm"])
    return {
        **numbers,
        "n_supports": int(rows["support"][rows["n_supports"] > 0].nunique()),
        "found": int(numbers["answers"] - numbers["failures"]),
        "iou_sd": spread["iou"],
        "awd_sd_mm": spread["awd_mm"],
    }


def accuracy_tables(
    metrics: pd.DataFrame, starts: Mapping[str, int], tidy: pd.DataFrame | None = None
) -> list[CohortTable]:
    """Return table 3 laid out for people, one for each cohort of `starts`, from metrics.csv of all cohorts.

    `tidy` is what `tidy_table3` returns for the same arguments, where it is at hand.
    """
    tidy = tidy_table3(metrics, starts) if tidy is None else tidy
    drawn = drawn_supports(metrics)
    tables = []
    for cohort in sorted(starts):
        lines = tidy[tidy["cohort"] == cohort]
        if metrics[metrics["cohort"] == cohort]["iou"].notna().any():
            tables.append(_cohort_table(cohort, lines, drawn.get(cohort, "drawn")))
        else:
            tables.append(without_truth(3, cohort, TITLE))
    return tables


def _cohort_table(cohort: str, tidy: pd.DataFrame, drawn: str) -> CohortTable:
    """Return one cohort's table from its tidy lines."""
    names = [name for name in structures_of(tidy) if name != MEAN]
    shown = names if len(names) <= WIDEST else []
    lines: list[Line] = []
    compares = False
    for label, rows in tidy.groupby("row", sort=False):
        entries: dict[str, dict[Any, Any]] = {}
        for mode, of_mode in rows.groupby("support", sort=False):
            entries = {str(entry["structure"]): entry for entry in of_mode.to_dict("records")}
            every = f"all {entries[MEAN]['n_supports']}, each alone"
            support = {"drawn": drawn, "all": every}.get(str(mode), "none")
            lines.append(Line(str(label), str(mode), support, _cells(entries, shown)))
        cells = [pair(entries[name]["paper_iou"], entries[name]["paper_awd_mm"]) for name in [*shown, MEAN]]
        if any(cell != "–" for cell in cells):
            lines.append(Line(str(label), "paper", "the paper", (*cells, "–", "–", "–", "–")))
            compares = True
    columns = (*shown, MEAN, "± 95 %", "n", "found", "failed")
    return CohortTable(3, cohort, TITLE, columns, tuple(lines), _notes(tidy, names, compares))


def _cells(entries: Mapping[str, Mapping[Any, Any]], shown: Sequence[str]) -> tuple[str, ...]:
    """Return the texts of one line of ours: each structure, the mean, its interval, n, and what was found."""
    mean = entries[MEAN]
    half = [(mean["iou_high"] - mean["iou_low"]) / 2, (mean["awd_high_mm"] - mean["awd_low_mm"]) / 2]
    return (
        *(_spread_pair(entries[name]) for name in [*shown, MEAN]),
        pair(*half),
        str(mean["n"]),
        str(mean["found"]),
        f"{mean['failures']} of {mean['answers']}",
    )


def _spread_pair(entry: Mapping[Any, Any]) -> str:
    """Return `46.1 ± 9.8, 8.34 ± 2.10`: IoU in % and AWD in mm with their standard deviations between images."""
    if math.isnan(entry["iou"]):
        return "–"
    iou = f"{number_text(100 * entry['iou'], 1)} ± {number_text(100 * entry['iou_sd'], 1)}"
    return f"{iou}, {number_text(entry['awd_mm'], 2)} ± {number_text(entry['awd_sd_mm'], 2)}"


def write_table3(
    folder: Path,
    metrics: pd.DataFrame,
    predictions: Sequence[dict[str, Any]],
    starts: Mapping[str, int],
    logs: Mapping[str, Log] | None = None,
) -> None:
    """Write table3.csv, table3_seconds.csv and, of both, table3.md to `folder`.

    `metrics` is metrics.csv and `predictions` the complete answers of all cohorts, `starts` has each cohort's K, `logs`
    the training curves by `<cohort>.<stage>`.
    """
    tidy, seconds = tidy_table3(metrics, starts), tidy_seconds(predictions, starts, logs)
    tables = [*accuracy_tables(metrics, starts, tidy), *seconds_tables(predictions, starts, logs, seconds)]
    write_table(folder, "table3", tidy, tables)
    write_csv(folder / "table3_seconds.csv", seconds)


def _notes(tidy: pd.DataFrame, names: Sequence[str], compares: bool) -> tuple[str, ...]:
    """Return what a reader has to know, most of all what differs from the paper."""
    notes = [
        "Each entry: IoU in %, AWD in mm, each ± its standard deviation between the query scans. ± 95 %: half the 95 % "
        "t interval of the mean over these scans. n: query scans; found, failed: answers.",
        "A miss counts as IoU 0 and has no AWD, so read AWD together with the number of failed answers.",
    ]
    if tidy[(tidy["structure"] == MEAN) & (tidy["support"] == "all")]["n_supports"].nunique() > 1:
        notes.append("Methods that were given fewer supports have the first of the draw, the drawn one among them.")
    if (tidy["support"] == "none").any():
        notes.append(LEARNED_NOTE)
    if len(names) > WIDEST:
        notes.append(f"Mean over {len(names)} structures; the CSV has a line for each.")
    return (*notes, *(_PAPER_NOTES if compares else ()))
