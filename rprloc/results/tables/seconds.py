"""The seconds of table 3: what a structure in a scan costs with each method, by what they are spent on."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import pandas as pd

from rprloc.catalogue import PAPER
from rprloc.files import read_json_lines
from rprloc.methods.answer import Prediction
from rprloc.results.frame import Group, alone, groups_of
from rprloc.results.shown import CohortTable, Line
from rprloc.results.tables.layout import CohortFacts, Entry, Kind, by_cohort, seconds_text
from rprloc.results.tables.paper import paper_seconds
from rprloc.results.words import method_of

KIND = Kind(3, "Table 3, seconds: one structure in one scan")

PARTS = ("reading", "preparing", "network", "search")
"""What the seconds of a scan are spent on."""

_PART_OF = {"read": "reading", "support": "preparing", "prepare": "preparing", "search": "search"}
"""Part of a prediction's seconds -> part of the table; others are a network's, a transform's or a registration's."""

COLUMNS = (
    "cohort", "row", "method", "setting", "scans", "supports", "structures", "seconds",
    *(f"{part}_seconds" for part in PARTS),
    "per_support_seconds", "first_scans", "first_scan_seconds", "training_seconds", "device", "paper_seconds",
)  # fmt: skip
"""The columns of table3_seconds.csv, in this order."""

Trained = Mapping[tuple[str, str], float]
"""The seconds that the training of a cohort's network took."""


def read_training_seconds(logs: Iterable[Path]) -> dict[tuple[str, str], float]:
    """Return the seconds of trainings by cohort and network, from their logs `<cohort>.<network>.jsonl`; NaN where a
    log does not say.
    """
    found = {}
    for path in logs:
        cohort, _, network = path.stem.rpartition(".")
        last = (read_json_lines(path) or [{}])[-1]
        found[cohort, network] = float(last.get("seconds", math.nan))
    return found


def tidy_seconds(predictions: Sequence[Prediction], metrics: pd.DataFrame, trained: Trained) -> pd.DataFrame:
    """Return the seconds as one line per cohort x method, in the columns COLUMNS.

    `predictions` are the complete ones of all cohorts, `metrics` their lines of metrics.csv in the same order. The
    seconds of a scan are the sum over its predictions by the method, divided by the structures that were searched; the
    mean is over the scans that were not the first of their task. Those first scans, which pay for warming up, have a
    mean of their own. Methods without any timed prediction have no line.
    """
    # What all supports gave together is made of their own predictions and took no time of its own.
    every = alone(pd.concat([metrics.reset_index(drop=True), _times(predictions)], axis=1))
    lines: list[dict[str, str | float]] = []
    for group in groups_of(every[every["timed"]]):
        training = _training_seconds(group.cohort, group.method, trained)
        paper = paper_seconds().get(group.method, math.nan)
        ours = _mean_seconds(group)
        lines.append({**group.names, **ours, "training_seconds": training, "paper_seconds": paper})
    return pd.DataFrame(lines, columns=list(COLUMNS))


def _times(predictions: Sequence[Prediction]) -> pd.DataFrame:
    """Return the seconds of predictions by part, and what else the table needs of each."""
    parts: dict[str, list[float]] = {part: [] for part in PARTS}
    for one in predictions:
        own = dict.fromkeys(PARTS, 0.0)
        for name, seconds in one.seconds.items():
            own[_PART_OF.get(name, "network")] += seconds
        for part in PARTS:
            parts[part].append(own[part])
    flags = {
        "timed": [bool(one.seconds) for one in predictions],
        # Reading and the supports' part are spread over all predictions, also those that could not be searched for.
        "searched": [bool(one.seconds.keys() - {"read", "support"}) for one in predictions],
        "first": [one.first for one in predictions],
    }
    devices = {"device": [one.device for one in predictions]}
    return pd.DataFrame(parts | flags | devices).astype(dict.fromkeys(flags, "bool"))


