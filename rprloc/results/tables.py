"""Tables 1 and 2 of the paper for any cohort, the paper's numbers beside ours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from rprloc.methods.prediction import TABLE_STARTS
from rprloc.results.combined import alone, together
from rprloc.results.expected import METHOD
from rprloc.results.layout import (
    WIDEST,
    CohortTable,
    Line,
    drawn_supports,
    grid,
    pair,
    structures_of,
    without_truth,
    write_table,
)
from rprloc.results.method_words import main_answers, words_of
from rprloc.results.paper import MEAN, paper_entry, paper_numbers
from rprloc.results.statistics import describe
from rprloc.results.table3 import tidy_table3

TITLES = {
    1: "Table 1: diagonal or extreme points, K starts, one coarse step",
    2: "Table 2: one, two and three coarse steps, and coarse + fine",
}


@dataclass(frozen=True)
class TableRow:
    """One row of a table: its name in paper_tables.csv, its words, its setting with {k} for the cohort's starts."""

    key: str
    label: str
    setting: str


_DIAGONAL = tuple(TableRow(f"diagonal.k{k}", f"diagonal, K = {k}", f"diagonal.k{k}.c1f0") for k in TABLE_STARTS)
_EXTREME = tuple(TableRow(f"extreme.k{k}", f"extreme, K = {k}", f"extreme.k{k}.c1f0") for k in TABLE_STARTS)
ROWS = {
    # The paper's six rows come first, in its order; the other diagonal rows are ours.
    1: (_DIAGONAL[0], *_EXTREME, *_DIAGONAL[1:]),
    2: (
        TableRow("c1f0", "Mc (one step)", "extreme.k{k}.c1f0"),
        TableRow("c2f0", "Mc (two steps)", "extreme.k{k}.c2f0"),
        TableRow("c3f0", "Mc (three steps)", "extreme.k{k}.c3f0"),
        TableRow("c1f1", "Mc + Mf", "extreme.k{k}.c1f1"),
    ),
}
"""The rows of each table, in the order of the paper."""


def tidy_table(number: int, metrics: pd.DataFrame, starts: Mapping[str, int]) -> pd.DataFrame:
    """Return table 1 or 2 as one line per cohort x row x support mode x structure (and their mean); IoU are fractions.

    `metrics` is metrics.csv of all cohorts, `starts` the K of each cohort. The mode `drawn` is the one support that the
    seed drew, `all` is the mean over all supports, each alone. Cohorts without truth and settings that were not run
    have no lines.
    """
    lines: list[dict[str, Any]] = []
    known = alone(metrics[metrics["iou"].notna() & (metrics["method"] == METHOD) & (metrics["n_supports"] == 1)])
    for cohort in sorted(starts):
        of_cohort = known[known["cohort"] == cohort]
        structures = structures_of(of_cohort)
        for row in ROWS[number]:
            setting = row.setting.format(k=starts[cohort])
            answers = of_cohort[of_cohort["setting"] == setting]
            for mode, rows in (("drawn", answers[answers["drawn"]]), ("all", answers)):
                if rows.empty:
                    continue
                names = {"cohort": cohort, "row": row.label, "setting": setting, "support": mode}
                for structure in [*structures, MEAN]:
                    chosen = rows if structure == MEAN else rows[rows["structure"] == structure]
                    paper = paper_entry(number, row.key, structure, structures)
                    lines.append({**names, "structure": structure, **describe(chosen), **paper})
    columns = ["cohort", "row", "setting", "support", "structure", *describe(known[:0]), "paper_iou", "paper_awd_mm"]
    return pd.DataFrame(lines, columns=columns)


def cohort_tables(
    number: int, metrics: pd.DataFrame, starts: Mapping[str, int], tidy: pd.DataFrame | None = None
) -> list[CohortTable]:
    """Return table 1 or 2 laid out for people, one for each cohort of `starts`, from metrics.csv of all cohorts.

    `tidy` is what `tidy_table` returns for the same arguments, where it is at hand.
    """
    tidy = tidy_table(number, metrics, starts) if tidy is None else tidy
    drawn = drawn_supports(metrics)
    return [
        _cohort_table(number, cohort, tidy[tidy["cohort"] == cohort], starts[cohort], drawn.get(cohort, "drawn"))
        if metrics[metrics["cohort"] == cohort]["iou"].notna().any()
        else without_truth(number, cohort, TITLES[number])
        for cohort in sorted(starts)
    ]


