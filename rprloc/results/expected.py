"""A row for every answer that a run is expected to give, and the reason of one that did not come."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import pandas as pd

from rprloc.cohort.methods import BY_LABELS, BY_SUPPORTS, NO_SUPPORT, PAPER
from rprloc.methods.prediction import draw_order, main_setting, table_settings

KEY = ("cohort", "subject", "structure", "method", "setting", "support")
"""What names one answer."""

METHOD = PAPER
"""The paper's method, whose answers tables 1 and 2 are about."""

Row = dict[str, Any]


def settings_of(starts: int, tables: bool) -> list[str]:
    """Return the settings that are answered for each query, structure and support, the main one last."""
    return [str(setting) for setting in (table_settings(starts) if tables else [main_setting(starts)])]


def methods_of(settings: Row, tables: bool) -> list[Row]:
    """Return what was asked of a cohort: each method's `name`, `settings` (the main one last) and `supports`.

    `supports` is None for all, n for the first n usable ones in the order of the draw, and 0 for a method that needs
    none; `learns` says whose labels one learned from in the run, if it did (BY_LABELS, BY_SUPPORTS), `reason` why one
    cannot answer, where that is known beforehand. Without the entry `methods` in the cohort's settings it is the
    paper's method alone.
    """
    own = settings_of(settings["starts"], tables)
    paper = {"name": METHOD, "settings": own, "supports": None}
    methods = settings.get("methods") or [paper]
    return [dict(method) | ({"settings": own} if method["name"] == METHOD else {}) for method in methods]


def expected_rows(
    settings: Row,
    members: Sequence[Row],
    scans: Mapping[str, Row],
    answers: Mapping[tuple[str, ...], Row],
    *,
    seed: int,
    tables: bool,
) -> list[Row]:
    """Return a blank row for each query x method x structure x setting x support, a query never with itself as support.

    `settings` are the cohort's, `seed` the one of the draw. A method that needs no support has one row with the support
    `-`, which counts as drawn.
    """
    cohort = members[0]["cohort"] if members else ""
    supports = [row["subject"] for row in members if row["support"]]
    queries = [row["subject"] for row in members if row["query"]]
    order = draw_order(seed, cohort, supports)
    # Where no support can be used the first ones of the draw stand for it, so that their misses count.
    order = [name for name in order if usable(scans, name)] or order
    structures = _structures(settings, supports, queries, scans, answers)
    trained = [row["subject"] for row in members if row["train"] and usable(scans, row["subject"])]
    tellers = {BY_LABELS: trained, BY_SUPPORTS: [name for name in supports if usable(scans, name)]}
    taught = {who: {name for one in told for name in scans[one]["structures"]} for who, told in tellers.items()}
    answered = {(key[KEY.index("subject")], key[KEY.index("method")]) for key in answers}
    return [
        {
            "cohort": cohort, "subject": query, "structure": structure, "method": method["name"], "setting": setting,
            "support": support, "drawn": support in (NO_SUPPORT, *order[:1]), "n_supports": int(support != NO_SUPPORT),
            "reason": method.get("reason")
            or _unlearned(method, structure, taught, answered=(query, method["name"]) in answered),
        }
        for query in queries
        for method in methods_of(settings, tables)
        for structure in structures
        for setting in method["settings"]
        for support in _supports(method["supports"], supports, order)
        if support != query
    ]  # fmt: skip


def _unlearned(method: Row, structure: str, taught: Mapping[str, Collection[str]], *, answered: bool) -> str | None:
    """Return why a method that has learned does not know a structure, None where it may or needs none.

    `taught` are the structures that the labels of training scans and of supports show, `answered` says whether the
    method has answered for the query: a network that came trained has so shown what it knows.
    """
    if method["supports"] != 0:
        return None
    who = method.get("learns")
    if who and structure not in taught[who]:
        return f"no {'support' if who == BY_SUPPORTS else 'training scan'} has a label of {structure}"
    if answered:
        return f"the network has not learned {structure}"
    return "no answer: its network found nothing to learn from, or a task died" if who else None


def _supports(count: int | None, supports: Sequence[str], order: Sequence[str]) -> list[str]:
    """Return the supports that a method answers from, in the order of the sheet."""
    if count == 0:
        return [NO_SUPPORT]
    return [name for name in supports if count is None or name in order[:count]]


def usable(scans: Mapping[str, Row], subject: str) -> bool:
    """Say whether the subject's scan came through preprocessing."""
    return scans.get(subject, {}).get("status") == "ok"


def _structures(
    settings: Row,
    supports: Sequence[str],
    queries: Sequence[str],
    scans: Mapping[str, Row],
    answers: Mapping[tuple[str, ...], Row],
) -> list[str]:
    """Return the settings' structures, or those found in the supports, else in the answers, else in the queries."""
    if settings.get("structures"):
        return list(settings["structures"])
    found = [set(scans[name]["structures"]) for name in supports if usable(scans, name)]
    if not any(found):
        found = [{key[KEY.index("structure")] for key in answers}]
    if not any(found):
        found = [set(scans[name]["structures"]) for name in queries if usable(scans, name)]
    return sorted(set().union(*found), key=natural)


def natural(name: str) -> list[tuple[int, str]]:
    """Return a sorting key by which label_2 comes before label_10."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", name)]


def _aside_reason(scans: Mapping[str, Row], subject: str) -> str:
    """Return why a subject has no usable scan."""
    scan = scans.get(subject)
    return "its preprocessing task died" if scan is None else str(scan.get("reason") or "no reason was written")


def failed_row(blank: Row, scans: Mapping[str, Row]) -> Row:
    """Return the failed answer, with its reason, for an expected row that no task answered."""
    query, support, structure = blank["subject"], blank["support"], blank["structure"]
    if not usable(scans, query):
        reason = f"scan set aside: {_aside_reason(scans, query)}"
    elif support != NO_SUPPORT and not usable(scans, support):
        reason = f"support {support} set aside: {_aside_reason(scans, support)}"
    elif support != NO_SUPPORT and structure not in scans[support]["structures"]:
        reason = f"{structure} is absent from the label of support {support}"
    else:
        reason = blank.get("reason") or "no answer: its task died"
    nothing = {"points_mm": None, "box_mm": None, "half_voxel_mm": None, "spread_mm": None, "confidence": None}
    return {**blank, **nothing, "seconds": {}, "first": False, "device": None, "failed": True, "reason": reason}


def set_aside_table(members: Sequence[Row], scans: Mapping[str, Row]) -> pd.DataFrame:
    """Return one line (subject, file, reason) for each scan of the sheet that cannot be used."""
    rows = [
        {
            "subject": row["subject"],
            "file": scans.get(row["subject"], {}).get("file") or row["image"],
            "reason": _aside_reason(scans, row["subject"]),
        }
        for row in members
        if not usable(scans, row["subject"])
    ]
    return pd.DataFrame(rows, columns=["subject", "file", "reason"])