def _mean_seconds(group: Group) -> dict[str, str | float]:
    """Return the means over scans of one method's seconds for a structure."""
    scans = group.rows.groupby("subject")
    searched = group.rows[group.rows["searched"]].groupby("subject")
    structures = searched["structure"].nunique()
    supports = searched["support"].nunique()
    seconds = scans[list(PARTS)].sum().div(structures, axis=0)
    first = scans["first"].any()
    steady = seconds[~first].mean()
    whole = seconds.sum(axis=1)
    devices = [str(name) for name in group.rows["device"].dropna().unique() if name]
    return {
        "scans": int((~first).sum()),
        "supports": float(supports.mean()) if group.rows["n_supports"].all() else 0.0,
        "structures": float(structures.mean()),
        "seconds": float(whole[~first].mean()),
        **{f"{part}_seconds": float(steady[part]) for part in PARTS},
        "per_support_seconds": float((whole / supports)[~first].mean()),
        "first_scans": int(first.sum()),
        "first_scan_seconds": float(whole[first].mean()),
        "device": ", ".join(sorted(devices)),
    }


def _training_seconds(cohort: str, method: str, trained: Trained) -> float:
    """Return the seconds that the trainings of a method's networks took, 0 without any; NaN for one not trained."""
    return sum((trained.get((cohort, network), math.nan) for network in method_of(method).family.networks), 0.0)


def seconds_tables(tidy: pd.DataFrame, metrics: pd.DataFrame, cohorts: Iterable[CohortFacts]) -> list[CohortTable]:
    """Return the seconds laid out for people, one table for each cohort that has any.

    `tidy` is table3_seconds.csv, `metrics` metrics.csv of all cohorts.
    """
    paper = metrics[metrics["method"] == PAPER].groupby("cohort")["setting"].nunique().to_dict()
    timed = set(tidy["cohort"])

    def table(cohort: CohortFacts, lines: pd.DataFrame) -> CohortTable:
        entries = lines.to_dict("records")
        return KIND.of(cohort.name, _HEAD, map(_line, entries), _notes(lines, paper.get(cohort.name, 0)))

    return by_cohort(KIND, tidy, [cohort for cohort in cohorts if cohort.name in timed], table)


_HEAD = (
    "seconds", "reading", "preparing", "network or transform", "search", "share of one support", "scans",
    "first scan", "training", "device", "the paper",
)  # fmt: skip


def _line(entry: Entry) -> Line:
    """Return one method's line."""
    count = entry["supports"]
    needs_none = not method_of(entry["method"]).family.networks
    parts = ("seconds", *(f"{part}_seconds" for part in PARTS), "per_support_seconds")
    cells = (
        *(seconds_text(entry[part]) for part in parts),
        str(entry["scans"]),
        seconds_text(entry["first_scan_seconds"]),
        "none" if needs_none else seconds_text(entry["training_seconds"]),
        entry["device"] or "not stated",
        seconds_text(entry["paper_seconds"]),
    )
    return Line(entry["row"], "all", f"all {count:.3g} together" if count else "none", cells)


def _notes(tidy: pd.DataFrame, paper_settings: int) -> tuple[str, ...]:
    """Return what the seconds mean; the paper's method answered so many settings."""
    notes = [
        "Seconds of a scan divided by its structures: reading the scan, preparing (windowing, padding, the supports' "
        "part), network or transform (or registration), search (best place, carrying the points). The mean is over the "
        "scans after the first of each task; the first one, which warms up, stands apart. Training, once for a cohort, "
        "is no part of them.",
        "One pass over a scan serves all the supports together. A run with one support alone takes less than "
        "“seconds” and no less than “share of one support”: the share where nothing is common to the supports, as in "
        "registration, nearly all where the scan's own transform or network pass is what costs.",
    ]
    if shared := share_a_pass(tidy["method"].tolist()):
        notes.append(
            f"{'; '.join(', '.join(names) for names in shared)} share what they have in common of a pass, and each has "
            "its part: one of them alone takes longer than its seconds here, at most as long as those together."
        )
    if paper_settings > 1 and PAPER in set(tidy["method"]):
        notes.append(
            f"{PAPER} answered {paper_settings} settings in one pass; the row has the part of its own. A run with "
            "--tables false has that setting alone."
        )
    if tidy["paper_seconds"].notna().any():
        notes.append("The paper's seconds are for one organ and one support, on an NVIDIA GTX 1080 Ti.")
    return tuple(notes)


def share_a_pass(methods: Sequence[str]) -> list[list[str]]:
    """Return the groups of at least two methods that share their pass over a scan."""
    families: dict[str, list[str]] = {}
    for method in methods:
        families.setdefault(method_of(method).family.name, []).append(method)
    return [names for names in families.values() if len(names) > 1]