def _cohort_table(number: int, cohort: str, tidy: pd.DataFrame, starts: int, drawn: str) -> CohortTable:
    """Return one cohort's table from its tidy lines."""
    if tidy.empty:
        note = "The settings of this table were not run."
        return CohortTable(number, cohort, TITLES[number], (), (), (note,))
    names = [name for name in structures_of(tidy) if name != MEAN]
    shown = names if len(names) <= WIDEST else []
    lines: list[Line] = []
    for label, rows in tidy.groupby("row", sort=False):
        own = "" if rows["setting"].iloc[0] in _paper_settings(number, starts) else " (ours)"
        for mode, lines_of_mode in rows.groupby("support", sort=False):
            entries = {str(entry["structure"]): entry for entry in lines_of_mode.to_dict("records")}
            count = entries[MEAN]["n_supports"]
            support = drawn if mode == "drawn" else f"all {count}, each alone"
            lines.append(Line(f"{label}{own}", str(mode), support, _cells(entries, shown)))
        paper = _paper_cells(entries, shown)
        if paper:
            lines.append(Line(f"{label}{own}", "paper", "the paper", paper))
    columns = (*shown, MEAN, "± 95 %", "SD of supports", "n", "failed")
    return CohortTable(number, cohort, TITLES[number], columns, tuple(lines), _notes(number, tidy, names, starts))


def _paper_settings(number: int, starts: int) -> set[str]:
    """Return the settings of the rows that the paper's table has."""
    keys = {key for table, key, _ in paper_numbers() if table == number}
    return {row.setting.format(k=starts) for row in ROWS[number] if row.key in keys}


def _cells(entries: Mapping[str, Mapping[Any, Any]], shown: Sequence[str]) -> tuple[str, ...]:
    """Return the texts of one line of ours: each structure, the mean, its interval, the spread, n and the misses."""
    mean = entries[MEAN]
    half = [
        (mean[f"{name}_high{unit}"] - mean[f"{name}_low{unit}"]) / 2 for name, unit in (("iou", ""), ("awd", "_mm"))
    ]
    return (
        *(pair(entries[name]["iou"], entries[name]["awd_mm"]) if name in entries else "–" for name in shown),
        pair(mean["iou"], mean["awd_mm"]),
        pair(*half),
        pair(mean["iou_sd_supports"], mean["awd_sd_supports_mm"]),
        str(mean["n"]),
        f"{mean['failures']} of {mean['answers']}",
    )


def _paper_cells(entries: Mapping[str, Mapping[Any, Any]], shown: Sequence[str]) -> tuple[str, ...]:
    """Return the texts of the paper's line, or nothing where the paper has no number for any column shown."""
    cells = [pair(entries[name]["paper_iou"], entries[name]["paper_awd_mm"]) for name in [*shown, MEAN]]
    return (*cells, "–", "–", "–", "–") if any(cell != "–" for cell in cells) else ()


def _notes(number: int, tidy: pd.DataFrame, names: Sequence[str], starts: int) -> tuple[str, ...]:
    """Return what a reader has to know, most of all what differs from the paper."""
    compared = tidy["setting"].isin(_paper_settings(number, starts))
    mean = tidy[(tidy["structure"] == MEAN) & (tidy["support"] == "all") & compared]
    notes = [
        "Each entry: IoU in %, AWD in mm. n: query scans. ±: half the 95 % t interval of the mean over these scans.",
        "SD of supports: between the means that the supports reach, each alone.",
        "A miss counts as IoU 0 and has no AWD, so read AWD together with the number of failed answers.",
    ]
    if len(names) > WIDEST:
        notes.append(f"Mean over {len(names)} structures; the CSV has a line for each.")
    if tidy["paper_iou"].notna().any() and len(mean):
        last = mean.iloc[-1]
        notes.append(
            "The paper's numbers come from another cohort (head and neck: 109 training and 38 test scans; pancreas: 50 "
            "and 21), one drawn support, no interval. Its published code lays boxes on voxel centres: in that "
            f"convention the mean IoU of {last['row']}, all supports, is {100 * last['iou_reference']:.1f} % here "
            f"instead of {100 * last['iou']:.1f} % (iou_reference in the CSV)."
        )
        if number == 2:
            notes.append(f"K = {starts} here; in the paper K = 15 for head and neck and 20 for the pancreas.")
    return tuple(notes)


