"""The report's pictures: every query with the main method's boxes, and one query with those of all methods."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from PIL import Image

from rprloc.cohort.methods import ALL_SUPPORTS, NO_SUPPORT
from rprloc.errors import InputError
from rprloc.methods.prediction import Setting
from rprloc.results.boxes import one_support
from rprloc.results.combined import alone
from rprloc.results.expected import METHOD
from rprloc.results.figure4 import Answer, draw_structure, median_query
from rprloc.results.figures import Picture, draw_query, load_picture
from rprloc.results.layout import number_text
from rprloc.results.method_words import compared

ROWS_PER_PICTURE = 8
"""A query with more structures than this gets several pictures."""

Row = dict[str, Any]
Scans = Mapping[tuple[str, str], Mapping[str, Any]]


def scan_of(scans: Scans, cohort: str, subject: str) -> Row:
    """Return a scan's JSON, empty where there is none."""
    found: Row = scans[cohort, subject]["json"] if (cohort, subject) in scans else {}
    return found


def data_uri(path: Path) -> str:
    """Return a picture as a data URI in WebP, a fifth of the size of the PNG it comes from."""
    stream = io.BytesIO()
    with Image.open(path) as image:
        image.convert("RGB").save(stream, "WEBP", quality=75, method=4)
    return "data:image/webp;base64," + base64.b64encode(stream.getvalue()).decode("ascii")


def how_in_words(method: str, setting: str) -> str:
    """Return how an answer was found: the steps of the paper's method, or another method's name."""
    if method != METHOD:
        return method
    steps = Setting.of(setting)
    return " + ".join(["coarse"] * steps.coarse + ["fine"] * steps.fine)


def query_pictures(
    subject: str,
    answers: Sequence[Row],
    main: pd.DataFrame,
    settings: Row,
    scans: Scans,
    folder: Path,
    room: Iterator[int],
) -> dict[str, Any]:
    """Draw one query and return its pictures as data URIs, with a sentence for what is missing.

    Beside answers of several supports together stands one of them, the drawn one where it can be shown.
    """
    said = [f"{row['structure']}: {row['reason']}" for row in answers if row["failed"]]
    query: dict[str, Any] = {"subject": subject, "pictures": [], "left_out": 0, "note": ""}
    if not answers:
        return query | {"said": [], "note": "Not searched: there is no other scan with an annotation."}
    cohort, support = answers[0]["cohort"], answers[0]["support"]
    if scan_of(scans, cohort, subject).get("status") != "ok":
        return query | {"said": sorted({str(row["reason"]) for row in answers})}
    own = main[main["subject"] == subject]
    beside = _support_beside(support, own, scans, cohort)
    try:
        picture = _load(scans, cohort, subject, settings)
        template = _load(scans, cohort, beside, settings) if beside else None
    except InputError as error:
        return query | {"said": [*said, f"No picture: {error}"]}
    scores = _scores(own[own["support"] == support])
    for part in range(0, len(answers), ROWS_PER_PICTURE):
        # No subject holds a tilde, so the name is free.
        path = folder / (f"{subject}.png" if part == 0 else f"{subject}~{part // ROWS_PER_PICTURE + 1}.png")
        chosen = answers[part : part + ROWS_PER_PICTURE]
        heading = f"{_short(subject)}, {how_in_words(answers[0]['method'], answers[0]['setting'])}"
        heading += _supports_in_words(answers, beside)
        draw_query(path, query=picture, answers=chosen, scores=scores, heading=heading, support=template)
        if next(room, None) is None:
            query["left_out"] += 1
        else:
            query["pictures"].append(data_uri(path))
    return query | {"said": said}


def _support_beside(support: str, own: pd.DataFrame, scans: Scans, cohort: str) -> str | None:
    """Return the support to draw beside a query's answers from `support`, None where it has no usable scan.

    `own` are the query's metrics rows of the method; of all supports together it is the drawn one or the first.
    """
    single = alone(own)
    names = [support] if support != ALL_SUPPORTS else [*single[single["drawn"]]["support"], *single["support"]]
    return next((str(name) for name in names if scan_of(scans, cohort, str(name)).get("status") == "ok"), None)


def _supports_in_words(answers: Sequence[Row], beside: str | None) -> str:
    """Return for a picture's heading from which supports its answers came; `beside` is the one that it shows."""
    support = answers[0]["support"]
    if support == NO_SUPPORT:
        return ""
    if support != ALL_SUPPORTS:
        return f", support {_short(support)}"
    shown = f", of which {_short(beside)} is shown" if beside else ""
    return f", {max(row['n_supports'] for row in answers)} supports together{shown}"


def _short(name: str, longest: int = 40) -> str:
    """Return a name that leaves room for the rest of a picture's heading; the page has it in full."""
    return name if len(name) <= longest else name[: longest - 1] + "…"


