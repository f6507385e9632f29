"""Tables 1 and 2 of the paper for any cohort, the paper's numbers beside ours."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import pandas as pd

from rprloc.catalogue import PAPER
from rprloc.methods.answer import Setting
from rprloc.results.frame import Group, alone, groups_of, with_truth
from rprloc.results.shown import CohortTable, Line
from rprloc.results.statistics import MEAN, describe
from rprloc.results.tables.layout import (
    CohortFacts,
    Columns,
    Entry,
    Kind,
    accuracy,
    by_cohort,
    cells_of,
    entries_by,
    failed,
    half_widths,
    pair,
)
from rprloc.results.tables.paper import paper_entry, paper_numbers

_NOT_RUN = "The settings of this table were not run."
KINDS = {
    1: Kind(1, "Table 1: diagonal or extreme points, K starts, one coarse step", nothing=_NOT_RUN),
    2: Kind(2, "Table 2: one, two and three coarse steps, and coarse + fine", nothing=_NOT_RUN),
}

STARTS = (1, 5, 10, 15, 20)
"""The starts of table 1."""


@dataclass(frozen=True)
class TableRow:
    """One row of a table: its name in paper_tables.csv, its words, and its setting for a cohort's K."""

    key: str
    label: str
    setting: Callable[[int], Setting]


def _starts(points: str, k: int) -> TableRow:
    """Return a row of table 1."""
    return TableRow(f"{points}.k{k}", f"{points}, K = {k}", lambda _: Setting(points, k, 1, 0))


def _steps(label: str, coarse: int, fine: int) -> TableRow:
    """Return a row of table 2."""
    return TableRow(f"c{coarse}f{fine}", label, lambda k: Setting("extreme", k, coarse, fine))


_DIAGONAL = tuple(_starts("diagonal", k) for k in STARTS)
ROWS = {
    # The paper's six rows come first, in its order; the other diagonal rows are ours.
    1: (_DIAGONAL[0], *(_starts("extreme", k) for k in STARTS), *_DIAGONAL[1:]),
    2: (
        _steps("Mc (one step)", 1, 0),
        _steps("Mc (two steps)", 2, 0),
        _steps("Mc (three steps)", 3, 0),
        _steps("Mc + Mf", 1, 1),
    ),
}
"""The rows of each table, in the order of the paper."""


def tidy_table(number: int, metrics: pd.DataFrame) -> pd.DataFrame:
    """Return table 1 or 2 as one line per cohort x row x support mode x structure (and their mean); IoU are fractions.

    `metrics` is metrics.csv of all cohorts. The mode `drawn` is the one support that the seed drew, `all` is the mean
    over all supports, each alone. Cohorts without truth and settings that were not run have no lines.
    """
    lines: list[dict[str, str | float]] = []
    known = with_truth(alone(metrics))
    for row, group in _rows(number, known[known["method"] == PAPER]):
        for mode, rows in group.modes():
            names = {"cohort": group.cohort, "row": row.label, "setting": group.setting, "support": mode}
            for structure in [*group.structures, MEAN]:
                chosen = rows if structure == MEAN else rows[rows["structure"] == structure]
                paper = paper_entry(number, row.key, structure, group.structures)
                lines.append({**names, "structure": structure, **describe(chosen), **paper})
    columns = ["cohort", "row", "setting", "support", "structure", *describe(known[:0]), "paper_iou", "paper_awd_mm"]
    return pd.DataFrame(lines, columns=columns)


def _rows(number: int, known: pd.DataFrame) -> Iterator[tuple[TableRow, Group]]:
    """Yield the rows of a table, cohort by cohort, with the predictions in their setting, as far as there are any."""
    main = {group.cohort: Setting.of(group.setting).starts for group in groups_of(known)}
    groups = {(group.cohort, group.setting): group for group in groups_of(known, every=True)}
    for cohort, starts in main.items():
        for row in ROWS[number]:
            group = groups.get((cohort, str(row.setting(starts))))
            if group is not None:
                yield row, group


def cohort_tables(number: int, tidy: pd.DataFrame, cohorts: Iterable[CohortFacts]) -> list[CohortTable]:
    """Return table 1 or 2 laid out for people, one for each cohort; `tidy` is its CSV."""
    return by_cohort(KINDS[number], tidy, cohorts, lambda cohort, lines: _cohort_table(number, cohort, lines))


def _cohort_table(number: int, cohort: CohortFacts, tidy: pd.DataFrame) -> CohortTable:
    """Return one cohort's table from its tidy lines."""
    columns = Columns.of(tidy)
    theirs = _paper_rows(number)
    lines: list[Line] = []
    for label, rows in tidy.groupby("row", sort=False):
        name = f"{label}{'' if label in theirs else ' (ours)'}"
        entries: dict[str, Entry] = {}
        for (mode,), entries in entries_by(rows, "support"):
            support = cohort.drawn if mode == "drawn" else f"all {entries[MEAN]['n_supports']}, each alone"
            lines.append(Line(name, mode, support, _cells(entries, columns.shown)))
        paper = [pair(entries[one]["paper_iou"], entries[one]["paper_awd_mm"]) for one in columns.shown]
        if any(cell != "–" for cell in paper):
            lines.append(Line(name, "paper", "the paper", (*paper, "–", "–", "–", "–")))
    head = (*columns.shown, "± 95 %", "SD of supports", "n", "failed")
    return KINDS[number].of(cohort.name, head, lines, _notes(number, tidy, columns))


def _paper_rows(number: int) -> set[str]:
    """Return the rows that the paper's table has."""
    keys = {key for table, key, _ in paper_numbers() if table == number}
    return {row.label for row in ROWS[number] if row.key in keys}


def _cells(entries: dict[str, Entry], shown: Sequence[str]) -> tuple[str, ...]:
    """Return the texts of one line of ours: each structure, the mean, its interval, the spread, n and the misses."""
    mean = entries[MEAN]
    spread = pair(mean["iou_sd_supports"], mean["awd_sd_supports_mm"])
    return (*cells_of(entries, shown, accuracy), half_widths(mean), spread, str(mean["n"]), failed(mean))


def _notes(number: int, tidy: pd.DataFrame, columns: Columns) -> tuple[str, ...]:
    """Return what a reader has to know, most of all what differs from the paper."""
    notes = [
        "Each entry: IoU in %, AWD in mm. n: query scans. ±: half the 95 % t interval of the mean over these scans.",
        "SD of supports: between the means that the supports reach, each alone.",
        "A miss counts as IoU 0 and has no AWD, so read AWD together with the number of failed answers.",
        *columns.notes,
    ]
    theirs = tidy["row"].isin(_paper_rows(number))
    mean = tidy[(tidy["structure"] == MEAN) & (tidy["support"] == "all") & theirs]
    if tidy["paper_iou"].notna().any() and len(mean):
        last = mean.iloc[-1]
        notes.append(
            "The paper's numbers come from another cohort (head and neck: 109 training and 38 test scans; pancreas: 50 "
            "and 21), one drawn support, no interval. Its published code lays boxes on voxel centres: in that "
            f"convention the mean IoU of {last['row']}, all supports, is {100 * last['iou_reference']:.1f} % here "
            f"instead of {100 * last['iou']:.1f} % (iou_reference in the CSV)."
        )
        if number == 2:
            starts = Setting.of(str(last["setting"])).starts
            notes.append(f"K = {starts} here; in the paper K = 15 for head and neck and 20 for the pancreas.")
    return tuple(notes)