def write_tables(folder: Path, metrics: pd.DataFrame, starts: Mapping[str, int]) -> None:
    """Write table1.csv, table1.md, table2.csv and table2.md to `folder` from metrics.csv of all cohorts."""
    for number in ROWS:
        tidy = tidy_table(number, metrics, starts)
        write_table(folder, f"table{number}", tidy, cohort_tables(number, metrics, starts, tidy))


def summary(metrics: pd.DataFrame, starts: Mapping[str, int]) -> str:
    """Return small tables for the terminal: each structure by the main method, and, of several, every method.

    IoU in % and AWD in mm, with the drawn support and as the mean over all supports, each alone; below, for each cohort
    of several supports, what they reach together by the main method, whose boxes are the ones to use.
    """
    third = tidy_table3(metrics, starts)
    blocks: list[str] = []
    used = third[_is_main(third, starts)]
    structures = _summary_rows(used, "structure")
    if structures:
        head = ["cohort", "structure", "drawn support", "all supports", "the paper", "n", "failed"]
        labels = ", ".join(str(label) for label in used["row"].unique())
        blocks += [f"IoU in %, AWD in mm; {labels}", grid([head, *structures])]
    if third["method"].nunique() > 1:
        methods = _summary_rows(third[third["structure"] == MEAN], "row")
        head = ["cohort", "method", "drawn support", "all supports", "the paper", "n", "failed"]
        blocks += ["IoU in %, AWD in mm; mean over the structures", grid([head, *methods])]
    if not blocks:
        return "No query has a label, so there is nothing to compare the answers with.\n"
    return "\n\n".join([*blocks, *_summary_together(metrics, starts)]) + "\n"


def _is_main(third: pd.DataFrame, starts: Mapping[str, int]) -> pd.Series:
    """Say of each line of table 3 whether it is about its cohort's main method."""
    main = {
        name: main_answers(zip(lines["method"], lines["setting"], strict=True), starts[name])
        for name in starts
        if len(lines := third[third["cohort"] == name])
    }
    keys = zip(third["cohort"], third["method"], third["setting"], strict=True)
    return pd.Series([main[cohort] == (method, setting) for cohort, method, setting in keys], third.index, dtype=bool)


def _summary_together(metrics: pd.DataFrame, starts: Mapping[str, int]) -> list[str]:
    """Return a sentence for each cohort about the answers to use that come from several supports."""
    sentences = []
    for cohort in sorted(starts):
        known = metrics[(metrics["cohort"] == cohort) & metrics["iou"].notna()]
        method, setting = main_answers(zip(known["method"], known["setting"], strict=True), starts[cohort])
        rows = together(known[(known["method"] == method) & (known["setting"] == setting)])
        if len(rows):
            values = describe(rows)
            sentences.append(
                f"{cohort}, {words_of(method).label}: all {rows['n_supports'].max()} supports together "
                f"{pair(values['iou'], values['awd_mm'])}; {values['failures']} of {values['answers']} failed"
            )
    return sentences


def _summary_rows(tidy: pd.DataFrame, column: str) -> list[list[str]]:
    """Return the lines of a small table, one for each cohort and entry of a column of table 2 or 3."""
    rows = []
    for (cohort, name), lines in tidy.sort_values("cohort", kind="stable").groupby(["cohort", column], sort=False):
        by_mode = {str(entry["support"]): entry for entry in lines.to_dict("records")}
        drawn = by_mode.get("drawn")
        every = by_mode.get("all") or by_mode["none"]
        rows.append(
            [
                str(cohort),
                str(name),
                pair(drawn["iou"], drawn["awd_mm"]) if drawn else "–",
                pair(every["iou"], every["awd_mm"]),
                pair(every["paper_iou"], every["paper_awd_mm"]),
                str(every["n"]),
                f"{every['failures']} of {every['answers']}",
            ]
        )
    return rows
