"""Table 3 of the paper for any cohort: how good every method is, the paper's numbers beside ours."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

import pandas as pd

from rprloc.results.frame import alone, groups_of, with_truth
from rprloc.results.shown import CohortTable, Line
from rprloc.results.statistics import MEAN, describe, spread_between_images
from rprloc.results.tables.layout import (
    LEARNED_NOTE,
    CohortFacts,
    Columns,
    Entry,
    Kind,
    by_cohort,
    entries_by,
    failed,
    half_widths,
    number_text,
    pair,
)
from rprloc.results.tables.paper import paper_entry

KIND = Kind(3, "Table 3: every method")

_PAPER_NOTES = (
    "The paper's numbers come from another cohort (head and neck: 109 training and 38 test scans; pancreas: 50 and "
    "21), one drawn support, no spread and no interval. Its template matching moves by 2 voxels.",
    "The paper prints a mean AWD of 7.92 mm for FM Cosine; its four organs' mean is 6.91 mm.",
)


def tidy_table3(metrics: pd.DataFrame) -> pd.DataFrame:
    """Return table 3 as one line per cohort x method x support mode x structure (and their mean); IoU are fractions.

    `metrics` is metrics.csv of all cohorts. The mode is `drawn`, the one support that the seed drew, `all`, the mean
    over all supports that the method was given, each alone, or `none` for a method that needs no support. `iou_sd` and
    `awd_sd_mm` are standard deviations between images. Cohorts without truth have no lines.
    """
    lines: list[dict[str, str | float]] = []
    known = with_truth(alone(metrics))
    for group in groups_of(known):
        for mode, rows in group.modes():
            for structure in [*group.structures, MEAN]:
                chosen = rows if structure == MEAN else rows[rows["structure"] == structure]
                paper = paper_entry(3, group.method, structure, group.structures)
                names = {**group.names, "support": mode, "structure": structure}
                lines.append({**names, **_numbers(chosen), **paper})
    columns = ["cohort", "row", "method", "setting", "support", "structure", *_numbers(known[:0])]
    return pd.DataFrame(lines, columns=[*columns, "paper_iou", "paper_awd_mm"])


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


def accuracy_tables(tidy: pd.DataFrame, cohorts: Iterable[CohortFacts]) -> list[CohortTable]:
    """Return table 3 laid out for people, one for each cohort; `tidy` is table3.csv."""
    return by_cohort(KIND, tidy, cohorts, _cohort_table)


def _cohort_table(cohort: CohortFacts, tidy: pd.DataFrame) -> CohortTable:
    """Return one cohort's table from its tidy lines."""
    columns = Columns.of(tidy)
    lines: list[Line] = []
    compares = False
    for label, rows in tidy.groupby("row", sort=False):
        entries: dict[str, Entry] = {}
        for (mode,), entries in entries_by(rows, "support"):
            every = f"all {entries[MEAN]['n_supports']}, each alone"
            support = {"drawn": cohort.drawn, "all": every}.get(mode, "none")
            lines.append(Line(str(label), mode, support, _cells(entries, columns.shown)))
        cells = [pair(entries[name]["paper_iou"], entries[name]["paper_awd_mm"]) for name in columns.shown]
        if any(cell != "–" for cell in cells):
            lines.append(Line(str(label), "paper", "the paper", (*cells, "–", "–", "–", "–")))
            compares = True
    head = (*columns.shown, "± 95 %", "n", "found", "failed")
    return KIND.of(cohort.name, head, lines, _notes(tidy, columns, compares))


def _cells(entries: Mapping[str, Entry], shown: Sequence[str]) -> tuple[str, ...]:
    """Return the texts of one line of ours: each structure, the mean, its interval, n, and what was found."""
    mean = entries[MEAN]
    own = (_spread_pair(entries[name]) for name in shown)
    return (*own, half_widths(mean), str(mean["n"]), str(mean["found"]), failed(mean))


def _spread_pair(entry: Entry) -> str:
    """Return `46.1 ± 9.8, 8.34 ± 2.10`: IoU in % and AWD in mm with their standard deviations between images."""
    if math.isnan(entry["iou"]):
        return "–"
    iou = f"{number_text(100 * entry['iou'], 1)} ± {number_text(100 * entry['iou_sd'], 1)}"
    return f"{iou}, {number_text(entry['awd_mm'], 2)} ± {number_text(entry['awd_sd_mm'], 2)}"


def _notes(tidy: pd.DataFrame, columns: Columns, compares: bool) -> tuple[str, ...]:
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
    return (*notes, *columns.notes, *(_PAPER_NOTES if compares else ()))
