"""The seconds of table 3: what a structure in a scan costs with each method, by what they are spent on."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from rprloc.cohort.methods import ALL_SUPPORTS, METHODS, family_of
from rprloc.results.curves import Log
from rprloc.results.expected import METHOD
from rprloc.results.layout import CohortTable, Line
from rprloc.results.method_words import compared, words_of
from rprloc.results.paper import paper_seconds

TITLE = "Table 3, seconds: one structure in one scan"

PARTS = ("reading", "preparing", "network", "search")
"""What the seconds of a scan are spent on."""

_PART_OF = {"read": "reading", "support": "preparing", "prepare": "preparing", "search": "search"}
"""Stage of an answer's seconds -> part; every other stage is a network's, a transform's or a registration's."""

COLUMNS = (
    "cohort", "row", "method", "setting", "scans", "supports", "structures", "seconds",
    *(f"{part}_seconds" for part in PARTS),
    "per_support_seconds", "first_scans", "first_scan_seconds", "training_seconds", "device", "paper_seconds",
)  # fmt: skip
"""The columns of table3_seconds.csv, in this order."""

Row = dict[str, Any]


def tidy_seconds(
    predictions: Sequence[Row], starts: Mapping[str, int], logs: Mapping[str, Log] | None = None
) -> pd.DataFrame:
    """Return the seconds as one line per cohort x method, in the columns COLUMNS.

    `predictions` are the complete answers of all cohorts, `starts` has each cohort's K, `logs` the training curves by
    `<cohort>.<stage>`. The seconds of a scan are the sum over its answers by the method, divided by the structures that
    were searched; the mean is over the scans that were not the first of their task. Those first scans, which pay for
    warming up, have a mean of their own. Methods without any timed answer have no line.
    """
    # What all supports gave together is made of their own answers and took no time of its own.
    timed = [_timed(row) for row in predictions if row["seconds"] and row["support"] != ALL_SUPPORTS]
    rows = pd.DataFrame(timed, columns=_TIMED)
    lines: list[Row] = []
    for cohort in sorted(starts):
        of_cohort = rows[rows["cohort"] == cohort]
        for method, setting, label in compared(of_cohort, starts[cohort]):
            answers = of_cohort[(of_cohort["method"] == method) & (of_cohort["setting"] == setting)]
            names = {"cohort": cohort, "row": label, "method": method, "setting": setting}
            training = _training_seconds(cohort, words_of(method).networks, logs or {})
            paper = paper_seconds().get(method, math.nan)
            lines.append(names | _mean_seconds(answers) | {"training_seconds": training, "paper_seconds": paper})
    return pd.DataFrame(lines, columns=list(COLUMNS))


_TIMED = [
    "cohort", "method", "setting", "subject", "structure", "support", "n_supports", "first", "device", "searched",
    *PARTS,
]  # fmt: skip


def _timed(row: Row) -> Row:
    """Return an answer's seconds by part."""
    parts = dict.fromkeys(PARTS, 0.0)
    for stage, seconds in row["seconds"].items():
        parts[_PART_OF.get(stage, "network")] += seconds
    # Reading and the supports' part are spread over all answers, also those that could not be searched for.
    searched = bool(row["seconds"].keys() - {"read", "support"})
    return {**{name: row.get(name) for name in _TIMED}, "first": bool(row.get("first")), "searched": searched, **parts}


def _mean_seconds(answers: pd.DataFrame) -> Row:
    """Return the means over scans of one method's seconds for a structure."""
    groups = answers.groupby("subject")
    searched = answers[answers["searched"]].groupby("subject")
    structures = searched["structure"].nunique()
    supports = searched["support"].nunique()
    seconds = groups[list(PARTS)].sum().div(structures, axis=0)
    first = groups["first"].any()
    steady = seconds[~first].mean()
    whole = seconds.sum(axis=1)
    devices = [str(name) for name in answers["device"].dropna().unique() if name]
    return {
        "scans": int((~first).sum()),
        "supports": float(supports.mean()) if answers["n_supports"].all() else 0.0,
        "structures": float(structures.mean()),
        "seconds": float(whole[~first].mean()),
        **{f"{part}_seconds": float(steady[part]) for part in PARTS},
        "per_support_seconds": float((whole / supports)[~first].mean()),
        "first_scans": int(first.sum()),
        "first_scan_seconds": float(whole[first].mean()),
        "device": ", ".join(sorted(devices)),
    }


