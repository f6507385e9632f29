"""Table 5: how far single landmarks are off, the extreme points and the centres of structures."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from rprloc.cohort.methods import ALL_SUPPORTS
from rprloc.geometry import WALLS, FloatArray
from rprloc.results.layout import WIDEST, CohortTable, Line, number_text, structures_of, tables_by_cohort
from rprloc.results.method_words import compared
from rprloc.results.paper import MEAN
from rprloc.results.statistics import organ_means
from rprloc.results.table4 import support_count, supports_text, usable_supports

TITLE = "Table 5: single landmarks"

LANDMARKS = {"extreme": "extreme points", "centre": "centre"}
"""What a line is about, in the CSV and for people."""

DISTANCES_MM = {"sdr_2mm": 2.0, "sdr_4mm": 4.0, "sdr_8mm": 8.0}
"""How near a landmark has to be to count as detected, by the column of its rate."""

COLUMNS = (
    "cohort", "row", "method", "setting", "supports", "of_supports", "landmark", "structure",
    "n", "answers", "failures", "mre_mm", "mre_low_mm", "mre_high_mm", *DISTANCES_MM,
)  # fmt: skip
"""The columns of table5.csv, in this order."""

Row = dict[str, Any]


def tidy_table5(rows: Sequence[Row], metrics: pd.DataFrame, scans: Mapping[str, Row], *, starts: int) -> pd.DataFrame:
    """Return one cohort's table 5 as a line per method x supports x landmark x structure (and their mean), in COLUMNS.

    `rows` are the cohort's complete answers and `metrics` their lines of metrics.csv, `scans` the preprocessed scans'
    JSON by subject, `starts` the cohort's K. A landmark of `extreme` is one of the six extreme points, of `centre` the
    middle of the box; methods that find a box without extreme points have no lines. `supports` is 1, each alone, or
    all that the method was given, together (`combined_rows`); those that were set aside take no part. MRE is the mean
    radial error in mm with its 95 % interval, of what was found. SDR, the success detection rate, is the fraction of
    the landmarks at most so many mm off; a failed answer has none. An image's value is its mean over landmarks and
    supports, the mean is then `organ_means`. Without truth there are no lines.
    """
    known = metrics[metrics["iou"].notna()]
    structures = structures_of(known)
    counts = {(str(query), str(name)) for query, name in zip(known["subject"], known["structure"], strict=True)}
    lines: list[Row] = []
    for method, setting, label in compared(known, starts):
        if not setting.startswith("extreme"):
            continue
        answers = [row for row in rows if (row["method"], row["setting"]) == (method, setting)]
        supports = usable_supports([row for row in answers if row["support"] != ALL_SUPPORTS], scans)
        counted = [row for row in answers if (row["subject"], row["structure"]) in counts]
        names = {"cohort": answers[0]["cohort"], "row": label, "method": method, "setting": setting}
        count = support_count(supports)
        # Of a single support, alone and all together are the same.
        for size, chosen in {min(1, count): supports, count: [ALL_SUPPORTS] if count > 1 else supports}.items():
            scores = _scores([row for row in counted if row["support"] in chosen], scans)
            names |= {"supports": size, "of_supports": count}
            lines += [names | line for line in _lines(scores, structures)]
    return pd.DataFrame(lines, columns=list(COLUMNS))


def _scores(rows: Iterable[Row], scans: Mapping[str, Row]) -> pd.DataFrame:
    """Return a line for each answer and kind of landmark: its mean radial error in mm and its detection rates."""
    lines: list[Row] = []
    for row in rows:
        names = {"subject": row["subject"], "structure": row["structure"], "failed": bool(row["failed"])}
        for landmark in LANDMARKS:
            errors = np.full(1, np.inf) if row["failed"] else _errors(landmark, row, scans[row["subject"]])
            # What is off by 2 mm is within 2 mm, whatever the rounding.
            rates = {name: float((errors.round(9) <= distance).mean()) for name, distance in DISTANCES_MM.items()}
            mean = math.nan if row["failed"] else float(errors.mean())
            lines.append({**names, "landmark": landmark, "mre_mm": mean, **rates})
    return pd.DataFrame(lines, columns=["subject", "structure", "failed", "landmark", "mre_mm", *DISTANCES_MM])


def _errors(landmark: str, row: Row, scan: Row) -> FloatArray:
    """Return how far in mm each landmark (n) of an answer is from the true one."""
    truth = scan["structures"][row["structure"]]
    if landmark == "extreme":
        pairs = [(row["points_mm"][wall], truth["extreme_mm"][wall]) for wall in WALLS]
    else:
        pairs = [(np.mean(row["box_mm"], axis=0), np.mean(truth["box_mm"], axis=0))]
    found, true = np.array(pairs, dtype=np.float64).swapaxes(0, 1)
    return np.asarray(np.linalg.norm(found - true, axis=-1))


def _lines(scores: pd.DataFrame, structures: Sequence[str]) -> list[Row]:
    """Return the numbers of one method and kind of support: for each landmark the structures with truth, and a mean."""
    lines = []
    for landmark in LANDMARKS:
        own = scores[scores["landmark"] == landmark]
        for structure in [*structures, MEAN]:
            chosen = own if structure == MEAN else own[own["structure"] == structure]
            if chosen.empty:
                continue
            means = organ_means(chosen, ["mre_mm", *DISTANCES_MM])
            error = means["mre_mm"]
            lines.append({
                "landmark": landmark, "structure": structure, "n": int(chosen["subject"].nunique()),
                "answers": len(chosen), "failures": int(chosen["failed"].sum()),
                "mre_mm": error.mean, "mre_low_mm": error.low, "mre_high_mm": error.high,
                **{name: means[name].mean for name in DISTANCES_MM},
            })  # fmt: skip
    return lines


def landmark_tables(tidy: pd.DataFrame, starts: Mapping[str, int]) -> list[CohortTable]:
    """Return table 5 laid out for people, one for each cohort of `starts`; `tidy` is table5.csv of all cohorts."""
    return tables_by_cohort(5, TITLE, tidy, starts, _cohort_table)


def _cohort_table(cohort: str, tidy: pd.DataFrame) -> CohortTable:
    """Return one cohort's table from its tidy lines."""
    names = [name for name in structures_of(tidy) if name != MEAN]
    shown = names if len(names) <= WIDEST else []
    lines = []
    for (label, _, landmark), rows in tidy.groupby(["row", "supports", "landmark"], sort=False):
        entries = {str(entry["structure"]): entry for entry in rows.to_dict("records")}
        mean = entries[MEAN]
        cells = (
            LANDMARKS[str(landmark)],
            *(_entry_text(entries[name]) if name in entries else "–" for name in [*shown, MEAN]),
            number_text((mean["mre_high_mm"] - mean["mre_low_mm"]) / 2, 2),
            str(mean["n"]),
            f"{mean['failures']} of {mean['answers']}",
        )
        lines.append(Line(str(label), "all", supports_text(mean), cells))
    columns = ("landmark", *shown, MEAN, "± 95 %", "n", "failed")
    return CohortTable(5, cohort, TITLE, columns, tuple(lines), _notes(names))


def _entry_text(entry: Mapping[Any, Any]) -> str:
    """Return `4.81; 20.3, 55.0, 88.1`: MRE in mm; SDR at each distance in %."""
    rates = ", ".join(number_text(100 * entry[name], 1) for name in DISTANCES_MM)
    return f"{number_text(entry['mre_mm'], 2)}; {rates}"


def _notes(names: Sequence[str]) -> tuple[str, ...]:
    """Return what a reader has to know."""
    notes = [
        "Each entry: MRE, the mean radial error in mm; SDR, the success detection rate: how many of the landmarks are "
        "at most 2, 4 and 8 mm off, in %. ±: half the 95 % t interval of the mean MRE over the n query scans. A failed "
        "answer counts as not detected and has no MRE: read it together with the number of failures.",
        "extreme points: the six points where the structure meets its box, along the wall too, which AWD does not see. "
        "centre: the middle of the found box against that of the true one. One support: the mean over the supports, "
        "each alone. All: one answer from all of them. Methods that find a box without extreme points have no row.",
        "The paper has no such table.",
    ]
    if len(names) > WIDEST:
        notes.append(f"Mean over {len(names)} structures; the CSV has a line for each.")
    return tuple(notes)