def _load(scans: Scans, cohort: str, subject: str, settings: Row, *, fine: bool = False) -> Picture:
    """Read one scan to be drawn, its finer volume where asked and there; raises InputError where it cannot be read."""
    entry = scans[cohort, subject]
    return load_picture(Path(entry["folder"]), entry["json"], settings.get("modality", "ct"), fine=fine)


def _scores(rows: pd.DataFrame) -> dict[str, str]:
    """Return each structure's score in words, for the pictures of one query with one support."""
    words = {}
    for entry in rows.to_dict("records"):
        if entry["failed"]:
            text = "no answer"
        elif math.isnan(entry["iou"]):
            text = f"{unmeasured(entry)}; no truth to compare with"
        else:
            text = f"IoU {number_text(100 * entry['iou'], 1)} %, AWD {number_text(entry['awd_mm'], 1)} mm"
        words[str(entry["structure"])] = text
    return words


def unmeasured(entry: Mapping[Any, Any]) -> str:
    """Return in words what is known of an answer that has no truth: the spread of its starts, if there are several."""
    spread = entry["spread_mm"]
    return "found" if spread is None or math.isnan(spread) else f"found, spread {number_text(spread, 1)} mm"


def figure4_pictures(
    members: Sequence[Row],
    main: pd.DataFrame,
    metrics: pd.DataFrame,
    predictions: Sequence[Row],
    settings: Row,
    scans: Scans,
    folder: Path,
    room: Iterator[int],
    *,
    chosen: str | None = None,
) -> dict[str, Any]:
    """Draw one query with the boxes of every method, a PNG for each structure, and return what the page says of it.

    `members` are one cohort's rows of the sheet, `main` its metrics rows of the main method, `metrics` those of all
    methods, and `predictions` the complete answers. The query is `chosen`, else the median one by IoU. Each method's
    answer is the one from the drawn support. Pictures for which there is no `room` are in the folder only.
    """
    cohort = members[0]["cohort"] if members else ""
    queries = [row["subject"] for row in members if row["query"]]
    usable = [name for name in queries if scan_of(scans, cohort, name).get("status") == "ok"]
    asked = chosen in usable
    subject = chosen if asked else median_query(main, usable)
    said: dict[str, Any] = {"subject": subject, "asked": asked, "pictures": [], "left_out": 0, "note": ""}
    of_query = [row for row in predictions if (row["cohort"], row["subject"]) == (cohort, subject)]
    mine = [row for row in of_query if row["support"] != ALL_SUPPORTS]
    shown = _one_support_each(mine, compared(metrics, settings["starts"]))
    support = next((rows[0]["support"] for rows in shown.values() if rows[0]["support"] != NO_SUPPORT), NO_SUPPORT)
    if not shown or subject is None:
        return said | {"note": "There is no query to draw."}
    try:
        query = _load(scans, cohort, subject, settings, fine=True)
        has_template = scan_of(scans, cohort, support).get("status") == "ok"
        template = _load(scans, cohort, support, settings, fine=True) if has_template else None
    except InputError as error:
        return said | {"note": f"No picture: {error}"}
    measured = metrics[metrics["subject"] == subject]
    scores = {tuple(row[name] for name in _ANSWER): _short_score(row) for row in measured.to_dict("records")}
    for structure in dict.fromkeys(row["structure"] for rows in shown.values() for row in rows):
        answers = [
            Answer(row["method"], row["box_mm"], scores[tuple(row[name] for name in _ANSWER)])
            for rows in shown.values()
            for row in rows
            if row["structure"] == structure
        ]
        # No subject begins with an underscore, so the name is free.
        path = folder / f"_methods~{structure}.png"
        heading = f"{structure} in {_short(subject)}" + (f", support {_short(support)}" if template else "")
        draw_structure(path, query=query, support=template, structure=structure, answers=answers, heading=heading)
        if next(room, None) is None:
            said["left_out"] += 1
        else:
            said["pictures"].append(data_uri(path))
    return said


_ANSWER = ("method", "setting", "support", "structure")


def _one_support_each(rows: Sequence[Row], methods: Sequence[tuple[str, str, str]]) -> dict[str, list[Row]]:
    """Return one query's answers by method: its last setting, from the drawn support or the first there is."""
    shown = {}
    for method, setting, _ in methods:
        if found := [row for row in rows if (row["method"], row["setting"]) == (method, setting)]:
            shown[method] = one_support(found)
    return shown


def _short_score(entry: Mapping[Any, Any]) -> str:
    """Return an answer's score in few words."""
    if entry["failed"]:
        return "no answer"
    if math.isnan(entry["iou"]):
        return "found"
    return f"{number_text(100 * entry['iou'], 0)} %, {number_text(entry['awd_mm'], 1)} mm"
