"""The pictures of one query with the boxes to use."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from rprloc.errors import InputError
from rprloc.methods.answer import ALL_SUPPORTS, NO_SUPPORT, Prediction
from rprloc.results.frame import alone
from rprloc.results.report.material import Gallery
from rprloc.results.report.query_figure import Row, draw_query
from rprloc.results.report.words import how_in_words, score_in_full, short

ROWS_PER_PICTURE = 8
"""A query with more structures than this gets several pictures."""


@dataclass(frozen=True)
class QueryPictures:
    """A query on the page: its pictures, a note on it, and a sentence for each thing that is missing."""

    subject: str
    pictures: tuple[Path, ...] = ()
    note: str = ""
    said: tuple[str, ...] = ()


def query_pictures(
    subject: str, predictions: Sequence[Prediction], main: pd.DataFrame, gallery: Gallery
) -> QueryPictures:
    """Draw one query and say what is missing.

    `predictions` are the query's to use, `main` the metrics rows of their method. Beside predictions of several
    supports together stands one of them, the drawn one where it can be shown.
    """
    if not predictions:
        return QueryPictures(subject, note="Not searched: there is no other scan with an annotation.")
    if not gallery.usable(subject):
        return QueryPictures(subject, said=tuple(sorted({str(one.reason) for one in predictions})))
    said = tuple(f"{one.structure}: {one.reason}" for one in predictions if one.failed)
    own = main[main["subject"] == subject]
    beside = support_beside(predictions[0].support, own, gallery)
    try:
        query = gallery.picture(subject)
        support = gallery.picture(beside) if beside else None
    except InputError as error:
        return QueryPictures(subject, said=(*said, f"No picture: {error}"))
    rows = _rows(predictions, own)
    heading = f"{short(subject)}, {how_in_words(predictions[0].method, predictions[0].setting)}"
    heading += supports_in_words(predictions, beside)
    drawn = []
    for part in range(0, len(rows), ROWS_PER_PICTURE):
        # No subject holds a tilde, so the name is free.
        name = subject if part == 0 else f"{subject}~{part // ROWS_PER_PICTURE + 1}"
        drawn.append(gallery.folder / f"{name}.png")
        draw_query(drawn[-1], rows[part : part + ROWS_PER_PICTURE], query=query, support=support, heading=heading)
    return QueryPictures(subject, tuple(drawn), said=said)


def _rows(predictions: Sequence[Prediction], own: pd.DataFrame) -> list[Row]:
    """Return the rows of the figure, in which each prediction has its score from the query's metrics rows."""
    entries = own[own["support"] == predictions[0].support].to_dict("records")
    scores = {str(entry["structure"]): score_in_full(entry) for entry in entries}
    return [Row(one, scores[one.structure]) for one in predictions]


def support_beside(support: str, own: pd.DataFrame, gallery: Gallery) -> str | None:
    """Return the support to draw beside a query's predictions from `support`, None where it has no usable scan.

    `own` are the query's metrics rows of the method; of all supports together it is the drawn one or the first.
    """
    single = alone(own)
    names = [support] if support != ALL_SUPPORTS else [*single.loc[single["drawn"], "support"], *single["support"]]
    return next((str(name) for name in names if gallery.usable(str(name))), None)


def supports_in_words(predictions: Sequence[Prediction], beside: str | None) -> str:
    """Return for a picture's heading from which supports predictions came; `beside` is the one that it shows."""
    support = predictions[0].support
    if support == NO_SUPPORT:
        return ""
    if support != ALL_SUPPORTS:
        return f", support {short(support)}"
    shown = f", of which {short(beside)} is shown" if beside else ""
    return f", {max(one.n_supports for one in predictions)} supports together{shown}"