def _training_seconds(cohort: str, networks: Sequence[str], logs: Mapping[str, Log]) -> float:
    """Return the seconds that the networks' trainings took, 0 without any; NaN where one was not trained here."""
    total = 0.0
    for stage in networks:
        log = logs.get(f"{cohort}.{stage}") or [{}]
        total += float(log[-1].get("seconds", math.nan))
    return total


def seconds_tables(
    predictions: Sequence[Row],
    starts: Mapping[str, int],
    logs: Mapping[str, Log] | None = None,
    tidy: pd.DataFrame | None = None,
) -> list[CohortTable]:
    """Return the seconds laid out for people, one table for each cohort of `starts` that has any.

    `tidy` is what `tidy_seconds` returns for the same arguments, where it is at hand.
    """
    tidy = tidy_seconds(predictions, starts, logs) if tidy is None else tidy
    columns = (
        "seconds", "reading", "preparing", "network or transform", "search", "share of one support", "scans",
        "first scan", "training", "device", "the paper",
    )  # fmt: skip
    tables = []
    for cohort, rows in tidy.groupby("cohort", sort=False):
        lines = tuple(_line(entry) for entry in rows.to_dict("records"))
        tables.append(CohortTable(3, str(cohort), TITLE, columns, lines, _notes(rows, predictions, str(cohort))))
    return tables


def _line(entry: Mapping[Any, Any]) -> Line:
    """Return one method's line."""
    count = entry["supports"]
    needs_none = not words_of(entry["method"]).networks
    return Line(
        entry["row"],
        "all",
        f"all {count:.3g} together" if count else "none",
        (
            *(seconds_text(entry[f"{part}seconds"]) for part in ("", *(f"{part}_" for part in PARTS), "per_support_")),
            str(entry["scans"]),
            seconds_text(entry["first_scan_seconds"]),
            "none" if needs_none else seconds_text(entry["training_seconds"]),
            entry["device"] or "not stated",
            seconds_text(entry["paper_seconds"]),
        ),
    )


def seconds_text(value: float) -> str:
    """Return seconds with three digits, at most to the tenth of a millisecond, or a dash where they are not known."""
    if math.isnan(value):
        return "–"
    if value >= 1000:
        return f"{value:,.0f}"
    digits = 0 if value == 0 else min(4, max(0, 2 - math.floor(math.log10(value))))
    return f"{value:.{digits}f}"


def _notes(tidy: pd.DataFrame, predictions: Sequence[Row], cohort: str) -> tuple[str, ...]:
    """Return what the seconds mean."""
    notes = [
        "Seconds of a scan divided by its structures: reading the scan, preparing (windowing, padding, the supports' "
        "part), network or transform (or registration), search (best place, carrying the points). The mean is over the "
        "scans after the first of each task; the first one, which warms up, stands apart. Training, once for a cohort, "
        "is no part of them.",
        "One pass over a scan serves all the supports together. A run with one support alone takes less than "
        "“seconds” and no less than “share of one support”: the share where nothing is common to the supports, as in "
        "registration, nearly all where the scan's own transform or network pass is what costs.",
    ]
    if shared := _shared(tidy["method"].tolist()):
        notes.append(
            f"{'; '.join(', '.join(names) for names in shared)} share what they have in common of a pass, and each has "
            "its part: one of them alone takes longer than its seconds here, at most as long as those together."
        )
    settings = {row["setting"] for row in predictions if (row["cohort"], row["method"]) == (cohort, METHOD)}
    if len(settings) > 1 and METHOD in set(tidy["method"]):
        notes.append(
            f"{METHOD} answered {len(settings)} settings in one pass; the row has the part of its own. A run with "
            "--tables false has that setting alone."
        )
    if tidy["paper_seconds"].notna().any():
        notes.append("The paper's seconds are for one organ and one support, on an NVIDIA GTX 1080 Ti.")
    return tuple(notes)


def _shared(methods: Sequence[str]) -> list[list[str]]:
    """Return the groups of at least two methods that share their pass over a scan."""
    families: dict[str, list[str]] = {}
    for method in methods:
        families.setdefault(family_of(method).name if method in METHODS else method, []).append(method)
    return [names for names in families.values() if len(names) > 1]
